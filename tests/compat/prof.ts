import { defineContract } from '@org/realtime-contracts'
import { compareContracts, toLock } from '@org/realtime-contracts/compat'
import { edit } from './edit.js'
import { Random } from './random.js'
import { build, drawObject, type Spec } from './spec.js'
const N = Number(process.argv[2] ?? 60)
let tb=0, td=0, tl=0, tc=0; const slow: [number, number][] = []
for (let i=0;i<N;i++){ const random = new Random(1+i); const before=drawObject(random, random.pick([1,1,2,2,3])); let after: Spec=before; for(let e=random.pick([1,1,1,2]);e>0;e--) after=edit(after,random)
 let t=performance.now(); const a=build(before), b=build(after); tb+=performance.now()-t; t=performance.now()
 try { const mk=(s:any)=>defineContract({name:'f',version:'1.0.0',serverToClient:{told:{payload:s}},clientToServer:{asked:{payload:s},fetched:{reply:s}}} as never)
 const x=mk(a), y=mk(b); td+=performance.now()-t; t=performance.now(); const lx=toLock(x), ly=toLock(y); tl+=performance.now()-t; t=performance.now(); compareContracts(lx,ly); const d=performance.now()-t; tc+=d; slow.push([d,1+i]) } catch(e) { console.log(i, String(e).slice(0,200)) } }
slow.sort((p,q)=>q[0]-p[0]); console.log({tb,td,tl,tc}, slow.slice(0,8))
