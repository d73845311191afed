import { defineContract } from '@org/realtime-contracts'
import { compareContracts, toLock } from '@org/realtime-contracts/compat'
import { edit } from './edit.js'
import { Random } from './random.js'
import { build, drawObject, type Spec } from './spec.js'
for (const seed of process.argv.slice(2).map(Number)) {
const random = new Random(seed); const before=drawObject(random, random.pick([1,1,2,2,3])); let after: Spec=before; for(let e=random.pick([1,1,1,2]);e>0;e--) after=edit(after,random)
 console.log(JSON.stringify(before)); console.log(JSON.stringify(after))
const mk=(s:any)=>defineContract({name:'f',version:'1.0.0',serverToClient:{told:{payload:s}},clientToServer:{asked:{payload:s}}} as never)
const r = compareContracts(toLock(mk(build(before))), toLock(mk(build(after))))
console.log(r.verdict, r.findings.length, r.findings.map(f=>`${f.event} ${f.rule}@${f.path}=${f.verdict} ${JSON.stringify(f.counterexample)} | ${f.message}`).slice(0,12)) }
