/** What a paired comparison concludes, and what its command line takes. */
import { describe, expect, test } from 'bun:test'
import { cpuUsBetween } from '../../bench/child-process.ts'
import { readPairOptions } from '../../bench/pair/options.ts'
import { compare, medianInterval, verdictOf } from '../../bench/pair/statistics.ts'
import { pairTable, ratioFinding, rssFinding } from '../../bench/pair/table.ts'

const oneTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1)
const pairsOf = (ratios: readonly number[]) => ratios.map((ratio) => ({ a: 100, b: 100 * ratio }))

describe('the interval of a median', () => {
  // Ranks as printed in tables of the sign test at 5 %, two-sided.
  test.each([
    { count: 6, ranks: [1, 6] },
    { count: 8, ranks: [1, 8] },
    { count: 9, ranks: [2, 8] },
    { count: 12, ranks: [3, 10] },
    { count: 15, ranks: [4, 12] },
    { count: 20, ranks: [6, 15] },
    { count: 25, ranks: [8, 18] },
    { count: 50, ranks: [18, 33] },
  ])('of $count values goes from one rank to the other of $ranks', ({ count, ranks }) => {
    const { lower, upper } = medianInterval(oneTo(count).reverse())
    expect([lower, upper]).toEqual([...ranks])
  })

  test('holds the true median in 95 % of all samples or a little more', () => {
    let seed = 1
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed / 2_147_483_647
    }
    let held = 0
    for (let sample = 0; sample < 4_000; sample++) {
      // Skewed, as times are: the median of -ln(u) is ln 2.
      const { lower, upper } = medianInterval(oneTo(15).map(() => -Math.log(random())))
      if (lower <= Math.LN2 && Math.LN2 <= upper) held++
    }
    expect(held / 4_000).toBeWithin(0.95, 0.98)
  })

  test('is refused where there are too few values for one', () => {
    expect(() => medianInterval(oneTo(5))).toThrow('needs 6 values')
  })
})

describe('a comparison', () => {
  test('takes the ratio within each round, so that a machine that slows down changes nothing', () => {
    const pairs = oneTo(15).map((round) => ({ a: 10 * round, b: 11 * round }))
    expect(compare(pairs)).toMatchObject({ medianA: 80, medianB: 88, ratio: 1.1 })
    expect(compare(pairs).interval.upper).toBeCloseTo(1.1)
  })

  test('lets no single round decide', () => {
    const ratios = [...Array.from({ length: 14 }, () => 1), 50]
    expect(compare(pairsOf(ratios))).toMatchObject({ ratio: 1, interval: { lower: 1, upper: 1 } })
  })
})

describe('a verdict', () => {
  test.each([
    { interval: [0.98, 1.02], verdict: 'within', why: 'all of it is below' },
    { interval: [0.98, 1.03], verdict: 'undecided', why: 'the limit itself is not below' },
    { interval: [1.01, 1.05], verdict: 'undecided', why: 'the limit lies in it' },
    { interval: [1.03, 1.05], verdict: 'over', why: 'none of it is below' },
  ] as const)('of $interval against 1.03 is "$verdict": $why', ({ interval: [lower, upper], verdict }) => {
    expect(verdictOf({ lower, upper }, 1.03)).toBe(verdict)
  })

  test.each([
    { b: 30.9, verdict: 'within', shown: '+0.90 MiB' },
    { b: 31.5, verdict: 'over', shown: '+1.50 MiB' },
    { b: 28, verdict: 'within', shown: '−2.00 MiB' },
  ] as const)('on $b MiB against 30 MiB is "$verdict"', ({ b, verdict, shown }) => {
    const finding = rssFinding('idle memory', [
      { a: 30, b },
      { a: 30, b },
      { a: 30, b: 99 },
    ])
    expect(finding).toMatchObject({ verdict, difference: shown })
  })
})

test('the table has a row for each finding', () => {
  const call = ratioFinding('small call', 'µs', pairsOf([1, 1, 1.01, 1.01, 1.02, 1.02]), 1.03)
  expect(pairTable([call], 1.03)).toBe(
    [
      '| workload | A | B | B/A, median | 95 % interval | limit 1.03, memory +1 MiB |',
      '| --- | ---: | ---: | ---: | ---: | --- |',
      '| small call | 100.0 µs | 101.0 µs | 1.010 | 1.000 – 1.020 | within |',
    ].join('\n'),
  )
})

test('CPU time counts threads that have begun since, and not those that have ended', () => {
  const before = new Map([
    [1, 1000],
    [2, 5000],
  ])
  const after = new Map([
    [1, 1750],
    [3, 40],
  ])
  expect(cpuUsBetween(before, after)).toBe(790)
})

describe('the command line', () => {
  test('compares small calls over every way through the gateway by default', () => {
    const { workloads, ...rest } = readPairOptions(['old', 'new'])
    expect(rest).toEqual({
      executableA: 'old',
      executableB: 'new',
      rounds: 15,
      seconds: 0.8,
      firstSeconds: 5,
      limit: 1.03,
    })
    expect(workloads.map(({ upstream, era }) => `${era} ${upstream}`)).toEqual([
      'legacy stdio',
      'modern stdio',
      'legacy http',
      'modern http',
      'modern stdio-legacy',
      'legacy stdio-modern',
    ])
  })

  test.each([
    { args: ['old'], says: 'A and B' },
    { args: ['old', 'new', 'newest'], says: 'A and B' },
    { args: ['old', 'new', '--workloads', 'stdoi'], says: '"stdoi"' },
    { args: ['old', 'new', '--rounds', '5'], says: '--rounds takes a number from 6' },
    { args: ['old', 'new', '--rounds', '7.5'], says: '--rounds takes a whole number' },
    { args: ['old', 'new', '--seconds', '0'], says: '--seconds' },
    { args: ['old', 'new', '--limit', '3%'], says: '--limit' },
  ])('$args is refused in words', ({ args, says }) => {
    expect(() => readPairOptions(args)).toThrow(says)
  })
})
