import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createSseParser } from '../../src/protocol/sse-frames.ts'

interface Seen {
  events: [type: string, data: string][]
  retries: number[]
  oversized: [head: string, tail: string][]
  lastEventId: string
}

function parse(chunks: Uint8Array[], eventBytesMax = 1 << 20): Seen {
  const seen: Seen = { events: [], retries: [], oversized: [], lastEventId: '' }
  const parser = createSseParser(eventBytesMax, {
    event: (type, data) => seen.events.push([type, data]),
    retry: (delayMs) => seen.retries.push(delayMs),
    oversized: (head, tail) => seen.oversized.push([head, tail]),
  })
  for (const chunk of chunks) parser.push(chunk)
  parser.end()
  seen.lastEventId = parser.lastEventId
  return seen
}

/** The `data` fields of an event: one for each line. */
function dataLines(data: string): string {
  return `data: ${data.replaceAll('\n', '\ndata: ')}\n`
}

/** The same bytes cut in every way that matters: whole, in halves at each place, one by one. */
function cuts(text: string): Uint8Array[][] {
  const bytes = Buffer.from(text)
  const halves = Array.from({ length: bytes.length }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)])
  return [[bytes], ...halves, [...bytes].map((byte) => Uint8Array.of(byte))]
}

describe('parsing', () => {
  const rows: { why: string; text: string; events?: Seen['events']; id?: string; retries?: number[] }[] = [
    { why: 'one event', text: 'data: a\n\n', events: [['message', 'a']] },
    {
      why: 'only one space after the colon is taken off',
      text: 'data:  a\n\ndata:b\n\n',
      events: [
        ['message', ' a'],
        ['message', 'b'],
      ],
    },
    {
      why: 'an event with a type',
      text: 'event: endpoint\ndata: /m?x=1\n\n',
      events: [['endpoint', '/m?x=1']],
    },
    {
      why: 'the type holds for one event',
      text: 'event: a\ndata: 1\n\ndata: 2\n\n',
      events: [
        ['a', '1'],
        ['message', '2'],
      ],
    },
    {
      why: 'several data lines are one text',
      text: 'data: a\ndata: b\ndata\n\n',
      events: [['message', 'a\nb\n']],
    },
    {
      why: 'CR ends a line',
      text: 'data: a\rdata: b\r\rdata: c\r\r',
      events: [
        ['message', 'a\nb'],
        ['message', 'c'],
      ],
    },
    { why: 'CRLF is one end of line', text: 'data: a\r\ndata: b\r\n\r\n', events: [['message', 'a\nb']] },
    {
      why: 'mixed line ends',
      text: 'data: a\r\n\ndata: b\r\r\n',
      events: [
        ['message', 'a'],
        ['message', 'b'],
      ],
    },
    {
      why: 'comments and unknown fields say nothing',
      text: ': hello\n\n:\nfoo: bar\ndatax: 1\ndata: a\n\n',
      events: [['message', 'a']],
    },
    {
      why: 'an event that was cut off is none',
      text: 'data: a\n\nid: 9\ndata: b\n',
      events: [['message', 'a']],
      id: '',
    },
    { why: 'an event without data is none, but its id counts', text: 'id: 7\n\n', id: '7' },
    {
      why: 'a priming event: an id and empty data',
      text: 'id: 7\ndata: \n\n',
      events: [['message', '']],
      id: '7',
    },
    {
      why: 'the id stays until the next one',
      text: 'id: 1\ndata: a\n\ndata: b\n\n',
      events: [
        ['message', 'a'],
        ['message', 'b'],
      ],
      id: '1',
    },
    {
      why: 'an empty id clears it',
      text: 'id: 1\ndata: a\n\nid\ndata: b\n\n',
      events: [
        ['message', 'a'],
        ['message', 'b'],
      ],
      id: '',
    },
    { why: 'an id with NUL is ignored', text: 'id: a\0b\ndata: a\n\n', events: [['message', 'a']], id: '' },
    {
      why: 'retry takes digits only',
      text: 'retry: 1500\nretry: 1.5\nretry: -1\nretry:\n\n',
      retries: [1500],
    },
    { why: 'a byte order mark is skipped', text: '\ufeffdata: a\n\n', events: [['message', 'a']] },
    {
      why: 'a byte order mark counts only at the start',
      text: 'data: a\n\n\ufeffdata: b\n\n',
      events: [['message', 'a']],
    },
    { why: 'characters of many bytes', text: 'data: é→😀\n\n', events: [['message', 'é→😀']] },
  ]
  for (const { why, text, events = [], id, retries = [] } of rows) {
    test(`reads the same however the bytes are cut: ${why}`, () => {
      for (const chunks of cuts(text)) {
        const seen = parse(chunks)
        expect(seen.events).toEqual(events)
        expect(seen.retries).toEqual(retries)
        if (id !== undefined) expect(seen.lastEventId).toBe(id)
        expect(seen.oversized).toEqual([])
      }
    })
  }

  test('passes an event of ten megabytes', () => {
    const data = 'é'.repeat(5 << 20)
    const bytes = Buffer.from(`id: 1\n${dataLines(data)}\n`)
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += 16_381) chunks.push(bytes.subarray(at, at + 16_381))
    expect(parse(chunks, 64 << 20).events[0]?.[1] === data).toBe(true)
  })
})

describe('the cap', () => {
  const rows: { why: string; text: string; data: string[]; oversized: number }[] = [
    { why: 'an event of the cap passes', text: 'data: 1234567890\n\n', data: ['1234567890'], oversized: 0 },
    { why: 'one line over the cap', text: 'data: 12345678901\n\ndata: b\n\n', data: ['b'], oversized: 1 },
    {
      why: 'lines that are over the cap together',
      text: 'data: 123\ndata: 456\n\ndata: b\n\n',
      data: ['b'],
      oversized: 1,
    },
    {
      why: 'a line after an oversized one',
      text: 'data: 12345678901\ndata: 1\n\ndata: b\n\n',
      data: ['b'],
      oversized: 1,
    },
    {
      why: 'a comment of any length is no part of the event around it',
      text: 'data: 1\n: 123456789012345678901\n\n',
      data: ['1'],
      oversized: 0,
    },
    {
      why: 'nor does one behind a byte order mark count',
      text: '\ufeff: 1234567890\ndata: 1234567890\n\n',
      data: ['1234567890'],
      oversized: 0,
    },
    {
      why: 'comments do not count',
      text: ': 12345678901234\ndata: 1\n: 1234567890\n\n',
      data: ['1'],
      oversized: 0,
    },
  ]
  for (const { why, text, data, oversized } of rows) {
    test(`leaves out one event and reads on: ${why}`, () => {
      for (const chunks of cuts(text)) {
        const seen = parse(chunks, 16)
        expect(seen.events.map(([, text]) => text)).toEqual(data)
        expect(seen.oversized.length).toBe(oversized)
      }
    })
  }

  test('shows both ends of the data that it left out', () => {
    const data = `{"result":"${'x'.repeat(10_000)}","id":7}`
    for (const chunks of [
      [Buffer.from(`${dataLines(data)}\n`)],
      [...Buffer.from(`${dataLines(data)}\n`)].map((byte) => Uint8Array.of(byte)),
    ]) {
      const [edges] = parse(chunks, 1_000).oversized
      expect(edges?.[0].startsWith('{"result":"xx')).toBe(true)
      expect(edges?.[1].endsWith('xx","id":7}')).toBe(true)
    }
  })

  const filler = 'x'.repeat(900)
  test.each([
    { why: 'a field before the data', text: `event: message-${'e'.repeat(100)}\ndata: {"id":1,${filler}\n` },
    { why: 'a field behind the data', text: `data: {"id":1,${filler}\nevent: message-${'e'.repeat(100)}\n` },
    { why: 'data that is short at first', text: `data: {\ndata: "id":1,${filler.repeat(2)}\n` },
    {
      why: 'a long line among short ones',
      text: `data: {"id":1,\ndata: ${filler.repeat(2)}\ndata: "b":1\ndata: }\n`,
    },
    { why: 'many lines', text: `data: {"id":1,\n${`data: ${filler.slice(0, 200)}\n`.repeat(9)}` },
  ])('shows both ends and keeps the id: $why', ({ text }) => {
    const data = text
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => line.slice(6))
      .join('\n')
    const stream = Buffer.from(`${text}id: 7\n\n`)
    for (const chunks of [[stream], [...stream].map((byte) => Uint8Array.of(byte))]) {
      const { oversized, lastEventId } = parse(chunks, 1_000)
      const [[head, tail] = ['', '']] = oversized
      // Without the first one nobody knows whose answer it was; without the second one it comes again for ever.
      expect(data.startsWith(head) && head.length > 100).toBe(true)
      expect(data.endsWith(tail) && tail.length > 100).toBe(true)
      expect(lastEventId).toBe('7')
    }
  })
})

describe('the end of a stream', () => {
  const rows = [
    { why: 'one that is whole JSON', text: 'data: {"a":1}\n', events: ['{"a":1}'], id: '' },
    { why: 'one whose line has no end', text: 'data: {"a":1}', events: ['{"a":1}'], id: '' },
    { why: 'one of several lines', text: 'data: {"a":\ndata: 1}\n', events: ['{"a":\n1}'], id: '' },
    { why: 'its id with it', text: 'id: 7\ndata: [1]\n', events: ['[1]'], id: '7' },
    { why: 'not what is cut', text: 'id: 7\ndata: {"a":{"b":1}', events: [], id: '' },
    { why: 'not what is cut between two lines', text: 'data: {"a":\n', events: [], id: '' },
    { why: 'nothing after a blank line', text: 'data: {"a":1}\n\n', events: ['{"a":1}'], id: '' },
    { why: 'nothing without data', text: 'id: 7\nevent: ping\n', events: [], id: '' },
    { why: 'not what is over the cap', text: 'data: {"a":1234567890}\n', events: [], id: '', bytesMax: 16 },
  ]
  for (const { why, text, events, id, bytesMax = 1 << 20 } of rows) {
    test(`hands over the event that lacks its blank line: ${why}`, () => {
      for (const chunks of cuts(text)) {
        const seen = parse(chunks, bytesMax)
        expect(seen.events.map(([, data]) => data)).toEqual(events)
        expect(seen.lastEventId).toBe(id)
      }
    })
  }
})

describe('an event', () => {
  test('is read back as it was written, whatever the data and wherever it is cut', () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.constantFrom('a', ' ', ':', '\n', '\0', 'é', '→', '😀', 'data: '))
          .map((parts) => parts.join('')),
        fc.nat(),
        (data, cut) => {
          const bytes = Buffer.from(`event: e\nid: i\n${dataLines(data)}\n`)
          const at = cut % bytes.length
          const seen = parse([bytes.subarray(0, at), bytes.subarray(at)])
          expect(seen.events).toEqual([['e', data]])
          expect(seen.lastEventId).toBe('i')
        },
      ),
    )
  })
})

describe('what a stream costs', () => {
  const rows: { why: string; text: string; lines: number; surplus: number; held: number }[] = [
    { why: 'an event: its data is no surplus', text: 'data: abc\n\n', lines: 2, surplus: 0, held: 0 },
    { why: 'comments', text: ': abc\n:\n', lines: 2, surplus: 6, held: 0 },
    { why: 'blank lines', text: '\n\n\n', lines: 3, surplus: 0, held: 0 },
    { why: 'other fields', text: 'id: 1\n\n', lines: 2, surplus: 5, held: 0 },
    { why: 'an event that has not ended', text: 'data: abc\ndata: d', lines: 1, surplus: 0, held: 16 },
    { why: 'a line over the cap', text: `data: ${'x'.repeat(100)}\n`, lines: 1, surplus: 106, held: 0 },
  ]
  for (const { why, text, lines, surplus, held } of rows) {
    test(`is counted: ${why}`, () => {
      const parser = createSseParser(64, { event() {}, retry() {}, oversized() {} })
      for (const byte of Buffer.from(text)) parser.push(Uint8Array.of(byte))
      expect([parser.lines, parser.surplusBytes, parser.heldBytes]).toEqual([lines, surplus, held])
    })
  }

  test('an event that is dropped is told as too large, and the next one is read', () => {
    for (const begun of ['data: {"a":1', 'data: {"a":1\ndata: 2\n']) {
      const told: unknown[] = []
      const parser = createSseParser(1_000, {
        event: (_type, data) => told.push(data),
        retry() {},
        oversized: (head) => told.push(['oversized', head.slice(0, 6)]),
      })
      parser.push(Buffer.from(begun))
      parser.drop()
      expect(parser.heldBytes).toBe(0)
      parser.push(Buffer.from('data: more\n\ndata: next\n\n'))
      expect(told).toEqual([['oversized', '{"a":1'], 'next'])
    }
  })
})
