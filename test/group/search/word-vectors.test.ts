/** Directions of words, as the executable carries them. */
import { beforeAll, describe, expect, test } from 'bun:test'
import {
  direction,
  product,
  readWordVectors,
  type WordVectors,
  wordVectors,
} from '../../../src/group/search/word-vectors.ts'

let vectors: WordVectors
beforeAll(async () => {
  vectors = await wordVectors()
})

function directionOf(text: string): Float32Array {
  return direction(vectors.sumOf(text.split(' ')))
}

function alike(one: string, other: string): number {
  return product(directionOf(one), directionOf(other))
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
    const sent = directionOf('send a message')
    expect(Math.hypot(...sent)).toBeCloseTo(1, 5)
    for (const unknown of ['zzzzqqqq 车票', '', '__proto__ hasOwnProperty'])
      expect(Math.hypot(...directionOf(unknown))).toBe(0)
  })

  test('are read as the file says', () => {
    const text = new TextEncoder().encode('go\ngo away')
    const content = new Uint8Array(12 + 2 * 4 + 2 * 1 + text.length)
    new Uint32Array(content.buffer, 0, 3).set([2, 2, text.length])
    new Float32Array(content.buffer, 12, 2).set([1, 2])
    // 3 and 4; -2 and 0.
    content.set([(3 + 8) | ((4 + 8) << 4), (-2 + 8) | (8 << 4)], 20)
    content.set(text, 22)
    const { sumOf } = readWordVectors(content)
    expect([...sumOf(['go'])]).toEqual([3, 4])
    expect([...sumOf(['goes'])]).toEqual([3, 4])
    expect([...sumOf(['go', 'far', 'away'])]).toEqual([-1, 4])
    expect([...sumOf(['go', 'very', 'very', 'very', 'far', 'away'])]).toEqual([3, 4])
  })

  test('cost at most 3 MB of executable', () => {
    expect(Bun.file('src/group/search/word-vectors.gz').size).toBeLessThan(3_000_000)
  })
})
