import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { protobufEncoding } from '../../../src/telemetry/traces/otlp-protobuf.ts'
import { type EndedSpan, jsonEncoding } from '../../../src/telemetry/traces/otlp-span.ts'
import { SpanExporter } from '../../../src/telemetry/traces/span-exporter.ts'
import { poll } from '../../support/gateway.ts'
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts'

let receiver: OtlpReceiver
let lines: string[]

beforeEach(() => {
  receiver = startOtlpReceiver()
  lines = []
})

afterEach(async () => {
  await receiver[Symbol.asyncDispose]()
})

const note = (_fields: unknown, message: string) => lines.push(message)
const log = { debug: note, info: note, warn: note, error: note }

type Exporter = Pick<SpanExporter<string>, 'take' | 'close' | 'dropped' | 'exported'>
type Settings = ConstructorParameters<typeof SpanExporter>[0]

function exporterAs(encoding: 'JSON' | 'protobuf', others: Partial<Settings> = {}): Exporter {
  const settings = {
    endpoint: `${receiver.url}/v1/traces`,
    headers: {},
    timeoutMs: 500,
    resource: new Map([['service.name', 'test']]),
    queueSpansMax: 100,
    batchSpansMax: 10,
    delayMs: 10,
    ...others,
  }
  return encoding === 'JSON'
    ? new SpanExporter(settings, log, jsonEncoding)
    : new SpanExporter(settings, log, protobufEncoding)
}

/** The answer of a collector that has refused two spans. */
const twoRefused = {
  JSON: () => Response.json({ partialSuccess: { rejectedSpans: '2' } }),
  // ExportTraceServiceResponse { partial_success { rejected_spans: 2, error_message: "no" } }
  protobuf: () => new Response(Uint8Array.from([0x0a, 6, 0x08, 2, 0x12, 2, 0x6e, 0x6f])),
}

const span = (attributes: EndedSpan['attributes'] = {}): EndedSpan => ({
  ...{
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentId: null,
    remoteParent: false,
    tracestate: null,
  },
  ...{ name: 'n', kind: 2, startedAtMs: Date.now(), durationMs: 1.5, attributes, failed: false, link: null },
})

const takeMany = (to: Exporter, count: number) => {
  for (let at = 0; at < count; at++) to.take(span())
}

describe.each(['JSON', 'protobuf'] as const)('spans in %s', (encoding) => {
  const exporter = (others: Partial<Settings> = {}) => exporterAs(encoding, others)

  test('are sent many at once, and those that wait when it closes as well', async () => {
    const to = exporter({ delayMs: 60_000 })
    takeMany(to, 25)
    await receiver.until(20, () => true)
    expect(receiver.bodies).toHaveLength(2)
    await to.close(1_000)
    expect([receiver.spans.length, to.exported, to.dropped, receiver.faults]).toEqual([25, 25, 0, []])
    expect(receiver.spans[0]).toMatchObject({ name: 'n', resource: { 'service.name': 'test' } })
    expect(receiver.spans[0] && receiver.spans[0].endNs - receiver.spans[0].startNs).toBe(1_500_000n)
  })

  test('that find no room are dropped and counted', async () => {
    const gate = Promise.withResolvers<void>()
    receiver.answer = () => gate.promise.then(() => Response.json({}))
    const to = exporter({ timeoutMs: 5_000 })
    takeMany(to, 250)
    expect(to.dropped).toBe(150)
    gate.resolve()
    await poll('all are sent', async () => to.exported === 100, 5_000)
  })

  test('are bounded in bytes as well', async () => {
    receiver.answer = () => new Promise<Response>(() => {})
    const to = exporter({ queueSpansMax: 60_000, batchSpansMax: 50_000, delayMs: 60_000 })
    const long = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`k${at}`, 'x'.repeat(5_000)]))
    for (let at = 0; at < 2_000; at++) to.take(span(long))
    // Four mebibytes of spans of 13 KB, each value cut at 256 characters.
    expect(to.dropped).toBeGreaterThan(1_500)
    await to.close(50)
  })

  test.each([
    [400, 1, 'it will not be taken at a second time'],
    [404, 1, 'no collector lives there'],
    [307, 1, 'a redirect would get the secrets of the headers'],
  ])('answered with HTTP %d are dropped after %d tries: %s', async (status, tries) => {
    let asked = 0
    receiver.answer = () => {
      asked++
      return new Response(null, { status, headers: { location: 'http://127.0.0.1:1/' } })
    }
    const to = exporter()
    takeMany(to, 5)
    await poll('they are dropped', async () => to.dropped === 5, 5_000)
    expect(asked).toBe(tries)
  })

  test('are sent again where the collector is busy, and not told of', async () => {
    let asked = 0
    receiver.answer = () =>
      asked++ === 0 ? new Response(null, { status: 503, headers: { 'retry-after': '1' } }) : null
    const to = exporter()
    takeMany(to, 5)
    await receiver.until(5, () => true)
    await poll('they count', async () => to.exported === 5, 2_000)
    expect([to.dropped, lines]).toEqual([0, []])
  })

  test('that the collector refuses are told of once, and that it takes them again', async () => {
    receiver.answer = twoRefused[encoding]
    const to = exporter()
    takeMany(to, 5)
    await poll('two are dropped', async () => to.dropped === 2, 5_000)
    takeMany(to, 5)
    await poll('two more', async () => to.dropped === 4, 5_000)
    expect(lines).toEqual(['spans are not taken; they are dropped'])
    receiver.answer = null
    takeMany(to, 5)
    await poll('it takes them again', async () => lines.length === 2, 5_000)
    expect([lines[1], to.exported]).toEqual(['spans are taken again', 11])
  })

  test('cost no more than the deadline when it closes and nobody answers', async () => {
    receiver.answer = () => new Promise<Response>(() => {})
    const to = exporter({ timeoutMs: 30_000 })
    takeMany(to, 30)
    const begunMs = performance.now()
    await to.close(200)
    expect(performance.now() - begunMs).toBeLessThan(1_500)
    expect(to.dropped).toBe(30)
  })
})

describe('a span', () => {
  const full: EndedSpan = {
    ...span({
      'http.response.status_code': 200,
      'mcp.method.name': 'tools/call',
      'compozy.outcome': undefined,
    }),
    ...{ parentId: 'c'.repeat(16), remoteParent: true, tracestate: 'a=1,b=2', failed: true },
    link: { traceId: 'd'.repeat(32), spanId: 'e'.repeat(16), sampled: true },
  }
  test.each<[why: string, spans: readonly EndedSpan[]]>([
    ['everything that one may have', [full]],
    ['nothing that it may lack', [span()]],
    [
      'texts of several bytes a character, and none',
      [{ ...full, name: 'größe 測試 🎉' }, span({ empty: '' })],
    ],
    ['a text that is cut', [span({ long: 'x'.repeat(5_000), 'long bytes': '測'.repeat(5_000) })]],
    [
      'integers of all sizes',
      [
        span({
          zero: 0,
          small: 127,
          next: 128,
          big: 2 ** 31,
          max: Number.MAX_SAFE_INTEGER,
          negative: -32_602,
        }),
      ],
    ],
    ['numbers that are no integers, as texts', [span({ part: 1.5, much: 1e300, none: Number.NaN })]],
    [
      'lengths at the edges of their bytes',
      [126, 127, 128, 129, 200].map((length) => span({ k: 'x'.repeat(length) })),
    ],
    ['more than a buffer', Array.from({ length: 400 }, (_, at) => span({ at, text: 'y'.repeat(at % 260) }))],
  ])('says the same in both: %s', async (_, spans) => {
    const read: unknown[] = []
    for (const encoding of ['JSON', 'protobuf'] as const) {
      receiver.bodies.length = 0
      const to = exporterAs(encoding, { queueSpansMax: 1_000, batchSpansMax: 1_000, delayMs: 60_000 })
      for (const each of spans) to.take(each)
      await to.close(5_000)
      const body = JSON.parse(receiver.bodies[0] ?? '{}') as { resourceSpans: { resource: unknown }[] }
      // Each exporter is another instance of the service.
      read.push(body.resourceSpans.map((of) => ({ ...of, resource: null })))
    }
    expect(read[1]).toEqual(read[0])
    expect(receiver.faults).toEqual([])
  })
})
