import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import type { Packed } from './pack.js'

export interface Registry {
  readonly url: string
  /** For a package manager: packages of the scope come from here, all others from where they always do. */
  readonly env: NodeJS.ProcessEnv
  close(): void
}

/** Serves packed tarballs as though they were published, so that `npm install @org/realtime-server` is just that. */
export async function serveRegistry(packed: readonly Packed[]): Promise<Registry> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', url).pathname.slice(1))
    const document = packed.find(({ name }) => name === path)
    const file = packed.find(({ tarball }) => basename(tarball) === path)
    if (document !== undefined) response.setHeader('content-type', 'application/json').end(JSON.stringify(toDocument(document, url)))
    else if (file !== undefined) response.end(readFileSync(file.tarball))
    else response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/` // it listens on a port
  const scope = packed[0]?.name.split('/')[0] ?? ''
  return {
    url,
    env: { [`npm_config_${scope}:registry`]: url },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** What a registry tells of a package that has one version. */
function toDocument({ name, tarball }: Packed, url: string): object {
  const manifest = JSON.parse(execFileSync('tar', ['-xOf', tarball, 'package/package.json'], { encoding: 'utf8' })) as { version: string }
  const integrity = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
  const dist = { tarball: new URL(basename(tarball), url).href, integrity }
  return { name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: { ...manifest, dist } } }
}
