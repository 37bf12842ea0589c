/** Event streams are read as the standard says, wherever the network cuts them. */
import { expect } from 'bun:test'
import fc from 'fast-check'
import { createSseParser } from '../../src/protocol/sse-frames.ts'
import { cases } from './cases.ts'
import { expectSame, fuzz } from './fuzzer.ts'
import { bytesOf, type Cut, chunkings, cut, mutated, utf8 } from './inputs.ts'

type Said =
  | { readonly type: string; readonly data: string }
  | { readonly retryMs: number }
  | { readonly oversized: { readonly head: string; readonly tail: string } }

interface Read {
  readonly said: Said[]
  readonly lastEventId: string
}

/** Larger than what is kept of both ends, as any real bound is. */
const eventBytesMax = 700

function read(chunks: readonly Buffer[]): Read {
  const said: Said[] = []
  const parser = createSseParser(eventBytesMax, {
    event: (type, data) => said.push({ type, data }),
    retry: (retryMs) => said.push({ retryMs }),
    oversized: (head, tail) => said.push({ oversized: { head, tail } }),
  })
  for (const chunk of chunks) parser.push(chunk)
  return { said, lastEventId: parser.lastEventId }
}

/**
 * "Interpreting an event stream", word for word, over the whole text. Of an event over the bound the data stands in
 * `head` and `tail` whole.
 */
function reference(bytes: string): Read {
  const said: Said[] = []
  let [lastEventId, idBuffer, type, data, size] = ['', '', '', null as string | null, 0]
  // What stands behind the last line end is no line.
  for (const [index, lineBytes] of bytes
    .split(/\r\n|\n|\r/)
    .slice(0, -1)
    .entries()) {
    const marked = index === 0 && lineBytes.startsWith(utf8('\ufeff'))
    const line = decoded(marked ? lineBytes.slice(3) : lineBytes)
    if (line === '') {
      lastEventId = idBuffer
      if (size > eventBytesMax) said.push({ oversized: { head: data ?? '', tail: data ?? '' } })
      else if (data !== null) said.push({ type: type === '' ? 'message' : type, data })
      ;[type, data, size] = ['', null, 0]
      continue
    }
    if (line.startsWith(':')) continue
    size += lineBytes.length > eventBytesMax || !marked ? lineBytes.length : lineBytes.length - 3
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'data') data = data === null ? value : `${data}\n${value}`
    // Of a line that is over the bound alone only the ends are kept.
    if (lineBytes.length > eventBytesMax) continue
    if (field === 'event') type = value
    if (field === 'id' && !value.includes('\0') && value.length <= 8_192) idBuffer = value
    if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) said.push({ retryMs: Number(value) })
  }
  return { said, lastEventId }
}

function decoded(line: string): string {
  return bytesOf(line).toString('utf8')
}

/** What both tell alike; of what is over the bound, that both left it out. */
function comparable({ said, lastEventId }: Read) {
  return { lastEventId, said: said.map((entry) => ('oversized' in entry ? 'oversized' : entry)) }
}

const name = fc.constantFrom('data', 'event', 'id', 'retry', 'Data', 'data ', 'x', '', '\ufeffdata')
const value = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '  two',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    'a:b',
    '7',
    '0012',
    '-1',
    'ü€😀',
    '\0',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => text.replace(/[\r\n]/g, '')),
  fc.integer({ min: 100, max: 800 }).map((length) => 'x'.repeat(length)),
)
const lineEnd = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\n\r\n', '\r\r', '\n\r')
const line = fc
  .tuple(name, fc.constantFrom(':', ': ', ''), value, lineEnd)
  .map(([field, colon, text, end]) => field + colon + text + end)
const stream = fc
  .tuple(
    fc.constantFrom('', '\ufeff', '\ufeff\ufeff'),
    fc.array(fc.oneof(line, fc.constantFrom(': ping\n\n', '\n')), { maxLength: 12 }),
  )
  .map(([mark, lines]) => utf8(mark + lines.join('')))
const tokens = [
  '\n',
  '\r',
  '\r\n',
  ':',
  ' ',
  'data:',
  'id:',
  'event:',
  'retry:',
  '\0',
  utf8('\ufeff'),
  '\xc3',
  '\xff',
]

fuzz('an event stream means what the standard says, however it is cut', {
  inputs: cut(mutated(stream, tokens)),
  cases: cases.eventStreams,
  runs: 400,
  holds: (input: Cut) => {
    const expected = comparable(reference(input.bytes))
    for (const chunks of chunkings(input)) expectSame(comparable(read(chunks)), expected)
  },
})

fuzz('of an event over the bound, the beginning and the end of its data are told, however it is cut', {
  inputs: cut(fc.array(line, { minLength: 1, maxLength: 8 }).map((lines) => utf8(`${lines.join('')}\n\n`))),
  cases: cases.largeEvents,
  runs: 600,
  holds: (input: Cut) => {
    const expected = reference(input.bytes).said
    for (const chunks of chunkings(input)) {
      for (const [index, entry] of read(chunks).said.entries()) {
        const whole = expected[index]
        if (!('oversized' in entry) || whole === undefined || !('oversized' in whole)) continue
        expect(isEdge(entry.oversized.head, whole.oversized.head, 'startsWith')).toBe(true)
        expect(isEdge(entry.oversized.tail, whole.oversized.tail, 'endsWith')).toBe(true)
      }
    }
  },
})

/** A cut in a character leaves one that stands for it; the name of a field may stand before a short tail. */
function isEdge(edge: string, data: string, where: 'startsWith' | 'endsWith'): boolean {
  const whole = edge.replace(/^\ufffd+|\ufffd+$/g, '')
  return whole.length >= Math.min(50, data.replaceAll('\ufffd', '').length) && data[where](whole)
}
