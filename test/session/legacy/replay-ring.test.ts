/** What a session keeps for a client that resumes: the newest events, within both bounds. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { ReplayRing } from '../../../src/session/legacy/replay-ring.ts'

const pushes = fc.array(
  fc.record({
    stream: fc.integer({ min: 0, max: 2 }),
    frame: fc.string({ minLength: 0, maxLength: 30 }),
  }),
  { maxLength: 200 },
)

test('keeps the newest events that both bounds leave room for, in their order', () => {
  fc.assert(
    fc.property(
      pushes,
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 200 }),
      (events, replayEventsMax, replayBytesMax) => {
        const ring = new ReplayRing({ replayEventsMax, replayBytesMax }, () => true)
        const all = events.map(({ stream, frame }, index) => ({ stream, sequence: index + 1, frame }))
        for (const [index, { stream, sequence, frame }] of all.entries()) {
          ring.push(stream, sequence, frame)
          const kept = all.slice(0, index + 1).slice(-replayEventsMax || Number.MAX_SAFE_INTEGER)
          while (kept.reduce((sum, event) => sum + event.frame.length, 0) > replayBytesMax) kept.shift()
          const after = sequence - 7
          for (const asked of [0, 1, 2]) {
            const expected = kept.filter((event) => event.stream === asked && event.sequence > after)
            expect(ring.after(asked, after)).toEqual(expected.map((event) => event.frame))
          }
        }
      },
    ),
  )
})

test('keeps nothing after it was cleared, and goes on from there', () => {
  const ring = new ReplayRing({ replayEventsMax: 3, replayBytesMax: 1_000 }, () => true)
  for (let sequence = 1; sequence <= 5; sequence++) ring.push(1, sequence, `event ${sequence}`)
  ring.clear()
  expect(ring.after(1, 0)).toEqual([])
  ring.push(1, 6, 'event 6')
  expect(ring.after(1, 0)).toEqual(['event 6'])
})

test('keeps what its client has room for, and gives it back', () => {
  const kib = 1024
  let held = 0
  const ring = new ReplayRing({ replayEventsMax: 100, replayBytesMax: 1 << 30 }, (bytes) => {
    if (held + bytes > 256 * kib) return false
    held += bytes
    return true
  })
  const frameOf = (sequence: number) => `${sequence}:`.padEnd(50 * kib, 'x')
  for (let sequence = 1; sequence <= 20; sequence++) ring.push(1, sequence, frameOf(sequence))
  // Of 320 KiB, five steps of 64, the last one is refused: what is kept is below that.
  expect(ring.after(1, 0)).toEqual([15, 16, 17, 18, 19, 20].map(frameOf))
  expect(held).toBe(256 * kib)
  ring.clear()
  expect(held).toBe(0)
})
