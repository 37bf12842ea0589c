/**
 * Counters and gauges; every metric name, label and unit stands in one table here.
 *
 * Counting is an array increment; everything else happens when somebody scrapes. Labels come from
 * closed sets: server names (the registry bounds them), outcomes, areas and HTTP statuses.
 */
import { version } from '../../package.json'
import { bucketOf, CallDurations, type CallSeries, type EndedCall } from './call-durations.ts'
import { type CallOutcome, callOutcomes } from './call-ending.ts'
import type { SpanFigures } from './traces/trace.ts'

/** What the relay reports. Implementations must be cheap: this is on the hot path. */
export interface Metrics {
  /** A JSON-RPC request was accepted for a server. */
  requestStarted(server: string): void
  /** It ended; `failed` when the gateway or the server answered with a JSON-RPC error. */
  requestEnded(server: string, durationMs: number, failed: boolean): void
  /** It is registered from now on; calls of other names are not counted by outcome. */
  serverAdded(server: string): void
  /** It is gone: without this, whoever adds and deletes servers grows the page for ever. */
  serverRemoved(server: string): void
}

/** The outward surface: dashboards depend on it, and a test pins it as literals. */
export const metricTable = {
  requests: metric('counter', 'compozy_mcp_requests_total', 'JSON-RPC requests accepted for a server.'),
  errors: metric('counter', 'compozy_mcp_request_errors_total', 'Requests that ended in a JSON-RPC error.'),
  outcomes: metric(
    'counter',
    'compozy_mcp_request_outcomes_total',
    'Requests that have ended, by what became of them.',
  ),
  duration: metric('histogram', 'compozy_mcp_request_duration_seconds', 'Time from a request to its answer.'),
  callDuration: metric(
    'histogram',
    'compozy_mcp_call_duration_seconds',
    'Time from the arrival of a request of a client to its end, by what became of it.',
  ),
  inFlight: metric('gauge', 'compozy_mcp_requests_in_flight', 'Requests that wait for their answer.'),
  sessions: metric('gauge', 'compozy_mcp_sessions', 'Client sessions open on a server.'),
  processes: metric('gauge', 'compozy_mcp_processes', 'Child processes that run for a server.'),
  lanes: metric('gauge', 'compozy_mcp_lanes', 'Ways to a server that are open or opening.'),
  parkedCalls: metric(
    'gauge',
    'compozy_mcp_parked_calls',
    'Calls that wait for input of their client between two requests.',
  ),
  up: metric('gauge', 'compozy_mcp_server_up', '1 while the server is connected, else 0.'),
  restarts: metric(
    'counter',
    'compozy_mcp_server_restarts_total',
    'How often a server was started again, or its session opened again.',
  ),
  http: metric('counter', 'compozy_http_requests_total', 'HTTP requests answered, by area and status.'),
  linesDropped: metric(
    'counter',
    'compozy_log_lines_dropped_total',
    'Log lines given up because nobody read.',
  ),
  auditLinesDropped: metric(
    'counter',
    'compozy_audit_lines_dropped_total',
    'Audit lines lost because they could not be written.',
  ),
  spansExported: metric(
    'counter',
    'compozy_trace_spans_exported_total',
    'Spans that the collector has taken.',
  ),
  spansDropped: metric(
    'counter',
    'compozy_trace_spans_dropped_total',
    'Spans given up because the collector did not take them.',
  ),
  clusterMembers: metric(
    'gauge',
    'compozy_cluster_members',
    'Replicas whose lease goes on, this one among them.',
  ),
  directoryUp: metric(
    'gauge',
    'compozy_cluster_directory_up',
    '1 while the Redis of the cluster answers, else 0.',
  ),
  directoryDuration: metric(
    'histogram',
    'compozy_cluster_directory_duration_seconds',
    'Time from a renewal of the lease to its answer.',
  ),
  directoryFailures: metric(
    'counter',
    'compozy_cluster_directory_failures_total',
    'Renewals of the lease that were not answered.',
  ),
  clusterLapses: metric(
    'counter',
    'compozy_cluster_lapses_total',
    'How often the lease of this replica was over while it ran.',
  ),
  clusterTakeovers: metric(
    'counter',
    'compozy_cluster_takeovers_total',
    'Sessions and lanes that this replica has taken over from another one.',
  ),
  clusterForwards: metric(
    'counter',
    'compozy_cluster_forwards_total',
    'Requests sent to the replica that owns them, by its address and by what became of them.',
  ),
  logins: metric(
    'gauge',
    'compozy_logins',
    'Logins at servers with OAuth, by whose they are and how they stand.',
  ),
  loginEnd: metric(
    'gauge',
    'compozy_login_end_timestamp_seconds',
    'When the first login of a server ends that cannot be renewed, in Unix time.',
  ),
  loginAttempts: metric(
    'counter',
    'compozy_login_attempts_total',
    'Logins at servers that people have completed, and those that have failed.',
  ),
  loginRenewals: metric(
    'counter',
    'compozy_login_renewals_total',
    'Renewals of tokens for servers, by what became of them.',
  ),
  loopLag: metric(
    'histogram',
    'compozy_event_loop_lag_seconds',
    'How late the event loop was for a timer, four times a second.',
  ),
  build: metric('gauge', 'compozy_build_info', 'Always 1; the labels say what runs.'),
  uptime: metric('gauge', 'compozy_uptime_seconds', 'Time since the gateway started.'),
  memory: metric('gauge', 'process_resident_memory_bytes', 'Resident memory of the gateway process.'),
  cpu: metric('counter', 'process_cpu_seconds_total', 'User and system CPU time of the gateway process.'),
} as const

/** Upper bounds of the duration buckets, in seconds; +Inf follows. */
export const durationBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
] as const

/** The same of the lag of the event loop. */
export const lagBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] as const

/** The same of the answers of a cluster's directory. */
export const directoryBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] as const

type MetricKind = 'counter' | 'gauge' | 'histogram'

export interface MetricRow {
  readonly kind: MetricKind
  readonly name: string
  readonly help: string
}

function metric(kind: MetricKind, name: string, help: string): MetricRow {
  return { kind, name, help }
}

/** One server as the directory sees it when somebody scrapes. */
export interface ServerGauges {
  readonly name: string
  readonly sessions: number
  readonly processes: number
  readonly lanes: number
  readonly parkedCalls: number
  readonly connected: boolean
  readonly restarts: number
}

export interface ServerFigures extends ServerGauges {
  readonly requests: number
  readonly errors: number
  readonly outcomes: Readonly<Record<CallOutcome, number>>
  readonly inFlight: number
  readonly durationSumMs: number
  /** Requests per bucket of `durationBuckets`, not cumulated; the last entry is +Inf. */
  readonly durationCounts: readonly number[]
}

/** How this replica fares in its cluster. */
export interface ClusterFigures {
  readonly members: number
  readonly directoryUp: boolean
  /** Renewals per bucket of `directoryBuckets`, not cumulated; the last entry is +Inf. */
  readonly directory: { readonly counts: readonly number[]; readonly sumSeconds: number }
  readonly directoryFailures: number
  readonly lapses: number
  readonly takeovers: number
  readonly forwards: readonly { readonly peer: string; readonly outcome: string; readonly count: number }[]
}

/** How a login of somebody who has finished it has gone. */
export const loginAttempts = ['completed', 'failed'] as const
/**
 * What becomes of a renewal: `ended` is a login that the authorization server has ended, `refused` a request that it
 * does not take, `failed` one that it could not answer, which is tried again.
 */
export const renewalOutcomes = ['renewed', 'ended', 'refused', 'failed'] as const

/** The logins at one server. */
export interface LoginFigures {
  readonly server: string
  /** Whose they are: everybody's, or each user's. */
  readonly account: 'shared' | 'user'
  /** Logins that are there. */
  readonly stored: number
  /** Those of them with which the server does not let in, or not as far as calls want. */
  readonly insufficient: number
  /** Accounts that were asked for and have no login that counts. */
  readonly needsLogin: number
  /** Accounts whose calls lack scopes that nobody has agreed to. */
  readonly needsConsent: number
  /** When the first one ends that cannot be renewed, in Unix time; null where none does. */
  readonly endsAtS: number | null
  readonly attempts: Readonly<Record<(typeof loginAttempts)[number], number>>
  readonly renewals: Readonly<Record<(typeof renewalOutcomes)[number], number>>
}

/** Everything at one moment; the renderers in `metrics-page.ts` turn it into text or JSON. */
export interface MetricsSnapshot {
  readonly servers: readonly ServerFigures[]
  readonly calls: readonly CallSeries[]
  readonly loopLag: { readonly counts: readonly number[]; readonly sumSeconds: number }
  readonly build: Readonly<Record<string, string>>
  readonly http: readonly { readonly area: string; readonly status: number; readonly count: number }[]
  readonly linesDropped: number
  readonly auditLinesDropped: number
  readonly spans: SpanFigures
  /** Null where this gateway is alone. */
  readonly cluster: ClusterFigures | null
  /** Of servers that want a login, as soon as one of them was asked for. */
  readonly logins: readonly LoginFigures[]
  readonly uptimeSeconds: number
  readonly memoryBytes: number
  readonly cpuSeconds: number
}

export interface ProcessMetrics extends Metrics {
  /** An HTTP request was answered; `area` must come from a closed set. */
  httpAnswered(area: string, status: number): void
  /** A request at a registered server has ended, also one that never reached it. */
  callEnded(call: EndedCall): void
  /** The event loop came so late to a timer. */
  loopLagged(lagMs: number): void
  /** Everything at this moment; `servers` are those that are registered. */
  snapshot(
    servers: readonly ServerGauges[],
    linesDropped: number,
    ofOthers?: Partial<FiguresOfOthers>,
  ): MetricsSnapshot
}

/** What is counted where it happens. */
type FiguresOfOthers = Pick<MetricsSnapshot, 'auditLinesDropped' | 'spans' | 'cluster' | 'logins'>

interface ServerCounters {
  /** The server is gone; its counters go with its last call. */
  removed: boolean
  started: number
  ended: number
  errors: number
  readonly outcomes: Record<CallOutcome, number>
  durationSumMs: number
  readonly durationCounts: number[]
}

declare const BUILD_COMMIT: string

/** From source there is no commit. */
const build: Readonly<Record<string, string>> = {
  version,
  ...(typeof BUILD_COMMIT === 'undefined' ? {} : { commit: BUILD_COMMIT }),
  bun: Bun.version,
}

const nothingOfOthers: FiguresOfOthers = {
  auditLinesDropped: 0,
  spans: { exported: 0, dropped: 0 },
  cluster: null,
  logins: [],
}

/** Opens the process's metrics. */
export function createMetrics(): ProcessMetrics {
  const calls = new CallDurations()
  const lagCounts = new Array<number>(lagBuckets.length + 1).fill(0)
  let lagSumMs = 0
  const counters = new Map<string, ServerCounters>()
  const http = new Map<string, number[]>()
  const startedAtMs = performance.now()

  function of(server: string): ServerCounters {
    let found = counters.get(server)
    if (found === undefined) {
      found = newCounters()
      counters.set(server, found)
    }
    return found
  }

  function forgetFinished(server: string, { started, ended }: ServerCounters): void {
    if (started !== ended) return
    counters.delete(server)
    calls.forget(server)
  }

  return {
    requestStarted(server) {
      const counter = of(server)
      counter.started++
      counter.removed = false
    },
    requestEnded(server, durationMs, failed) {
      const counter = of(server)
      counter.ended++
      if (failed) counter.errors++
      counter.durationSumMs += durationMs
      const at = bucketOf(durationMs / 1000, durationBuckets)
      counter.durationCounts[at] = (counter.durationCounts[at] ?? 0) + 1
      if (counter.removed) forgetFinished(server, counter)
    },
    serverAdded(server) {
      of(server).removed = false
    },
    callEnded(call) {
      const counter = counters.get(call.server)
      if (counter === undefined) return
      counter.outcomes[call.outcome]++
      calls.noted(call)
    },
    loopLagged(lagMs) {
      const at = bucketOf(lagMs / 1000, lagBuckets)
      lagCounts[at] = (lagCounts[at] ?? 0) + 1
      lagSumMs += lagMs
    },
    serverRemoved(server) {
      const counter = counters.get(server)
      if (counter === undefined) return
      counter.removed = true
      forgetFinished(server, counter)
    },
    httpAnswered(area, status) {
      const byStatus = http.get(area) ?? []
      if (byStatus.length === 0) http.set(area, byStatus)
      byStatus[status] = (byStatus[status] ?? 0) + 1
    },
    snapshot(servers, linesDropped, ofOthers) {
      const { user, system } = process.cpuUsage()
      return {
        servers: servers.map((gauge) => figuresOf(gauge, counters.get(gauge.name))),
        calls: calls.list(),
        loopLag: { counts: [...lagCounts], sumSeconds: lagSumMs / 1000 },
        build,
        http: [...http].flatMap(([area, byStatus]) =>
          Object.entries(byStatus).map(([status, count]) => ({ area, status: Number(status), count })),
        ),
        linesDropped,
        ...nothingOfOthers,
        ...ofOthers,
        uptimeSeconds: (performance.now() - startedAtMs) / 1000,
        memoryBytes: process.memoryUsage.rss(),
        cpuSeconds: (user + system) / 1e6,
      }
    },
  }
}

function newCounters(): ServerCounters {
  return {
    removed: false,
    started: 0,
    ended: 0,
    errors: 0,
    outcomes: noOutcomes(),
    durationSumMs: 0,
    durationCounts: new Array<number>(durationBuckets.length + 1).fill(0),
  }
}

function noOutcomes(): Record<CallOutcome, number> {
  return Object.fromEntries(callOutcomes.map((outcome) => [outcome, 0])) as Record<CallOutcome, number>
}

function figuresOf(gauge: ServerGauges, counter = newCounters()): ServerFigures {
  return {
    ...gauge,
    requests: counter.started,
    errors: counter.errors,
    outcomes: { ...counter.outcomes },
    inFlight: counter.started - counter.ended,
    durationSumMs: counter.durationSumMs,
    durationCounts: [...counter.durationCounts],
  }
}
