/** How many calls each server has answered in each of the last sixty seconds, for the small pictures. */
import { createStore } from '../store.ts'
import { onCalls } from './live.ts'
import { endedWell } from './outcomes.ts'

export const seconds = 60
/** More names than a gateway has servers are none of its own. */
const namesMax = 2_000

export interface Rate {
  /** Oldest first, the present second last. */
  readonly calls: readonly number[]
  /** Those of them that failed. */
  readonly failures: readonly number[]
  readonly total: number
}

interface Counts {
  readonly calls: number[]
  readonly failures: number[]
}

const byName = new Map<string, Counts>()
const nothing: Rate = { calls: Array(seconds).fill(0), failures: Array(seconds).fill(0), total: 0 }

/** Parts of a second: with a hundred servers, drawing all of their pictures at once would be one long task. */
export const phases = 4

/** Counts up with each part of a second. */
export const tick = createStore(0)

/** Another number once a second, for each name at a time of its own. */
export function beatOf(name: string, ticks: number): number {
  let sum = 0
  for (let at = 0; at < name.length; at++) sum += name.charCodeAt(at)
  return Math.floor((ticks + (sum % phases)) / phases)
}

export function rateOf(name: string): Rate {
  const counts = byName.get(name)
  if (counts === undefined) return nothing
  return { ...counts, total: counts.calls.reduce((sum, count) => sum + count, 0) }
}

/** Counts from now on, until the function that is returned is called. */
export function countCalls(): () => void {
  const forget = onCalls((calls) => {
    for (const call of calls) count(call.mcp, !endedWell(call))
  })
  const timer = setInterval(() => {
    const next = tick.get() + 1
    if (next % phases === 0) turn()
    tick.set(next)
  }, 1_000 / phases)
  return () => {
    forget()
    clearInterval(timer)
  }
}

function count(name: string, failed: boolean): void {
  const known = byName.get(name)
  if (known === undefined && byName.size >= namesMax) return
  const counts = known ?? { calls: Array(seconds).fill(0), failures: Array(seconds).fill(0) }
  if (known === undefined) byName.set(name, counts)
  counts.calls[seconds - 1] = (counts.calls[seconds - 1] ?? 0) + 1
  if (failed) counts.failures[seconds - 1] = (counts.failures[seconds - 1] ?? 0) + 1
}

/** A second has passed. */
function turn(): void {
  for (const [name, counts] of byName) {
    for (const list of [counts.calls, counts.failures]) {
      list.shift()
      list.push(0)
    }
    if (counts.calls.every((calls) => calls === 0)) byName.delete(name)
  }
}
