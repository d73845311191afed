import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { extname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Contract, type Manifest, toManifest } from '@org/realtime-contracts'
import type { RequestHandler } from 'express'

const run = promisify(execFile)

/** What the page is told by its server, when it is built. */
export interface PageFacts<C extends Contract> {
  /** The path of the handshake. */
  readonly path: string
  readonly manifest: Manifest<C>
}

/** The files of the page, by their path. */
export type Page = ReadonlyMap<string, Buffer>

const HOME = fileURLToPath(new URL('..', import.meta.url))
const VITE = join(createRequire(import.meta.url).resolve('vite/package.json'), '../bin/vite.js')

/** Runs `vite build`, in a process of its own: there it takes half as long as under tsx. Several servers may start at once. */
export async function buildPage<C extends Contract>(contract: C, path: string): Promise<Page> {
  const facts: PageFacts<C> = { path, manifest: toManifest(contract) }
  const folder = await mkdtemp(join(tmpdir(), 'notifications-page-'))
  try {
    const args = [VITE, 'build', '--outDir', folder, '--logLevel', 'error']
    await run(process.execPath, args, { cwd: HOME, env: { ...process.env, PAGE_FACTS: JSON.stringify(facts) } })
    return await readPage(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function readPage(folder: string): Promise<Page> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return new Map(await Promise.all(paths.map(async (path) => [path.slice(folder.length).replaceAll(sep, '/'), await readFile(path)] as const)))
}

/** Serves the page. It loads nothing from anywhere else, and browsers hold it to that. */
export function servePage(page: Page): RequestHandler {
  return (request, response, next) => {
    const path = request.path === '/' ? '/index.html' : request.path
    const file = page.get(path)
    if (file === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return next()
    response.type(extname(path)).set({
      'cache-control': path === '/index.html' ? 'no-cache' : 'public, max-age=31536000, immutable', // other names carry a hash
      'content-security-policy': "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
    })
    response.send(file)
  }
}
