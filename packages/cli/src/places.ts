import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Finding } from '@org/realtime-contracts/compat'
import type { Settings } from './settings.js'

export interface Place {
  /** From the project's folder. */
  readonly file: string
  /** From 1. */
  readonly line: number
}

/** Where in the sources an event is declared: the first line that has its name as a key, in the contract's folder. */
export class Places {
  readonly #lines: ReadonlyArray<Place & { readonly text: string }>

  constructor({ root, contract }: Settings) {
    const folder = dirname(join(root, contract.split('#', 1).join()))
    const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()) // a folder may have a name such as socket.js
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((path) => /\.[cm]?[jt]s$/.test(path) && !/node_modules|\.test\.|\.d\.[cm]?ts$/.test(relative(folder, path)))
    this.#lines = paths.sort().flatMap((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .map((text, index) => ({ file: relative(root, path), line: index + 1, text })),
    )
  }

  of({ event }: Finding): Place | undefined {
    if (event === undefined) return undefined
    const key = new RegExp(`^\\s*(['"\`]?)${event.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')}\\1\\s*:`)
    const found = this.#lines.find(({ text }) => key.test(text))
    return found && { file: found.file, line: found.line }
  }
}
