/** The findings of a paired comparison as people read them. Pure. */
import { median } from '../report/results.ts'
import { type Comparison, compare, type Pair, type Verdict, verdictOf } from './statistics.ts'

export interface Finding {
  readonly title: string
  readonly unit: 'µs' | 'ms' | 'MiB'
  readonly medianA: number
  readonly medianB: number
  /** B/A with its interval; B − A in MiB for memory. */
  readonly difference: string
  readonly interval: string
  readonly verdict: Verdict
}

/** Resident memory of a quiet gateway that B may hold more than A. */
export const rssLimitMib = 1

/** A figure that is judged by its ratio: CPU time of a call, or the time of a start. */
export function ratioFinding(
  title: string,
  unit: 'µs' | 'ms',
  pairs: readonly Pair[],
  limit: number,
): Finding {
  const { ratio, interval, ...medians }: Comparison = compare(pairs)
  return {
    ...medians,
    title,
    unit,
    difference: ratio.toFixed(3),
    interval: `${interval.lower.toFixed(3)} – ${interval.upper.toFixed(3)}`,
    verdict: verdictOf(interval, limit),
  }
}

/** Resident memory in MiB. Too few starts for an interval: the medians decide. */
export function rssFinding(title: string, pairs: readonly Pair[]): Finding {
  const medianA = median(pairs.map(({ a }) => a))
  const medianB = median(pairs.map(({ b }) => b))
  const moreMib = medianB - medianA
  return {
    title,
    unit: 'MiB',
    medianA,
    medianB,
    difference: `${moreMib < 0 ? '−' : '+'}${Math.abs(moreMib).toFixed(2)} MiB`,
    interval: '',
    verdict: moreMib < rssLimitMib ? 'within' : 'over',
  }
}

export function pairTable(findings: readonly Finding[], limit: number): string {
  return [
    `| workload | A | B | B/A, median | 95 % interval | limit ${limit}, memory +${rssLimitMib} MiB |`,
    '| --- | ---: | ---: | ---: | ---: | --- |',
    ...findings.map(
      ({ title, unit, medianA, medianB, difference, interval, verdict }) =>
        `| ${title} | ${medianA.toFixed(1)} ${unit} | ${medianB.toFixed(1)} ${unit} | ${difference} | ${interval} | ${verdict} |`,
    ),
  ].join('\n')
}
