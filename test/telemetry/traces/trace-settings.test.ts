import { describe, expect, test } from 'bun:test'
import { traceSettings } from '../../../src/telemetry/traces/trace-settings.ts'

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

function read(environment: Record<string, string>) {
  const doubts: string[] = []
  const settings = traceSettings(environment, (doubt) => doubts.push(doubt))
  return { settings, doubts }
}

describe('the variables of OpenTelemetry', () => {
  test('have these defaults', () => {
    expect(read(endpoint)).toEqual({
      settings: {
        protocol: 'http/json',
        endpoint: 'http://collector:4318/v1/traces',
        headers: {},
        timeoutMs: 10_000,
        resource: new Map([['service.name', 'compozy']]),
        sampler: { name: 'parentbased_always_on', ratio: 1, parentBased: true },
        queueSpansMax: 2_048,
        batchSpansMax: 512,
        delayMs: 5_000,
      },
      doubts: [],
    })
  })

  test.each([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c.example/otlp/' },
      'https://c.example/otlp/v1/traces',
      'a path before',
    ],
    [
      { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t:1/x' },
      'http://t:1/x',
      'their own, as it is',
    ],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t:1' }, 'http://t:1/', 'their own alone'],
  ])('%p send spans to %s: %s', (environment, expected) => {
    expect(read(environment as Record<string, string>).settings?.endpoint).toBe(expected)
  })

  test.each([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }, 'http/protobuf', 'of all signals'],
    [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }, 'http/protobuf', 'of traces alone'],
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' },
      'http/json',
      'that of traces counts',
    ],
  ] as const)('%p have spans written as %s: %s', (environment, expected) => {
    const { settings, doubts } = read({ ...endpoint, ...environment })
    expect([settings?.protocol, doubts]).toEqual([expected, []])
  })

  test.each([
    ['always_on', '', 1, false],
    ['always_off', '', 0, false],
    ['traceidratio', '0.25', 0.25, false],
    ['parentbased_always_off', '', 0, true],
    ['parentbased_traceidratio', '0.01', 0.01, true],
    ['parentbased_traceidratio', '', 1, true],
  ])(
    'the sampler %s (%s) records %p of what begins here, by the caller: %p',
    (name, argument, ratio, parentBased) => {
      const { settings, doubts } = read({
        ...endpoint,
        OTEL_TRACES_SAMPLER: name,
        OTEL_TRACES_SAMPLER_ARG: argument,
      })
      expect([settings?.sampler, doubts]).toEqual([{ name, ratio, parentBased }, []])
    },
  )

  test('take headers and attributes, percent-encoded', () => {
    const { settings, doubts } = read({
      ...endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abc==, x-team=a%2Cb',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,team=b',
      OTEL_SERVICE_NAME: 'gateway',
    })
    expect(doubts).toEqual([])
    expect(settings?.headers).toEqual({ authorization: 'Basic abc==', 'x-team': 'a,b' })
    expect([...(settings?.resource ?? [])]).toEqual([
      ['service.name', 'gateway'],
      ['team', 'b'],
    ])
  })

  test.each([
    [{ OTEL_SDK_DISABLED: 'true' }, 0, 'switched off'],
    [{ OTEL_TRACES_EXPORTER: 'none' }, 0, 'no traces'],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 1, 'a protocol that is not spoken'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 1, 'no URL'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://collector' }, 1, 'not over HTTP'],
  ])('%p mean that there are no traces, with %d lines about it: %s', (environment, lines) => {
    const { settings, doubts } = read({ ...endpoint, ...environment } as Record<string, string>)
    expect([settings, doubts.length]).toEqual([null, lines])
  })

  test.each([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/xml' }, 'OTEL_EXPORTER_OTLP_PROTOCOL must be one of http/json'],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER must be one of always_on'],
    [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1%' },
      'OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1; 1 is used.',
    ],
    [{ OTEL_BSP_SCHEDULE_DELAY: '5s' }, 'OTEL_BSP_SCHEDULE_DELAY must be a number above 0; 5000 is used.'],
    [
      { OTEL_EXPORTER_OTLP_HEADERS: 'Bearer hidden' },
      'OTEL_EXPORTER_OTLP_HEADERS must be pairs like key=value',
    ],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'a b=hidden' }, 'OTEL_EXPORTER_OTLP_HEADERS has a name or a value'],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=%zz' }, 'OTEL_EXPORTER_OTLP_HEADERS must be pairs like key=value'],
  ])('%p is told of in one line, and traces are there all the same', (environment, line) => {
    const { settings, doubts } = read({ ...endpoint, ...environment } as Record<string, string>)
    expect(settings).not.toBeNull()
    expect(doubts).toHaveLength(1)
    expect(doubts[0]).toStartWith(line)
    expect(doubts[0]).not.toContain('hidden')
  })
})
