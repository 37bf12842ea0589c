/** Everything about one server on one page, the most telling first. */
import type { ServerView } from '../../http/api/answers.ts'
import { isObject } from '../../protocol/json.ts'
import { secretMask } from '../../registry/mask.ts'
import { printable } from '../../telemetry/printable.ts'
import { styled, type Terminal } from '../terminal/terminal.ts'
import { wrapTo } from '../terminal/text.ts'
import { ageText, counted } from '../terminal/units.ts'
import { cell, figure, type Received, received, receivedList, receivedTexts } from './received.ts'
import { ageOf, endpointsOf, reasonOf, stateCell, stateWord, statusOf } from './server-state.ts'

type Definition = Received<ServerView['definition']>
type Status = Received<ServerView['status']>
type Row = readonly [label: string, value: string]

/** Lines of its output; `servers logs` has more. */
const outputLines = 10

/** What a page is made of beside the answer of the gateway. */
export interface PageParts {
  readonly clientBase: string
  readonly terminal: Terminal
  readonly nowMs: number
}

/** The page. Texts of the server come in it; nothing in them can move a cursor. */
export function serverPage(view: Received<ServerView>, { clientBase, terminal, nowMs }: PageParts): string {
  const definition = received<ServerView['definition']>(view.definition)
  const status = statusOf(view)
  const name = cell(definition.name)
  const [stream, sse] = endpointsOf(clientBase, name)
  const rows: Row[] = [
    ['name', name],
    ['state', stateLine(status, nowMs)],
    ['reason', reasonOf(status)],
    ['last exit', exitLine(status, nowMs)],
    ['reached by', targetOf(definition)],
    ['endpoints', `${stream}\n${sse}`],
    [
      'defined in',
      view.origin === 'file' ? 'the configuration file' : cell(view.origin) === '' ? '' : 'the store',
    ],
    ['description', cell(definition.description)],
    ['speaks', spokenOf(status)],
    ['offers', Object.keys(received<object>(status.capabilities)).join(', ')],
    ['in use', `${counted(figure(status.sessions), 'session')}, ${processesOf(status)}`],
    ['requests', requestsOf(status)],
    ...settingsOf(definition),
    ['last output', receivedTexts(status.stderrTail).slice(-outputLines).join('\n')],
  ]
  return rows
    .filter(([, value]) => value !== '')
    .map(([label, value]) => shownRow(label, value, status, terminal))
    .join('\n')
}

const labelColumns = 13

function shownRow(label: string, value: string, status: Status, terminal: Terminal): string {
  const indent = ' '.repeat(labelColumns)
  const columns = terminal.columns === null ? null : Math.max(20, terminal.columns - labelColumns)
  const safe = printable(value)
  const lines = columns === null ? safe.split('\n') : wrapTo(safe, columns)
  const state = stateCell(status)
  const style = label === 'state' && typeof state !== 'string' ? state.style : null
  const shown = lines.map((line) => styled(line, style, terminal)).join(`\n${indent}`)
  return `${styled(label, 'bold', terminal)}${' '.repeat(labelColumns - label.length)}${shown}`
}

function stateLine(status: Status, nowMs: number): string {
  const age = ageOf(status, nowMs)
  const restarts = figure(status.restarts)
  const parts = [
    `${stateWord(status)}${age === '' ? '' : ` for ${age}`}`,
    ...(restarts === 0 ? [] : [counted(restarts, 'restart')]),
  ]
  return parts.join(', ')
}

function exitLine(status: Status, nowMs: number): string {
  const exit = received<{ code: number; signal: string; at: string }>(status.lastExit)
  const how = cell(exit.signal) === '' ? `code ${cell(exit.code)}` : cell(exit.signal)
  const atMs = Date.parse(cell(exit.at))
  return isObject(status.lastExit)
    ? `${how}${Number.isNaN(atMs) ? '' : `, ${ageText(nowMs - atMs)} ago`}`
    : ''
}

function targetOf(definition: Definition): string {
  if (definition.transport === 'group')
    return `a group of ${membersOf(definition)}; "compozy groups get" shows it`
  const command = [cell(definition.command), ...receivedTexts(definition.args)].filter((word) => word !== '')
  const target = cell(definition.url) === '' ? command.map(shownWord).join(' ') : cell(definition.url)
  return `${cell(definition.transport)}: ${target}`
}

function membersOf({ members }: Definition): string {
  const words = receivedList<{ server: string; tag: string; all: boolean }>(members).map(
    ({ server, tag, all }) =>
      all === true ? 'all servers' : cell(server) === '' ? `those tagged ${cell(tag)}` : cell(server),
  )
  return words.join(', ')
}

/** As a shell would read it. */
function shownWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) || word === secretMask ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function spokenOf(status: Status): string {
  const info = received<{ name: string; version: string }>(status.serverInfo)
  const program = [cell(info.name), cell(info.version)].filter((part) => part !== '').join(' ')
  const version = cell(status.protocolVersion)
  return version === ''
    ? ''
    : `MCP ${version} (${cell(status.era)})${program === '' ? '' : `, as ${program}`}`
}

function processesOf(status: Status): string {
  const count = figure(status.processes)
  return count === 1 ? '1 process' : `${count} processes`
}

function requestsOf(status: Status): string {
  const averageMs = figure(status.avgResponseTime) / 1_000_000
  const parts = [
    counted(figure(status.totalRequests), 'request'),
    counted(figure(status.totalErrors), 'error'),
    `${counted(figure(status.toolErrors), 'failed tool')}`,
    ...(averageMs > 0
      ? [`${averageMs < 10 ? averageMs.toFixed(1) : Math.round(averageMs)} ms on average`]
      : []),
  ]
  return parts.join(', ')
}

const plainSettings = [
  ['isolation', 'isolation'],
  ['affinity', 'affinity'],
  ['onOwnerLoss', 'on owner loss'],
  ['timeout', 'timeout'],
  ['startTimeout', 'start within'],
] as const

/** What the definition says beyond the usual. */
function settingsOf(definition: Definition): Row[] {
  const filter = received<{ mode: string; list: string[] }>(definition.toolFilter)
  const usual: Readonly<Record<string, unknown>> = { isolation: 'auto', startTimeout: '120s' }
  const plain = plainSettings.map(([field, label]): Row => {
    const value = cell(definition[field])
    return [label, value === usual[field] ? '' : value]
  })
  return [
    ['variables', pairsOf(definition.env)],
    ['headers', pairsOf(definition.headers)],
    ['tags', pairsOf(definition.tags)],
    [
      'tools',
      isObject(definition.toolFilter) ? `${cell(filter.mode)} ${receivedTexts(filter.list).join(', ')}` : '',
    ],
    ['own tokens', receivedTexts(definition.authTokens).length === 0 ? '' : 'yes'],
    ...plain,
  ]
}

function pairsOf(map: unknown): string {
  return Object.entries(received<Record<string, unknown>>(map))
    .map(([name, value]) => `${name}=${cell(value)}`)
    .join('\n')
}
