/** Reads `Retry-After` (RFC 9110, 10.2.3). Pure. */

/** Nobody waits longer for a server; what asks for more is taken for this. */
const secondsMax = 24 * 60 * 60

/** Whole seconds from now, at least one, for both of its forms; undefined when it is none. `nowMs` is the wall clock. */
export function retryAfterSeconds(value: string | null, nowMs: number): number | undefined {
  const text = value?.trim() ?? ''
  if (/^\d{1,15}$/.test(text)) return bounded(Number(text))
  // `Date.parse` would read almost anything; a date of HTTP begins with the name of a day.
  const atMs = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(atMs) ? undefined : bounded(Math.ceil((atMs - nowMs) / 1000))
}

function bounded(seconds: number): number {
  return Math.min(Math.max(1, seconds), secondsMax)
}
