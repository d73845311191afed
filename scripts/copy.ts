import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { trackedFiles } from './scope.js'

/** A copy of what git has of a repository, as it is now, in a new folder with a history of one commit. */
export function copyRepository(root: string, name: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `${name}-`)))
  for (const file of trackedFiles(root)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    copyFileSync(join(root, file), join(folder, file))
  }
  run('git', ['init', '--quiet', '--initial-branch=main'], folder)
  commitAll(folder, 'A copy')
  return folder
}

/** Commits everything, whoever the user of git is. */
export function commitAll(folder: string, message: string): void {
  run('git', ['add', '--all'], folder)
  run('git', ['-c', 'user.name=Check', '-c', 'user.email=check@example.com', '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message', message], folder)
}

/** Runs a command and says so; where it fails, all that it has printed is in the error. */
export function run(command: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): string {
  console.log(`$ ${[command, ...args].join(' ')}`)
  const startMs = performance.now()
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      maxBuffer: 64 * 1024 * 1024,
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`)
  } finally {
    console.log(`  ${Math.round((performance.now() - startMs) / 1000)} s`)
  }
}

/** A file of JSON, changed. */
export function editJson<T>(file: string, edit: (value: T) => T): void {
  writeFileSync(file, `${JSON.stringify(edit(JSON.parse(readFileSync(file, 'utf8')) as T), null, 2)}\n`)
}
