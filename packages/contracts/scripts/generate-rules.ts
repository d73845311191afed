// Writes the table of rules into docs/reference/compatibility.md; a test fails where it is stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { withRules } from './rule-table.js'

const file = new URL('../../../docs/reference/compatibility.md', import.meta.url)
writeFileSync(file, withRules(readFileSync(file, 'utf8')))
