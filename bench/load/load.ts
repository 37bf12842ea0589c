/** What a load generator is asked for and what it reports. */
import type { Endpoint, Era } from './mcp-request.ts'

export interface LoadOptions {
  readonly endpoint: Endpoint
  readonly era: Era
  /** JSON text of the tool's arguments. */
  readonly argumentsText: string
  readonly connections: number
  readonly seconds: number
  /** Requests a second over all connections; null for as many as go. */
  readonly ratePerSecond: number | null
}

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Wrong answers, refused and broken connections. */
  readonly errors: number
}

/** The figures of a run from its latencies in milliseconds; sorts them in place. */
export function loadResult(latenciesMs: number[], seconds: number, errors: number): LoadResult {
  latenciesMs.sort((a, b) => a - b)
  const at = (share: number): number =>
    latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0
  return {
    requests: latenciesMs.length,
    seconds,
    requestsPerSecond: latenciesMs.length / seconds,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    maxMs: at(1),
    errors,
  }
}
