/** How measured values lie, in a few words. */

/** The value below which a part of them lie. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

/** Of milliseconds: the middle, and what few and none exceed. */
export function spread(valuesMs: readonly number[]): string {
  const [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1].map((part) => Math.round(quantile(valuesMs, part)))
  return `p50 ${p50}, p95 ${p95}, p99 ${p99}, at most ${most} ms (${valuesMs.length})`
}
