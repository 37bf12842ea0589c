import { describe, expect, test } from 'bun:test'
import {
  type HeaderSource,
  RequestHeaders,
} from '../../../../../src/upstream/transports/http/client/request-headers.ts'

const url = new URL('http://files.example/mcp')
const route = { host: null, hrefs: [url.href] } as unknown as Parameters<RequestHeaders['headOf']>[2]
const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'a=1', baggage: null }

function source(others: Partial<HeaderSource> = {}): HeaderSource {
  return { method: 'POST', protocolHeaders: { accept: 'application/json' }, ...others }
}

/** What is sent on either way, over a connection of the gateway's own and over fetch. */
function sent(headers: RequestHeaders, of: HeaderSource, trusted = true) {
  const own = headers.headOf(of, { url, trusted }, route).text
  const lines = own.split('\r\n').filter((line) => /^(traceparent|tracestate|baggage):/.test(line))
  const fetched = headers.headersOf(of, { url, trusted }, route)
  const names = ['traceparent', 'tracestate', 'baggage'].filter((name) => fetched.has(name))
  return { lines, fetched: names.map((name) => `${name}: ${fetched.get(name)}`) }
}

describe('the headers of a request to a server', () => {
  test('have the context of its trace, another one each time', () => {
    const headers = new RequestHeaders({}, url)
    const expected = [`traceparent: ${trace.traceparent}`, 'tracestate: a=1']
    expect(sent(headers, source({ trace }))).toEqual({ lines: expected, fetched: expected })
    const other = { ...trace, traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-00`, tracestate: null }
    const later = [`traceparent: ${other.traceparent}`]
    expect(sent(headers, source({ trace: other }))).toEqual({ lines: later, fetched: later })
    expect(sent(headers, source())).toEqual({ lines: [], fetched: [] })
  })

  test('end with the head that they stand in', () => {
    const { text } = new RequestHeaders({}, url).headOf(source({ trace }), { url, trusted: true }, route)
    expect(text).toEndWith('tracestate: a=1\r\n')
    expect(text).not.toContain('\r\n\r\n')
  })

  test('have none where a redirect has left the origin of the definition', () => {
    expect(sent(new RequestHeaders({}, url), source({ trace }), false)).toEqual({ lines: [], fetched: [] })
  })

  test('have it once, whatever a definition and a client put there', () => {
    const headers = new RequestHeaders({ Traceparent: 'of the definition', baggage: 'x=1' }, url)
    const messageHeaders = { traceparent: 'of a client' }
    const { lines, fetched } = sent(headers, source({ trace, messageHeaders }))
    expect(lines).toEqual([`traceparent: ${trace.traceparent}`, 'tracestate: a=1'])
    expect(fetched).toEqual(lines)
    // Without traces they are what they were.
    expect(sent(headers, source({ messageHeaders })).lines).toEqual([
      'baggage: x=1',
      'traceparent: of a client',
    ])
  })
})
