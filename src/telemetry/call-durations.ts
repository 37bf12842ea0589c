/**
 * How long calls took, by server, group, method and outcome: one histogram for each that has happened.
 *
 * Clients choose names of methods, so only those of the protocol have series of their own. Servers and groups are
 * registered names, and what is kept of all of them together has a bound.
 */
import { type CallOutcome, callOutcomes } from './call-ending.ts'

/** The requests of every revision. Any other method is counted as `other`. */
export const countedMethods: readonly string[] = [
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'subscriptions/listen',
  'completion/complete',
  'logging/setLevel',
  'tasks/get',
  'tasks/result',
  'tasks/list',
  'tasks/update',
  'tasks/cancel',
]

const otherMethod = 'other'
const counted: ReadonlySet<string> = new Set(countedMethods)

/** Upper bounds of the buckets in seconds; +Inf follows. Few: each is a line of the page for each series. */
export const callBuckets = [0.0025, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 60, 300] as const

/** All histograms together: a page of some three megabytes at most. */
export const callSeriesMax = 2_000

/** A call that has ended at a registered server or group. */
export interface EndedCall {
  /** The server, or the group where no one server is meant. */
  readonly server: string
  /** The group by which it came. */
  readonly group: string | undefined
  readonly method: string
  readonly outcome: CallOutcome
  readonly durationMs: number
  /** Of its trace, where that is recorded. */
  readonly traceId?: string | undefined
}

/** One call of those that a bucket counts, for people to look at. */
export interface Exemplar {
  readonly traceId: string
  readonly durationMs: number
  /** When it ended, by the wall clock. */
  readonly atMs: number
}

interface Histogram {
  readonly counts: number[]
  sumMs: number
  /** The last call of each bucket whose trace is recorded; absent without any. */
  exemplars?: (Exemplar | null)[]
}

/** One histogram with its labels; those of what found no room of its own are empty. */
export interface CallSeries {
  readonly server: string
  readonly group: string
  readonly method: string
  readonly outcome: CallOutcome
  /** Not cumulated; the last entry is +Inf. */
  readonly counts: readonly number[]
  readonly sumMs: number
  /** By bucket; absent where no trace is recorded. */
  readonly exemplars?: readonly (Exemplar | null)[]
}

type ByOutcome = Record<CallOutcome, Histogram | null>
type ByMethod = Map<string, ByOutcome>

export class CallDurations {
  /** By server, then by group; without one the name is empty. */
  readonly #byServer = new Map<string, Map<string, ByMethod>>()
  /** Of what found no room. */
  readonly #rest: ByOutcome = noHistograms()
  #count = 0
  /** Of the last call: a busy gateway has many of the same, and three look-ups for each cost more than the rest. */
  #last: {
    readonly server: string
    readonly group: string
    readonly method: string
    readonly row: ByOutcome
  } | null = null

  noted({ server, group = '', method, outcome, durationMs, traceId }: EndedCall): void {
    const histogram =
      this.#rowOf(server, group, method)?.[outcome] ?? this.#begun(server, group, method, outcome)
    const at = bucketOf(durationMs / 1000, callBuckets)
    histogram.counts[at] = (histogram.counts[at] ?? 0) + 1
    histogram.sumMs += durationMs
    if (traceId === undefined) return
    histogram.exemplars ??= new Array<Exemplar | null>(callBuckets.length + 1).fill(null)
    histogram.exemplars[at] = { traceId, durationMs, atMs: Date.now() }
  }

  #rowOf(server: string, group: string, method: string): ByOutcome | undefined {
    const last = this.#last
    if (last?.server === server && last.group === group && last.method === method) return last.row
    const row = this.#byServer.get(server)?.get(group)?.get(method)
    if (row !== undefined) this.#last = { server, group, method, row }
    return row
  }

  /** The server or group is gone, and with it what came by it. */
  forget(name: string): void {
    this.#last = null
    const groups = this.#byServer.get(name)
    for (const table of groups?.values() ?? []) this.#count -= sizeOf(table)
    this.#byServer.delete(name)
    for (const others of this.#byServer.values()) {
      const table = others.get(name)
      if (table === undefined) continue
      this.#count -= sizeOf(table)
      others.delete(name)
    }
  }

  list(): CallSeries[] {
    const series: CallSeries[] = []
    for (const [server, groups] of this.#byServer)
      for (const [group, table] of groups)
        for (const [method, row] of table) pushRow(series, { server, group, method }, row)
    pushRow(series, { server: '', group: '', method: '' }, this.#rest)
    return series
  }

  /** The rare way: the first of its kind, or a method of nobody's. */
  #begun(server: string, group: string, method: string, outcome: CallOutcome): Histogram {
    const shown = counted.has(method) ? method : otherMethod
    const groups = ensure(this.#byServer, server, () => new Map<string, ByMethod>())
    const table = ensure(groups, group, () => new Map<string, ByOutcome>())
    const row = ensure(table, shown, noHistograms)
    const known = row[outcome]
    if (known !== null) return known
    const full = this.#count >= callSeriesMax
    const begun = (full ? this.#rest[outcome] : null) ?? noCounts()
    if (full) this.#rest[outcome] = begun
    else {
      this.#count++
      row[outcome] = begun
    }
    return begun
  }
}

function pushRow(
  series: CallSeries[],
  labels: Readonly<Record<'server' | 'group' | 'method', string>>,
  row: ByOutcome,
): void {
  for (const outcome of callOutcomes) {
    const histogram = row[outcome]
    if (histogram !== null) series.push({ ...labels, outcome, ...histogram, counts: [...histogram.counts] })
  }
}

function sizeOf(table: ByMethod): number {
  let size = 0
  for (const row of table.values()) for (const outcome of callOutcomes) if (row[outcome] !== null) size++
  return size
}

function ensure<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}

function noHistograms(): ByOutcome {
  return Object.fromEntries(callOutcomes.map((outcome) => [outcome, null])) as ByOutcome
}

function noCounts(): Histogram {
  return { counts: new Array<number>(callBuckets.length + 1).fill(0), sumMs: 0 }
}

/** The place of the first bound that is not passed. */
export function bucketOf(seconds: number, bounds: readonly number[]): number {
  let at = 0
  while (at < bounds.length && seconds > (bounds[at] ?? 0)) at++
  return at
}
