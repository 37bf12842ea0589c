import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import {
  incomingContext,
  parseTraceparent,
  withTraceContext,
} from '../../src/protocol/traces/trace-context.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = '00f067aa0ba902b7'
const good = `00-${trace}-${span}-01`

describe('a traceparent', () => {
  test.each([
    [good, true, 'the example of W3C'],
    [`00-${trace}-${span}-00`, false, 'not sampled'],
    [`00-${trace}-${span}-03`, true, 'another flag beside'],
    [`cc-${trace}-${span}-01`, true, 'a later version'],
    [`cc-${trace}-${span}-01-more`, true, 'a later version with more'],
  ])('%s is read (sampled: %p): %s', (text, sampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: trace, spanId: span, sampled })
  })

  test.each([
    [`00-${trace}-${span}-01-more`, 'this version has no more'],
    [`ff-${trace}-${span}-01`, 'no version'],
    [`00-${'0'.repeat(32)}-${span}-01`, 'no trace'],
    [`00-${trace}-${'0'.repeat(16)}-01`, 'no span'],
    [`00-${trace.toUpperCase()}-${span}-01`, 'upper case'],
    [`00-${trace}-${span}`, 'no flags'],
    [`${good}\r\nx-admin: 1`, 'another header behind it'],
    [`cc-${trace}-${span}-01-${'a'.repeat(200)}`, 'very long'],
    ['', 'empty'],
    [7, 'a number'],
    [null, 'null'],
    [undefined, 'absent'],
  ])('%p is none: %s', (text) => {
    expect(parseTraceparent(text)).toBeNull()
  })
})

describe('the context of a request', () => {
  const headers = (fields: Record<string, string>) => new Headers(fields)

  test('is that of its message, with a link to another one of its headers', () => {
    const params = { _meta: { traceparent: good, tracestate: 'a=1', baggage: 'b=2' } }
    const other = `00-${trace}-${'1'.repeat(16)}-01`
    expect(incomingContext(headers({ traceparent: other, tracestate: 'c=3' }), params)).toEqual({
      ...{
        traceId: trace,
        spanId: span,
        sampled: true,
        traceparent: good,
        tracestate: 'a=1',
        baggage: 'b=2',
      },
      inMessage: true,
      link: { traceId: trace, spanId: '1'.repeat(16), sampled: true },
    })
    expect(incomingContext(headers({ traceparent: good }), params)?.link).toBeNull()
  })

  test.each([
    [{ _meta: { traceparent: 'x' } }, 'the message has one without a form'],
    [{ _meta: null }, 'its _meta is no object'],
    [null, 'it has no params'],
    [[], 'its params are a list'],
  ])('is that of the headers where %p: %s', (params) => {
    expect(incomingContext(headers({ traceparent: good, tracestate: 'a=1' }), params)).toMatchObject({
      ...{ traceparent: good, tracestate: 'a=1', baggage: null, inMessage: false },
    })
    expect(incomingContext(headers({ tracestate: 'a=1' }), params)).toBeNull()
  })

  test.each([
    ['a=1\r\nx-admin: 1', 'would end a header'],
    ['a=\u0000', 'a control character'],
    ['a=é', 'outside ASCII'],
    ['a'.repeat(513), 'longer than W3C asks anybody to keep'],
    [['a=1'], 'a list'],
    ['', 'empty'],
  ])('has no tracestate where it is %p: %s', (tracestate) => {
    const params = { _meta: { traceparent: good, tracestate } }
    expect(incomingContext(headers({}), params)?.tracestate).toBeNull()
  })
})

describe('a request with a context', () => {
  const context = { traceparent: good, tracestate: 'a="1"', baggage: null }
  const put = (text: string, with_: Parameters<typeof withTraceContext>[1] = context) => {
    const message = scanMessage(text)
    if (message === null) throw new Error(`no message: ${text}`)
    return withTraceContext(message, with_)
  }
  const own =
    '"traceparent":"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01","tracestate":"a=\\"1\\""'

  test.each([
    [
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","n":1.10}}',
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{${own}},"name":"x","n":1.10}}`,
      'no _meta',
    ],
    [
      '{"method":"tools/call","params":{"name":"x"},"id":12345678901234567890}',
      `{"method":"tools/call","params":{"_meta":{${own}},"name":"x"},"id":12345678901234567890}`,
      'the id behind',
    ],
    ['{"id":1,"method":"ping"}', `{"id":1,"method":"ping","params":{"_meta":{${own}}}}`, 'no params'],
    ['{"id":1,"method":"ping"} ', `{"id":1,"method":"ping","params":{"_meta":{${own}}}}`, 'a space behind'],
    [
      '{"id":1,"method":"m","params":{ }}',
      `{"id":1,"method":"m","params":{"_meta":{${own}} }}`,
      'empty params',
    ],
    [
      '{"id":1,"method":"m","params":{"a":1,"_meta":{"progressToken":7}}}',
      `{"id":1,"method":"m","params":{"a":1,"_meta":{${own},"progressToken":7}}}`,
      'a _meta of others',
    ],
    [
      '{"id":1,"method":"m","params":{"_meta":{}}}',
      `{"id":1,"method":"m","params":{"_meta":{${own}}}}`,
      'an empty _meta',
    ],
    [
      '{"id":1,"method":"m","params":{"arguments":{"_meta":{"x":1}}}}',
      `{"id":1,"method":"m","params":{"arguments":{"_meta":{"x":1}},"_meta":{${own}}}}`,
      'a _meta of somebody else',
    ],
    [
      '{"id":1,"method":"m","params":{"_meta":{"baggage":"x=1","traceparent":"old","k":1e400}}}',
      `{"id":1,"method":"m","params":{"_meta":{"traceparent":"${good}","k":1e400,"tracestate":"a=\\"1\\""}}}`,
      'another context',
    ],
    [
      '{"id":1,"method":"m","params":{"_meta":{"trace\\u0070arent":"old"}}}',
      `{"id":1,"method":"m","params":{"_meta":{"trace\\u0070arent":"${good}","tracestate":"a=\\"1\\""}}}`,
      'another one, its key with an escape',
    ],
    [
      '{"id":1,"method":"m","params":{"_meta":null}}',
      '{"id":1,"method":"m","params":{"_meta":null}}',
      'a _meta that is none: nothing is changed',
    ],
    [
      '{"id":1,"method":"m","params":[1]}',
      '{"id":1,"method":"m","params":[1]}',
      'a list of params: nothing is changed',
    ],
  ])('%s becomes %s: %s', (before, after) => {
    const message = put(before)
    expect(message.text).toBe(after)
    // The places are those of the text.
    expect(message).toEqual(scanMessage(message.text) ?? message)
  })

  test('keeps all that is not its own, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
        fc.boolean(),
        (params, meta, idFirst) => {
          // As JSON has it: there is no -0.
          const body = JSON.parse(JSON.stringify(meta === null ? params : { ...params, _meta: meta }))
          const id = { id: 'x"y' }
          const whole = { ...(idFirst && id), method: 'm', params: body, ...(!idFirst && id) }
          const message = put(JSON.stringify(whole))
          const read = JSON.parse(message.text)
          const { traceparent, tracestate, ...rest } = read.params._meta ?? {}
          const {
            traceparent: _,
            tracestate: __,
            baggage: ___,
            ...others
          } = (body['_meta'] ?? {}) as object as Record<string, unknown>
          const isOpen = body['_meta'] === undefined || isPlain(body['_meta'])
          if (isOpen) expect([traceparent, tracestate, rest]).toEqual([good, 'a="1"', others])
          expect({ ...read.params, _meta: null }).toEqual({
            ...JSON.parse(JSON.stringify(body)),
            _meta: null,
          })
          expect(message.text.slice(message.idStart, message.idEnd)).toBe('"x\\"y"')
        },
      ),
      { numRuns: 300 },
    )
  })
})

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
