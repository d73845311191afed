import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Programs that tests need, with the Debian packages that hold them. */
const PACKAGES = {
  'redis-server': ['redis-server', 'redis-tools'],
  nginx: ['nginx'],
  chromium: ['chromium'],
  python3: ['python3', 'python3-socketio', 'python3-websocket', 'python3-requests'],
} as const

export type ProgramName = keyof typeof PACKAGES

export interface Program {
  readonly path: string
  /** What it has to be started with: one that was only unpacked finds its libraries by it. */
  readonly env: NodeJS.ProcessEnv
}

/** What the first test on a new machine may take, for the hook that calls `findProgram`. */
export const INSTALL_MS = 300_000

/** The program from the PATH, or installed by apt, or unpacked into a cache folder where the user may not install. */
export async function findProgram(name: ProgramName): Promise<Program> {
  const cache = await cacheFolder()
  return (await present(name, cache)) ?? (await locked(cache, async () => (await present(name, cache)) ?? (await install(name, cache))))
}

async function present(name: ProgramName, cache: string): Promise<Program | undefined> {
  if (name === 'python3') return pythonWithPackages(cache)
  return (await onPath(name)) ?? (await unpacked(name, cache))
}

async function install(name: ProgramName, cache: string): Promise<Program> {
  const errors: unknown[] = []
  for (const way of process.getuid?.() === 0 ? [installAsRoot, unpack] : [unpack]) {
    try {
      await way(name, cache)
      const program = await present(name, cache)
      if (program) return program
    } catch (error) {
      errors.push(error)
    }
  }
  throw new Error(
    `${name} is needed by the tests and could not be installed by apt: install it (Debian: ${PACKAGES[name].join(', ')}) so that it is on the PATH.`,
    {
      cause: new AggregateError(errors),
    },
  )
}

async function onPath(name: ProgramName): Promise<Program | undefined> {
  // The PATH of an ordinary user leaves out where Debian has nginx.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin']
  const path = await firstExecutable(folders.map((folder) => join(folder, name)))
  return path === undefined ? undefined : { path, env: process.env }
}

/** Debian's own, which is the one that its packages are for; they may be unpacked beside it. */
async function pythonWithPackages(cache: string): Promise<Program | undefined> {
  const root = join(cache, 'python3')
  const path = await firstExecutable(['/usr/bin/python3', join(root, 'usr/bin/python3')])
  if (path === undefined) return undefined
  const env = { ...process.env, PYTHONPATH: join(root, 'usr/lib/python3/dist-packages') }
  return run(path, ['-c', 'import socketio, websocket, requests'], { env }).then(
    () => ({ path, env }),
    () => undefined,
  )
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (executable) return path
  }
  return undefined
}

async function unpacked(name: ProgramName, cache: string): Promise<Program | undefined> {
  const root = join(cache, name)
  const path = await firstExecutable([join(root, 'usr/bin', name), join(root, 'usr/sbin', name)])
  if (path === undefined) return undefined
  const files = await readdir(root, { recursive: true })
  const libraries = new Set(files.filter((file) => /\.so(\.\d+)*$/.test(file)).map((file) => dirname(join(root, file))))
  return { path, env: { ...process.env, LD_LIBRARY_PATH: [...libraries, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(delimiter) } }
}

async function installAsRoot(name: ProgramName): Promise<void> {
  const options = ['-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120']
  await withoutServices(() => updating(() => apt(['install', ...options, ...PACKAGES[name]]), []))
}

/** Debian starts the service of a package that it installs, unless this file forbids it. */
async function withoutServices(work: () => Promise<unknown>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d'
  const written = await writeFile(policy, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 }).then(
    () => true,
    () => false, // the machine has one of its own
  )
  try {
    await work()
  } finally {
    if (written) await rm(policy)
  }
}

async function unpack(name: ProgramName, cache: string): Promise<void> {
  const work = await mkdtemp(join(cache, 'unpacking-'))
  try {
    const root = join(work, 'root')
    for (const folder of [root, join(work, 'lists/partial'), join(work, 'cache/archives/partial')]) await mkdir(folder, { recursive: true })
    await updating((options) => download(name, work, options), ['-o', `Dir::State::Lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${join(work, 'cache')}`])
    for (const file of await packageFiles(work)) await run('dpkg', ['-x', join(work, file), root])
    await rm(join(cache, name), { recursive: true, force: true })
    await rename(root, join(cache, name))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** The packages, and those of their dependencies that this machine has not. */
async function download(name: ProgramName, folder: string, options: readonly string[]): Promise<void> {
  const plan = await apt(['install', '--simulate', '--no-install-recommends', ...options, ...PACKAGES[name]])
  const missing = [...plan.matchAll(/^Inst (\S+)/gm)].flatMap(([, found]) => found ?? [])
  await apt(['download', ...options, ...new Set([...PACKAGES[name], ...missing])], folder)
}

async function packageFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((file) => file.endsWith('.deb'))
}

/** Tries with the package lists that are here, and where they are missing or old, once more with new ones. */
async function updating(attempt: (options: readonly string[]) => Promise<unknown>, ownLists: readonly string[]): Promise<void> {
  try {
    await attempt([])
  } catch {
    await apt(['update', ...ownLists])
    await attempt(ownLists)
  }
}

async function apt(args: readonly string[], cwd = tmpdir()): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  // Root's downloads go into a folder that apt's own user may not read.
  const { stdout } = await run('apt-get', ['-o', 'APT::Sandbox::User=root', ...args], { cwd, env, timeout: INSTALL_MS, maxBuffer: 2 ** 26 })
  return stdout
}

/** Where programs are kept between runs, for this user alone. */
export async function cacheFolder(): Promise<string> {
  const user = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `realtime-test-programs-${user}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if ((await stat(folder)).uid !== user) throw new Error(`${folder} belongs to another user: remove it, programs are started from there.`)
  return folder
}

/** Two workers never install at once; the lock of one that was killed is taken over. */
export async function locked<T>(cache: string, work: () => Promise<T>): Promise<T> {
  const lock = join(cache, 'installing')
  await until(() => take(lock), INSTALL_MS, `${lock} was held too long by another process`)
  try {
    return await work()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await mkdir(lock)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    if (await abandoned(lock)) await rm(lock, { recursive: true, force: true })
    return false
  }
  await writeFile(join(lock, 'pid'), String(process.pid))
  return true
}

async function abandoned(lock: string): Promise<boolean> {
  const pid = Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => ''))
  if (pid > 0) return !isRunning(pid)
  const made = await stat(lock).catch(() => undefined)
  return made !== undefined && Date.now() - made.mtimeMs > 10_000 // its owner ended before it wrote its name
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return !hasCode(error, 'ESRCH')
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Waits until a condition holds, and throws what it waited for when it does not in time. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs: number, otherwise: string): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(otherwise)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
