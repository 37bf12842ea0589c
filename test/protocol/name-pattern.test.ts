import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { namePatterns } from '../../src/protocol/name-pattern.ts'

describe('names by pattern', () => {
  test.each<{ why: string; patterns: string[]; name: string; fits: boolean }>([
    { why: 'no pattern fits nothing', patterns: [], name: 'a', fits: false },
    { why: 'a name fits itself', patterns: ['search'], name: 'search', fits: true },
    { why: 'and no longer one', patterns: ['search'], name: 'search_all', fits: false },
    { why: 'case counts', patterns: ['Search*'], name: 'search', fits: false },
    { why: 'a beginning', patterns: ['search_*'], name: 'search_all', fits: true },
    { why: 'a beginning and nothing more', patterns: ['search*'], name: 'search', fits: true },
    { why: 'an end', patterns: ['*_all'], name: 'search_all', fits: true },
    { why: 'both ends, which may not overlap', patterns: ['ab*ba'], name: 'aba', fits: false },
    { why: 'a middle', patterns: ['*arc*'], name: 'search', fits: true },
    { why: 'middles in their order', patterns: ['*a*b*'], name: 'xbxax', fits: false },
    { why: 'a middle may not take from the end', patterns: ['*ab*b'], name: 'ab', fits: false },
    { why: 'everything', patterns: ['*'], name: '', fits: true },
    { why: 'a dot is a dot', patterns: ['a.c*'], name: 'abc', fits: false },
    { why: 'one of several', patterns: ['x', 'y*'], name: 'yes', fits: true },
  ])('$why: $patterns and $name', ({ patterns, name, fits }) => {
    expect(namePatterns(patterns)(name)).toBe(fits)
  })

  test('fits what a regular expression with .* fits', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
    fc.assert(
      fc.property(text, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 }), (pattern, name) => {
        const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name)
        expect(namePatterns([pattern])(name)).toBe(expected)
      }),
    )
  })

  test('takes no longer for a pattern of many stars', () => {
    const fits = namePatterns([`${'*a'.repeat(120)}*b`])
    const begun = performance.now()
    for (let run = 0; run < 100; run++) fits('a'.repeat(10_000))
    expect(performance.now() - begun).toBeLessThan(1_000)
  })
})
