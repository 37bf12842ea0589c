/** Moments and lengths of time in words. */
import { createStore, useStore } from '../store.ts'

/** Words like "3 minutes ago" grow old. */
const minute = createStore(Date.now())
setInterval(() => minute.set(Date.now()), 20_000)

const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** How long ago, or how soon; the exact moment when one points at it. */
export function Ago({ at }: { readonly at: string }) {
  const nowMs = useStore(minute)
  const ms = Date.parse(at)
  if (Number.isNaN(ms)) return <span>{at}</span>
  return (
    <time dateTime={at} title={exact.format(ms)}>
      {agoWords((ms - nowMs) / 1_000)}
    </time>
  )
}

export function agoWords(seconds: number): string {
  for (const [unit, length] of units)
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit)
  return seconds > 5 ? 'in a moment' : 'just now'
}

/** A length of time, from nanoseconds. */
export function lengthWords(nanoseconds: number): string {
  const ms = nanoseconds / 1e6
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  return `${(ms / 1_000).toFixed(1)} s`
}

/** The time of the day of an event. */
export function clockOf(at: string): string {
  return at.slice(11, 23)
}
