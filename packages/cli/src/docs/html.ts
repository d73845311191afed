import { toEnvelope } from './asyncapi.js'
import { type ContractDocument, describeDelivery, type EventDocument } from './document.js'
import type { JsonSchema } from './json-schema.js'
import { toSample } from './sample.js'
import { toRows, typeOf } from './table.js'

/** The contract as one page that needs neither scripts nor the network. */
export function toHtml(document: ContractDocument): string {
  const { name, version, fingerprint, events, rooms, presence } = document
  const own = events.filter(({ isReserved }) => !isReserved)
  const groups: Group[] = [
    { id: 'server-to-client', title: 'Server to client', events: own.filter(({ direction }) => direction === 'serverToClient') },
    { id: 'client-to-server', title: 'Client to server', events: own.filter(({ direction }) => direction === 'clientToServer') },
    { id: 'sdk', title: 'Events of the SDK', events: events.filter(({ isReserved }) => isReserved) },
  ].filter((group) => group.events.length > 0)
  const title = `${toHtmlText(name)} ${toHtmlText(version)}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}: events</title>
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the events</a>
<header><h1>${toHtmlText(name)} <span class="version">${toHtmlText(version)}</span></h1><p>${own.length} events · fingerprint <code>${toHtmlText(fingerprint)}</code></p></header>
<div class="columns">
<nav aria-label="Events">${groups.map(toIndex).join('')}</nav>
<main id="content">
${groups.map((group) => toSection(group, document)).join('\n')}
${
  rooms.length === 0
    ? ''
    : `<section><h2 id="rooms">Rooms</h2>${table(
        ['Kind', 'Id'],
        rooms.map(({ kind, id }) => [code(kind), toHtmlText(typeOf(id, document.definitions))]),
      )}</section>`
}
${presence === undefined ? '' : `<section><h2 id="presence">Presence</h2><p>What a device says about itself.</p>${fields(presence, document)}</section>`}
</main>
</div>
</body>
</html>
`
}

interface Group {
  readonly id: string
  readonly title: string
  readonly events: readonly EventDocument[]
}

function toIndex({ id, title, events }: Group): string {
  const items = events.map(
    (event) => `<li><a href="#${toHtmlText(event.id)}"${event.deprecated === undefined ? '' : ' class="deprecated"'}>${toHtmlText(event.name)}</a></li>`,
  )
  return `<h2><a href="#${id}">${title}</a></h2><ul>${items.join('')}</ul>`
}

function toSection({ id, title, events }: Group, document: ContractDocument): string {
  return `<section><h2 id="${id}">${title}</h2>${events.map((event) => toArticle(event, document)).join('\n')}</section>`
}

function toArticle(event: EventDocument, document: ContractDocument): string {
  const { id, name, description, deprecated, payload, reply, errors, limits, idempotent } = event
  const delivery = describeDelivery(event.delivery)
  return `<article id="${toHtmlText(id)}">
<h3><code>${toHtmlText(name)}</code>${deprecated === undefined ? '' : '<span class="badge">deprecated</span>'}</h3>
${idempotent ? '<p>Idempotent: with the same key (<code>$meta.key</code>) it happens once.</p>' : ''}
${delivery === undefined ? '' : `<p>${delivery}</p>`}
${deprecated === undefined ? '' : `<p class="note">Deprecated: ${toHtmlText(deprecated)}</p>`}
${description === undefined ? '' : `<p>${toHtmlText(description)}</p>`}
<h4>Payload</h4>
${payload === undefined ? '<p class="none">None</p>' : fields(payload, document) + example(payload, document)}
${limits === undefined ? '' : `<h4>Limits</h4><p>${[limits.perSecond && `${limits.perSecond} a second`, limits.maxBytes && `${limits.maxBytes} bytes`].filter(Boolean).join(', ')}</p>`}
${reply === undefined ? '' : toReply(event, document)}
${
  errors.length === 0
    ? ''
    : `<h4>Errors</h4>${table(
        ['Code', 'Data'],
        errors.map(({ code: error, data }) => [code(error), data === undefined ? '' : fields(data, document)]),
      )}`
}
</article>`
}

function toReply(event: EventDocument, document: ContractDocument): string {
  const data = event.reply?.data
  return `<h4>Reply</h4>${data === undefined ? '<p class="none">Answered, without data</p>' : fields(data, document)}${example(toEnvelope(event), document)}`
}

function fields(schema: JsonSchema, { definitions }: ContractDocument): string {
  const rows = toRows(schema, definitions)
  if (rows.length === 0) return '<p class="none">An object without fields of its own</p>'
  return table(
    ['Field', 'Type', 'Description'],
    rows.map(({ path, type, isRequired, description }) => [
      `${code(path || '(all)')}${isRequired ? '' : ' <span class="optional">optional</span>'}`,
      toHtmlText(type),
      toHtmlText(description),
    ]),
  )
}

function example(schema: JsonSchema, { definitions }: ContractDocument): string {
  return `<details open><summary>Example</summary><pre tabindex="0"><code>${toHtmlText(JSON.stringify(toSample(schema, definitions), null, 2))}</code></pre></details>`
}

/** @param rows cells of HTML */
function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const cells = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`)
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody>${cells.join('')}</tbody></table></div>`
}

function code(text: string): string {
  return `<code>${toHtmlText(text)}</code>`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function toHtmlText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}

const STYLE = `
:root { --text: #1a1d23; --soft: #59606d; --line: #dfe3e8; --back: #fff; --panel: #f5f6f8; --accent: #2446b8; --warn: #8a4b00; --warn-back: #fff4e0 }
@media (prefers-color-scheme: dark) { :root { --text: #e7e9ee; --soft: #a2aab8; --line: #333a46; --back: #14171c; --panel: #1d2128; --accent: #9db4ff; --warn: #ffc46b; --warn-back: #33280f } }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--back) }
.skip { position: absolute; left: -999px } .skip:focus { left: 1rem; top: 1rem; background: var(--back); padding: .5rem }
header { padding: 2rem clamp(1rem, 4vw, 3rem) 1rem; border-bottom: 1px solid var(--line) } header p { margin: .25rem 0; color: var(--soft) }
h1 { margin: 0; font-size: 1.75rem } .version { color: var(--soft); font-weight: 400 }
.columns { display: grid; grid-template-columns: 17rem minmax(0, 1fr); gap: 2.5rem; padding: 0 clamp(1rem, 4vw, 3rem) 4rem }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: auto; padding: 1.5rem 0; font-size: .875rem }
nav h2 { font-size: .75rem; text-transform: uppercase; letter-spacing: .06em; margin: 1rem 0 .25rem } nav h2 a { color: var(--soft); text-decoration: none }
nav ul { list-style: none; margin: 0; padding: 0 } nav li a { display: block; padding: .2rem 0; color: var(--text); text-decoration: none; overflow-wrap: anywhere } nav a:hover { text-decoration: underline }
.deprecated { text-decoration: line-through !important; color: var(--soft) !important }
main { max-width: 60rem } main > section > h2 { font-size: 1.25rem; margin: 2.5rem 0 0 }
article { padding: 1.5rem 0 2rem; border-bottom: 1px solid var(--line); scroll-margin-top: 1rem }
h3 { font-size: 1.125rem; margin: 0 } h3 code { font-size: 1em; font-weight: 600 } h4 { font-size: .875rem; margin: 1.25rem 0 .4rem; color: var(--soft) }
article p { margin: .5rem 0; max-width: 65ch } .none { color: var(--soft) }
.badge { margin-left: .6rem; padding: .1rem .5rem; border-radius: 1rem; font-size: .75rem; color: var(--warn); background: var(--warn-back) } .note { color: var(--warn) }
.optional { color: var(--soft); font-size: .8125rem }
code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .9375rem }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line) } th { font-weight: 600; color: var(--soft); font-size: .8125rem } td:first-child { white-space: nowrap }
details { margin-top: .8rem } summary { cursor: pointer; color: var(--accent); font-size: .875rem }
pre { margin: .4rem 0 0; padding: .8rem 1rem; background: var(--panel); border-radius: .5rem; overflow-x: auto }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
@media (max-width: 50rem) { .columns { grid-template-columns: minmax(0, 1fr); gap: 0 } nav { position: static; max-height: none; border-bottom: 1px solid var(--line) } td:first-child { white-space: normal } }
@media print { nav, .skip { display: none } .columns { display: block } }
`
