/** The lines of a pipe are the lines that were written, wherever the pipe cuts them. */
import { expect } from 'bun:test'
import fc from 'fast-check'
import { largeAnswerBytesMin, textOf } from '../../src/protocol/large-answer.ts'
import { createLineSplitter } from '../../src/protocol/line-frames.ts'
import { cases } from './cases.ts'
import { fuzz } from './fuzzer.ts'
import { bytesOf, chunkings, cut, mutated, utf8 } from './inputs.ts'

type Line =
  | { readonly text: string }
  | { readonly head: string; readonly tail: string; readonly lineBytes: number }

interface Bounds {
  readonly lineBytesMax: number
  readonly noiseBytesMax?: number
  readonly takesLarge?: boolean
}

/** What is told, one entry a line; calls that do not belong together are an entry of their own. */
function read(chunks: readonly Buffer[], { lineBytesMax, noiseBytesMax, takesLarge }: Bounds): Line[] {
  const lines: Line[] = []
  let head: string | null = null
  const begin = (): void => {
    if (head !== null) throw new Error('a skipped line has no end')
  }
  const whole = (text: string): void => {
    begin()
    lines.push({ text })
  }
  const splitter = createLineSplitter(
    lineBytesMax,
    {
      line: whole,
      ...(takesLarge === true ? { large: (pieces) => whole(textOf(pieces)) } : {}),
      overflow: (text) => {
        begin()
        head = text
      },
      skipped: (tail, lineBytes) => {
        if (head === null) throw new Error('a skipped line has no beginning')
        lines.push({ head, tail, lineBytes })
        head = null
      },
    },
    noiseBytesMax,
  )
  for (const chunk of chunks) splitter.push(chunk)
  splitter.end()
  begin()
  return lines
}

/** The lines as they were written, without their ends. */
function written(bytes: string): string[] {
  const lines = bytes.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
}

function decoded(line: string): string {
  return bytesOf(line).toString('utf8')
}

/** What may be told of a line: itself, or both ends of it, of which a `\r` may be a part. */
class Written {
  readonly text: string
  readonly bytes: number
  readonly #line: string
  #edges: { readonly starts: ReadonlySet<string>; readonly ends: ReadonlySet<string> } | null = null

  constructor(line: string) {
    this.text = decoded(line)
    this.bytes = line.length
    this.#line = line
  }

  #edgesOf() {
    const line = this.#line
    const ended = `${line}\r`
    const lengths = Array.from({ length: Math.min(257, ended.length) }, (_, at) => at + 1)
    return {
      starts: new Set(lengths.map((length) => decoded(ended.slice(0, length)))),
      ends: new Set(lengths.flatMap((length) => [ended.slice(-length), line.slice(-length)]).map(decoded)),
    }
  }

  isSkipped(entry: Line | undefined): boolean {
    if (entry === undefined || 'text' in entry) return false
    const sized = entry.lineBytes === this.bytes || entry.lineBytes === this.bytes + 1
    this.#edges ??= this.#edgesOf()
    return sized && this.#edges.starts.has(entry.head) && this.#edges.ends.has(entry.tail)
  }

  isWhole(entry: Line | undefined): boolean {
    return entry !== undefined && 'text' in entry && entry.text === this.text
  }
}

const json = fc.jsonValue().map((value) => JSON.stringify(value))
const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', '\r\r\n', '\r')
const stream = fc
  .array(
    fc.tuple(fc.oneof(json, fc.constantFrom('', 'listening on 3000', '{"a":"ü€😀"}', '{', '\r')), lineEnd),
    { maxLength: 10 },
  )
  .map((lines) => utf8(lines.flat().join('')))
const tokens = ['\n', '\r', '\r\n', '{', '[', ' ', '\t', '\0', '\xc3', '\xff', utf8('\u2028'), 'x'.repeat(60)]
const bounded = fc.record({
  input: cut(mutated(stream, tokens)),
  lineBytesMax: fc.integer({ min: 1, max: 80 }),
  noiseBytesMax: fc.integer({ min: 1, max: 80 }),
})

fuzz('each line comes once, whole or skipped, however the pipe is cut', {
  inputs: bounded,
  cases: cases.lines,
  runs: 150,
  holds: ({ input, lineBytesMax }) => {
    const lines = written(input.bytes).map((line) => new Written(line))
    for (const chunks of chunkings(input)) {
      const seen = read(chunks, { lineBytesMax })
      const wrong = lines.filter((line, at) =>
        line.bytes <= lineBytesMax ? !line.isWhole(seen[at]) : !line.isSkipped(seen[at]),
      )
      if (seen.length !== lines.length || wrong.length > 0)
        expect(seen).toEqual(lines.map(({ text }) => ({ text })))
    }
  },
})

fuzz('a bound on what is no JSON skips nothing that may be, however the pipe is cut', {
  inputs: bounded,
  cases: cases.noise,
  runs: 150,
  holds: ({ input, lineBytesMax, noiseBytesMax }) => {
    const lines = written(input.bytes).map((line) => new Written(line))
    for (const chunks of chunkings(input)) {
      const seen = read(chunks, { lineBytesMax, noiseBytesMax })
      const wrong = lines.filter((line, at) => {
        const bytesMax = /^[{[ \t\r]/.test(line.text) ? lineBytesMax : Math.min(lineBytesMax, noiseBytesMax)
        if (line.bytes <= bytesMax) return !line.isWhole(seen[at])
        if (line.bytes > lineBytesMax) return !line.isSkipped(seen[at])
        // In one chunk it is there already.
        return !line.isWhole(seen[at]) && !line.isSkipped(seen[at])
      })
      if (seen.length !== lines.length || wrong.length > 0)
        expect(seen).toEqual(lines.map(({ text }) => ({ text })))
    }
  },
})

const large = fc
  .array(
    fc.tuple(
      fc.integer({ min: -3, max: 3 }),
      fc.constantFrom('{', 'x', '\r'),
      lineEnd,
      fc.constantFrom('', 'small\n', '\r\n'),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((lines) =>
    lines
      .map(([more, first, end, after]) => first + 'y'.repeat(largeAnswerBytesMin + more) + end + after)
      .join(''),
  )

fuzz('a large line that comes in pieces is the same line', {
  inputs: cut(large),
  cases: cases.largeLines,
  runs: 30,
  holds: (input) => {
    const expected = written(input.bytes).map((line) => ({ text: decoded(line) }))
    const step = 4_096 + ((input.at[0] ?? 0) % 20_000)
    const places = Array.from({ length: Math.floor(input.bytes.length / step) }, (_, at) => at * step)
    for (const at of [input.at, places, [input.bytes.indexOf('\n')], [input.bytes.indexOf('\n') + 1]]) {
      const sorted = [
        0,
        ...at.map((place) => Math.max(0, place) % (input.bytes.length + 1)).sort((a, b) => a - b),
      ]
      const chunks = sorted.map((from, index) =>
        bytesOf(input.bytes.slice(from, sorted[index + 1] ?? input.bytes.length)),
      )
      const seen = read(chunks, { lineBytesMax: 4 * largeAnswerBytesMin, takesLarge: true })
      expect(
        seen.length === expected.length &&
          seen.every((line, index) => 'text' in line && line.text === expected[index]?.text),
      ).toBe(true)
    }
  },
})
