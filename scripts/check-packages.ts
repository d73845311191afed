// Packs every package as it would be published, and uses the tarballs as a stranger would: publint, attw, an install into an
// empty project, a type check under three module systems and three versions of TypeScript, and a run as ESM and as CommonJS;
// and a Nest application of every supported major, as ESM and as CommonJS.
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './markdown.js'
import { type Packed, packAll, run } from './pack.js'

const cache = join(root, '.cache/packages')
const consumer = join(cache, 'consumer')
const sources = join(root, 'tests/packaging')

const TYPESCRIPTS = { typescript5: '5.9.3', typescript6: '6.0.3', typescript7: '7.0.2' }
const MODULE_SYSTEMS = {
  nodenext: { file: 'app.mts', options: { module: 'nodenext' } },
  bundler: { file: 'app.mts', options: { module: 'esnext', moduleResolution: 'bundler' } },
  commonjs: { file: 'app.cts', options: { module: 'nodenext' } },
}

const NESTS = ['11', '12']

function checkTarball({ tarball }: Packed): void {
  run('pnpm', ['exec', 'publint', '--strict', tarball])
  run('pnpm', ['exec', 'attw', tarball, '--profile', 'node16'])
}

function install(folder: string, packed: readonly Packed[], dependencies: Record<string, string>, devDependencies: Record<string, string>): void {
  const ours = Object.fromEntries(packed.map(({ name, tarball }) => [name, `file:${tarball}`]))
  mkdirSync(folder, { recursive: true })
  const manifest = {
    name: 'consumer',
    private: true,
    dependencies: { ...ours, ...dependencies },
    devDependencies: { '@types/node': '^20.19.0', ...devDependencies },
    // They are not published: what they want of each other is beside them.
    pnpm: { overrides: ours },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2))
  run('pnpm', ['install', '--ignore-workspace', '--no-lockfile', '--prefer-offline'], folder)
}

function installConsumer(packed: readonly Packed[]): void {
  const aliases = Object.fromEntries(Object.entries(TYPESCRIPTS).map(([alias, version]) => [alias, `npm:typescript@${version}`]))
  install(
    consumer,
    packed,
    { zod: '^4.1.0', ioredis: '^6.0.0', '@opentelemetry/api': '^1.9.0', react: '^19.2.0', 'react-dom': '^19.2.0', ...toNest('12') },
    { ...aliases, '@types/react': '^19.2.0' },
  )
}

function toNest(major: string): Record<string, string> {
  const packages = ['common', 'core', 'platform-express'].map((name) => [`@nestjs/${name}`, `^${major}.0.0`])
  return { ...Object.fromEntries(packages), 'reflect-metadata': '^0.2.2', rxjs: '^7.8.1' }
}

/** Nest 11 is CommonJS and Nest 12 ES modules; applications of either kind use both. */
function checkNest(packed: readonly Packed[], major: string): void {
  const folder = join(cache, `nest${major}`)
  install(folder, packed, { zod: '^4.1.0', ...toNest(major) }, { typescript: TYPESCRIPTS.typescript6 })
  for (const type of ['commonjs', 'module']) {
    const application = join(folder, type)
    cpSync(join(sources, 'nest'), application, { recursive: true })
    writeFileSync(join(application, 'package.json'), JSON.stringify({ type }))
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      types: ['node'],
      strict: true,
      skipLibCheck: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    }
    writeFileSync(join(application, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
    run(process.execPath, [join(folder, 'node_modules/typescript/bin/tsc'), '-p', '.'], application)
    run(process.execPath, ['app.js'], application)
  }
}

function checkTypes(): void {
  for (const [system, { file, options }] of Object.entries(MODULE_SYSTEMS)) {
    copyFileSync(join(sources, 'app.mts'), join(consumer, file)) // the same text, which its name makes a module of either kind
    const config = `tsconfig.${system}.json`
    const compilerOptions = { ...options, target: 'es2022', lib: ['es2023', 'dom'], types: ['node'], strict: true, skipLibCheck: false, noEmit: true }
    writeFileSync(join(consumer, config), JSON.stringify({ compilerOptions, files: [file] }))
    for (const alias of Object.keys(TYPESCRIPTS)) {
      run(process.execPath, [join(consumer, 'node_modules', alias, 'bin/tsc'), '-p', config], consumer)
    }
  }
}

function checkRuns(): void {
  for (const file of ['run.mjs', 'run.cjs']) {
    copyFileSync(join(sources, file), join(consumer, file))
    run(process.execPath, [file], consumer)
  }
}

const packed = packAll(cache)
packed.forEach(checkTarball)
installConsumer(packed)
checkTypes()
checkRuns()
for (const major of NESTS) checkNest(packed, major)
console.log('The packed packages install, type-check and run, and so do Nest applications of them.')
