/** HTTP/1.1 responses are read the one way that RFC 9112 allows, wherever the connection cuts them. */
import { expect } from 'bun:test'
import fc from 'fast-check'
import type { ResponseHead } from '../../src/net/http1-head.ts'
import { Http1Responses } from '../../src/net/http1-response.ts'
import { cases } from './cases.ts'
import { expectSame, fuzz } from './fuzzer.ts'
import { bytesOf, type Cut, chunkings, cut, mutated } from './inputs.ts'

interface Read {
  status: number | null
  headers: Record<string, string>
  body: string
  done: boolean
  /** Before the connection is closed. */
  reusable: boolean
  faulty: boolean
}

function read(chunks: readonly Buffer[]): Read {
  const responses = new Http1Responses()
  const seen: Read = { status: null, headers: {}, body: '', done: false, reusable: false, faulty: false }
  responses.begin({
    head: (head: ResponseHead) => {
      expect(seen.status).toBeNull()
      seen.status = head.status
      seen.headers = Object.fromEntries(head.headers)
    },
    piece: (bytes) => {
      expect(bytes.length).toBeGreaterThan(0)
      expect(seen.status).not.toBeNull()
      expect(seen.faulty).toBe(false)
      seen.body += Buffer.from(bytes).toString('latin1')
    },
  })
  for (const chunk of chunks) seen.faulty = responses.push(chunk) !== null
  seen.reusable = responses.reusable
  const failed = responses.close() !== null
  expect(failed).toBe(seen.faulty || !responses.done)
  seen.done = responses.done
  return seen
}

const boundBytes = 65_536

/** The same over the whole text: heads, then the body as they frame it. A closed connection ends the text. */
function reference(text: string): Read {
  const seen: Read = { status: null, headers: {}, body: '', done: false, reusable: false, faulty: false }
  let at = 0
  let headBytes = 0
  for (;;) {
    const end = text.indexOf('\r\n\r\n', at)
    headBytes += (end < 0 ? text.length : end) - at
    // Of a head without end the last three bytes may belong to the blank line.
    if (end < 0) return { ...seen, faulty: text.slice(at).includes('\n\n') || headBytes - 3 > boundBytes }
    const [status = '', ...lines] = text.slice(at, end).split('\r\n')
    const fields = lines.map((line) => /^([\w!#$%&'*+.^`|~-]+):[ \t]*([^\0\r\n]*?)[ \t]*$/.exec(line))
    const code = Number(/^HTTP\/1\.\d ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(status)?.[1])
    if (headBytes > boundBytes || !(code >= 100) || code === 101 || fields.includes(null))
      return { ...seen, faulty: true }
    const headers: Record<string, string> = Object.create(null)
    for (const [, name = '', value = ''] of fields as RegExpExecArray[]) {
      const key = name.toLowerCase()
      headers[key] = key in headers ? `${headers[key]}, ${value}` : value
    }
    at = end + 4
    const lengths = new Set((headers['content-length'] ?? '0').split(/[ \t]*,[ \t]*/))
    const [length = ''] = lengths
    const coding = headers['transfer-encoding']?.toLowerCase() ?? null
    if (lengths.size > 1 || !/^[0-9]{1,15}$/.test(length) || (coding ?? 'chunked') !== 'chunked')
      return { ...seen, faulty: true }
    if (code < 200) continue
    const kept =
      !status.startsWith('HTTP/1.0') &&
      !(headers['connection'] ?? '')
        .toLowerCase()
        .split(/[ \t]*,[ \t]*/)
        .includes('close') &&
      Number(/(?:^|[,;\s])timeout[ \t]*=[ \t]*"?([0-9]{1,9})/i.exec(headers['keep-alive'] ?? '')?.[1] ?? 1) >
        0 &&
      !('content-length' in headers && coding !== null)
    const headed = { ...seen, status: code, headers: { ...headers } }
    const ended = (body: string, next: number): Read => ({
      ...headed,
      body,
      done: true,
      reusable: kept && next === text.length,
    })
    if (code === 204 || code === 304) return ended('', at)
    if (coding !== null) return chunks(text, at, headed, ended)
    if (!('content-length' in headers)) return { ...headed, body: text.slice(at), done: true }
    const bytes = Number(length)
    const body = text.slice(at, at + bytes)
    return body.length === bytes ? ended(body, at + bytes) : { ...headed, body }
  }
}

function chunks(text: string, from: number, headed: Read, ended: (body: string, next: number) => Read): Read {
  let [body, at] = ['', from]
  /** The next line; null when it is not there whole, or faulty. */
  const line = (bytesMax: number): { text: string | null; faulty: boolean } => {
    const end = text.indexOf('\n', at)
    const whole = text.slice(at, end < 0 ? text.length : end + 1)
    if (whole.length > bytesMax || (end >= 0 && !whole.endsWith('\r\n'))) return { text: null, faulty: true }
    at = end + 1
    return { text: end < 0 ? null : whole.slice(0, -2), faulty: false }
  }
  for (;;) {
    const size = line(4_096)
    if (size.text === null) return { ...headed, body, faulty: size.faulty }
    const digits = /^0*([0-9a-fA-F]{1,13})[ \t]*(?:;.*)?$/.exec(size.text)?.[1]
    if (digits === undefined) return { ...headed, body, faulty: true }
    const bytes = Number.parseInt(digits, 16)
    if (bytes === 0) break
    const piece = text.slice(at, at + bytes)
    body += piece
    if (piece.length < bytes) return { ...headed, body }
    at += bytes
    const end = line(4_096)
    if (end.text !== '') return { ...headed, body, faulty: end.faulty || end.text !== null }
  }
  for (let left = boundBytes; ; ) {
    const trailer = line(left)
    if (trailer.text === null) return { ...headed, body, faulty: trailer.faulty }
    if (trailer.text === '') return ended(body, at)
    left -= trailer.text.length + 2
  }
}

const status = fc.constantFrom(
  'HTTP/1.1 200 OK',
  'HTTP/1.1 404',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 101 Switching',
  'HTTP/1.1 099 x',
  'HTTP/2 200',
)
const field = fc.constantFrom(
  'Content-Type: application/json',
  'Content-Length: 5',
  'Content-Length: 5, 5',
  'Content-Length: 6',
  'Content-Length: 0',
  'content-length:\t5 ',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'transfer-encoding: Chunked',
  'Connection: close',
  'Connection: keep-alive, Close',
  'Keep-Alive: timeout=5, max=3',
  'Keep-Alive: timeout=0',
  'X-Empty:',
  'X-Latin: caf\xe9 \t',
  '__proto__: a',
  'X-Bad : a',
  ' folded',
)
const chunk = fc
  .tuple(
    fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
    fc.constantFrom('', ';a=b', ' ', ';"'),
  )
  .map(([text, extension]) => `${text.length.toString(16)}${extension}\r\n${text}\r\n`)
const body = fc.oneof(
  fc.constantFrom('', 'hello', 'hello!', '0\r\n\r\n', '\r\n\r\n', '0\r\nX-Sum: 1\r\n\r\n'),
  fc.array(chunk, { maxLength: 4 }).map((parts) => `${parts.join('')}0\r\n\r\n`),
)
const response = fc
  .tuple(
    fc.constantFrom('', '', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early\r\nLink: a\r\n\r\n'),
    status,
    fc.array(field, { maxLength: 4 }),
    body,
  )
  .map(([interim, first, fields, rest]) => `${interim}${[first, ...fields].join('\r\n')}\r\n\r\n${rest}`)
const tokens = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  ':',
  ' ',
  '\t',
  ',',
  ';',
  '0',
  '5',
  'f',
  '-',
  '\0',
  '\xa0',
  '\x0b',
  '0\r\n\r\n',
  'Content-Length: 3\r\n',
]

fuzz('a response is read as its framing says, however it is cut', {
  inputs: cut(mutated(response, tokens)),
  cases: cases.httpResponses,
  runs: 600,
  holds: (input: Cut) => {
    const expected = reference(input.bytes)
    expect(read([bytesOf(input.bytes)])).toEqual(expected)
    for (const pieces of chunkings(input)) expectSame(read(pieces), expected)
  },
})

/** Sizes around every bound, and around the window in which heads are looked at. */
const nearBound = fc
  .tuple(
    fc.constantFrom(2_048, 4_096, 65_536),
    fc.integer({ min: -30, max: 10 }),
    fc.constantFrom('head', 'interim', 'extension', 'trailer', 'unended'),
  )
  .map(([bound, more, where]) => {
    const pad = (used: number) => 'x'.repeat(bound + more - used)
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    if (where === 'head') return `HTTP/1.1 204 x\r\nX: ${pad(19)}\r\n\r\n`
    if (where === 'unended') return `HTTP/1.1 204 x\r\nX: ${pad(19)}`
    if (where === 'interim') return `HTTP/1.1 100 x\r\nX: ${pad(33)}\r\n\r\nHTTP/1.1 204 x\r\n\r\n`
    if (where === 'extension') return `${chunked}1;${pad(2)}\r\na\r\n0\r\n\r\n`
    return `${chunked}0\r\nX: ${pad(3)}\r\n\r\n`
  })

fuzz('a response near the bounds is read or refused, however it is cut', {
  inputs: cut(nearBound),
  cases: cases.longResponses,
  runs: 20,
  holds: (input: Cut) => {
    const expected = reference(input.bytes)
    expect(read([bytesOf(input.bytes)])).toEqual(expected)
    const end = input.bytes.length
    const tails = Array.from({ length: 40 }, (_, back) => Math.max(0, end - back))
    for (const at of [[...input.at], ...tails.map((place) => [place])]) {
      const sorted = [0, ...at.map((place) => place % (end + 1)).sort((a, b) => a - b)]
      const pieces = sorted.map((from, index) => bytesOf(input.bytes.slice(from, sorted[index + 1] ?? end)))
      expectSame(read(pieces), expected)
    }
  },
})

fuzz('responses in a row are each read as if they stood alone', {
  inputs: fc.array(mutated(response, tokens), { minLength: 2, maxLength: 4 }),
  cases: cases.responsesInARow,
  runs: 3_000,
  holds: (texts) => {
    const responses = new Http1Responses()
    for (const text of texts) {
      const seen = { status: 0, body: '' }
      const headers: [string, string][] = []
      responses.begin({
        head: (head) => {
          seen.status = head.status
          headers.push(...head.headers)
        },
        piece: (bytes) => {
          seen.body += Buffer.from(bytes).toString('latin1')
        },
      })
      const faulty = responses.push(bytesOf(text)) !== null
      const { status: code, body: rest, headers: fields, ...expected } = reference(text)
      expect({ ...seen, faulty }).toEqual({ status: code ?? 0, body: rest, faulty: expected.faulty })
      expect(Object.fromEntries(headers)).toEqual(fields)
      expect(responses.reusable).toBe(expected.reusable)
      if (!responses.reusable) break
    }
  },
})
