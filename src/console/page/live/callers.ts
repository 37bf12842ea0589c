/** How often each caller has called since the page was opened. */
import type { CallEvent } from '../../../http/api/answers.ts'
import { onCalls } from './live.ts'

export interface CallerCount {
  /** The principal, as the log has it. */
  readonly caller: string
  /** What it calls itself, as of its last call. */
  readonly client: string
  readonly calls: number
  /** Those that did not end well. */
  readonly failures: number
}

const callersMax = 2_000
const good: ReadonlySet<CallEvent['outcome']> = new Set(['ok', 'input_required', 'cancelled'])
const counts = new Map<string, CallerCount>()

/** When counting began, ISO 8601. */
export const countedSince = new Date().toISOString()

/** Who called most first. */
export function callers(): readonly CallerCount[] {
  return [...counts.values()].sort((a, b) => b.calls - a.calls)
}

/** Counts from now on, until the function that is returned is called. */
export function countCallers(): () => void {
  return onCalls((calls) => {
    for (const call of calls) count(call)
  })
}

function count({ caller = 'anonymous', client = '', outcome }: CallEvent): void {
  const known = counts.get(caller)
  if (known === undefined && counts.size >= callersMax) return
  const { calls = 0, failures = 0, client: before = '' } = known ?? {}
  counts.set(caller, {
    caller,
    client: client === '' ? before : client,
    calls: calls + 1,
    failures: failures + (good.has(outcome) ? 0 : 1),
  })
}
