/** Who is refused has a line, as long as few are; the others are counted. */
import { describe, expect, test } from 'bun:test'
import { Refusals } from '../../src/audit/refusals.ts'

describe('refusals of one minute', () => {
  test('of one address have ten lines', () => {
    const refusals = new Refusals()
    const noted = Array.from({ length: 25 }, () => refusals.note('192.0.2.1', 'UNAUTHENTICATED', 5))
    expect(noted.filter(Boolean)).toHaveLength(10)
    expect(refusals.end()).toEqual({ UNAUTHENTICATED: 15 })
  })

  test('of all addresses together have sixty, however many come', () => {
    const refusals = new Refusals()
    let lines = 0
    for (let n = 0; n < 50_000; n++)
      if (refusals.note(`192.0.${n >> 8}.${n & 255}`, n % 2 ? 'RATE_LIMITED' : 'UNAUTHENTICATED', n)) lines++
    expect(lines).toBe(60)
    expect(refusals.end()).toEqual({ UNAUTHENTICATED: 24_970, RATE_LIMITED: 24_970 })
  })

  test('are told when it is over, and then a new one begins', () => {
    const refusals = new Refusals()
    expect(refusals.sweep(100_000)).toBeNull()
    for (let n = 0; n < 12; n++) refusals.note('192.0.2.1', 'UNAUTHENTICATED', 100_000 + n)
    expect(refusals.sweep(159_999)).toBeNull()
    expect(refusals.sweep(160_000)).toEqual({ UNAUTHENTICATED: 2 })
    expect(refusals.note('192.0.2.1', 'UNAUTHENTICATED', 170_000)).toBe(true)
    expect(refusals.sweep(229_999)).toBeNull()
    expect(refusals.sweep(230_000)).toBeNull()
  })
})
