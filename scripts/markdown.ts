import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const LEFT_OUT = new Set(['node_modules', 'dist', '.git', '.cache', '.changeset', '.turbo', '.pages'])

/** Files of the repository below a folder, as paths from its root. */
export function filesOf(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !LEFT_OUT.has(name))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? filesOf(path, ending) : ending.test(entry.name) ? [path] : []
    })
}

export interface Document {
  /** From the root of the repository. */
  readonly path: string
  readonly text: string
}

/** Every Markdown file that people read. */
export function documents(): Document[] {
  return filesOf('.', /\.md$/).map((path) => ({ path: relative('.', path), text: readFileSync(join(root, path), 'utf8') }))
}

export interface Snippet {
  /** As after the three backticks: `ts`, `sh`. */
  readonly language: string
  /** All that is there: `sh keeps-running`. */
  readonly info: string
  readonly code: string
  /** Where its first line is, from 1. */
  readonly line: number
}

/** The fenced code of a document. */
export function snippetsOf({ text }: Document): Snippet[] {
  return [...text.matchAll(/^( *)```((\w+)[^\n]*)\n(.*?)^\1```/gms)].map(({ index, 1: indent = '', 2: info = '', 3: language = '', 4: code = '' }) => ({
    language,
    info,
    code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    line: text.slice(0, index).split('\n').length + 1,
  }))
}

/** The document without its code, line for line. */
export function proseOf({ text }: Document): string {
  return text.replaceAll(/^( *)```.*?^\1```/gms, (block) => block.replaceAll(/[^\n]/g, '')).replaceAll(/`[^`\n]*`/g, (code) => ' '.repeat(code.length))
}

/** What a heading is linked to by, as GitHub makes it. */
export function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[^\p{Letter}\p{Mark}\p{Number}\p{Connector_Punctuation}\s-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')
}

/** The anchors of a document's headings; one that comes again is numbered. */
export function toAnchors({ text }: Document): string[] {
  const counts = new Map<string, number>()
  const prose = text.replaceAll(/^( *)```.*?^\1```/gms, '')
  return [...prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = '']) => {
    const anchor = toAnchor(heading)
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}
