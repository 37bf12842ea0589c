/** Directions of words, as the executable carries them. */
import { beforeAll, describe, expect, test } from 'bun:test'
import { readWordVectors, type WordVectors, wordVectors } from '../../../src/group/search/word-vectors.ts'

let vectors: WordVectors
beforeAll(async () => {
  vectors = await wordVectors()
})

function directionOf(text: string): Float32Array {
  const direction = vectors.directionOf(text.split(' '))
  if (direction === null) throw new Error(`nothing known in ${text}`)
  return direction
}

function alike(one: string, other: string): number {
  const direction = directionOf(other)
  return directionOf(one).reduce((sum, part, at) => sum + part * (direction[at] ?? 0), 0)
}

describe('directions', () => {
  test.each<{ why: string; said: string; means: string; not: string }>([
    { why: 'two words for one thing', said: 'mail', means: 'email', not: 'calendar' },
    { why: 'a word of the street', said: 'folder', means: 'directory', not: 'branch' },
    { why: 'an action', said: 'erase', means: 'delete', not: 'create' },
    { why: 'two words that mean something together', said: 'throw away', means: 'discard', not: 'ball' },
    {
      why: 'the same with others between',
      said: 'throw this old mail away',
      means: 'delete email',
      not: 'ball',
    },
    { why: 'a whole question', said: 'do i need an umbrella', means: 'weather forecast', not: 'file list' },
  ])('$why: $said is nearer to $means than to $not', ({ said, means, not }) => {
    expect(alike(said, means)).toBeGreaterThan(alike(said, not) + 0.1)
  })

  test('have length 1, and none where no word is known', () => {
    const direction = directionOf('send a message')
    expect(direction).toHaveLength(vectors.dimensions)
    expect(Math.hypot(...direction)).toBeCloseTo(1, 5)
    expect(vectors.directionOf(['zzzzqqqq', '车票'])).toBeNull()
    expect(vectors.directionOf([])).toBeNull()
    expect(vectors.directionOf(['constructor', '__proto__'])).not.toBe(undefined)
  })

  test('are read as the file says', () => {
    const text = new TextEncoder().encode('go\ngo away')
    const content = new Uint8Array(12 + 2 * 4 + 2 * 1 + text.length)
    new Uint32Array(content.buffer, 0, 3).set([2, 2, text.length])
    new Float32Array(content.buffer, 12, 2).set([1, 2])
    // 3 and 4; -2 and 0.
    content.set([(3 + 8) | ((4 + 8) << 4), (-2 + 8) | (8 << 4)], 20)
    content.set(text, 22)
    const read = readWordVectors(content)
    expect([...(read.directionOf(['go']) ?? [])]).toEqual([expect.closeTo(0.6), expect.closeTo(0.8)])
    expect([...(read.directionOf(['go', 'far', 'away']) ?? [])]).toEqual([
      expect.closeTo(-1 / Math.hypot(1, 4)),
      expect.closeTo(4 / Math.hypot(1, 4)),
    ])
  })

  test('cost at most 3 MB of executable', () => {
    expect(Bun.file('src/group/search/word-vectors.gz').size).toBeLessThan(3_000_000)
  })
})
