// Writes the pages of the site: every document of the repository, and a reference of the API that TypeDoc makes from the doc comments.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { Application, type ProjectReflection } from 'typedoc'
import { type Document, documents, root, toAnchors } from '../scripts/markdown.js'

const pages = join(root, 'site/.pages')
const shown = documents().filter(({ path }) => !path.startsWith('site') && !path.startsWith('tests'))
const paths = new Set(shown.map(({ path }) => path))

/** Where a file of the repository is in the site. */
function toPage(path: string): string {
  if (path === 'README.md') return 'index.md'
  if (path === 'SECURITY.md') return 'reporting.md' // docs/security.md is there already, for whoever does not tell the two apart
  return path.replace(/^docs\//, '').replace(/\/README\.md$/, '.md')
}

/** Links lead to pages. What is no page, such as a source file, stays in the repository and is only named. */
function toLink({ path }: Document, link: string, text: string, target: string): string {
  if (/^([a-z][a-z0-9+.-]*:|#)/i.test(target)) return link
  const [file = '', anchor] = target.split('#')
  const linked = normalize(join(dirname(path), file)).replace(/\/$/, '')
  const isImage = /\.(png|svg)$/.test(linked)
  const page = [linked, join(linked, 'README.md')].find((candidate) => paths.has(candidate))
  if (page === undefined && !isImage) return text
  const to = relative(dirname(toPage(path)), toPage(page ?? linked))
  return `[${text}](${to.startsWith('.') ? to : `./${to}`}${anchor === undefined ? '' : `#${anchor}`})`
}

/** Code is left as it is. */
function withLinks(document: Document): string {
  return document.text
    .split(/(^ *```.*?^ *```$)/ms)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : part.replaceAll(/\[((?:!\[[^\]]*\]\([^)]*\)|[^\][])*)\]\(([^)\s]+)\)/g, (link, text, target) => toLink(document, link, text, target)),
    )
    .join('')
    .replaceAll('(docs/images/', '(./images/')
    .replaceAll('src="docs/', 'src="./')
}

function writeDocuments(): void {
  for (const document of shown) {
    const file = join(pages, toPage(document.path))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, withLinks(document))
  }
  cpSync(join(root, 'docs/images'), join(pages, 'images'), { recursive: true })
}

/** The source of every entry of every package, and the name it is imported by. */
function entries(): Map<string, string> {
  const found = new Map<string, string>()
  for (const folder of readdirSync(join(root, 'packages'))) {
    const { name, exports } = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')) as {
      name: string
      exports: Record<string, string | { '@org/source'?: string }>
    }
    for (const [path, entry] of Object.entries(exports)) {
      const source = typeof entry === 'object' ? entry['@org/source'] : undefined
      if (source !== undefined) found.set(join(root, 'packages', folder, source), join(name, path))
    }
  }
  return found
}

function nameModules(project: ProjectReflection, names: Map<string, string>): void {
  for (const module of project.children ?? []) {
    const source = module.sources?.[0]?.fullFileName
    const name = source === undefined ? undefined : names.get(source)
    if (name === undefined) throw new Error(`${module.name} is no entry of a package`)
    module.name = name.replace(/^@[^/]+\//, '')
  }
  for (const reflection of Object.values(project.reflections)) if ('sources' in reflection) delete reflection.sources // lines move: the reference names none
}

async function writeReference(): Promise<void> {
  const names = entries()
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [...names.keys()],
    tsconfig: join(root, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    name: 'API',
    groupOrder: ['Functions', 'Classes', 'Variables', '*'], // what one calls comes first
    readme: 'none',
    sourceLinkTemplate: '{path}',
    outputs: [{ name: 'markdown', path: join(pages, 'api') }],
    disableGit: true,
    excludePrivate: true,
    excludeInternal: true,
    excludeExternals: true,
    skipErrorChecking: true, // `pnpm typecheck` is another part of `check`
    validation: false,
    logLevel: 'Warn',
    ...{ outputFileStrategy: 'modules', hideBreadcrumbs: true, hidePageHeader: true, useHTMLEncodedBrackets: true, sanitizeComments: true },
    ...{ entryFileName: 'index', flattenOutputFiles: true, parametersFormat: 'list', hideGroupHeadings: false },
  })
  const project = await app.convert()
  if (project === undefined) throw new Error('TypeDoc found nothing')
  nameModules(project, names)
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || !existsSync(join(pages, 'api'))) throw new Error('TypeDoc failed')
}

/** TypeDoc also numbers names that it does not show: a link to the second of a name leads to the only one there is. And a parameter that is taken apart has no name. */
function mendReference(): void {
  for (const name of readdirSync(join(pages, 'api'))) {
    const file = join(pages, 'api', name)
    const text = readFileSync(file, 'utf8').replaceAll(/(?:\\_|_){2}namedParameters/g, 'options')
    const anchors = new Set(toAnchors({ path: file, text }))
    writeFileSync(
      file,
      text.replaceAll(/\(#([\w-]+)-\d+\)/g, (link, anchor) => (anchors.has(link.slice(2, -1)) || !anchors.has(anchor) ? link : `(#${anchor})`)),
    )
  }
}

rmSync(pages, { recursive: true, force: true })
writeDocuments()
await writeReference()
mendReference()
