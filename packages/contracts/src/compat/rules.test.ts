import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withRules } from '../../scripts/rule-table.js'
import { RULES, type Rule } from './index.js'

test('docs/reference/compatibility.md says what the rules say', () => {
  const page = readFileSync(new URL('../../../../docs/reference/compatibility.md', import.meta.url), 'utf8')
  expect(withRules(page), 'run `pnpm --filter @org/realtime-contracts generate:rules`').toBe(page)
})

test('every rule says what to do, and is a sentence that a table can hold', () => {
  for (const [id, { title, why, fix }] of Object.entries<Rule>(RULES)) {
    expect(id).toMatch(/^[a-z-]+$/)
    expect(title).toMatch(/^[a-z]/)
    for (const text of [why, fix]) expect(text).toMatch(/^[^|\n]+\.$/)
  }
})
