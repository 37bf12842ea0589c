import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { EndedSpan } from '../../../src/telemetry/traces/otlp-span.ts'
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

function exporter(others: Partial<ConstructorParameters<typeof SpanExporter>[0]> = {}): SpanExporter {
  return new SpanExporter(
    {
      endpoint: `${receiver.url}/v1/traces`,
      headers: {},
      timeoutMs: 500,
      resource: new Map([['service.name', 'test']]),
      queueSpansMax: 100,
      batchSpansMax: 10,
      delayMs: 10,
      ...others,
    },
    log,
  )
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

const takeMany = (to: SpanExporter, count: number) => {
  for (let at = 0; at < count; at++) to.take(span())
}

describe('spans', () => {
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
    receiver.answer = () => Response.json({ partialSuccess: { rejectedSpans: '2' } })
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
