import { describe, expect, test } from 'bun:test'
import { callOutcomes } from '../../src/telemetry/call-ending.ts'
import {
  createMetrics,
  durationBuckets,
  metricTable,
  type ServerGauges,
} from '../../src/telemetry/metrics.ts'
import { metricsJson, prometheusText } from '../../src/telemetry/metrics-page.ts'

const gauges = (name: string): ServerGauges => ({
  name,
  sessions: 2,
  processes: 1,
  connected: true,
  restarts: 4,
})

function metricsOf(...names: string[]) {
  const metrics = createMetrics()
  return { ...metrics, snapshot: () => metrics.snapshot(names.map(gauges), 3) }
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
      'gauge compozy_mcp_requests_in_flight',
      'gauge compozy_mcp_sessions',
      'gauge compozy_mcp_processes',
      'gauge compozy_mcp_server_up',
      'counter compozy_mcp_server_restarts_total',
      'counter compozy_http_requests_total',
      'counter compozy_log_lines_dropped_total',
      'counter compozy_audit_lines_dropped_total',
      'gauge compozy_uptime_seconds',
      'gauge process_resident_memory_bytes',
      'counter process_cpu_seconds_total',
    ])
    expect(durationBuckets).toEqual([
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ])
  })

  test('all stand on the page with HELP and TYPE, once', () => {
    const page = prometheusText(metricsOf('files').snapshot())
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
    for (const outcome of ['ok', 'ok', 'tool_error', 'failed'] as const) metrics.callEnded('files', outcome)
    expect(callOutcomes.map(of)).toEqual(['2', '1', '0', '0', '1', '0', '0'])
  })

  test('counts no outcome of a name that is not registered, or not any more', () => {
    const metrics = createMetrics()
    const page = () => prometheusText(metrics.snapshot([gauges('old')], 0))
    metrics.callEnded('old', 'ok')
    metrics.serverAdded('old')
    metrics.serverRemoved('old')
    metrics.callEnded('old', 'ok')
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
