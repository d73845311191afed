import { defineContract } from '@org/realtime-contracts'
import { compareContracts } from '@org/realtime-contracts/compat'
import * as z from 'zod'
import { edit } from './edit.js'
import { Random } from './random.js'
import { build, drawObject, type Spec, sampleSpec } from './spec.js'
const N = Number(process.argv[2] ?? 600), S0 = Number(process.argv[3] ?? 1); const want = process.argv[4]
const tally: Record<string, number> = {}; const missed: Record<string, string[]> = {}
for (let seed=S0;seed<S0+N;seed++){ const random = new Random(seed); const before=drawObject(random, random.pick([1,1,2,2,3])); let after: Spec=before; for(let e=random.pick([1,1,1,2]);e>0;e--) after=edit(after,random)
 const [a,b]=[build(before),build(after)]
 const mk=(s:any)=>defineContract({name:'f',version:'1.0.0',serverToClient:{told:{payload:s}},clientToServer:{asked:{payload:s}}} as never)
 const r=compareContracts(mk(a),mk(b))
 for (const ev of ['told','asked']) { const fs=r.findings.filter(f=>f.event===ev); if (fs.some(f=>f.verdict==='breaking')) continue; const risky=fs.filter(f=>f.verdict==='risky'); if(!risky.length) continue
  const key=[...new Set(risky.map(f=>f.rule+(f.message.includes('cannot tell')?'?':f.message.includes('another value')?'~':'')))].sort().join('+'); tally[key]=(tally[key]??0)+1
  const [snd,rcv,spec]=ev==='told'?[b,a,after]:[a,b,before]; const rr=new Random(seed+1); let bad: unknown
  for(let i=0;i<12;i++){ const v=sampleSpec(spec,rr); try { const d=z.safeDecode(snd,v); if(!d.success) continue; const e=z.safeEncode(snd,d.data); if(!e.success) continue; const w=ev==='told'?JSON.parse(JSON.stringify(e.data)):v; if(!z.safeDecode(snd,w).success) continue; if(!z.safeDecode(rcv,w).success){bad=w;break} } catch{} }
  if (want!==undefined && key===want) console.log(seed, ev, risky.map(f=>f.path+" "+f.message).slice(0,3), "\n", JSON.stringify(before).slice(0,400), "\n", JSON.stringify(after).slice(0,400)); if(bad!==undefined){ (missed[key]??=[]).push(`${seed} ${ev} ${JSON.stringify(bad).slice(0,150)} ${risky.map(f=>f.rule+'@'+f.path).join(',').slice(0,150)}`) } } }
console.log(Object.entries(tally).sort((a,b)=>b[1]-a[1]).slice(0,30)); for (const [k,v] of Object.entries(missed).sort((a,b)=>b[1].length-a[1].length).slice(0,14)) console.log(k, v.length, '\n   ', v.slice(0,3).join('\n    '))
