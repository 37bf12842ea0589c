import { describe, expect, test } from 'bun:test'
import type { EndedSpan } from '../../../src/telemetry/traces/otlp-span.ts'
import { SamplingTracer } from '../../../src/telemetry/traces/sampling-tracer.ts'
import type { IncomingTrace } from '../../../src/telemetry/traces/trace.ts'

const to = { server: 'files', piped: true, method: 'tools/call', target: 'read', upstreamId: 3 }

function tracerOf(ratio: number, parentBased = true) {
  const spans: EndedSpan[] = []
  const sampler = { name: 'test', ratio, parentBased }
  const tracer = new SamplingTracer(sampler, { take: (span) => spans.push(span) }, () => null)
  const begin = (incoming: IncomingTrace | null = null) => {
    const trace = tracer.begin(incoming)
    const facts = { startedAtMs: performance.now(), idText: '1', prompt: null, protocolVersion: null }
    if (trace.recorded) trace.learn(facts)
    return trace
  }
  return { spans, begin }
}

function incoming(sampled: boolean, inMessage = true): IncomingTrace {
  const [traceId, spanId] = ['f'.repeat(32), 'e'.repeat(16)]
  const traceparent = `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`
  return { traceId, spanId, sampled, traceparent, tracestate: 'a=1', baggage: null, inMessage, link: null }
}

const entry = {
  durationMs: 1,
  clientIp: null,
  requestId: 'r',
  rpcMethod: 'tools/call',
  outcome: 'ok',
} as const

/** What travels to the server. */
const sentOf = (trace: ReturnType<ReturnType<typeof tracerOf>['begin']>) => trace.call().sent(to)

describe('the sampler', () => {
  test('records so many of the traces that begin here', () => {
    const { spans, begin } = tracerOf(0.1)
    for (let at = 0; at < 20_000; at++) begin().ended(entry)
    expect(spans.length).toBeGreaterThan(1_700)
    expect(spans.length).toBeLessThan(2_300)
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(spans.length)
  })

  test.each([
    [0, true, true, true, 'the caller records'],
    [1, true, false, false, 'the caller does not'],
    [1, false, false, true, 'the caller is not asked'],
    [0, false, true, false, 'the caller is not asked'],
  ])(
    'of %d, by the caller: %p, whose flag is %p, records: %p, as %s',
    (ratio, parentBased, sampled, records) => {
      const { spans, begin } = tracerOf(ratio, parentBased)
      const trace = begin(incoming(sampled))
      const { context } = sentOf(trace)
      trace.ended(entry)
      expect(spans.length).toBe(records ? 1 : 0)
      expect(context.traceparent).toEndWith(records ? '-01' : '-00')
      expect(context.traceparent).toStartWith(`00-${'f'.repeat(32)}-`)
      expect(context.tracestate).toBe('a=1')
    },
  )
})

describe('what is not recorded', () => {
  test('goes on as it came, in the message too', () => {
    const came = incoming(false)
    expect(sentOf(tracerOf(1).begin(came))).toEqual({ context: came, inMessage: true })
    expect(sentOf(tracerOf(1).begin(incoming(false, false))).inMessage).toBe(false)
  })

  test('says so to the servers where it begins here, in a trace of its own each', () => {
    const { begin } = tracerOf(0)
    const ids = Array.from({ length: 20_000 }, () => sentOf(begin()).context.traceparent)
    for (const id of ids) expect(id).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(new Set(ids).size).toBe(20_000)
    expect(new Set(ids.map((id) => id.split('-')[1])).size).toBe(20_000)
  })
})

describe('a call', () => {
  test('that is sent again carries the same, and is one span', () => {
    const { spans, begin } = tracerOf(1)
    const call = begin().call()
    const first = call.sent(to)
    expect(call.sent(to)).toEqual(first)
    call.ended({ outcome: 'ok' })
    call.ended({ outcome: 'failed' })
    expect(spans).toMatchObject([{ name: 'tools/call read', kind: 3, failed: false }])
  })

  test('that was never sent is none', () => {
    const { spans, begin } = tracerOf(1)
    begin().call().ended({ outcome: 'refused' })
    expect(spans).toEqual([])
  })

  test.each([
    [{ outcome: 'ok' }, false, {}],
    [{ outcome: 'tool_error' }, true, { 'error.type': 'tool_error' }],
    [
      { outcome: 'rpc_error', rpcCode: -32602 },
      true,
      { 'error.type': '-32602', 'rpc.response.status_code': '-32602' },
    ],
    [{ outcome: 'failed', code: 'UPSTREAM_CLOSED' }, true, { 'error.type': 'UPSTREAM_CLOSED' }],
    [{ outcome: 'cancelled' }, false, { 'error.type': 'cancelled' }],
    [{ outcome: 'input_required' }, false, { 'compozy.outcome': 'input_required' }],
  ] as const)('that ended with %p has failed: %p', (ending, failed, attributes) => {
    const { spans, begin } = tracerOf(1)
    const call = begin().call()
    call.sent(to)
    call.ended(ending)
    expect(spans).toMatchObject([{ failed, attributes }])
    if (ending.outcome === 'ok') expect(spans[0]?.attributes).not.toHaveProperty('error.type')
  })
})
