// No dead link in the site as it is built: every page, picture and script that a page names is there, and every heading that a link leads to.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const dist = join(dirname(fileURLToPath(import.meta.url)), 'dist')
const pages = new Map(
  readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.html'))
    .map((path) => [join(dist, path), readFileSync(join(dist, path), 'utf8')] as const),
)
const anchors = new Map([...pages].map(([path, html]) => [path, new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id = '']) => decode(id)))] as const))

function decode(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

/** @returns what is wrong with it, where something is. */
function problemOf(page: string, link: string): string | undefined {
  if (/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(link)) return undefined // elsewhere
  const { pathname, hash } = new URL(link, `http://site/${relative(dist, page)}`)
  const file = join(dist, decodeURIComponent(pathname), pathname.endsWith('/') ? 'index.html' : '')
  if (!existsSync(file)) return 'is not there'
  const anchor = decodeURIComponent(hash.slice(1))
  return anchor === '' || !pages.has(file) || anchors.get(file)?.has(anchor) ? undefined : `has no heading #${anchor}`
}

let links = 0
let dead = 0
for (const [page, html] of pages) {
  for (const [, link = ''] of html.matchAll(/\s(?:href|src)="([^"]+)"/g)) {
    links++
    const problem = problemOf(page, decode(link))
    if (problem === undefined) continue
    console.error(`${relative(dist, page)}: ${link} ${problem}`)
    dead++
  }
}
if (pages.size === 0) throw new Error('there are no pages')
if (dead > 0) process.exit(1)
console.log(`All ${links} links of ${pages.size} pages lead somewhere.`)
