import { execFile } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createBrotliDecompress } from 'node:zlib'
import { type Browser, chromium } from 'playwright-core'
import { cacheFolder, findProgram, locked, type Program } from '../programs.js'

const run = promisify(execFile)

/** Chromium without a window: the one that comes as a package, with its libraries and a font; elsewhere than on Linux x64, an installed one. */
export async function launchChromium(): Promise<Browser> {
  const { path, env } = process.platform === 'linux' && process.arch === 'x64' ? await unpackChromium() : await findProgram('chromium')
  return chromium.launch({
    executablePath: path,
    args: ['--no-sandbox'], // it runs as root in CI
    env: Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
  })
}

async function unpackChromium(): Promise<Program> {
  const home = join(createRequire(import.meta.url).resolve('@sparticuz/chromium'), '../../..') // of the package; its own way to unpack is not safe for two at a time
  const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { version: string }
  const cache = await cacheFolder()
  const folder = join(cache, `chromium-${version}`)
  if (!(await exists(folder))) await locked(cache, async () => (await exists(folder)) || (await unpack(join(home, 'bin'), cache, folder)))
  return {
    path: join(folder, 'chromium'),
    env: { ...process.env, LD_LIBRARY_PATH: join(folder, 'lib'), FONTCONFIG_FILE: join(folder, 'tests.conf') },
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** All of it or nothing: another run may end in the middle. */
async function unpack(files: string, cache: string, folder: string): Promise<void> {
  const work = await mkdtemp(join(cache, 'unpacking-'))
  try {
    await decompress(join(files, 'chromium.br'), join(work, 'chromium'))
    await chmod(join(work, 'chromium'), 0o755)
    for (const name of ['al2023.tar', 'fonts.tar']) {
      await decompress(join(files, `${name}.br`), join(work, name))
      await run('tar', ['-xf', name], { cwd: work })
      await rm(join(work, name))
    }
    // The fonts of the machine would make the layout another one.
    await writeFile(
      join(work, 'tests.conf'),
      `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/font-cache</cachedir></fontconfig>`,
    )
    await rename(work, folder)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function decompress(from: string, to: string): Promise<void> {
  return pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to))
}
