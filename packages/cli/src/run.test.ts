import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { run } from './run.js'

const folder = join(dirname(fileURLToPath(import.meta.url)), '..')

const contractOf = (fields: string, version = '1.0.0', more = '') => `
import { defineContract } from '@org/realtime-contracts'
import * as z from 'zod'

export const contract = defineContract({
  name: 'shop',
  version: '${version}',
  serverToClient: {
    'order:changed': z.object({ ${fields} }).describe('An order has changed'),
  },
  ${more}
})
`
const FIELDS = 'id: z.string(), total: z.number()'

/** A project of a user, with a contract in TypeScript. */
function project(contract = contractOf(FIELDS), within = folder) {
  const root = mkdtempSync(join(within, '.project-')) // beside this package's own, so that what it needs is found
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  write('package.json', JSON.stringify({ name: 'shop', type: 'module', realtime: { contract: 'src/contract.ts', manifest: 'src/manifest.ts' } }))
  write('src/contract.ts', contract)
  const realtime = async (...args: string[]) => {
    const told = { out: '', error: '' }
    const exit = await run([...args, '--cwd', root], { out: (text) => (told.out += text), error: (text) => (told.error += text) })
    return { exit, ...told }
  }
  return { root, write, realtime, read: (file: string) => readFileSync(join(root, file), 'utf8'), has: (file: string) => existsSync(join(root, file)) }
}

describe('realtime lock', () => {
  test('writes the lock and the manifest, once, and check tells when they are stale', async () => {
    const { realtime, read, write } = project()
    expect(await realtime('lock', '--check')).toMatchObject({ exit: 3, error: expect.stringContaining('contract.lock.json is stale') })
    expect(await realtime('lock')).toMatchObject({ exit: 0, out: 'wrote contract.lock.json\nwrote src/manifest.ts\n' })
    expect(await realtime('lock')).toMatchObject({ exit: 0, out: 'nothing has changed\n' })
    expect(await realtime('lock', '--check')).toMatchObject({ exit: 0 })
    expect(JSON.parse(read('contract.lock.json'))).toMatchObject({ name: 'shop', version: '1.0.0' })
    expect(read('src/manifest.ts')).toContain("import type { contract } from './contract.js'")
    write('contract.lock.json', '{}')
    expect(await realtime('check')).toMatchObject({ exit: 3 })
  })
})

test('line ends of Windows are no change', async () => {
  const { realtime, read, write } = project()
  await realtime('lock')
  await realtime('release')
  for (const file of ['contract.lock.json', 'src/manifest.ts', 'contract.history/1.0.0.json']) write(file, read(file).replaceAll('\n', '\r\n'))
  expect(await realtime('check')).toMatchObject({ exit: 0 })
  expect(await realtime('release')).toMatchObject({ exit: 0 })
})

test('a contract that is exported as default gets a manifest that can be compiled', async () => {
  const { realtime, read } = project(contractOf(FIELDS).replace('export const contract =', 'export default'))
  expect(await realtime('lock', '--contract', 'src/contract.ts#default')).toMatchObject({ exit: 0 })
  expect(read('src/manifest.ts')).toContain("import type { default as contract } from './contract.js'")
  expect(read('src/manifest.ts')).toContain('Manifest<typeof contract>')
})

describe('realtime diff', () => {
  async function released(after: string) {
    const made = project()
    await made.realtime('lock')
    expect(await made.realtime('release')).toMatchObject({ exit: 0, out: 'wrote contract.history/1.0.0.json\n' })
    made.write('src/contract.ts', after)
    return made
  }

  test('tells what breaks, with a counterexample, where it is, and how to do it safely', async () => {
    const { realtime } = await released(contractOf('id: z.string()', '1.1.0'))
    const { exit, out } = await realtime('diff')
    expect(exit).toBe(1)
    expect(out).toMatch(/breaking +server→client order:changed payload\.total {2}field-removed/)
    expect(out).toMatch(/counterexample: \{"id":/)
    expect(out).toContain('at src/contract.ts:9')
    expect(out).toContain('this change is a major')
    expect(await realtime('diff', '--fail-on', 'none')).toMatchObject({ exit: 0 })
  })

  test.each([
    ['json', /"rule": "field-removed"/],
    ['github', /^::error file=src\/contract\.ts,line=9,title=field-removed/],
    ['markdown', /^\*\*breaking\*\*: this change is a major/],
    ['junit', /<testsuite name="realtime" tests="\d+" failures="1">/],
  ])('writes %s', async (format, expected) => {
    const { realtime } = await released(contractOf('id: z.string()'))
    expect((await realtime('diff', '--format', format)).out).toMatch(expected)
  })

  test('passes nothing on to git or npm as an option, and over a folder named like a file', async () => {
    const { realtime, write, has } = await released(contractOf('id: z.string()', '1.1.0'))
    write('written:/kept', '') // where git could be told to write
    write('src/socket.js/package.json', '{}')
    expect(await realtime('diff', '--against', 'git:--output=written')).toMatchObject({ exit: 2 })
    expect(await realtime('diff', '--against', 'npm:--pack-destination=written')).toMatchObject({ exit: 2 })
    expect(has('written:/contract.lock.json')).toBe(false)
    expect(await realtime('diff')).toMatchObject({ exit: 1 })
  })

  test('finds a harmless change harmless', async () => {
    const { realtime } = await released(contractOf(`${FIELDS}, note: z.string().optional()`))
    expect(await realtime('diff')).toMatchObject({ exit: 0, out: expect.stringContaining('safe: this change is a minor') })
  })

  test('compares with a file and a commit, too, and says where there is none', async () => {
    const { root, realtime } = await released(contractOf('id: z.string()'))
    const git = (...args: string[]) => execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.com', ...args], { cwd: root, stdio: 'pipe' })
    git('init', '-q')
    git('add', 'contract.lock.json')
    git('commit', '-qm', 'x')
    for (const against of ['git:HEAD', 'contract.lock.json', 'contract.history/1.0.0.json'])
      expect(await realtime('diff', '--against', against)).toMatchObject({ exit: 1 })
    for (const against of ['git:nowhere', 'nowhere.json', 'npm:./nowhere']) expect(await realtime('diff', '--against', against)).toMatchObject({ exit: 2 })
  })
})

describe('realtime check', () => {
  test('wants a changeset of the size that the change needs, which realtime changeset writes', async () => {
    const { realtime, write, root } = project()
    await realtime('lock')
    await realtime('release')
    expect(await realtime('check')).toMatchObject({ exit: 0 })
    write('src/contract.ts', contractOf('id: z.string()', '2.0.0'))
    await realtime('lock')
    mkdirSync(join(root, '.changeset'))
    expect(await realtime('check')).toMatchObject({ exit: 1, error: expect.stringContaining('needs a major of shop, and the changesets plan nothing') })
    write('.changeset/small.md', "---\n'shop': minor\n---\n\nx\n")
    expect(await realtime('check')).toMatchObject({ exit: 1, error: expect.stringContaining('plan a minor') })
    expect(await realtime('changeset')).toMatchObject({ exit: 0 })
    expect(await realtime('check')).toMatchObject({ exit: 0 })
  })

  test('wants the next version of a contract that has changed since its version was released, which release would refuse', async () => {
    const { realtime, write, root } = project()
    await realtime('lock')
    await realtime('release')
    mkdirSync(join(root, '.changeset'))
    write('.changeset/more.md', "---\n'shop': minor\n---\n\nx\n")
    for (const [version, exit] of [
      ['1.0.0', 1],
      ['1.1.0', 0],
    ] as const) {
      write('src/contract.ts', contractOf(`${FIELDS}, note: z.string().optional()`, version))
      await realtime('lock')
      expect(await realtime('check')).toMatchObject({ exit, error: exit === 0 ? '' : expect.stringContaining('shop 1.0.0 was released') })
      expect(await realtime('release')).toMatchObject({ exit })
    }
  })

  test('wants a bump for what has changed since the last release alone', async () => {
    const { realtime, write, root } = project()
    const change = async (fields: string, version: string) => {
      write('src/contract.ts', contractOf(fields, version))
      await realtime('lock')
    }
    const kind = "kind: z.enum(['a']).optional()"
    mkdirSync(join(root, '.changeset'))
    for (const [version, fields] of [
      ['1.0.0', FIELDS],
      ['1.1.0', `${FIELDS}, ${kind}`],
      ['2.0.0', `id: z.string(), ${kind}`],
    ] as const) {
      await change(fields, version)
      await realtime('release')
      expect(await realtime('check')).toMatchObject({ exit: 0, error: '' })
      expect(await realtime('changeset')).toMatchObject({ exit: 0, out: 'nothing has changed on the wire since the last release\n' })
    }
    await change(`id: z.string(), ${kind}, text: z.string()`, '2.0.0')
    expect(await realtime('check')).toMatchObject({ exit: 1, error: expect.stringContaining('needs a minor of shop') })
    await change(`text: z.string(), ${kind}`, '2.0.0')
    expect(await realtime('check')).toMatchObject({ exit: 1, error: expect.stringContaining('needs a major of shop') })
  })

  test('wants a major where the last release is safe, and an older one of the same major is not', async () => {
    const { realtime, write, root } = project(contractOf(`${FIELDS}, kind: z.enum(['a'])`))
    mkdirSync(join(root, '.changeset'))
    await realtime('release')
    // Which somebody has let pass: clients of 1.0.0 are still refused.
    write('src/contract.ts', contractOf(`${FIELDS}, kind: z.enum(['a', 'b'])`, '1.1.0'))
    await realtime('lock')
    await realtime('release')
    expect(await realtime('check')).toMatchObject({ exit: 1, error: expect.stringContaining('needs a major of shop') })
  })

  test('takes the version of the contract for the plan where there are no changesets', async () => {
    const { realtime, write, root } = project(contractOf(FIELDS), tmpdir()) // this repository has changesets
    symlinkSync(join(folder, 'node_modules'), join(root, 'node_modules'))
    await realtime('release')
    write('src/contract.ts', contractOf('id: z.string()', '1.1.0'))
    await realtime('lock')
    expect(await realtime('check')).toMatchObject({
      exit: 1,
      error: expect.stringContaining('needs a major of the contract, and its version says a minor: give it the next'),
    })
    write('src/contract.ts', contractOf('id: z.string()', '2.0.0'))
    await realtime('lock')
    expect(await realtime('check')).toMatchObject({ exit: 0 })
  })

  test('wants what is risky to be acknowledged, with an end', async () => {
    const ask = (fields: string) => `clientToServer: { 'order:ask': z.object({ ${fields} }).describe('x') },`
    const { realtime, write } = project(contractOf(FIELDS, '1.0.0', ask('id: z.uuid(), note: z.string().max(9).optional()')))
    await realtime('lock')
    await realtime('release')
    write('src/contract.ts', contractOf(FIELDS, '1.1.0', ask('id: z.uuid()'))) // what older clients note is dropped
    write('.changeset/x.md', '---\n"shop": minor\n---\n\nx\n')
    await realtime('lock')
    const { findings } = JSON.parse((await realtime('diff', '--format', 'json')).out) as { findings: Array<{ id: string; verdict: string }> }
    const risky = findings.filter(({ verdict }) => verdict === 'risky')
    expect(risky).toHaveLength(1)
    const acknowledge = (until: string) => write('contract.acknowledged.json', JSON.stringify(risky.map(({ id }) => ({ id, reason: 'nobody notes', until }))))
    expect(await realtime('check')).toMatchObject({ exit: 1, error: expect.stringContaining('1 risky findings are not acknowledged') })
    acknowledge('2999-12-31')
    expect(await realtime('check')).toMatchObject({ exit: 0 })
    acknowledge('2020-01-01')
    expect(await realtime('check')).toMatchObject({ exit: 1 })
    write('contract.acknowledged.json', '{}')
    expect(await realtime('check')).toMatchObject({ exit: 2 })
  })

  test('lints what will hurt later', async () => {
    const { realtime } = project(
      contractOf(
        "kind: z.enum(['a', 'b']), more: z.strictObject({}), x: z.string().catch('x')",
        '1.0.0',
        "clientToServer: { say: z.object({ text: z.string(), list: z.array(z.number()) }), 'order-changed': {} },",
      ),
    )
    await realtime('lock')
    const { exit, out } = await realtime('check')
    expect(exit).toBe(0)
    for (const lint of ['closed-enum', 'strict-reader', 'catch', 'unbounded', 'no-description', 'name']) expect(out).toContain(`lint ${lint}`)
    expect(await realtime('check', '--strict')).toMatchObject({ exit: 1 })
  })
})

describe('a version that is supported', () => {
  const v1 = contractOf(FIELDS, '1.0.0', "clientToServer: { 'order:buy': z.object({ item: z.string().max(9) }).describe('x') },")
  const v2 = contractOf(
    'id: z.string(), cents: z.int()',
    '2.0.0',
    "clientToServer: { 'order:place': z.object({ items: z.array(z.string().max(9)).max(9) }).describe('x') },",
  )
  const evolution = (changed: string, place = "{ was: 'order:buy', up: ({ item }) => ({ items: [item] }) }") => `
import { evolve } from '@org/realtime-contracts'
import { contract } from './contract.js'
import { contract as v1 } from './v1.js'
export const evolutions = [evolve(v1, contract, { serverToClient: { 'order:changed': ${changed} }, clientToServer: { 'order:place': ${place} } })]
`
  const good = '{ down: ({ id, cents }) => ({ id, total: cents / 100 }) }'
  async function released() {
    const made = project(v1)
    await made.realtime('release')
    made.write('src/contract.ts', v2)
    made.write('src/v1.ts', v1)
    made.write('.changeset/x.md', '---\n"shop": major\n---\n\nx\n')
    await made.realtime('lock')
    return made
  }

  test('needs casts where the contract breaks it', async () => {
    const { realtime, write } = await released()
    expect(await realtime('check')).toMatchObject({ exit: 0 })
    expect(await realtime('check', '--supported', '1.0.0')).toMatchObject({
      exit: 1,
      error: expect.stringContaining('version 1.0.0 is supported (from 1.0.0 on)'),
    })
    write('src/evolutions.ts', evolution(good))
    expect(await realtime('check', '--supported', '1.0.0', '--evolutions', 'src/evolutions.ts')).toMatchObject({ exit: 0, error: '' })
    expect(await realtime('check', '--evolutions', 'src/nope.ts')).toMatchObject({ exit: 2 })
    expect(await realtime('check', '--evolutions', 'src/contract.ts')).toMatchObject({
      exit: 2,
      error: expect.stringContaining('nothing that evolve has returned'),
    })
  })

  test.each([
    ['{}', 'order:changed payload.total missing'],
    ['{ down: ({ id }) => ({ id }) }', 'order:changed payload refused: the cast makes {"id":'],
    ['{ down: ({ id, cents }) => ({ id, total: String(cents) }) }', 'order:changed payload refused'],
    ['{ down: (it) => it.lines.length }', 'order:changed payload failed: the cast throws TypeError'],
    ['{ down: (it) => { it.total = it.cents; return it } }', 'order:changed payload impure'],
  ])('is not served by the cast %s', async (cast, told) => {
    const { realtime, write } = await released()
    write('src/evolutions.ts', evolution(cast))
    expect(await realtime('check', '--evolutions', 'src/evolutions.ts')).toMatchObject({ exit: 1, error: expect.stringContaining(told) })
  })

  test('is not served by a cast of what clients send that the contract refuses, nor by one that leads elsewhere', async () => {
    const { realtime, write } = await released()
    write('src/evolutions.ts', evolution(good, "{ was: 'order:buy', up: (it) => it }"))
    expect(await realtime('check', '--evolutions', 'src/evolutions.ts')).toMatchObject({ exit: 1, error: expect.stringContaining('order:buy payload refused') })
    write('src/evolutions.ts', evolution(good).replace('./contract.js', './v2.js'))
    write('src/v2.ts', v2.replace('z.int()', 'z.int().min(1)'))
    expect(await realtime('check', '--evolutions', 'src/evolutions.ts')).toMatchObject({
      exit: 1,
      error: expect.stringContaining('does not lead to the contract as it is now'),
    })
  })
})

test('realtime release keeps a version once, and matrix shows who can talk to whom', async () => {
  const { realtime, write } = project()
  await realtime('release')
  write('src/contract.ts', contractOf('id: z.string()'))
  expect(await realtime('release')).toMatchObject({ exit: 1, error: expect.stringContaining('1.0.0 was released') })
  write('src/contract.ts', contractOf('id: z.string()', '2.0.0'))
  expect(await realtime('release')).toMatchObject({ exit: 0 })
  expect((await realtime('matrix')).out).toBe('server  1.0.0  2.0.0\n1.0.0   yes    yes\n2.0.0   no     yes\n')
})

test('realtime docs writes every form of the documentation', async () => {
  const { realtime, has, read } = project()
  expect(await realtime('docs', '--host', 'realtime.example.com')).toMatchObject({ exit: 0 })
  for (const file of ['asyncapi.json', 'events.md', 'index.html', 'schemas/order.changed.json']) expect(has(`contract.docs/${file}`)).toBe(true)
  expect(read('contract.docs/asyncapi.json')).toContain('realtime.example.com')
})

test('realtime explain tells a rule, and lists them', async () => {
  const { realtime } = project()
  expect((await realtime('explain', 'field-removed')).out).toMatch(/To make it safely: \S/)
  expect((await realtime('explain')).out).toContain('field-added-required')
  expect(await realtime('explain', 'nope')).toMatchObject({ exit: 2 })
})

test.each([
  ['no command', []],
  ['a command that there is not', ['lokc']],
  ['an option that there is not', ['lock', '--chek']],
  ['a format that there is not', ['diff', '--format', 'yaml']],
  ['one word too many', ['lock', 'now']],
  ['a contract that is not there', ['lock', '--contract', 'src/nope.ts']],
  ['a contract by another name', ['lock', '--contract', 'src/contract.ts#nope']],
  ['a history of no locks', ['diff', '--history', 'src', '--against', 'package.json']],
])('%s is a mistake of whoever runs it', async (_what, args) => {
  const { realtime } = project()
  const { exit, error, out } = await realtime(...args)
  expect(exit).toBe(2)
  expect(error + out).toMatch(/^(realtime: .+|Usage: )/)
})

test('a contract that throws is told by what it threw', async () => {
  const { realtime } = project(contractOf('at: z.date()'))
  expect(await realtime('lock')).toMatchObject({ exit: 2, error: expect.stringContaining('z.date() has no JSON form') })
})

test('a project without a contract is told how to name it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'realtime-cli-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  let told = ''
  expect(await run(['lock', '--cwd', root], { out: () => {}, error: (text) => (told += text) })).toBe(2)
  expect(told).toContain('Where is the contract?')
})
