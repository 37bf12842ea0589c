/** How often each caller has called since the page was opened, or since somebody began anew. */
import type { CallEvent } from '../../../http/api/answers.ts'
import { onCalls } from './live.ts'
import { endedWell } from './outcomes.ts'

export interface CallerCount {
  /** The principal, as the log has it. */
  readonly caller: string
  /** What it calls itself, as of its last call. */
  readonly client: string
  readonly calls: number
  /** Those that did not end well. */
  readonly failures: number
  /** The server that most of them went to. */
  readonly server: string
}

interface Counted extends Omit<CallerCount, 'server'> {
  readonly servers: Map<string, number>
}

const callersMax = 2_000
/** Of one caller; calls to more are counted and not told apart. */
const serversMax = 50
const counts = new Map<string, Counted>()
let since = new Date().toISOString()

/** When counting began, ISO 8601. */
export function countedSince(): string {
  return since
}

/** Who called most first. */
export function callers(): readonly CallerCount[] {
  return [...counts.values()]
    .sort((a, b) => b.calls - a.calls)
    .map(({ servers, ...count }) => ({
      ...count,
      server: [...servers].reduce((most, each) => (each[1] > most[1] ? each : most), ['', 0])[0],
    }))
}

/** Begins anew. */
export function clearCallers(): void {
  counts.clear()
  since = new Date().toISOString()
}

/** Counts from now on, until the function that is returned is called. */
export function countCallers(): () => void {
  return onCalls((calls) => {
    for (const call of calls) count(call)
  })
}

/** Takes one call. */
export function count(call: CallEvent): void {
  const { caller = 'anonymous', client = '', mcp } = call
  const known = counts.get(caller)
  if (known === undefined && counts.size >= callersMax) return
  const { calls = 0, failures = 0, client: before = '', servers = new Map<string, number>() } = known ?? {}
  if (servers.has(mcp) || servers.size < serversMax) servers.set(mcp, (servers.get(mcp) ?? 0) + 1)
  counts.set(caller, {
    caller,
    client: client === '' ? before : client,
    calls: calls + 1,
    failures: failures + (endedWell(call) ? 0 : 1),
    servers,
  })
}
