import { readFile } from 'node:fs/promises'

/** What nginx.conf leaves open. */
export interface ProxyOptions {
  /** Address to listen on. */
  readonly listen: string
  /** Addresses of the three nodes. */
  readonly nodes: { readonly a: string; readonly b: string; readonly c: string }
  /** File for a line about every request. */
  readonly accessLog: string
}

/** The configuration for nginx, from nginx.conf. */
export async function nginxConfig({ listen, nodes, accessLog }: ProxyOptions): Promise<string> {
  const values: Record<string, string> = { LISTEN: listen, NODE_A: nodes.a, NODE_B: nodes.b, NODE_C: nodes.c, ACCESS_LOG: accessLog }
  const template = await readFile(new URL('../nginx.conf', import.meta.url), 'utf8')
  return template.replace(/\$\{([A-Z_]+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new TypeError(`nginx.conf: nothing is known of ${name}`)
    return value
  })
}
