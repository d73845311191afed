import { execFileSync } from 'node:child_process'
import { lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What came of a renaming. */
export type Renaming =
  | { readonly outcome: 'renamed'; readonly from: string; readonly to: string; readonly files: readonly string[] }
  | { readonly outcome: 'unchanged'; readonly to: string }
  | { readonly outcome: 'refused'; readonly reason: string }

// What npm takes for a scope, without the letters that would need escaping in a URL or an import.
const SCOPE = /^@[a-z0-9][a-z0-9._-]*$/
// The longest name is `@scope/realtime-contracts`, and npm takes 214 characters.
const MAX_LENGTH = 100

/** The scope that the packages of a folder have now. */
export function scopeOf(folder: string): string {
  const { name } = JSON.parse(readFileSync(join(folder, 'packages/contracts/package.json'), 'utf8')) as { name: string }
  return name.slice(0, name.indexOf('/'))
}

/** Renames the scope wherever a tracked file says it; all of it, or nothing where it is refused. */
export function renameScope(folder: string, to: string | undefined): Renaming {
  const from = scopeOf(folder)
  if (to === from) return { outcome: 'unchanged', to }
  const reason = toReason(folder, to)
  if (reason !== undefined || to === undefined) return { outcome: 'refused', reason: reason ?? 'no scope is given' }
  const files = trackedTexts(folder).filter((file) => rewrite(join(folder, file), from, to))
  return { outcome: 'renamed', from, to, files }
}

function toReason(folder: string, to: string | undefined): string | undefined {
  if (to === undefined) return 'no scope is given, such as @acme'
  if (!SCOPE.test(to) || to.length > MAX_LENGTH) {
    return `${JSON.stringify(to)} is no scope of npm: it starts with @, then come small letters, digits, and - . _ in between, such as @acme`
  }
  if (filesWith(folder, to, ['pnpm-lock.yaml']).length > 0) return `packages of ${to} are dependencies here; nobody could tell them from these`
  if (git(folder, ['status', '--porcelain']) !== '') return 'there are changes that are not committed; commit them first, so that git can undo this'
  return undefined
}

/** The tracked files, of some that are named or of all, that say a scope. */
export function filesWith(folder: string, scope: string, files: readonly string[] = trackedTexts(folder)): string[] {
  return files.filter((file) => {
    const text = readFileSync(join(folder, file), 'utf8')
    return toPattern(scope).test(text) || text.includes(toAddress(scope))
  })
}

/** Tracked files that are text. */
export function trackedTexts(folder: string): string[] {
  return trackedFiles(folder).filter((file) => !readFileSync(join(folder, file)).includes(0))
}

/** Files that git has or would take, and that are there; without links, which say nothing themselves. */
export function trackedFiles(folder: string): string[] {
  const listed = git(folder, ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  const files = listed.split('\0').filter((file) => file !== '')
  return files.filter((file) => lstatSync(join(folder, file), { throwIfNoEntry: false })?.isFile())
}

function rewrite(path: string, from: string, to: string): boolean {
  const text = readFileSync(path, 'utf8')
  const renamed = text.replaceAll(toPattern(from), to).replaceAll(toAddress(from), toAddress(to))
  if (renamed !== text) writeFileSync(path, renamed)
  return renamed !== text
}

/** Where the packages say that their repository is: with the organisation's name, as long as nobody has put in another address. */
function toAddress(scope: string): string {
  return `//github.com/${scope.slice(1)}/`
}

/** A scope as a word of its own: no part of an e-mail address or of a longer scope. */
function toPattern(scope: string): RegExp {
  const escaped = scope.replaceAll('.', '\\.')
  return new RegExp(`(?<![\\w.-])${escaped}(?![\\w-]|\\.\\w)`, 'g')
}

function git(folder: string, args: readonly string[]): string {
  return execFileSync('git', args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
}
