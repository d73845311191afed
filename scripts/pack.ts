import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './markdown.js'

/** A package as it would be published. */
export interface Packed {
  readonly name: string
  readonly tarball: string
}

/** Runs a command, and shows it; what it prints is shown where it fails. */
export function run(command: string, args: readonly string[], cwd = root, env: NodeJS.ProcessEnv = process.env): string {
  console.log(`$ ${[command, ...args].join(' ').replaceAll(root, '.')}`)
  try {
    return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`)
  }
}

/** Packs every package into a folder, which is emptied before. */
export function packAll(destination: string): Packed[] {
  rmSync(destination, { recursive: true, force: true })
  mkdirSync(destination, { recursive: true })
  return readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .map((folder) => {
      const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string }
      const output = run('pnpm', ['pack', '--json', '--pack-destination', destination], folder)
      const { filename } = JSON.parse(output.slice(output.indexOf('{'))) as { filename: string }
      return { name, tarball: filename }
    })
}
