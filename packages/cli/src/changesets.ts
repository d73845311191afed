import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const BUMPS = ['none', 'patch', 'minor', 'major'] as const
export type Bump = (typeof BUMPS)[number]

/** The nearest folder of changesets, from the package upwards. */
export function findChangesets(root: string): string | undefined {
  for (let folder = root; ; folder = dirname(folder)) {
    const found = join(folder, '.changeset')
    if (existsSync(found)) return found
    if (dirname(folder) === folder) return undefined
  }
}

/** The greatest bump that the changesets plan for a package. */
export function plannedBump(folder: string | undefined, packageName: string | undefined): Bump {
  if (folder === undefined || packageName === undefined) return 'none'
  const files = readdirSync(folder).filter((file) => file.endsWith('.md') && file !== 'README.md')
  const bumps = files.map((file) => bumpIn(readFileSync(join(folder, file), 'utf8'), packageName))
  return BUMPS[Math.max(0, ...bumps.map((bump) => BUMPS.indexOf(bump)))] ?? 'none'
}

function bumpIn(text: string, packageName: string): Bump {
  const [, front = ''] = /^---\r?\n(.*?)\r?\n---/s.exec(text) ?? []
  for (const line of front.split('\n')) {
    const [, name, bump] = /^\s*['"]?([^'":]+)['"]?\s*:\s*(patch|minor|major)\s*$/.exec(line) ?? []
    if (name === packageName) return bump as Bump // the expression has made sure
  }
  return 'none'
}

export function isLess(bump: Bump, than: Bump): boolean {
  return BUMPS.indexOf(bump) < BUMPS.indexOf(than)
}
