import { describe, expect, test } from 'bun:test'
import { version } from '../../package.json'
import { clientRequests } from '../../src/protocol/eras.ts'
import {
  callBuckets,
  callSeriesMax,
  countedMethods,
  type EndedCall,
} from '../../src/telemetry/call-durations.ts'
import { callOutcomes } from '../../src/telemetry/call-ending.ts'
import {
  type ClusterFigures,
  createMetrics,
  directoryBuckets,
  durationBuckets,
  type LoginFigures,
  metricTable,
  type ServerGauges,
} from '../../src/telemetry/metrics.ts'
import {
  hasExemplars,
  metricsJson,
  openMetricsText,
  prometheusText,
} from '../../src/telemetry/metrics-page.ts'

const gauges = (name: string): ServerGauges => ({
  name,
  sessions: 2,
  processes: 1,
  lanes: 3,
  parkedCalls: 5,
  connected: true,
  restarts: 4,
})

const callAt = (server: string, others: Partial<EndedCall> = {}): EndedCall => ({
  server,
  group: undefined,
  method: 'tools/call',
  outcome: 'ok',
  durationMs: 1,
  ...others,
})

function metricsOf(...names: string[]) {
  const metrics = createMetrics()
  return { ...metrics, snapshot: () => metrics.snapshot(names.map(gauges), 3) }
}

const cluster: ClusterFigures = {
  members: 3,
  directoryUp: true,
  directory: { counts: new Array<number>(directoryBuckets.length + 1).fill(1), sumSeconds: 2 },
  directoryFailures: 4,
  lapses: 5,
  takeovers: 6,
  forwards: [{ peer: '10.0.0.8:6002', outcome: 'ok', count: 7 }],
}

const logins: LoginFigures = {
  server: 'mail',
  account: 'user',
  stored: 9,
  insufficient: 2,
  needsLogin: 3,
  needsConsent: 1,
  endsAtS: 1_800_000_000,
  attempts: { completed: 9, failed: 2 },
  renewals: { renewed: 40, ended: 5, refused: 0, failed: 1 },
}

/** The value of one sample on the page. */
function sample(page: string, name: string): string | undefined {
  return page
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.slice(name.length + 1)
}

describe('metric names', () => {
  test('are these, because dashboards depend on them', () => {
    expect(Object.values(metricTable).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'counter compozy_mcp_requests_total',
      'counter compozy_mcp_request_errors_total',
      'counter compozy_mcp_request_outcomes_total',
      'histogram compozy_mcp_request_duration_seconds',
      'histogram compozy_mcp_call_duration_seconds',
      'gauge compozy_mcp_requests_in_flight',
      'gauge compozy_mcp_sessions',
      'gauge compozy_mcp_processes',
      'gauge compozy_mcp_lanes',
      'gauge compozy_mcp_parked_calls',
      'gauge compozy_mcp_server_up',
      'counter compozy_mcp_server_restarts_total',
      'counter compozy_http_requests_total',
      'counter compozy_log_lines_dropped_total',
      'counter compozy_audit_lines_dropped_total',
      'counter compozy_trace_spans_exported_total',
      'counter compozy_trace_spans_dropped_total',
      'gauge compozy_cluster_members',
      'gauge compozy_cluster_directory_up',
      'histogram compozy_cluster_directory_duration_seconds',
      'counter compozy_cluster_directory_failures_total',
      'counter compozy_cluster_lapses_total',
      'counter compozy_cluster_takeovers_total',
      'counter compozy_cluster_forwards_total',
      'gauge compozy_logins',
      'gauge compozy_login_end_timestamp_seconds',
      'counter compozy_login_attempts_total',
      'counter compozy_login_renewals_total',
      'histogram compozy_event_loop_lag_seconds',
      'gauge compozy_build_info',
      'gauge compozy_uptime_seconds',
      'gauge process_resident_memory_bytes',
      'counter process_cpu_seconds_total',
    ])
    expect(durationBuckets).toEqual([
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ])
  })

  test('all stand on the page with HELP and TYPE, once; those of a cluster and of logins where there are any', () => {
    const alone = prometheusText(metricsOf('files').snapshot())
    expect(alone).not.toContain('compozy_cluster')
    expect(alone).not.toContain('compozy_login')
    const page = prometheusText({ ...metricsOf('files').snapshot(), cluster, logins: [logins] })
    const ofMail = 'server="mail",account="user"'
    expect(sample(page, `compozy_logins{${ofMail},state="logged_in"}`)).toBe('7')
    expect(sample(page, `compozy_logins{${ofMail},state="needs_login"}`)).toBe('3')
    expect(sample(page, `compozy_logins{${ofMail},state="needs_consent"}`)).toBe('1')
    expect(sample(page, `compozy_login_end_timestamp_seconds{${ofMail}}`)).toBe('1800000000')
    expect(sample(page, 'compozy_login_renewals_total{server="mail",outcome="ended"}')).toBe('5')
    expect(sample(page, 'compozy_cluster_forwards_total{peer="10.0.0.8:6002",outcome="ok"}')).toBe('7')
    expect(sample(page, 'compozy_cluster_directory_duration_seconds_bucket{le="+Inf"}')).toBe('12')
    for (const { kind, name } of Object.values(metricTable)) {
      expect(page.split(`# TYPE ${name} ${kind}\n`)).toHaveLength(2)
      expect(page.split(`# HELP ${name} `)).toHaveLength(2)
    }
  })
})

describe('the Prometheus page', () => {
  test('counts requests, errors and what is in flight', () => {
    const metrics = metricsOf('files', 'docs')
    for (let i = 0; i < 5; i++) metrics.requestStarted('files')
    metrics.requestEnded('files', 1, false)
    metrics.requestEnded('files', 1, true)
    const page = prometheusText(metrics.snapshot())
    expect(sample(page, 'compozy_mcp_requests_total{server="files"}')).toBe('5')
    expect(sample(page, 'compozy_mcp_request_errors_total{server="files"}')).toBe('1')
    expect(sample(page, 'compozy_mcp_requests_in_flight{server="files"}')).toBe('3')
    expect(sample(page, 'compozy_mcp_requests_total{server="docs"}')).toBe('0')
    expect(sample(page, 'compozy_mcp_sessions{server="docs"}')).toBe('2')
    expect(sample(page, 'compozy_mcp_processes{server="docs"}')).toBe('1')
    expect(sample(page, 'compozy_mcp_server_up{server="docs"}')).toBe('1')
    expect(sample(page, 'compozy_mcp_server_restarts_total{server="docs"}')).toBe('4')
    expect(sample(page, 'compozy_log_lines_dropped_total')).toBe('3')
    expect(sample(page, 'compozy_audit_lines_dropped_total')).toBe('0')
  })

  test('counts by outcome what ended at a registered server, each outcome from the start', () => {
    const metrics = metricsOf('files')
    const of = (outcome: string) => {
      const name = `compozy_mcp_request_outcomes_total{server="files",outcome="${outcome}"}`
      return sample(prometheusText(metrics.snapshot()), name)
    }
    metrics.serverAdded('files')
    for (const outcome of callOutcomes) expect(of(outcome)).toBe('0')
    for (const outcome of ['ok', 'ok', 'tool_error', 'failed'] as const)
      metrics.callEnded(callAt('files', { outcome }))
    expect(callOutcomes.map(of)).toEqual(['2', '1', '0', '0', '1', '0', '0'])
  })

  test('counts no outcome of a name that is not registered, or not any more', () => {
    const metrics = createMetrics()
    const page = () => prometheusText(metrics.snapshot([gauges('old')], 0))
    metrics.callEnded(callAt('old'))
    metrics.serverAdded('old')
    metrics.serverRemoved('old')
    metrics.callEnded(callAt('old'))
    expect(sample(page(), 'compozy_mcp_request_outcomes_total{server="old",outcome="ok"}')).toBe('0')
  })

  test('has a histogram whose buckets cumulate up to the count', () => {
    const metrics = metricsOf('files')
    for (const durationMs of [0.5, 1, 1.01, 49, 299_999, 300_001, 1e9]) {
      metrics.requestStarted('files')
      metrics.requestEnded('files', durationMs, false)
    }
    const page = prometheusText(metrics.snapshot())
    const bucket = (le: string) =>
      sample(page, `compozy_mcp_request_duration_seconds_bucket{server="files",le="${le}"}`)
    expect([
      bucket('0.001'),
      bucket('0.0025'),
      bucket('0.05'),
      bucket('60'),
      bucket('300'),
      bucket('+Inf'),
    ]).toEqual(['2', '3', '4', '4', '5', '7'])
    expect(sample(page, 'compozy_mcp_request_duration_seconds_count{server="files"}')).toBe('7')
    expect(Number(sample(page, 'compozy_mcp_request_duration_seconds_sum{server="files"}'))).toBeCloseTo(
      1_000_600.05151,
      3,
    )
  })

  test('counts answers by area and status', () => {
    const metrics = metricsOf()
    metrics.httpAnswered('mcp', 200)
    metrics.httpAnswered('mcp', 200)
    metrics.httpAnswered('admin', 401)
    const page = prometheusText(metrics.snapshot())
    expect(sample(page, 'compozy_http_requests_total{area="mcp",status="200"}')).toBe('2')
    expect(sample(page, 'compozy_http_requests_total{area="admin",status="401"}')).toBe('1')
  })

  test('escapes label values', () => {
    const page = prometheusText(metricsOf('a"b\\c\nd').snapshot())
    expect(page).toContain('compozy_mcp_sessions{server="a\\"b\\\\c\\nd"} 2')
  })

  test('is lines of the exposition format and nothing else', () => {
    const metrics = metricsOf('files')
    metrics.httpAnswered('mcp', 200)
    for (const line of prometheusText(metrics.snapshot()).trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e+-]+)$/)
    }
  })

  test('forgets a server that was removed, once its calls have ended', () => {
    const metrics = createMetrics()
    const page = () => prometheusText(metrics.snapshot([gauges('old')], 0))
    metrics.requestStarted('old')
    metrics.serverRemoved('old')
    expect(sample(page(), 'compozy_mcp_requests_total{server="old"}')).toBe('1')
    metrics.requestEnded('old', 1, false)
    expect(sample(page(), 'compozy_mcp_requests_total{server="old"}')).toBe('0')
  })

  test('keeps the counters of a server that is registered anew while calls of the one before go on', () => {
    const metrics = createMetrics()
    metrics.requestStarted('docs')
    metrics.serverRemoved('docs')
    metrics.requestStarted('docs')
    metrics.requestEnded('docs', 1, false)
    metrics.requestEnded('docs', 1, false)
    const page = prometheusText(metrics.snapshot([gauges('docs')], 0))
    expect(sample(page, 'compozy_mcp_requests_total{server="docs"}')).toBe('2')
    expect(sample(page, 'compozy_mcp_requests_in_flight{server="docs"}')).toBe('0')
  })
})

describe('the histogram of calls', () => {
  const call = 'compozy_mcp_call_duration_seconds'
  const labels = (server: string, group: string, method: string, outcome: string) =>
    `server="${server}",group="${group}",method="${method}",outcome="${outcome}"`

  test('has each server, group, method and outcome by itself', () => {
    const metrics = metricsOf('files', 'team')
    metrics.serverAdded('files')
    metrics.serverAdded('team')
    for (const durationMs of [2, 2.5, 9, 400_000]) metrics.callEnded(callAt('files', { durationMs }))
    metrics.callEnded(callAt('files', { group: 'team', outcome: 'tool_error' }))
    metrics.callEnded(callAt('team', { group: 'team', method: 'tools/list' }))
    const page = prometheusText(metrics.snapshot())
    const direct = labels('files', '', 'tools/call', 'ok')
    const bucket = (le: string) => sample(page, `${call}_bucket{${direct},le="${le}"}`)
    expect(['0.0025', '0.01', '300', '+Inf'].map(bucket)).toEqual(['2', '3', '3', '4'])
    expect(sample(page, `${call}_sum{${direct}}`)).toBe('400.0135')
    expect(sample(page, `${call}_count{${direct}}`)).toBe('4')
    expect(sample(page, `${call}_count{${labels('files', 'team', 'tools/call', 'tool_error')}}`)).toBe('1')
    expect(sample(page, `${call}_count{${labels('team', 'team', 'tools/list', 'ok')}}`)).toBe('1')
  })

  test('shows the last recorded trace of each bucket as an exemplar, in OpenMetrics alone', () => {
    const metrics = metricsOf('files')
    metrics.serverAdded('files')
    const [first, second, slow] = ['a', 'b', 'c'].map((digit) => digit.repeat(32))
    expect(hasExemplars(metrics.snapshot())).toBe(false)
    metrics.callEnded(callAt('files', { durationMs: 5, traceId: first }))
    metrics.callEnded(callAt('files', { durationMs: 6, traceId: second }))
    metrics.callEnded(callAt('files', { durationMs: 7 }))
    metrics.callEnded(callAt('files', { durationMs: 400_000, traceId: slow }))
    metrics.callEnded(callAt('files', { outcome: 'failed' }))
    const snapshot = metrics.snapshot()
    expect(hasExemplars(snapshot)).toBe(true)
    const page = openMetricsText(snapshot)
    const exemplars = page.split('\n').filter((line) => line.includes(' # '))
    const at = `${call}_bucket{${labels('files', '', 'tools/call', 'ok')}`
    expect(exemplars.map((line) => line.replace(/[\d.]+$/, 'TIME'))).toEqual([
      `${at},le="0.01"} 3 # {trace_id="${second}"} 0.006 TIME`,
      `${at},le="+Inf"} 4 # {trace_id="${slow}"} 400 TIME`,
    ])
    expect(prometheusText(snapshot)).not.toContain(' # {')
  })

  test('is otherwise the same page in OpenMetrics, with the families of counters under their own names', () => {
    const metrics = metricsOf('files')
    metrics.serverAdded('files')
    metrics.callEnded(callAt('files'))
    const snapshot = { ...metrics.snapshot(), cluster, logins: [logins] }
    const lines = openMetricsText(snapshot).split('\n')
    expect(lines.slice(-2)).toEqual(['# EOF', ''])
    const samples = (text: readonly string[]) => text.filter((line) => line !== '' && !line.startsWith('#'))
    expect(samples(lines)).toEqual(samples(prometheusText(snapshot).split('\n')))
    expect(lines).toContain('# TYPE compozy_mcp_requests counter')
    expect(lines).toContain('# TYPE process_cpu_seconds counter')
    expect(lines).toContain('# TYPE compozy_uptime_seconds gauge')
    const families = lines.filter((line) => line.startsWith('# TYPE'))
    expect(families.filter((line) => line.endsWith(' counter') && line.includes('_total'))).toEqual([])
    expect(families).toHaveLength(Object.keys(metricTable).length)
  })

  test('knows every request of the protocol by its name', () => {
    const known = new Set([...clientRequests.legacy, ...clientRequests.modern.keys()])
    expect(countedMethods.toSorted()).toEqual([...known].toSorted())
  })

  test('makes one series of all methods that clients invent', () => {
    const metrics = metricsOf('files')
    metrics.serverAdded('files')
    for (let i = 0; i < 10_000; i++) metrics.callEnded(callAt('files', { method: `x/${i}` }))
    expect(metrics.snapshot().calls).toHaveLength(1)
    expect(
      sample(prometheusText(metrics.snapshot()), `${call}_count{${labels('files', '', 'other', 'ok')}}`),
    ).toBe('10000')
  })

  test('counts what finds no room without names, and loses none', () => {
    const names = Array.from({ length: 500 }, (_, at) => `s${at}`)
    const metrics = metricsOf(...names)
    for (const server of names) {
      metrics.serverAdded(server)
      for (const outcome of callOutcomes) metrics.callEnded(callAt(server, { outcome }))
    }
    const { calls } = metrics.snapshot()
    expect(calls.length).toBe(callSeriesMax + callOutcomes.length)
    const total = calls.flatMap(({ counts }) => counts).reduce((sum, count) => sum + count, 0)
    expect(total).toBe(500 * callOutcomes.length)
    expect(calls.at(-1)).toMatchObject({ server: '', group: '', method: '' })
    // Whoever goes makes room.
    metrics.serverRemoved('s0')
    metrics.callEnded(callAt('s499'))
    expect(metrics.snapshot().calls.find(({ server }) => server === 's499')?.counts[0]).toBe(1)
    expect(metrics.snapshot().calls.some(({ server }) => server === 's0')).toBe(false)
  })

  test('forgets a server and a group that are gone', () => {
    const metrics = metricsOf()
    for (const name of ['files', 'docs', 'team']) metrics.serverAdded(name)
    metrics.callEnded(callAt('files'))
    metrics.callEnded(callAt('docs'))
    metrics.callEnded(callAt('docs', { group: 'team' }))
    metrics.serverRemoved('files')
    metrics.serverRemoved('team')
    expect(metrics.snapshot().calls.map(({ server, group }) => [server, group])).toEqual([['docs', '']])
  })

  test('has few buckets, since each is a line for each series', () => {
    expect(callBuckets).toEqual([0.0025, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 60, 300])
  })
})

describe('figures of the process', () => {
  test('say how late the event loop was', () => {
    const metrics = metricsOf()
    for (const lateMs of [0, 0.5, 30, 6_000]) metrics.loopLagged(lateMs)
    const page = prometheusText(metrics.snapshot())
    const bucket = (le: string) => sample(page, `compozy_event_loop_lag_seconds_bucket{le="${le}"}`)
    expect(['0.001', '0.025', '0.05', '5', '+Inf'].map(bucket)).toEqual(['2', '2', '3', '3', '4'])
    expect(sample(page, 'compozy_event_loop_lag_seconds_sum')).toBe('6.0305')
  })

  test('say what runs, and what servers have open', () => {
    const page = prometheusText(metricsOf('files').snapshot())
    expect(page).toContain(`compozy_build_info{version="${version}",bun="${Bun.version}"} 1`)
    expect(sample(page, 'compozy_mcp_lanes{server="files"}')).toBe('3')
    expect(sample(page, 'compozy_mcp_parked_calls{server="files"}')).toBe('5')
  })
})

describe('the JSON figures', () => {
  test('have totals and each server with estimated quantiles', () => {
    const metrics = metricsOf('files', 'docs')
    for (let i = 1; i <= 100; i++) {
      metrics.requestStarted('files')
      metrics.requestEnded('files', i, i === 100)
    }
    expect(metricsJson(metrics.snapshot())).toMatchObject({
      totals: { requests: 100, errors: 1, inFlight: 0, sessions: 4, processes: 2, restarts: 8 },
      servers: [
        {
          name: 'files',
          requests: 100,
          errors: 1,
          durationMs: { average: 50.5, p50: 50, p95: 100, p99: 100 },
        },
        { name: 'docs', requests: 0, durationMs: { average: null, p50: null, p95: null, p99: null } },
      ],
      logLinesDropped: 3,
    })
  })
})
