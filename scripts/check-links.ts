// No dead link in any Markdown file: what is linked to is in the repository, and has the heading that an anchor names.
// What is elsewhere is not asked for: a page that is down for a minute is not a fault of the documents.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { type Document, documents, proseOf, root, toAnchors } from './markdown.js'

interface Link {
  readonly target: string
  readonly line: number
}

function linksOf(document: Document): Link[] {
  return [...proseOf(document).matchAll(/\]\(<?([^)\s>]+)>?(?:\s"[^"]*")?\)|(?:href|src)="([^"]+)"|^\[[^\]]+\]: (\S+)/gm)].map(
    ({ index, 1: inline, 2: html, 3: reference }) => ({
      target: inline ?? html ?? reference ?? '',
      line: document.text.slice(0, index).split('\n').length,
    }),
  )
}

/** @returns what is wrong with it, where something is. */
function problemOf({ path }: Document, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined // elsewhere
  const [file = '', anchor] = target.split('#')
  const linked = file === '' ? path : normalize(join(dirname(path), decodeURIComponent(file)))
  if (linked.startsWith('..')) return 'is outside of the repository'
  if (!existsSync(join(root, linked))) return 'is not there'
  if (anchor === undefined) return undefined
  const page = statSync(join(root, linked)).isDirectory() ? join(linked, 'README.md') : linked
  if (!page.endsWith('.md')) return undefined // a line of code
  const anchors = existsSync(join(root, page)) ? toAnchors({ path: page, text: readFileSync(join(root, page), 'utf8') }) : []
  return anchors.includes(decodeURIComponent(anchor)) ? undefined : `has no heading #${anchor}`
}

let links = 0
let dead = 0
for (const document of documents()) {
  for (const { target, line } of linksOf(document)) {
    links++
    const problem = problemOf(document, target)
    if (problem === undefined) continue
    console.error(`${document.path}:${line} ${target} ${problem}`)
    dead++
  }
}
if (dead > 0) process.exit(1)
console.log(`All ${links} links lead somewhere.`)
