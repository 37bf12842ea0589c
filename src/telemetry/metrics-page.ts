/** Renders a metrics snapshot: Prometheus text (exposition format 0.0.4), OpenMetrics, and the JSON of `/admin/metrics`. */
import { callBuckets, type Exemplar } from './call-durations.ts'
import { type CallOutcome, callOutcomes } from './call-ending.ts'
import {
  type ClusterFigures,
  directoryBuckets,
  durationBuckets,
  type LoginFigures,
  lagBuckets,
  loginAttempts,
  type MetricRow,
  type MetricsSnapshot,
  metricTable,
  renewalOutcomes,
  type ServerFigures,
} from './metrics.ts'

/** The content type that Prometheus expects with the text. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

/** The same of OpenMetrics, which has exemplars. */
export const openMetricsContentType = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** Whether there are exemplars to show, which is so while traces are recorded. */
export function hasExemplars({ calls }: MetricsSnapshot): boolean {
  return calls.some(({ exemplars }) => exemplars !== undefined)
}

/** The page for Prometheus. Series of one metric stand together under its HELP and TYPE. */
export function prometheusText(snapshot: MetricsSnapshot): string {
  const calls = snapshot.calls.map(({ exemplars: _, ...series }) => series)
  return `${pageLines({ ...snapshot, calls }).join('\n')}\n`
}

/** The same page as OpenMetrics 1.0: buckets have an exemplar each, and a family of counters no `_total` in its name. */
export function openMetricsText(snapshot: MetricsSnapshot): string {
  const lines = pageLines(snapshot).map((line) =>
    line.startsWith('# ') ? line.replace(/^(# \w+ \w+?)_total /, '$1 ') : line,
  )
  return `${lines.join('\n')}\n# EOF\n`
}

function pageLines(snapshot: MetricsSnapshot): string[] {
  const lines: string[] = []
  const byServer = (row: MetricRow, value: (server: ServerFigures) => number): void => {
    heading(lines, row)
    for (const server of snapshot.servers)
      lines.push(sample(row.name, { server: server.name }, value(server)))
  }
  byServer(metricTable.requests, (server) => server.requests)
  byServer(metricTable.errors, (server) => server.errors)
  heading(lines, metricTable.outcomes)
  for (const { name, outcomes } of snapshot.servers)
    for (const outcome of callOutcomes)
      lines.push(sample(metricTable.outcomes.name, { server: name, outcome }, outcomes[outcome]))
  heading(lines, metricTable.duration)
  for (const { name, durationCounts, durationSumMs } of snapshot.servers)
    histogram(
      lines,
      metricTable.duration,
      { server: name },
      durationBuckets,
      durationCounts,
      durationSumMs / 1000,
    )
  heading(lines, metricTable.callDuration)
  for (const { counts, sumMs, exemplars, ...labels } of snapshot.calls)
    histogram(lines, metricTable.callDuration, labels, callBuckets, counts, sumMs / 1000, exemplars)
  byServer(metricTable.inFlight, (server) => server.inFlight)
  byServer(metricTable.sessions, (server) => server.sessions)
  byServer(metricTable.processes, (server) => server.processes)
  byServer(metricTable.lanes, (server) => server.lanes)
  byServer(metricTable.parkedCalls, (server) => server.parkedCalls)
  byServer(metricTable.up, (server) => (server.connected ? 1 : 0))
  byServer(metricTable.restarts, (server) => server.restarts)
  heading(lines, metricTable.http)
  for (const { area, status, count } of snapshot.http) {
    lines.push(sample(metricTable.http.name, { area, status: String(status) }, count))
  }
  single(lines, metricTable.linesDropped, snapshot.linesDropped)
  single(lines, metricTable.auditLinesDropped, snapshot.auditLinesDropped)
  single(lines, metricTable.spansExported, snapshot.spans.exported)
  single(lines, metricTable.spansDropped, snapshot.spans.dropped)
  if (snapshot.cluster !== null) clusterLines(lines, snapshot.cluster)
  if (snapshot.logins.length > 0) loginLines(lines, snapshot.logins)
  heading(lines, metricTable.loopLag)
  histogram(lines, metricTable.loopLag, {}, lagBuckets, snapshot.loopLag.counts, snapshot.loopLag.sumSeconds)
  heading(lines, metricTable.build)
  lines.push(sample(metricTable.build.name, snapshot.build, 1))
  single(lines, metricTable.uptime, snapshot.uptimeSeconds)
  single(lines, metricTable.memory, snapshot.memoryBytes)
  single(lines, metricTable.cpu, snapshot.cpuSeconds)
  return lines
}

function clusterLines(lines: string[], cluster: ClusterFigures): void {
  single(lines, metricTable.clusterMembers, cluster.members)
  single(lines, metricTable.directoryUp, cluster.directoryUp ? 1 : 0)
  heading(lines, metricTable.directoryDuration)
  const { counts, sumSeconds } = cluster.directory
  histogram(lines, metricTable.directoryDuration, {}, directoryBuckets, counts, sumSeconds)
  single(lines, metricTable.directoryFailures, cluster.directoryFailures)
  single(lines, metricTable.clusterLapses, cluster.lapses)
  single(lines, metricTable.clusterTakeovers, cluster.takeovers)
  heading(lines, metricTable.clusterForwards)
  for (const { count, ...labels } of cluster.forwards)
    lines.push(sample(metricTable.clusterForwards.name, labels, count))
}

function loginLines(lines: string[], logins: readonly LoginFigures[]): void {
  heading(lines, metricTable.logins)
  for (const { server, account, ...login } of logins) {
    const states = {
      logged_in: Math.max(0, login.stored - login.insufficient),
      needs_login: login.needsLogin,
      needs_consent: login.needsConsent,
    }
    for (const [state, count] of Object.entries(states))
      lines.push(sample(metricTable.logins.name, { server, account, state }, count))
  }
  heading(lines, metricTable.loginEnd)
  for (const { server, account, endsAtS } of logins)
    if (endsAtS !== null) lines.push(sample(metricTable.loginEnd.name, { server, account }, endsAtS))
  heading(lines, metricTable.loginAttempts)
  for (const { server, attempts } of logins)
    for (const outcome of loginAttempts)
      lines.push(sample(metricTable.loginAttempts.name, { server, outcome }, attempts[outcome]))
  heading(lines, metricTable.loginRenewals)
  for (const { server, renewals } of logins)
    for (const outcome of renewalOutcomes)
      lines.push(sample(metricTable.loginRenewals.name, { server, outcome }, renewals[outcome]))
}

/** The JSON form: the same figures, durations in milliseconds, quantiles estimated from the buckets. */
export function metricsJson(snapshot: MetricsSnapshot) {
  return {
    uptimeSeconds: snapshot.uptimeSeconds,
    memoryBytes: snapshot.memoryBytes,
    cpuSeconds: snapshot.cpuSeconds,
    logLinesDropped: snapshot.linesDropped,
    auditLinesDropped: snapshot.auditLinesDropped,
    totals: {
      requests: sum(snapshot.servers, (server) => server.requests),
      errors: sum(snapshot.servers, (server) => server.errors),
      outcomes: totalOutcomes(snapshot.servers),
      inFlight: sum(snapshot.servers, (server) => server.inFlight),
      sessions: sum(snapshot.servers, (server) => server.sessions),
      processes: sum(snapshot.servers, (server) => server.processes),
      restarts: sum(snapshot.servers, (server) => server.restarts),
    },
    servers: snapshot.servers.map(serverJson),
    http: snapshot.http,
  }
}

function totalOutcomes(servers: readonly ServerFigures[]): Record<CallOutcome, number> {
  const totals = callOutcomes.map((outcome) => [outcome, sum(servers, ({ outcomes }) => outcomes[outcome])])
  return Object.fromEntries(totals) as Record<CallOutcome, number>
}

function serverJson(server: ServerFigures) {
  const answered = sum(server.durationCounts, (count) => count)
  return {
    name: server.name,
    connected: server.connected,
    requests: server.requests,
    errors: server.errors,
    outcomes: server.outcomes,
    inFlight: server.inFlight,
    sessions: server.sessions,
    processes: server.processes,
    restarts: server.restarts,
    durationMs: {
      average: answered === 0 ? null : server.durationSumMs / answered,
      p50: quantileMs(server.durationCounts, answered, 0.5),
      p95: quantileMs(server.durationCounts, answered, 0.95),
      p99: quantileMs(server.durationCounts, answered, 0.99),
    },
  }
}

/** The upper bound of the bucket that holds the quantile; null without answers or beyond the last bound. */
function quantileMs(counts: readonly number[], total: number, quantile: number): number | null {
  let seen = 0
  for (const [at, count] of counts.entries()) {
    seen += count
    const bound = durationBuckets[at]
    if (count > 0 && seen >= total * quantile) return bound === undefined ? null : bound * 1000
  }
  return null
}

function histogram(
  lines: string[],
  { name }: MetricRow,
  labels: Labels,
  bounds: readonly number[],
  counts: readonly number[],
  sumSeconds: number,
  exemplars: readonly (Exemplar | null)[] = [],
): void {
  let cumulated = 0
  for (const [at, count] of counts.entries()) {
    cumulated += count
    const le = bounds[at]
    const bucket = sample(
      `${name}_bucket`,
      { ...labels, le: le === undefined ? '+Inf' : String(le) },
      cumulated,
    )
    lines.push(bucket + exemplarText(exemplars[at] ?? null))
  }
  lines.push(sample(`${name}_sum`, labels, sumSeconds))
  lines.push(sample(`${name}_count`, labels, cumulated))
}

function exemplarText(exemplar: Exemplar | null): string {
  if (exemplar === null) return ''
  const { traceId, durationMs, atMs } = exemplar
  return ` # {trace_id="${traceId}"} ${durationMs / 1000} ${atMs / 1000}`
}

type Labels = Readonly<Record<string, string>>

function heading(lines: string[], row: MetricRow): void {
  lines.push(`# HELP ${row.name} ${row.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`)
  lines.push(`# TYPE ${row.name} ${row.kind}`)
}

function single(lines: string[], row: MetricRow, value: number): void {
  heading(lines, row)
  lines.push(sample(row.name, {}, value))
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return pairs.length === 0 ? `${name} ${value}` : `${name}{${pairs.join(',')}} ${value}`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
