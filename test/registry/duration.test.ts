import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../src/registry/duration.ts'

describe('a duration', () => {
  test.each<{ text: string; ms: number; why: string }>([
    { text: '10s', ms: 10_000, why: 'seconds' },
    { text: '500ms', ms: 500, why: 'milliseconds, not minutes and seconds' },
    { text: '2m', ms: 120_000, why: 'minutes' },
    { text: '1h30m', ms: 5_400_000, why: 'several units' },
    { text: '2h45m0s', ms: 9_900_000, why: 'as Go prints them' },
    { text: '1.5s', ms: 1_500, why: 'a fraction' },
    { text: ' 1s ', ms: 1_000, why: 'blanks around it' },
    { text: '1500us', ms: 2, why: 'rounded to milliseconds' },
    { text: '2000000ns', ms: 2, why: 'nanoseconds' },
    { text: '0s', ms: 0, why: 'nothing' },
  ])('$text is $ms ms: $why', ({ text, ms }) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each([
    '',
    '10',
    's',
    '10 s',
    '1s 2m',
    '-1s',
    '1s1s',
    '1d',
    '10S',
    '1e3s',
    '.5s',
    '1h30',
    'ten seconds',
  ])('is not %j', (text) => {
    expect(parseDuration(text)).toBeNull()
  })

  test('of any whole number of milliseconds reads back as it was written', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000_000), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
  })

  test('is written with as few units as it needs', () => {
    expect([0, 500, 30_000, 90_000, 5_400_000].map(formatDuration)).toEqual([
      '0s',
      '500ms',
      '30s',
      '1m30s',
      '1h30m',
    ])
  })
})
