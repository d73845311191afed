import { fileURLToPath } from 'node:url'
import { type Contract, type Manifest, toManifest } from '@org/realtime-contracts'
import type { RequestHandler } from 'express'
import type { Rolldown } from 'vite'

/** What the page is told by its server, at build time. */
export interface PageFacts<C extends Contract> {
  /** The path of the handshake. */
  readonly path: string
  readonly manifest: Manifest<C>
}

export type Page = ReadonlyMap<string, { readonly type: string; readonly body: string | Uint8Array }>

const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }

/** Builds the page as `vite build` does, into memory: nothing is written, and several servers may start at once. */
export async function buildPage<C extends Contract>(contract: C, path: string): Promise<Page> {
  const { build, defaultClientConditions } = await import('vite') // only now: a server that cannot start says so sooner
  const facts: PageFacts<C> = { path, manifest: toManifest(contract) }
  const result = await build({
    root: fileURLToPath(new URL('..', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['@org/source', ...defaultClientConditions] },
    define: { SERVER: JSON.stringify(facts) },
    build: { write: false, reportCompressedSize: false },
  })
  const { output } = [result].flat()[0] as Rolldown.RolldownOutput // of one build that does not watch
  return new Map(output.map((file) => [`/${file.fileName}`, { type: typeOf(file.fileName), body: file.type === 'chunk' ? file.code : file.source }]))
}

function typeOf(name: string): string {
  return `${TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream'}; charset=utf-8`
}

/** Serves the page. It loads nothing from anywhere else, and browsers hold it to that. */
export function servePage(page: Page): RequestHandler {
  return (request, response, next) => {
    const name = request.path === '/' ? '/index.html' : request.path
    const file = page.get(name)
    if (file === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return next()
    response.set({
      'content-type': file.type,
      'cache-control': name === '/index.html' ? 'no-cache' : 'public, max-age=31536000, immutable', // other names carry a hash
      'content-security-policy': "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
    })
    response.send(typeof file.body === 'string' ? file.body : Buffer.from(file.body))
  }
}
