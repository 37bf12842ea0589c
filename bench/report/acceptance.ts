/**
 * The bounds that the gateway is held to. Each compares figures of one run, round by round, because a
 * shared machine changes its speed from minute to minute; the median of the rounds counts.
 */
import type { Sample } from '../measure.ts'
import type { SubjectName } from '../subjects/subject.ts'
import { median, type Results, roundsOf } from './results.ts'

export interface Check {
  readonly name: string
  readonly bound: string
  /** As people read it; null when it was not measured. */
  readonly measured: string | null
  readonly met: boolean | null
}

type Figure = (sample: Sample) => number | null
const rate: Figure = (sample) => sample.requestsPerSecond
const cpu: Figure = (sample) => sample.cpuUsPerRequest
const p50: Figure = (sample) => sample.p50Ms

export function acceptance(results: Results): Check[] {
  const against = (workload: string, other: SubjectName, figure: Figure = rate) =>
    combined(results, [workload, 'compozy'], [workload, other], figure, (ours, theirs) => ours / theirs)
  const between = (workload: string, other: string) =>
    combined(results, [workload, 'compozy'], [other, 'compozy'], rate, (ours, theirs) => ours / theirs)
  return [
    atLeast('small call, stdio: requests/s against the bare relay', 0.65, against('stdio', 'bare relay')),
    atMost(
      'small call, stdio: CPU per request against the bare relay',
      1.6,
      against('stdio', 'bare relay', cpu),
    ),
    atLeast('small call, stdio: requests/s against supergateway', 9, against('stdio', 'supergateway')),
    atLeast('small call, stdio: requests/s against mcp-proxy', 9, against('stdio', 'mcp-proxy')),
    atLeast('small call, HTTP: requests/s against the bare relay', 0.65, against('http', 'bare relay')),
    atLeast('2026-07-28 against legacy, stdio', 0.85, between('stdio-modern', 'stdio')),
    atLeast('2026-07-28 against legacy, HTTP', 0.85, between('http-modern', 'http')),
    atLeast(
      'bridge, new client to old server, against same-era',
      0.5,
      between('bridge-new-old', 'stdio-modern'),
    ),
    atLeast('bridge, old client to new server, against same-era', 0.5, between('bridge-old-new', 'stdio')),
    atLeast(
      '1 MB result, stdio: requests/s against the bare relay',
      1.3,
      against('megabyte-stdio', 'bare relay'),
    ),
    atLeast(
      '1 MB result, HTTP: requests/s against the bare relay',
      0.8,
      against('megabyte-http', 'bare relay'),
    ),
    atMost(
      'one connection, HTTP: p50 above direct, ms',
      0.15,
      combined(results, ['http-1', 'compozy'], ['http-1', 'direct'], p50, (ours, theirs) => ours - theirs),
    ),
    atMost(
      'one connection, stdio: p50 above direct HTTP, ms',
      0.15,
      combined(results, ['stdio-1', 'compozy'], ['http-1', 'direct'], p50, (ours, theirs) => ours - theirs),
    ),
    ...probeChecks(results),
    atMost(
      'p99 over p50, 64 connections, 30 s',
      4,
      combined(
        results,
        ['steady', 'compozy'],
        ['steady', 'compozy'],
        (sample) => sample.p99Ms / sample.p50Ms,
        (ours) => ours,
      ),
    ),
  ]
}

function probeChecks({ probes }: Results): Check[] {
  const { memory, churn, startMs, smallMachine } = probes
  const withSessions = (count: number) =>
    memory?.idleSessions.find(({ sessions }) => sessions === count)?.mib ?? null
  const kept = churn?.beforeMib && churn.afterMib ? churn.afterMib / churn.beforeMib : null
  return [
    atMost('idle RSS, MiB', 50, memory?.idleMib ?? null),
    atMost('RSS with 1,000 idle sessions and their streams, MiB', 72, withSessions(1000)),
    atMost('RSS with 5,000 idle sessions and their streams, MiB', 128, withSessions(5000)),
    atMost('RSS after 100,000 sessions against before', 1.1, churn?.sessions === 100_000 ? kept : null),
    atMost('first 200 on /healthz after exec, ms (median)', 90, startMs ? median(startMs) : null),
    atMost('0.2 CPU and 256 MiB: first 200 on /healthz, ms', 5000, smallMachine?.startMs ?? null),
    atLeast(
      '0.2 CPU and 256 MiB: requests/s of 200 asked',
      198,
      smallMachine?.load.requestsPerSecond ?? null,
    ),
    atMost('0.2 CPU and 256 MiB: errors', 0, smallMachine?.load.errors ?? null),
  ]
}

/** The median over the rounds of one figure here and there; null when either was not measured. */
function combined(
  results: Results,
  [ourWorkload, us]: readonly [string, SubjectName],
  [theirWorkload, them]: readonly [string, SubjectName],
  figure: Figure,
  combine: (ours: number, theirs: number) => number,
): number | null {
  const ours = roundsOf(results, ourWorkload, us)
  const theirs = roundsOf(results, theirWorkload, them)
  const values: number[] = []
  for (const [round, sample] of ours.entries()) {
    const mine = figure(sample)
    const other = theirs[round] && figure(theirs[round])
    if (mine !== null && other !== null && other !== undefined) values.push(combine(mine, other))
  }
  return values.length === 0 ? null : median(values)
}

function atLeast(name: string, bound: number, value: number | null): Check {
  return check(name, `at least ${bound}`, value, (measured) => measured >= bound)
}

function atMost(name: string, bound: number, value: number | null): Check {
  return check(name, `at most ${bound}`, value, (measured) => measured <= bound)
}

function check(name: string, bound: string, value: number | null, met: (value: number) => boolean): Check {
  if (value === null) return { name, bound, measured: null, met: null }
  return { name, bound, measured: figureText(value), met: met(value) }
}

/** Three digits that count, no more. */
export function figureText(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3)
}
