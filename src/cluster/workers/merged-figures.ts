/** The figures of all workers as those of one gateway. */
import type { CallSeries, Exemplar } from '../../telemetry/call-durations.ts'
import type { ClusterFigures, LoginFigures, MetricsSnapshot, ServerFigures } from '../../telemetry/metrics.ts'
import type { InstanceId } from '../directory/directory.ts'

/**
 * One page of several, the first of which is that of whoever was asked: what counts is added, and so are bytes and
 * processor time. A server is up where it is so for one of them; the time since the start is the longest.
 */
export function mergedSnapshot(first: MetricsSnapshot, others: readonly MetricsSnapshot[]): MetricsSnapshot {
  const all = [first, ...others]
  const total = (value: (snapshot: MetricsSnapshot) => number) => sum(all.map(value))
  return {
    servers: grouped(
      all.flatMap(({ servers }) => servers),
      ({ name }) => name,
    ).map(mergedServer),
    calls: grouped(
      all.flatMap(({ calls }) => calls),
      ({ server, group, method, outcome }) => JSON.stringify([server, group, method, outcome]),
    ).map(mergedCalls),
    loopLag: {
      counts: added(all.map(({ loopLag }) => loopLag.counts)),
      sumSeconds: total(({ loopLag }) => loopLag.sumSeconds),
    },
    build: first.build,
    http: grouped(
      all.flatMap(({ http }) => http),
      ({ area, status }) => `${area} ${status}`,
    ).map(([one, ...more]) => ({ ...one, count: sum([one, ...more].map(({ count }) => count)) })),
    linesDropped: total(({ linesDropped }) => linesDropped),
    auditLinesDropped: total(({ auditLinesDropped }) => auditLinesDropped),
    spans: {
      exported: total(({ spans }) => spans.exported),
      dropped: total(({ spans }) => spans.dropped),
    },
    logins: grouped(
      all.flatMap(({ logins }) => logins),
      ({ server }) => server,
    ).map(mergedLogins),
    cluster: mergedCluster(all.flatMap(({ cluster }) => cluster ?? [])),
    uptimeSeconds: Math.max(...all.map(({ uptimeSeconds }) => uptimeSeconds)),
    memoryBytes: total(({ memoryBytes }) => memoryBytes),
    cpuSeconds: total(({ cpuSeconds }) => cpuSeconds),
  }
}

type Some<T> = readonly [T, ...T[]]

/** Those that are alike together, in the order in which the first of each came. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Some<T>[] {
  const groups = new Map<string, [T, ...T[]]>()
  for (const item of items) {
    const found = groups.get(keyOf(item))
    if (found === undefined) groups.set(keyOf(item), [item])
    else found.push(item)
  }
  return [...groups.values()]
}

function mergedServer(figures: Some<ServerFigures>): ServerFigures {
  const total = (value: (server: ServerFigures) => number) => sum(figures.map(value))
  return {
    name: figures[0].name,
    connected: figures.some(({ connected }) => connected),
    sessions: total(({ sessions }) => sessions),
    processes: total(({ processes }) => processes),
    lanes: total(({ lanes }) => lanes),
    parkedCalls: total(({ parkedCalls }) => parkedCalls),
    restarts: total(({ restarts }) => restarts),
    requests: total(({ requests }) => requests),
    errors: total(({ errors }) => errors),
    outcomes: addedBy(figures[0].outcomes, (outcome) => total((server) => server.outcomes[outcome])),
    inFlight: total(({ inFlight }) => inFlight),
    durationSumMs: total(({ durationSumMs }) => durationSumMs),
    durationCounts: added(figures.map(({ durationCounts }) => durationCounts)),
  }
}

function mergedCalls(series: Some<CallSeries>): CallSeries {
  return {
    ...series[0],
    counts: added(series.map(({ counts }) => counts)),
    sumMs: sum(series.map(({ sumMs }) => sumMs)),
    ...latestExemplars(series.flatMap(({ exemplars }) => (exemplars === undefined ? [] : [exemplars]))),
  }
}

function latestExemplars(all: readonly (readonly (Exemplar | null)[])[]): Pick<CallSeries, 'exemplars'> {
  const [first] = all
  if (first === undefined) return {}
  const latest = (at: number): Exemplar | null =>
    all.reduce<Exemplar | null>((found, exemplars) => {
      const other = exemplars[at] ?? null
      return other !== null && other.atMs > (found?.atMs ?? 0) ? other : found
    }, null)
  return { exemplars: first.map((_, at) => latest(at)) }
}

/**
 * All workers see the same logins. What one lacks that all share is known to each of them in the end; what a user lacks,
 * to the one that serves them.
 */
function mergedLogins(figures: Some<LoginFigures>): LoginFigures {
  const { server, account, attempts, renewals } = figures[0]
  const most = (value: (logins: LoginFigures) => number) => Math.max(...figures.map(value))
  const total = (value: (logins: LoginFigures) => number) => sum(figures.map(value))
  const lacking = account === 'shared' ? most : total
  const ends = figures.flatMap(({ endsAtS }) => endsAtS ?? [])
  return {
    server,
    account,
    stored: most(({ stored }) => stored),
    insufficient: lacking(({ insufficient }) => insufficient),
    needsLogin: lacking(({ needsLogin }) => needsLogin),
    needsConsent: lacking(({ needsConsent }) => needsConsent),
    endsAtS: ends.length === 0 ? null : Math.min(...ends),
    attempts: addedBy(attempts, (outcome) => total((logins) => logins.attempts[outcome])),
    renewals: addedBy(renewals, (outcome) => total((logins) => logins.renewals[outcome])),
  }
}

function addedBy<K extends string>(
  names: Readonly<Record<K, number>>,
  total: (name: K) => number,
): Record<K, number> {
  return Object.fromEntries((Object.keys(names) as K[]).map((name) => [name, total(name)])) as Record<
    K,
    number
  >
}

/** Workers come and go under names of one run, so that requests between them are told together. */
function mergedCluster(figures: readonly ClusterFigures[]): ClusterFigures | null {
  if (figures.length === 0) return null
  const total = (value: (cluster: ClusterFigures) => number) => sum(figures.map(value))
  const forwards = grouped(
    figures.flatMap((cluster) => cluster.forwards),
    ({ outcome }) => outcome,
  )
  return {
    members: Math.max(...figures.map(({ members }) => members)),
    directoryUp: figures.every(({ directoryUp }) => directoryUp),
    directory: {
      counts: added(figures.map(({ directory }) => directory.counts)),
      sumSeconds: total(({ directory }) => directory.sumSeconds),
    },
    directoryFailures: total(({ directoryFailures }) => directoryFailures),
    lapses: total(({ lapses }) => lapses),
    takeovers: total(({ takeovers }) => takeovers),
    forwards: forwards.map((some) => ({
      peer: 'workers',
      outcome: some[0].outcome,
      count: sum(some.map(({ count }) => count)),
    })),
  }
}

/** Buckets of the same bounds. */
function added(counts: readonly (readonly number[])[]): number[] {
  const longest = Math.max(...counts.map(({ length }) => length))
  return Array.from({ length: longest }, (_, at) => sum(counts.map((each) => each[at] ?? 0)))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** What stays of a worker that has ended: what it has counted, and nothing that was of its moment. */
export function buried(snapshot: MetricsSnapshot): MetricsSnapshot {
  return {
    ...snapshot,
    servers: snapshot.servers.map((server) => ({
      ...server,
      connected: false,
      sessions: 0,
      processes: 0,
      lanes: 0,
      parkedCalls: 0,
      inFlight: 0,
    })),
    logins: snapshot.logins.map((logins) => ({
      ...logins,
      ...{ stored: 0, insufficient: 0, needsLogin: 0, needsConsent: 0, endsAtS: null },
    })),
    uptimeSeconds: 0,
    memoryBytes: 0,
  }
}

/**
 * What workers that have ended had counted: a counter of the whole gateway never goes down because one of its
 * processes has died. Known as far as somebody has asked for it while they lived.
 */
export class Graveyard {
  readonly #last = new Map<InstanceId, MetricsSnapshot>()
  #dead: MetricsSnapshot | null = null

  /** What others than the asker answered, and the dead; notes what all of them said that live. */
  with(
    instances: readonly InstanceId[],
    answers: readonly unknown[],
    asker: { readonly instance: InstanceId; readonly figures: unknown },
    lives: (instance: InstanceId) => boolean,
  ): MetricsSnapshot[] {
    if (lives(asker.instance)) this.#last.set(asker.instance, asker.figures as MetricsSnapshot)
    const living = instances.flatMap((instance, at) => {
      // It has ended since it was asked, and is one of the dead.
      if (!lives(instance)) return []
      // Whoever does not answer in time counts as it did the last time.
      const figures = (answers[at] as MetricsSnapshot | null) ?? this.#last.get(instance)
      if (figures === undefined) return []
      this.#last.set(instance, figures)
      return [figures]
    })
    return this.#dead === null ? living : [...living, this.#dead]
  }

  died(instance: InstanceId): void {
    const last = this.#last.get(instance)
    this.#last.delete(instance)
    if (last !== undefined)
      this.#dead = this.#dead === null ? buried(last) : mergedSnapshot(this.#dead, [buried(last)])
  }
}
