import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createLineSplitter } from '../../src/protocol/line-frames.ts'

interface Seen {
  lines: string[]
  overflows: string[]
  skipped: { tail: string; lineBytes: number }[]
}

function split(chunks: Uint8Array[], lineBytesMax = 1 << 20, ended = false): Seen {
  const seen: Seen = { lines: [], overflows: [], skipped: [] }
  const splitter = createLineSplitter(lineBytesMax, {
    line: (text) => seen.lines.push(text),
    overflow: (head) => seen.overflows.push(head),
    skipped: (tail, lineBytes) => seen.skipped.push({ tail, lineBytes }),
  })
  for (const chunk of chunks) splitter.push(chunk)
  if (ended) splitter.end()
  return seen
}

function byteByByte(text: string): Uint8Array[] {
  return [...Buffer.from(text)].map((byte) => Uint8Array.of(byte))
}

describe('lines', () => {
  const rows: { why: string; text: string; lines: string[] }[] = [
    { why: 'one line', text: 'a\n', lines: ['a'] },
    { why: 'several lines in one chunk', text: 'a\nb\nc\n', lines: ['a', 'b', 'c'] },
    { why: 'a line without its end is not a line yet', text: 'a\nb', lines: ['a'] },
    { why: 'empty lines are lines', text: '\n\na\n', lines: ['', '', 'a'] },
    { why: 'Windows line breaks', text: 'a\r\nb\r\n\r\n', lines: ['a', 'b', ''] },
    { why: 'a carriage return inside a line belongs to it', text: 'a\rb\n', lines: ['a\rb'] },
    { why: 'only one carriage return is taken off', text: 'a\r\r\n', lines: ['a\r'] },
    { why: 'characters of two, three and four bytes', text: 'é→😀\n→\n', lines: ['é→😀', '→'] },
    { why: 'nothing at all', text: '', lines: [] },
  ]
  for (const { why, text, lines } of rows) {
    test(`cuts the same way whole and byte by byte: ${why}`, () => {
      expect(split([Buffer.from(text)]).lines).toEqual(lines)
      expect(split(byteByByte(text)).lines).toEqual(lines)
    })
  }

  test('keeps every line whole wherever the pipe cuts the bytes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => s.replace(/[\r\n]/g, '')),
          {
            maxLength: 12,
          },
        ),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (lines, sizes) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
          const chunks: Uint8Array[] = []
          for (let at = 0, n = 0; at < bytes.length; n++) {
            const size = sizes[n % sizes.length] ?? 1
            chunks.push(bytes.subarray(at, at + size))
            at += size
          }
          expect(split(chunks).lines).toEqual(lines)
        },
      ),
    )
  })

  test('hands over the last line of a stream that ended without a line break', () => {
    expect(split([Buffer.from('a\nlast')], 100, true).lines).toEqual(['a', 'last'])
    expect(split([Buffer.from('a\n')], 100, true).lines).toEqual(['a'])
  })

  test.each([
    { why: 'begins like no JSON', line: 'x'.repeat(50), skipped: true },
    { why: 'may be an object', line: `{${'x'.repeat(50)}`, skipped: false },
    { why: 'may be a batch', line: `[${'x'.repeat(50)}`, skipped: false },
    { why: 'may be an object behind white space', line: ` \t\r{${'x'.repeat(50)}`, skipped: false },
  ])('a long line that $why is kept or skipped by what it can be', ({ line, skipped }) => {
    const seen: string[] = []
    const splitter = createLineSplitter(
      100,
      {
        line: (text) => seen.push(text),
        overflow: () => seen.push('skips'),
        skipped() {},
      },
      20,
    )
    for (const chunk of byteByByte(`${line}\nnext\n`)) splitter.push(chunk)
    expect(seen).toEqual(skipped ? ['skips', 'next'] : [line, 'next'])
  })

  test('does not keep a view of a chunk that its owner writes over', () => {
    const chunk = Buffer.from('par')
    const seen: string[] = []
    const splitter = createLineSplitter(100, { line: (l) => seen.push(l), overflow() {}, skipped() {} })
    splitter.push(chunk)
    chunk.fill('x')
    splitter.push(Buffer.from('tial\n'))
    expect(seen).toEqual(['partial'])
  })

  test('passes a line of ten megabytes', () => {
    const line = 'é'.repeat(5 * 1024 * 1024)
    const bytes = Buffer.from(`${line}\nnext\n`)
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += 65_521) chunks.push(bytes.subarray(at, at + 65_521))
    const { lines } = split(chunks, 64 << 20)
    expect(lines.length).toBe(2)
    expect(lines[0] === line).toBe(true)
    expect(lines[1]).toBe('next')
  })
})

describe('the cap', () => {
  const rows: { why: string; text: string; lines: string[]; overflows: number }[] = [
    {
      why: 'a line of exactly the cap passes',
      text: '12345678\nb\n',
      lines: ['12345678', 'b'],
      overflows: 0,
    },
    { why: 'the line break does not count', text: '12345678\r\nb\n', lines: ['12345678', 'b'], overflows: 0 },
    {
      why: 'one byte more is skipped, the next line is not',
      text: '123456789\nb\n',
      lines: ['b'],
      overflows: 1,
    },
    {
      why: 'the cap counts bytes, not characters',
      text: 'éééé\néééé1\nb\n',
      lines: ['éééé', 'b'],
      overflows: 1,
    },
    {
      why: 'each oversized line is reported once',
      text: '123456789\n1234567890\nb\n',
      lines: ['b'],
      overflows: 2,
    },
  ]
  for (const { why, text, lines, overflows } of rows) {
    test(`holds whole and byte by byte: ${why}`, () => {
      for (const chunks of [[Buffer.from(text)], byteByByte(text)]) {
        const seen = split(chunks, 8)
        expect(seen.lines).toEqual(lines)
        expect(seen.overflows.length).toBe(overflows)
        expect(seen.skipped.length).toBe(overflows)
      }
    })
  }

  test('shows both ends of a skipped line and its size', () => {
    const line = `{"head":1,${'x'.repeat(100_000)},"id":7}`
    for (const size of [1, 100, 70_000, 1 << 20]) {
      const bytes = Buffer.from(`${line}\n`)
      const chunks: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
      const seen = split(chunks, 1000)
      expect(seen.overflows[0]?.startsWith('{"head":1,xx')).toBe(true)
      expect(seen.skipped).toEqual([{ tail: line.slice(-256), lineBytes: line.length }])
    }
  })

  test('reports an endless line at once, and its memory stays bounded', () => {
    const chunk = Buffer.alloc(1 << 20, 'x')
    const before = process.memoryUsage().rss
    const seen = split(
      Array.from({ length: 512 }, () => chunk),
      1 << 20,
    )
    expect(seen.overflows.length).toBe(1)
    expect(seen.skipped.length).toBe(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20)
  })
})
