import type { Comparison, Finding, HistoryFinding, Verdict } from '@org/realtime-contracts/compat'
import type { Places } from './places.js'

export const FORMATS = ['human', 'json', 'github', 'markdown', 'junit'] as const
export type Format = (typeof FORMATS)[number]

/** What there is to tell of a comparison. */
export interface Report extends Omit<Comparison, 'findings'> {
  readonly findings: ReadonlyArray<Finding | HistoryFinding>
  readonly places: Places
}

/** Writes findings for people, or for what shows them. */
export function formatReport(report: Report, format: Format): string {
  return { human: toHuman, json: toJson, github: toGitHub, markdown: toMarkdown, junit: toJUnit }[format](report)
}

const MARKS: Readonly<Record<Verdict, string>> = { breaking: '✖', risky: '▲', safe: '✔' }

function toHuman({ verdict, bump, findings, places }: Report): string {
  if (findings.length === 0) return 'safe: nothing has changed on the wire\n'
  const lines = findings.flatMap((finding) => [
    `${MARKS[finding.verdict]} ${finding.verdict.padEnd(8)} ${whereOf(finding)}  ${finding.rule}`,
    `    ${finding.message}`,
    ...(finding.verdict === 'safe' ? [] : [...counterexampleOf(finding).map((text) => `    counterexample: ${text}`), `    fix: ${finding.fix}`]),
    ...againstOf(finding).map((versions) => `    against: ${versions}`),
    ...(finding.verdict === 'risky' ? [`    id: ${finding.id}`] : []),
    ...placeOf(finding, places).map((place) => `    at ${place}`),
    '',
  ])
  return `${lines.join('\n')}\n${verdict}: this change is a ${bump}${bump === 'minor' && verdict === 'risky' ? ', once its risky findings are acknowledged' : ''}\n`
}

function toJson({ places, ...report }: Report): string {
  const findings = report.findings.map((finding) => ({ ...finding, ...places.of(finding) }))
  return `${JSON.stringify({ ...report, findings }, null, 2)}\n`
}

const LEVELS: Readonly<Record<Verdict, string>> = { breaking: 'error', risky: 'warning', safe: 'notice' }

/** Workflow commands, which GitHub shows at the line. */
function toGitHub({ findings, places }: Report): string {
  return findings
    .map((finding) => {
      const place = places.of(finding)
      const at = place === undefined ? '' : `file=${property(place.file)},line=${place.line},`
      return `::${LEVELS[finding.verdict]} ${at}title=${property(`${finding.rule}: ${whereOf(finding)}`)}::${data([finding.message, ...counterexampleOf(finding), finding.fix].join('\n'))}\n`
    })
    .join('')
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

function toMarkdown({ verdict, bump, findings, places }: Report): string {
  const rows = findings.map((finding) => [
    `${MARKS[finding.verdict]} ${finding.verdict}`,
    `\`${whereOf(finding)}\``,
    `\`${finding.rule}\``,
    [finding.message, ...counterexampleOf(finding).map((text) => `e.g. \`${text}\``), ...placeOf(finding, places)].join('<br>'),
    finding.verdict === 'safe' ? '' : finding.fix,
  ])
  const table = [['verdict', 'where', 'rule', 'what', 'fix'], Array.from({ length: 5 }, () => '---'), ...rows]
  const text = table.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`)
  return `**${verdict}**: this change is a ${bump}.\n${rows.length === 0 ? '' : `\n${text.join('\n')}\n`}`
}

function toJUnit({ findings }: Report): string {
  const cases = findings.map((finding) => {
    const name = `name="${xml(whereOf(finding))}" classname="${xml(finding.rule)}"`
    if (finding.verdict === 'safe') return `  <testcase ${name}/>`
    const text = xml([finding.message, ...counterexampleOf(finding), finding.fix].join('\n'))
    return finding.verdict === 'breaking'
      ? `  <testcase ${name}><failure message="${xml(finding.message)}">${text}</failure></testcase>`
      : `  <testcase ${name}><system-out>${text}</system-out></testcase>`
  })
  const failures = findings.filter(({ verdict }) => verdict === 'breaking').length
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="realtime" tests="${findings.length}" failures="${failures}">\n${cases.join('\n')}\n</testsuite>\n`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function xml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character)
}

export function whereOf({ flow, event, path }: Finding): string {
  const direction = flow === 'serverToClient' ? 'server→client' : 'client→server'
  return [event === undefined ? 'contract' : `${direction} ${event}`, path].filter(Boolean).join(' ')
}

function counterexampleOf(finding: Finding): string[] {
  if (!('counterexample' in finding)) return []
  return [finding.counterexample === undefined ? 'nothing at all' : JSON.stringify(finding.counterexample)]
}

function againstOf(finding: Finding | HistoryFinding): string[] {
  return 'against' in finding && finding.against.length > 0 ? [finding.against.join(', ')] : []
}

function placeOf(finding: Finding, places: Places): string[] {
  const place = places.of(finding)
  return place === undefined ? [] : [`${place.file}:${place.line}`]
}
