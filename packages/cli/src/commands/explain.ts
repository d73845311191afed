import { type Effect, RULES, type Rule } from '@org/realtime-contracts/compat'
import { EXIT, type Exit, type Output, UsageError } from '../usage.js'

/** Tells a rule: why, both directions, and how to make the change safely. @throws UsageError for one that there is not. */
export function explainCommand(name: string | undefined, { out }: Output): Exit {
  if (name === undefined) {
    for (const [id, { title }] of Object.entries(RULES)) out(`${id.padEnd(32)} ${title}\n`)
    return EXIT.fine
  }
  if (!Object.hasOwn(RULES, name)) throw new UsageError(`There is no rule ${JSON.stringify(name)}; "realtime explain" lists them`)
  const { title, why, sends, receives, fix }: Rule = RULES[name as keyof typeof RULES]
  out(
    `${name}: ${title}\n\n${why}\n\nwhere the newer version sends:    ${toText(sends)}\nwhere the newer version receives: ${toText(receives)}\n\nTo make it safely: ${fix}\n`,
  )
  return EXIT.fine
}

function toText({ verdict, unless }: Effect): string {
  return unless === undefined ? verdict : `${verdict}; ${unless}`
}
