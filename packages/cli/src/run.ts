import { parseArgs } from 'node:util'
import type { Skew } from '@org/realtime-contracts/compat'
import { changesetCommand } from './commands/changeset.js'
import { checkCommand } from './commands/check.js'
import { diffCommand, FAIL_ON } from './commands/diff.js'
import { docsCommand } from './commands/docs.js'
import { explainCommand } from './commands/explain.js'
import { lockCommand } from './commands/lock.js'
import { matrixCommand } from './commands/matrix.js'
import { releaseCommand } from './commands/release.js'
import { FORMATS } from './format.js'
import { readSettings } from './settings.js'
import { EXIT, type Exit, type Output, UsageError } from './usage.js'

const HELP = `Usage: realtime <command> [options]

  lock [--check]    write contract.lock.json and the manifest; --check fails where they are stale
  diff              list what the contract does to who is deployed with other versions
    --against <history | git:ref | npm:package@range | file>   default history
    --format <${FORMATS.join(' | ')}>   default human
    --fail-on <${FAIL_ON.join(' | ')}>   default breaking
  check             the gate for CI: fresh lock, planned bump, acknowledged risks, casts for supported versions, lints (--strict: lints fail, too)
  changeset         write the changeset that the change needs
  explain [rule]    a rule: why, both directions, how to make the change safely
  docs              AsyncAPI 3.1, JSON Schemas, Markdown, and one HTML page (--host, --path, --namespace of the server)
  release           keep the lock of this version in contract.history
  matrix            which released versions can talk to which

  --contract <file[#export]>, --lock, --history, --manifest, --acknowledged, --supported, --evolutions, --docs:
      as "realtime" in package.json has them
  --skew <server-first | full>   full: nodes roll one at a time, so newer clients meet older servers
  --cwd <folder>    where the project is

Exit codes: 0 fine, 1 a violation, 2 usage or a contract that cannot be loaded, 3 a stale lock.
`

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const OPTIONS = {
  ...{ contract: text, lock: text, history: text, manifest: text, acknowledged: text, supported: text, evolutions: text, docs: text, cwd: text },
  ...{ against: text, format: text, 'fail-on': text, skew: text, host: text, path: text, namespace: text },
  ...{ check: flag, strict: flag, help: flag },
} as const

/** Runs the command. Never throws for what its user has done. */
export async function run(args: readonly string[], output: Output): Promise<Exit> {
  try {
    return await dispatch(args, output)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    output.error(`realtime: ${error.message}\n`)
    return EXIT.usage
  }
}

async function dispatch(args: readonly string[], output: Output): Promise<Exit> {
  const { values, positionals } = parse(args)
  const [command, ...rest] = positionals
  if (values.help || command === undefined) {
    output.out(HELP)
    return values.help ? EXIT.fine : EXIT.usage
  }
  if (rest.length > (command === 'explain' ? 1 : 0)) throw new UsageError(`${command} takes no ${JSON.stringify(rest.at(-1))}`)
  if (command === 'explain') return explainCommand(rest[0], output)
  const skew = oneOf<Skew>('skew', values.skew, ['server-first', 'full'])
  const settings = () => readSettings(values.cwd ?? process.cwd(), values)
  switch (command) {
    case 'lock':
      return lockCommand(settings(), values, output)
    case 'diff':
      return diffCommand(
        settings(),
        { against: values.against ?? 'history', format: oneOf('format', values.format, FORMATS), failOn: oneOf('fail-on', values['fail-on'], FAIL_ON), skew },
        output,
      )
    case 'check':
      return checkCommand(settings(), { skew, strict: values.strict, today: new Date().toISOString().slice(0, 10) }, output)
    case 'changeset':
      return changesetCommand(settings(), { skew }, output)
    case 'docs':
      return docsCommand(settings(), pick(values, ['host', 'path', 'namespace']), output)
    case 'release':
      return releaseCommand(settings(), output)
    case 'matrix':
      return matrixCommand(settings(), output)
    default:
      throw new UsageError(`There is no command ${JSON.stringify(command)}; "realtime --help" lists them`)
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause }) // parseArgs throws nothing else
  }
}

/** @returns the first where none is given. @throws UsageError */
function oneOf<T extends string>(name: string, value: string | undefined, known: readonly T[]): T {
  const found = known.find((each) => each === (value ?? known[0]))
  if (found === undefined) throw new UsageError(`--${name} is one of ${known.join(', ')}; got ${JSON.stringify(value)}`)
  return found
}

function pick<K extends string>(values: { readonly [key in K]?: string | undefined }, keys: readonly K[]): { [key in K]?: string } {
  return Object.fromEntries(keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]]))) as { [key in K]?: string }
}
