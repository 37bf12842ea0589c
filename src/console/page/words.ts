/** Moments, lengths of time and places in words, and texts by their words. Pure. */

const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** Seconds from now, negative for what is past. What is to come is rounded up: a key of 90 days ends in 90 days. */
export function agoWords(seconds: number): string {
  const whole = seconds > 0 ? Math.ceil(seconds) : seconds
  for (const [unit, length] of units)
    if (Math.abs(whole) >= length)
      return words.format(whole > 0 ? Math.ceil(whole / length) : Math.trunc(whole / length), unit)
  return seconds > 5 ? 'in a moment' : 'just now'
}

/** Whether a text holds each of these words, in any order and case. */
export function holdsWords(text: string, words: string): boolean {
  const within = text.toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => within.includes(word))
}

/** A length of time, as short as it can be read. */
export function durationWords(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

/** A long text without its middle: of commands and paths the end is what differs. */
export function withoutMiddle(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text
  const head = Math.floor((charsMax - 1) / 3)
  return `${text.slice(0, head)}…${text.slice(head + 1 - charsMax)}`
}

/** Whether and when a server that fails is tried again; null where nothing is known of it. */
export function retryWords(
  {
    autoReconnect,
    maxReconnects,
    reconnectDelay,
  }: {
    readonly autoReconnect?: boolean | undefined
    readonly maxReconnects?: number | undefined
    readonly reconnectDelay?: unknown
  },
  attempts: number,
): string | null {
  const max = maxReconnects ?? 0
  if (autoReconnect === false || (max > 0 && attempts >= max)) return 'It is tried again by a restart only.'
  if (attempts === 0) return null
  const seconds = /^(\d+)s$/.exec(String(reconnectDelay))?.[1]
  // Pauses double, up to a minute, or to the first one where that is longer.
  const first = Number(seconds)
  const pause =
    seconds === undefined ? null : Math.min(first * 2 ** Math.min(attempts - 1, 16), Math.max(60, first))
  const when = pause === null ? 'again and again' : `${pause} s after the last try at the latest`
  return `It is tried again by itself, ${when}; ${attempts} ${attempts === 1 ? 'try has' : 'tries have'} failed.`
}
