import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { WholeLines } from '../../../src/cluster/workers/worker-process.ts'

test('lines come out whole and in order, wherever the pieces were cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\n', ''))),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (lines, cuts) => {
        const text = lines.map((line) => `${line}\n`).join('')
        const given: string[] = []
        const whole = new WholeLines((some) => given.push(some.toString()))
        const bytes = Buffer.from(text)
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const length = cuts[cut % cuts.length] ?? 1
          whole.add(bytes.subarray(at, at + length))
          at += length
        }
        whole.end()
        expect(given.join('')).toBe(text)
        for (const some of given) expect(some.endsWith('\n')).toBe(true)
      },
    ),
  )
})

test('what ends without a line break gets one', () => {
  const given: string[] = []
  const whole = new WholeLines((some) => given.push(some.toString()))
  whole.add(Buffer.from('a\nhalf'))
  whole.end()
  expect(given).toEqual(['a\n', 'half\n'])
})
