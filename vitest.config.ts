import { fileURLToPath } from 'node:url'
import { defaultClientConditions, defaultServerConditions } from 'vite'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

// Tests run on the sources; the packed packages are tried by `check`.
const SOURCE = '@org/source'
// Node.js knows no `module`: what is behind it is for bundlers.
const conditionsOfNode = [SOURCE, ...defaultServerConditions.filter((name) => name !== 'module')]
// The machine is shared: a slow one is not a failure.
const deadlines = { testTimeout: 30_000, hookTimeout: 30_000 }

/** The hooks in a page that is none: with the React of the tests, or that of another folder. */
function react(version: string, folder?: string): TestProjectConfiguration {
  const own = (name: string): string => fileURLToPath(new URL(`${folder}/node_modules/${name}`, import.meta.url))
  const names = ['react', 'react-dom', '@testing-library/react']
  const conditions = [SOURCE, ...defaultClientConditions]
  return {
    ssr: { resolve: { conditions: [SOURCE, ...defaultServerConditions] } },
    resolve: { conditions, ...(folder && { alias: names.map((name) => ({ find: new RegExp(`^${name}(?=/|$)`), replacement: own(name) })) }) },
    test: { name: `react ${version}`, environment: 'jsdom', include: ['tests/react.test.tsx', 'examples/quickstart/src/*.test.tsx'], ...deadlines },
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        ssr: { resolve: { conditions: conditionsOfNode } },
        test: {
          name: 'node',
          execArgv: [`--conditions=${SOURCE}`], // for what Node.js itself loads, such as a contract that the command is given
          include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'examples/*/src/**/*.test.ts'],
          ...deadlines,
        },
      },
      {
        test: {
          name: 'types',
          include: [],
          typecheck: { enabled: true, only: true, include: ['packages/*/src/**/*.test-d.{ts,tsx}'], tsconfig: './tsconfig.json' },
        },
      },
      react('19'),
      react('18', 'tests/react-18'),
    ],
  },
})
