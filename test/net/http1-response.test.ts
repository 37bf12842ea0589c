/** Responses are read the one way that RFC 9112 allows, and doubtful ones not at all. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { ResponseHead } from '../../src/net/http1-head.ts'
import { Http1Responses } from '../../src/net/http1-response.ts'

interface Read {
  readonly status: number | null
  readonly body: string
  /** True when the end came. */
  readonly done: boolean
  readonly reusable: boolean
  readonly keepAliveSeconds: number | null
  readonly fault: string | null
}

/** Reads chunks as they would come from a connection, which is closed afterwards when `closed`. */
function read(chunks: readonly Buffer[], closed = false): Read {
  const responses = new Http1Responses()
  let head: ResponseHead | null = null
  let body = ''
  responses.begin({
    head: (seen) => {
      head = seen
    },
    piece: (bytes) => {
      body += Buffer.from(bytes).toString('latin1')
    },
  })
  let fault: string | null = null
  // What was not taken comes again, as from the connection.
  for (const chunk of chunks)
    for (let left = chunk; left.length > 0; left = left.subarray(left.length - responses.leftBytes)) {
      fault = responses.push(left)
      if (responses.leftBytes === 0) break
    }
  const { reusable, keepAliveSeconds } = responses
  if (closed) fault = responses.close()
  const status = (head as ResponseHead | null)?.status ?? null
  return { status, body, done: responses.done, reusable, keepAliveSeconds, fault }
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
/** Lines that end in CR LF, then what follows the blank one. */
const response = (lines: readonly string[], body = ''): string => `${lines.join('\r\n')}\r\n\r\n${body}`

const ok = 'HTTP/1.1 200 OK'
const chunked = 'Transfer-Encoding: chunked'

interface Row {
  readonly why: string
  readonly text: string
  readonly closed?: boolean
  readonly expected: Partial<Read>
}

const whole: readonly Row[] = [
  {
    why: 'a length says where it ends',
    text: response([ok, 'Content-Length: 5'], 'hello'),
    expected: { status: 200, body: 'hello', done: true, reusable: true, keepAliveSeconds: null },
  },
  {
    why: 'no reason phrase, nor the space before it, is needed',
    text: response(['HTTP/1.1 404', 'Content-Length: 0']),
    expected: { status: 404, body: '', done: true, reusable: true },
  },
  {
    why: 'a later minor version is read like 1.1',
    text: response(['HTTP/1.2 200 OK', 'Content-Length: 0']),
    expected: { done: true, reusable: true },
  },
  {
    why: 'a length that is said twice is one length',
    text: response([ok, 'Content-Length: 2', 'Content-Length: 2'], 'ab'),
    expected: { body: 'ab', done: true, reusable: true },
  },
  {
    why: 'chunks, whose extensions and trailers say nothing to us',
    text: response(
      [ok, chunked],
      '3;a="b;c"\r\nabc\r\n00A \r\n0123456789\r\n0\r\nX-Sum: 1\r\nDate: x\r\n\r\n',
    ),
    expected: { body: 'abc0123456789', done: true, reusable: true },
  },
  {
    why: 'the name of the coding has no case',
    text: response([ok, 'transfer-encoding: CHUNKED'], '0\r\n\r\n'),
    expected: { body: '', done: true, reusable: true },
  },
  {
    why: 'chunks win over a length, and two framings end the connection',
    text: response([ok, 'Content-Length: 100', chunked], '1\r\na\r\n0\r\n\r\n'),
    expected: { body: 'a', done: true, reusable: false },
  },
  {
    why: 'without either, its end is that of the connection',
    text: response([ok], 'some'),
    closed: true,
    expected: { body: 'some', done: true, reusable: false, fault: null },
  },
  {
    why: 'interim responses come before it',
    text: `${response(['HTTP/1.1 100 Continue'])}${response(['HTTP/1.1 103 Early Hints', 'Link: x'])}${response([ok, 'Content-Length: 1'], 'a')}`,
    expected: { status: 200, body: 'a', done: true, reusable: true },
  },
  {
    why: '204 has no body, whatever its headers say',
    text: response(['HTTP/1.1 204 No Content', 'Content-Length: 5']),
    expected: { status: 204, body: '', done: true, reusable: true },
  },
  {
    why: '304, likewise',
    text: response(['HTTP/1.1 304 Not Modified', chunked]),
    expected: { status: 304, body: '', done: true, reusable: true },
  },
  {
    why: 'the server closes the connection and says so',
    text: response([ok, 'Connection: foo, Close', 'Content-Length: 0']),
    expected: { done: true, reusable: false },
  },
  {
    why: 'HTTP/1.0 closes it without a word',
    text: response(['HTTP/1.0 200 OK', 'Content-Length: 0']),
    expected: { done: true, reusable: false },
  },
  {
    why: 'the server says how long it keeps the connection',
    text: response([ok, 'Keep-Alive: max=100, timeout=5', 'Content-Length: 0']),
    expected: { done: true, reusable: true, keepAliveSeconds: 5 },
  },
  {
    why: 'a server that keeps it for no time at all closes it',
    text: response([ok, 'Keep-Alive: timeout=0', 'Content-Length: 0']),
    expected: { done: true, reusable: false },
  },
  {
    why: 'bytes behind its end belong to nobody',
    text: response([ok, 'Content-Length: 1'], 'aHTTP/1.1 200 OK\r\n'),
    expected: { body: 'a', done: true, reusable: false, fault: null },
  },
]

const faulty: readonly Row[] = [
  ['another protocol', response(['SSH-2.0-OpenSSH'])],
  ['another version', response(['HTTP/2.0 200 OK'])],
  ['a status of two digits', response(['HTTP/1.1 20 OK'])],
  ['a status below 100', response(['HTTP/1.1 099 OK'])],
  ['a switch of protocols that nobody asked for', response(['HTTP/1.1 101 Switching Protocols'])],
  ['a control character in the reason', response(['HTTP/1.1 200 O\0K'])],
  [
    'a space before the colon, which some read as part of the name',
    response([ok, 'Content-Length : 1'], 'a'),
  ],
  [
    'a folded line, which some read as a header of its own',
    response([ok, 'X: a', ' Content-Length: 1'], 'a'),
  ],
  ['a line without a colon', response([ok, 'X'])],
  ['a name that is no token', response([ok, 'X(y): a'])],
  ['an empty name', response([ok, ': a'])],
  ['a NUL in a value', response([ok, 'X: a\0b'])],
  ['a CR alone in a value, which some end the line at', response([ok, 'X: a\rContent-Length: 1'])],
  ['lines that end in LF alone', 'HTTP/1.1 200 OK\nContent-Length: 1\n\na'],
  ['one line that ends in LF alone', response([`${ok}\nX: a`, 'Content-Length: 0'])],
  ['lengths that differ', response([ok, 'Content-Length: 1', 'Content-Length: 2'], 'ab')],
  ['lengths that differ, in one line', response([ok, 'Content-Length: 1, 2'], 'ab')],
  ['a length with a space that is none', response([ok, 'Content-Length: 1\xa0'], 'a')],
  ['lengths parted by a space that is none', response([ok, 'Content-Length: 1,\x0b1'], 'a')],
  ['a negative length', response([ok, 'Content-Length: -1'])],
  ['a signed length', response([ok, 'Content-Length: +1'], 'a')],
  ['a hexadecimal length', response([ok, 'Content-Length: 0x1'], 'a')],
  ['an empty length', response([ok, 'Content-Length:'], 'a')],
  ['a length past what numbers hold', response([ok, 'Content-Length: 99999999999999999999'])],
  ['a broken length beside chunks', response([ok, chunked, 'Content-Length: x'], '0\r\n\r\n')],
  ['a coding that nobody offered', response([ok, 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n')],
  ['a coding twice', response([ok, chunked, chunked], '0\r\n\r\n')],
  ['chunks that are not last', response([ok, 'Transfer-Encoding: chunked, identity'], '0\r\n\r\n')],
  ['a size of a chunk that is no number', response([ok, chunked], 'x\r\n')],
  ['a size with a sign', response([ok, chunked], '+1\r\na\r\n0\r\n\r\n')],
  ['a size in C spelling', response([ok, chunked], '0x1\r\na\r\n0\r\n\r\n')],
  ['no size', response([ok, chunked], '\r\n')],
  ['a size past what numbers hold', response([ok, chunked], `${'f'.repeat(14)}\r\n`)],
  ['a size line that ends in LF alone', response([ok, chunked], '1\na\r\n0\r\n\r\n')],
  ['a chunk longer than its size', response([ok, chunked], '1\r\nab\r\n0\r\n\r\n')],
  ['an extension without end', response([ok, chunked], `1;${'x'.repeat(5_000)}`)],
  ['trailers without end', response([ok, chunked], `0\r\n${'X: abcdefgh\r\n'.repeat(6_000)}`)],
  ['headers without end', `${ok}\r\n${'X: abcdefgh\r\n'.repeat(6_000)}`],
  ['a header without end', `${ok}\r\nX: ${'a'.repeat(70_000)}`],
  ['headers that end behind the bound', response([ok, `X: ${'a'.repeat(65_536)}`])],
  ['interim responses without end', response(['HTTP/1.1 102 Processing']).repeat(3_000)],
].map(([why = '', text = '']) => ({ why, text, expected: { done: false, reusable: false } }))

const cut: readonly Row[] = [
  ['before it began', ''],
  ['within the head', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ['within a counted body', response([ok, 'Content-Length: 5'], 'he')],
  ['within a chunk', response([ok, chunked], '5\r\nhe')],
  ['between chunks', response([ok, chunked], '2\r\nhe\r\n')],
  ['within the trailers', response([ok, chunked], '0\r\nX: a\r\n')],
].map(([why = '', text = '']) => ({ why, text, closed: true, expected: { done: false, reusable: false } }))

describe('a response is read whole:', () => {
  test.each([...whole])('$why', ({ text, closed, expected }) => {
    expect(read([bytes(text)], closed)).toMatchObject({ fault: null, ...expected })
  })
})

describe('a response is refused for', () => {
  test.each([...faulty])('$why', ({ text, expected }) => {
    const seen = read([bytes(text)])
    expect(seen).toMatchObject(expected)
    expect(seen.fault).toBeString()
  })
})

describe('a connection that is closed', () => {
  test.each([...cut])('$why leaves the response unfinished', ({ text, expected }) => {
    const seen = read([bytes(text)], true)
    expect(seen).toMatchObject(expected)
    expect(seen.fault).toBe('the connection was closed within a response')
  })
})

test('how the bytes are split says nothing about what they mean', () => {
  const rows = [...whole, ...faulty.filter(({ text }) => text.length < 1_000), ...cut]
  const picks = fc.constantFrom(...rows)
  fc.assert(
    fc.property(
      picks,
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }),
      ({ text, closed }, sizes) => {
        const chunks: Buffer[] = []
        let at = 0
        for (const size of sizes) {
          if (at >= text.length) break
          chunks.push(bytes(text.slice(at, at + size)))
          at += size
        }
        if (at < text.length) chunks.push(bytes(text.slice(at)))
        const [split, once] = [read(chunks, closed), read([bytes(text)], closed)]
        // A fault is found as soon as it is there, and then nothing more is handed over.
        expect(split).toEqual(once)
      },
    ),
    { numRuns: 2_000 },
  )
})

test.each([-2, -1, 0, 1, 2, 3, 4])(
  'a head of the bound and %d bytes reads the same wherever it is cut',
  (more) => {
    const text = response(['HTTP/1.1 204 x', `X: ${'a'.repeat(65_536 + more - 19)}`])
    const once = read([bytes(text)])
    expect(once.done).toBe(more <= 0)
    for (let at = text.length - 8; at < text.length; at++) {
      expect(read([bytes(text.slice(0, at)), bytes(text.slice(at))])).toMatchObject({ done: once.done })
    }
  },
)

test('whatever comes, it never throws, and hands over nothing behind a fault', () => {
  const word = fc.constantFrom(
    '\r\n',
    '\n',
    ':',
    ' ',
    '0',
    '5',
    ok,
    'Content-Length: 5',
    chunked,
    'a',
    '\0',
    ';',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }), (words) => {
      const responses = new Http1Responses()
      let afterFault = false
      let fault: string | null = null
      const seen = (): void => {
        afterFault ||= fault !== null
      }
      responses.begin({ head: seen, piece: seen })
      for (const part of words) if (part !== '') fault = responses.push(bytes(part))
      expect(afterFault).toBe(false)
    }),
  )
})

describe('a body', () => {
  test('is handed over in views of what came, not in copies', () => {
    const chunk = bytes(response([ok, 'Content-Length: 5'], 'hello'))
    const pieces: Uint8Array[] = []
    const responses = new Http1Responses()
    responses.begin({ head() {}, piece: (piece) => pieces.push(piece) })
    responses.push(chunk.subarray(0, chunk.length - 2))
    const rest = Buffer.from(chunk.subarray(chunk.length - 2))
    responses.push(rest)
    expect(pieces.map((piece) => piece.buffer)).toEqual([chunk.buffer, rest.buffer])
    expect(pieces[1]).toBe(rest)
  })
})

describe('responses in a row', () => {
  test('are told apart, also where their heads are the same', () => {
    const responses = new Http1Responses()
    const heads: ResponseHead[] = []
    const bodies: string[] = []
    const sink = {
      head: (head: ResponseHead) => heads.push(head),
      piece: (piece: Uint8Array) => bodies.push(Buffer.from(piece).toString()),
    }
    for (const [status, body] of [
      ['200', 'a'],
      ['200', 'b'],
      ['404', 'c'],
      ['200', 'd'],
    ]) {
      responses.begin(sink)
      expect(responses.push(bytes(response([`HTTP/1.1 ${status} x`, 'Content-Length: 1'], body)))).toBeNull()
      expect(responses.reusable).toBe(true)
    }
    expect(bodies).toEqual(['a', 'b', 'c', 'd'])
    expect(heads.map(({ status }) => status)).toEqual([200, 200, 404, 200])
    expect(heads[0]).toBe(heads[1] as ResponseHead)
  })

  test('are over once something came that nobody had asked for', () => {
    const responses = new Http1Responses()
    expect(responses.done).toBe(true)
    expect(responses.push(bytes('HTTP/1.1 408 Request Timeout\r\n\r\n'))).toBeNull()
    expect(responses.reusable).toBe(false)
  })
})

describe('headers', () => {
  function headersOf(...lines: string[]): ReadonlyMap<string, string> {
    let headers: ReadonlyMap<string, string> = new Map()
    const responses = new Http1Responses()
    responses.begin({
      head: (head) => {
        headers = head.headers
      },
      piece() {},
    })
    responses.push(bytes(response([ok, ...lines, 'Content-Length: 0'])))
    return headers
  }

  test('are found by their names in lower case, without the space around their values', () => {
    const headers = headersOf('MCP-Session-Id: \t abc \t', 'X-Empty:', 'X-Latin: caf\xe9')
    expect(headers.get('mcp-session-id')).toBe('abc')
    expect(headers.get('x-empty')).toBe('')
    expect(headers.get('x-latin')).toBe('café')
  })

  test('of one name are joined; names that objects know are headers like any other', () => {
    const headers = headersOf('X: a', '__proto__: p', 'x: b', 'constructor: c')
    expect(headers.get('x')).toBe('a, b')
    expect(headers.get('__proto__')).toBe('p')
    expect(headers.get('constructor')).toBe('c')
    expect(headers.get('toString')).toBeUndefined()
  })
})
