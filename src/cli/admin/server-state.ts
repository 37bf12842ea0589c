/** How a server fares, in the words and colours that every command uses. */
import type { ServerView } from '../../http/api/answers.ts'
import type { Cell } from '../table.ts'
import type { Style } from '../terminal/terminal.ts'
import { ageText } from '../terminal/units.ts'
import { cell, type Received, received } from './received.ts'

type Status = Received<ServerView['status']>

const styles: Readonly<Record<string, Style>> = {
  connected: 'green',
  connecting: 'yellow',
  needs_login: 'yellow',
  error: 'red',
  disabled: 'dim',
  idle: 'dim',
}

/** The state in one word: that of the status, `disabled`, or `idle` for what each user has started for themselves. */
export function stateWord(status: Status): string {
  if (typeof status.disabledAt === 'string') return 'disabled'
  return typeof status.users === 'number' && status.status === 'disconnected' ? 'idle' : cell(status.status)
}

/** The same as a cell of a table. */
export function stateCell(status: Status): Cell {
  const text = stateWord(status)
  return { text, style: styles[text] ?? null }
}

/** Why it is not well and what to do; empty while it is well or switched off. */
export function reasonOf(status: Status): string {
  if (stateWord(status) === 'disabled') return ''
  if (cell(status.reason) !== '') return cell(status.reason)
  if (cell(status.closed) !== '') return cell(status.closed)
  return status.status === 'connected' ? '' : cell(status.lastError).trim()
}

/** How long it has been up, or down: `5m`; empty when nobody knows. */
export function ageOf(status: Status, nowMs: number): string {
  const since = stateWord(status) === 'disabled' ? cell(status.disabledAt) : cell(status.since)
  const sinceMs = Date.parse(since)
  return Number.isNaN(sinceMs) ? '' : ageText(nowMs - sinceMs)
}

/** Where clients find it, the newer endpoint first. */
export function endpointsOf(clientBase: string, name: string): readonly [stream: string, sse: string] {
  const base = `${clientBase.replace(/\/+$/, '')}/mcp-proxy/${encodeURIComponent(name)}`
  return [`${base}/stream`, `${base}/sse`]
}

/** The status of an answer that holds one server. */
export function statusOf(view: Received<ServerView>): Status {
  return received<ServerView['status']>(view.status)
}
