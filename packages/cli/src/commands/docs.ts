import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type ServerPlace, toAsyncApi } from '../docs/asyncapi.js'
import { type ContractDocument, toDocument } from '../docs/document.js'
import { toHtml } from '../docs/html.js'
import { toStandalone } from '../docs/json-schema.js'
import { toMarkdown } from '../docs/markdown.js'
import { loadContract } from '../load.js'
import type { Settings } from '../settings.js'
import { EXIT, type Exit, type Output } from '../usage.js'

/** Writes the contract's documentation: AsyncAPI, JSON Schemas, Markdown, and one HTML page. */
export async function docsCommand(settings: Settings, place: ServerPlace, { out }: Output): Promise<Exit> {
  const document = toDocument(await loadContract(settings.root, settings.contract))
  const files = {
    'asyncapi.json': toJson(toAsyncApi(document, place)),
    'events.md': toMarkdown(document),
    'index.html': toHtml(document),
    ...toSchemas(document),
  }
  for (const [name, text] of Object.entries(files)) {
    const file = join(settings.docs, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  out(`wrote ${Object.keys(files).length} files to ${relative(settings.root, settings.docs) || '.'}\n`)
  return EXIT.fine
}

function toSchemas({ name, version, events, definitions }: ContractDocument): Record<string, string> {
  const schemas = events.flatMap(({ id, payload, reply }) => [[`${id}.json`, payload] as const, [`${id}.reply.json`, reply?.data] as const])
  return Object.fromEntries(
    schemas.flatMap(([file, schema]) =>
      schema === undefined ? [] : [[`schemas/${file}`, toJson(toStandalone(schema, `urn:realtime:${name}:${version}:${file}`, definitions))]],
    ),
  )
}

function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
