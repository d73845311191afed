import { createServer, type Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build, defaultClientConditions } from 'vite'

/** One of the scripts in this folder, with all that it imports, as a page loads it. */
export async function buildScript(file: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['@org/source', ...defaultClientConditions] },
    build: { write: false, minify: false, lib: { entry: fileURLToPath(new URL(file, import.meta.url)), formats: ['es'] } },
  })
  const [script] = Array.isArray(built) ? (built[0]?.output ?? []) : []
  if (script?.type !== 'chunk') throw new Error(`vite made no script of ${file}`)
  return script.code
}

/** Serves a page of nothing but that script. */
export function createPageServer(script: string): Server {
  return createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>')
  })
}
