import { defineConfig } from 'tsup'

/** How every package is built: ESM and CommonJS, both with types, sharing their chunks so that a class exists once. */
export function packageConfig(entry: string[]) {
  return defineConfig({
    entry,
    format: ['esm', 'cjs'],
    target: 'es2022',
    platform: 'neutral',
    splitting: true,
    sourcemap: true,
    clean: true,
    // tsup hands `baseUrl` to TypeScript 6, which has deprecated it.
    dts: { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [] } },
  })
}
