/** How the body of one response is read: whole events, whatever its chunks are, and no more than can be looked at. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createSseParser } from '../../../../src/protocol/sse-frames.ts'
import { ServerBudget } from '../../../../src/upstream/transports/flood-guard.ts'
import type { HttpAnswer } from '../../../../src/upstream/transports/http/client/answer/answer.ts'
import { Cancellation } from '../../../../src/upstream/transports/http/client/answer/cancellation.ts'
import {
  ReadGate,
  readEvents,
  type StreamReading,
} from '../../../../src/upstream/transports/http/event-body.ts'

const mib = 1024 * 1024

/** A body that is there in these chunks; `stall` as on a connection of the gateway's own. */
function bodyOf(chunks: readonly Uint8Array[]): HttpAnswer {
  let at = 0
  return {
    status: 200,
    url: new URL('http://one.example/'),
    mediaType: 'text/event-stream',
    header: () => null,
    pieces: () => null,
    next: () => Promise.resolve(chunks[at++] ?? null),
    stall: () => 0,
    discard() {},
  }
}

interface Stream {
  readonly reading: StreamReading
  readonly events: string[]
  read(chunks: readonly Uint8Array[]): Promise<void>
}

function streamOf(budget: ServerBudget, extra: Partial<StreamReading> = {}): Stream {
  const events: string[] = []
  const reading: StreamReading = {
    eventBytesMax: 64 * mib,
    gate: new ReadGate(),
    cancellation: new Cancellation(),
    budget,
    expected: true,
    unasked() {},
    ...extra,
  }
  const sink = {
    event: (type: string, data: string) => void events.push(`${type} ${data}`),
    oversized: () => void events.push('oversized'),
  }
  return {
    reading,
    events,
    read: (chunks) => readEvents(bodyOf(chunks), reading, { lastEventId: '', retryMs: null }, sink),
  }
}

const line = fc.oneof(
  fc.constantFrom('data: x', 'data:', 'data', ':', ': comment', 'event: other', 'id: 1', ''),
  fc.integer({ min: 1, max: 6_000 }).map((length) => `data: ${'y'.repeat(length)}`),
)
const text = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 60 })
  .map((lines) => lines.map(([words, end]) => words + end).join(''))

test('the events are those of the whole text, wherever it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(20_000), { maxLength: 6 }), async (whole, cuts) => {
      const expected: string[] = []
      const parser = createSseParser(64 * mib, {
        event: (type, data) => void expected.push(`${type} ${data}`),
        retry() {},
        oversized() {},
      })
      parser.push(Buffer.from(whole))
      parser.end()
      const bytes = Buffer.from(whole)
      const places = [0, ...cuts.filter((at) => at < bytes.length).toSorted((a, b) => a - b), bytes.length]
      const chunks = places.slice(1).map((end, n) => bytes.subarray(places[n], end))
      const stream = streamOf(new ServerBudget())
      await stream.read(chunks.filter(({ length }) => length > 0))
      expect(stream.events).toEqual(expected)
    }),
  )
})

describe('many streams of one server', () => {
  const large = Buffer.from(`data: ${'y'.repeat(2 * mib)}\n\n`)
  const inParts = (bytes: Buffer, size: number): Buffer[] =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size))

  test('that answer calls with more than may be held at once are all read to their end', async () => {
    const budget = new ServerBudget()
    const streams = Array.from({ length: 40 }, () => streamOf(budget))
    await Promise.all(streams.map((stream) => stream.read(inParts(large, 512 * 1024))))
    expect(streams.map(({ events }) => events.length)).toEqual(streams.map(() => 1))
  }, 20_000)

  test('take turns: however many there are, little of them is read before others have theirs', async () => {
    const budget = new ServerBudget()
    const comments = Buffer.from(':\n'.repeat(64 * 1024))
    const unasked = (units: number): void => void budget.charge(units, performance.now())
    const streams = Array.from({ length: 200 }, () => streamOf(budget, { expected: false, unasked }))
    const reading = Promise.all(streams.map((stream) => stream.read([comments])))
    let longestMs = 0
    for (let turn = 0; turn < 50; turn++) {
      const startedMs = performance.now()
      await new Promise((resolve) => setImmediate(resolve))
      longestMs = Math.max(longestMs, performance.now() - startedMs)
    }
    expect(longestMs).toBeLessThan(100)
    for (const { reading } of streams) reading.cancellation.cancel()
    await Promise.race([reading, Bun.sleep(0)])
  })
})

/** One that shuts its gate at the first event of each chunk. */
function shutting(budget: ServerBudget, chunks: readonly Buffer[]) {
  const gate = new ReadGate()
  const { reading } = streamOf(budget, { gate, expected: false })
  const seen = { taken: 0, stalls: 0, ended: Promise.resolve() }
  const answer: HttpAnswer = {
    ...bodyOf([]),
    next: () => Promise.resolve(chunks[seen.taken++] ?? null),
    stall: () => ++seen.stalls * 0,
  }
  const sink = { event: () => gate.shut(), oversized() {} }
  seen.ended = readEvents(answer, reading, { lastEventId: '', retryMs: null }, sink)
  return { gate, seen }
}

test('a stream that stands still has its server wait, and one that brought much is not read on meanwhile', async () => {
  const budget = new ServerBudget()
  const much = (bytes: number): Buffer => Buffer.from(`data: x\n\n${':\n'.repeat(bytes / 2)}`)
  const first = shutting(budget, [much(9 * mib)])
  await Bun.sleep(0)
  expect([first.seen.taken, first.seen.stalls, budget.inHand.full]).toEqual([1, 1, true])
  const second = shutting(budget, [much(32 * 1024), much(32 * 1024)])
  await Bun.sleep(0)
  second.gate.open()
  await Bun.sleep(150)
  expect(second.seen.taken).toBe(1)
  first.gate.open()
  await first.seen.ended
  expect(budget.inHand.full).toBe(false)
  while (second.seen.taken < 2) await Bun.sleep(10)
  second.gate.open()
  await second.seen.ended
})
