// Every snippet of TypeScript in the documents is part of code that runs in CI, or compiles. One that compiles is a module of its
// own; what it does not import is declared in docs/snippets.d.ts, or in a comment of its document that begins with `snippets`: a line
// for each name. A first line such as `// contract.ts` names a snippet, for others of its document to import.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { type Document, documents, filesOf, root, type Snippet, snippetsOf } from './markdown.js'

const GLOBALS = 'docs/snippets.d.ts'
// From here the packages that snippets use are found.
const PLACE = join(root, 'tests/snippets')

interface Module {
  /** Where it pretends to be. */
  readonly path: string
  readonly code: string
  /** Where it is: a document, and the line before its first. */
  readonly document: string
  readonly line: number
}

function withoutIndent(text: string): string {
  return text.replaceAll(/^[ \t]+/gm, '')
}

const running = ['tests', 'examples', 'packages']
  .flatMap((folder) => filesOf(folder, /\.[mc]?tsx?$/))
  .map((path) => withoutIndent(readFileSync(join(root, path), 'utf8')))

function isRunning({ code }: Snippet): boolean {
  const shown = withoutIndent(code).trim()
  return running.some((text) => text.includes(shown))
}

/** What a document declares for its snippets, but for what the snippet itself declares or imports. */
function namesFor(path: string, code: string): string {
  const [, names = ''] = /<!-- snippets\n(.*?)-->/s.exec(readFileSync(join(root, path), 'utf8')) ?? []
  const isOwn = (name: string): boolean => new RegExp(`(const|let|function) ${name}\\b|import \\{[^}]*\\b${name}\\b`).test(code)
  return names
    .split('\n')
    .filter((line) => !isOwn(/(?:const|let|function|import \{) (\w+)/.exec(line)?.[1] ?? '-'))
    .map((line) => `${line};`)
    .join('') // in the snippet's first line, so that others keep their number
}

function toModule({ path }: Document, { language, code, line }: Snippet): Module {
  const name = /^\/\/ ([\w./-]+\.tsx?)(?:,.*)?\n/.exec(code)?.[1]
  const names = name === undefined ? namesFor(path, code) : ''
  const file = name ?? `line-${line}.${language}`
  return { path: join(PLACE, path.replace(/\.md$/, ''), file), code: `${names}${code}\nexport {}\n`, document: path, line }
}

function createHost(options: ts.CompilerOptions, modules: ReadonlyMap<string, string>): ts.CompilerHost {
  const host = ts.createCompilerHost(options)
  const folders = new Set([...modules.keys()].map((path) => dirname(path)))
  return {
    ...host,
    fileExists: (path) => modules.has(path) || host.fileExists(path),
    readFile: (path) => modules.get(path) ?? host.readFile(path),
    directoryExists: (path) => folders.has(path) || (host.directoryExists?.(path) ?? true),
    getSourceFile: (path, languageVersion, ...rest) => {
      const code = modules.get(path)
      return code === undefined ? host.getSourceFile(path, languageVersion, ...rest) : ts.createSourceFile(path, code, languageVersion, true)
    },
  }
}

const snippets = documents().flatMap((document) =>
  snippetsOf(document)
    .filter(({ language }) => language === 'ts' || language === 'tsx')
    .map((snippet) => ({ document, snippet })),
)
const modules = snippets.filter(({ snippet }) => !isRunning(snippet)).map(({ document, snippet }) => toModule(document, snippet))
const globals = join(PLACE, 'globals.d.ts')
const sources = new Map([...modules.map(({ path, code }) => [path, code] as const), [globals, readFileSync(join(root, GLOBALS), 'utf8')]])

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root)
// A snippet may name what it does not use, and says `process.env.NAME` as applications do.
Object.assign(options, { noUnusedLocals: false, noUnusedParameters: false, noPropertyAccessFromIndexSignature: false, resolveJsonModule: true })
const program = ts.createProgram([...sources.keys()], options, createHost(options, sources))

let failures = 0
for (const [path] of sources) {
  const module = modules.find((each) => each.path === path)
  const file = program.getSourceFile(path)
  for (const { messageText, start = 0 } of [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]) {
    const line = file?.getLineAndCharacterOfPosition(start).line ?? 0
    console.error(`${module?.document ?? GLOBALS}:${(module?.line ?? 1) + line} ${ts.flattenDiagnosticMessageText(messageText, '\n  ')}`)
    failures++
  }
}
if (failures > 0) process.exit(1)
console.log(`All ${snippets.length} snippets run (${snippets.length - modules.length}) or compile (${modules.length}).`)
