// Everything of a release but the publishing, in a copy of the repository: the versions are made, the packages built and packed, and the
// tarballs installed from a local folder into an empty project, which a small program is run in. Nothing leaves the machine.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { copyRepository, run } from './copy.js'

interface PackageManifest {
  readonly name: string
  readonly version: string
  readonly repository?: { readonly url?: string; readonly directory?: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

interface Packed extends PackageManifest {
  readonly tarball: string
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

function readManifest(folder: string): PackageManifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageManifest
}

function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

function packagesOf(folder: string): string[] {
  return readdirSync(join(folder, 'packages')).map((name) => join(folder, 'packages', name))
}

/** What the version pull request holds. @returns the one version of all packages. */
function makeVersions(folder: string): string {
  console.log(run('pnpm', ['version-packages'], folder))
  const versions = new Set(packagesOf(folder).map((each) => readManifest(each).version))
  const [version = ''] = versions
  expectThat(versions.size === 1, `the packages have several versions: ${[...versions].join(', ')}`)
  expectThat(
    packagesOf(folder).every((each) => existsSync(join(each, 'CHANGELOG.md'))),
    'a package has no CHANGELOG.md',
  )
  const left = readdirSync(join(folder, '.changeset')).filter((file) => file.endsWith('.md') && file !== 'README.md')
  expectThat(left.length === 0, `changesets are left over: ${left.join(', ')}`)
  return version
}

/** What CI asks of the version pull request, as far as versions may change it. */
function checkVersions(folder: string): void {
  run('pnpm', ['install', '--frozen-lockfile', '--offline'], folder)
  run('pnpm', ['check:contract'], folder)
}

function pack(folder: string, to: string): Packed {
  const output = run('pnpm', ['pack', '--json', '--pack-destination', to], folder)
  const { filename } = JSON.parse(output.slice(output.indexOf('{'))) as { filename: string }
  const manifest = JSON.parse(run('tar', ['-xOzf', filename, 'package/package.json'], to)) as PackageManifest
  return { ...manifest, tarball: filename }
}

/** What a tarball wants of its siblings must be what is released with it; no range may mean something only in this workspace. */
function checkRanges(packed: readonly Packed[], version: string): void {
  const names = packed.map(({ name }) => name)
  for (const { name, dependencies = {}, peerDependencies = {} } of packed) {
    for (const [wanted, range] of Object.entries({ ...dependencies, ...peerDependencies })) {
      expectThat(!/^(workspace|catalog|file|link):/.test(range), `${name} wants ${wanted}@${range}, which nobody else understands`)
      expectThat(!names.includes(wanted) || range === `^${version}`, `${name}@${version} wants ${wanted}@${range}`)
    }
  }
}

function tryOut(packed: readonly Packed[], folder: string): void {
  const ours = Object.fromEntries(packed.map(({ name, tarball }) => [name, `file:${tarball}`]))
  // They are not published: what they want of each other is beside them.
  const manifest = { name: 'empty-project', private: true, type: 'module', dependencies: { ...ours, zod: '^4.1.0' }, pnpm: { overrides: ours } }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  run('pnpm', ['install', '--ignore-workspace', '--no-lockfile', '--prefer-offline', '--config.auto-install-peers=false'], folder)
  copyFileSync(join(root, 'tests/packaging/released.mjs'), join(folder, 'app.mjs'))
  console.log(run(process.execPath, ['app.mjs'], folder))
  expectThat(run(join(folder, 'node_modules/.bin/realtime'), ['--help'], folder).includes('Usage: realtime'), 'the command does not run')
}

function dryRun(folder: string): void {
  run('pnpm', ['install', '--frozen-lockfile', '--prefer-offline'], folder)
  const version = makeVersions(folder)
  checkVersions(folder)
  run('pnpm', ['build'], folder)
  const tarballs = join(folder, '.cache/tarballs')
  mkdirSync(tarballs, { recursive: true })
  const packed = packagesOf(folder).map((each) => pack(each, tarballs))
  checkRanges(packed, version)
  tryOut(packed, join(folder, '.cache/empty-project'))
  console.log(`${packed.length} packages would be released as ${version}:`)
  for (const { name, repository } of packed) {
    expectThat(repository?.url !== undefined && repository.directory !== undefined, `${name} does not say where its repository is, which provenance needs`)
    console.log(`  ${name}  ${repository?.url}, ${repository?.directory}`)
  }
}

const folder = copyRepository(root, 'release')
try {
  dryRun(folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
