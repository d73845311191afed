import { type ContractDocument, describeDelivery, type EventDocument } from './document.js'
import type { JsonSchema } from './json-schema.js'
import { toSample } from './sample.js'
import { toRows, typeOf } from './table.js'

/** The contract as one Markdown text: every event with its payload, an example, reply and errors. */
export function toMarkdown(document: ContractDocument): string {
  const { name, version, rooms, presence, definitions } = document
  const own = document.events.filter(({ isReserved }) => !isReserved)
  return `${[
    `# ${name} ${version}`,
    ...section('Server to client', own, 'serverToClient', document),
    ...section('Client to server', own, 'clientToServer', document),
    ...(rooms.length === 0
      ? []
      : [
          '## Rooms',
          table(
            ['kind', 'id'],
            rooms.map(({ kind, id }) => [code(kind), typeOf(id, definitions)]),
          ),
        ]),
    ...(presence === undefined ? [] : ['## Presence', 'What a device says about itself.', ...fields(presence, document)]),
    ...section(
      'Events of the SDK',
      document.events.filter(({ isReserved }) => isReserved),
      undefined,
      document,
    ),
    '',
  ]
    .join('\n\n')
    .trimEnd()}\n`
}

function section(title: string, events: readonly EventDocument[], direction: EventDocument['direction'] | undefined, document: ContractDocument): string[] {
  const of = events.filter((event) => direction === undefined || event.direction === direction)
  return of.length === 0 ? [] : [`## ${title}`, ...of.flatMap((event) => toText(event, document))]
}

function toText(event: EventDocument, document: ContractDocument): string[] {
  const { name, description, deprecated, payload, reply, errors, limits, idempotent, delivery } = event
  return [
    `### ${code(name)}`,
    ...(deprecated === undefined ? [] : [`**Deprecated:** ${deprecated}`]),
    ...(description === undefined ? [] : [`${description}.`.replace(/\.\.$/, '.')]),
    ...(idempotent ? ['Idempotent: with the same key (`$meta.key`) it happens once.'] : []),
    ...[describeDelivery(delivery)].filter((text) => text !== undefined),
    ...(payload === undefined ? ['No payload.'] : [...fields(payload, document), example(payload, document)]),
    ...(limits === undefined
      ? []
      : [`Limits: ${[limits.perSecond && `${limits.perSecond} a second`, limits.maxBytes && `${limits.maxBytes} bytes`].filter(Boolean).join(', ')}.`]),
    ...(reply === undefined
      ? []
      : reply.data === undefined
        ? ['Answered, without data.']
        : ['Reply:', ...fields(reply.data, document), example(reply.data, document)]),
    ...(errors.length === 0
      ? []
      : [
          'Errors:',
          table(
            ['code', 'data'],
            errors.map(({ code: name, data }) => [
              code(name),
              data === undefined
                ? ''
                : toRows(data, document.definitions)
                    .map(({ path, type }) => `${code(path)} ${type}`)
                    .join(', '),
            ]),
          ),
        ]),
  ]
}

function fields(schema: JsonSchema, { definitions }: ContractDocument): string[] {
  const rows = toRows(schema, definitions)
  return rows.length === 0
    ? []
    : [
        table(
          ['field', 'type', 'required', 'description'],
          rows.map(({ path, type, isRequired, description }) => [code(path || '(all)'), type, isRequired ? 'yes' : 'no', description]),
        ),
      ]
}

function example(schema: JsonSchema, { definitions }: ContractDocument): string {
  return `\`\`\`json\n${JSON.stringify(toSample(schema, definitions), null, 2)}\n\`\`\``
}

function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')).join(' | ')} |`)
    .join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}
