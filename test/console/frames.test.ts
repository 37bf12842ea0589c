/** Event streams as the page takes them apart, however they are cut. */
import { expect, test } from 'bun:test'
import { Frames } from '../../src/console/page/api/frames.ts'

const stream = ': ok\n\nevent: call\ndata: {"a":1}\n\nid: 7\ndata: \n\ndata: x\ndata: y\n\n: rest'
const events = [
  ['call', '{"a":1}'],
  ['message', ''],
  ['message', 'x\ny'],
]

test('a stream is the same events wherever it is cut', () => {
  for (let at = 0; at <= stream.length; at++) {
    for (let then = at; then <= stream.length; then += 3) {
      const seen: string[][] = []
      const frames = new Frames((name, data) => seen.push([name, data]))
      for (const piece of [stream.slice(0, at), stream.slice(at, then), stream.slice(then)])
        if (piece !== '') frames.take(piece)
      expect(seen).toEqual(events)
    }
  }
})

test('one large event in many pieces takes no longer than it is long', () => {
  const piece = 'x'.repeat(16_384)
  let chars = 0
  const frames = new Frames((_name, data) => {
    chars += data.length
  })
  const startedMs = performance.now()
  frames.take('data: ')
  for (let at = 0; at < 2_000; at++) frames.take(piece)
  frames.take('\n\n')
  expect(chars).toBe(2_000 * 16_384)
  expect(performance.now() - startedMs).toBeLessThan(1_000)
})
