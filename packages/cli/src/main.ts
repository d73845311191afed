#!/usr/bin/env node
import { inspect } from 'node:util'
import { run } from './run.js'
import { EXIT } from './usage.js'

const output = { out: (text: string) => process.stdout.write(text), error: (text: string) => process.stderr.write(text) }

run(process.argv.slice(2), output).then(
  (exit) => {
    process.exitCode = exit
  },
  (error: unknown) => {
    process.stderr.write(`${inspect(error)}\n`)
    process.exitCode = EXIT.usage
  },
)
