/** What paired measurements say about two subjects. Pure. */
import { median } from '../report/results.ts'

/** One round: the same figure of both subjects, taken one right after the other. */
export interface Pair {
  readonly a: number
  readonly b: number
}

export interface Interval {
  readonly lower: number
  readonly upper: number
}

export interface Comparison {
  readonly medianA: number
  readonly medianB: number
  /** Median of B/A of each round; it need not be the ratio of the medians. */
  readonly ratio: number
  /** 95 % confidence interval of that median. */
  readonly interval: Interval
}

/** `over` and `undecided` differ in whether more rounds could still bring the figure within the limit. */
export type Verdict = 'within' | 'over' | 'undecided'

/** With fewer, even the smallest and the largest value hold the median between them less often than in 95 %. */
export const roundsMin = 6

/** Probability that is left outside of the interval at each end. */
const tail = 0.025

/** The ratio of a figure of two subjects in each round; NaN where one of them has no such round. */
export function ratiosOf<T>(some: readonly T[], others: readonly T[], figure: (one: T) => number): number[] {
  return some.map((one, round) => {
    const other = others[round]
    return other === undefined ? Number.NaN : figure(one) / figure(other)
  })
}

/** Throws a RangeError with fewer than `roundsMin` pairs. */
export function compare(pairs: readonly Pair[]): Comparison {
  const ratios = pairs.map(({ a, b }) => b / a)
  return {
    medianA: median(pairs.map(({ a }) => a)),
    medianB: median(pairs.map(({ b }) => b)),
    ratio: median(ratios),
    interval: medianInterval(ratios),
  }
}

/**
 * The 95 % confidence interval of a median, by order statistics: how many of n values lie below the true median is
 * binomial with one half, whatever the values are distributed like, so that no outlier can widen it.
 *
 * Throws a RangeError with fewer than `roundsMin` values.
 */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b)
  const cut = cutOf(sorted.length)
  const lower = sorted[cut]
  const upper = sorted[sorted.length - 1 - cut]
  if (sorted.length < roundsMin || lower === undefined || upper === undefined)
    throw new RangeError(`An interval needs ${roundsMin} values, there are ${sorted.length}.`)
  return { lower, upper }
}

/** How many values may be left out at each end. */
function cutOf(count: number): number {
  let probability = 0.5 ** count
  let below = probability
  let cut = 0
  while (cut < count) {
    probability *= (count - cut) / (cut + 1)
    below += probability
    if (below > tail) break
    cut++
  }
  return cut
}

/** Judged by the whole interval: a limit is kept when its upper end is below. */
export function verdictOf({ lower, upper }: Interval, limit: number): Verdict {
  if (upper < limit) return 'within'
  return lower >= limit ? 'over' : 'undecided'
}
