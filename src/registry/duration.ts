/**
 * Durations as people and JSON clients write them, in and out of milliseconds.
 *
 * Pure. The text form is `10s`, `500ms`, `2m`, `1h30m`: numbers with units, largest first or not,
 * each unit at most once. A number without a unit is no duration: nobody can tell seconds from
 * milliseconds, and existing clients mean nanoseconds.
 */

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
}

/** What an integer in a definition counts: Go clients send their durations so. */
export const nanosecondsPerMs = 1_000_000

const part = /(\d{1,15}(?:\.\d{1,9})?)(ms|us|µs|ns|h|m|s)/g
const whole = /^(?:\d{1,15}(?:\.\d{1,9})?(?:ms|us|µs|ns|h|m|s)){1,7}$/

/** The duration in whole milliseconds (rounded), or null when the text is not one. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim()
  if (!whole.test(trimmed)) return null
  const seen = new Set<string>()
  let totalMs = 0
  for (const [, amount, unit] of trimmed.matchAll(part)) {
    const perUnit = unitMs[unit ?? '']
    if (perUnit === undefined || unit === undefined || seen.has(unit)) return null
    seen.add(unit)
    totalMs += Number(amount) * perUnit
  }
  return Number.isFinite(totalMs) ? Math.round(totalMs) : null
}

/** The shortest text that `parseDuration` reads back as the same number of whole milliseconds. */
export function formatDuration(ms: number): string {
  let restMs = Math.max(0, Math.round(ms))
  let text = ''
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const perUnit = unitMs[unit] ?? 1
    const count = Math.floor(restMs / perUnit)
    restMs -= count * perUnit
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0s' : text
}

/** Milliseconds of a checked wire duration; null when absent. Go clients send 0 for "not set". */
export function durationMs(value: string | number | undefined): number | null {
  if (value === undefined || value === 0) return null
  return typeof value === 'string' ? parseDuration(value) : Math.round(value / nanosecondsPerMs)
}

/** The wire form of a duration: seconds as people write them (`120s`, not `2m`), compact beyond ten minutes. */
export function wireDuration(ms: number): string {
  return ms % 1_000 === 0 && ms <= 600_000 ? `${ms / 1_000}s` : formatDuration(ms)
}
