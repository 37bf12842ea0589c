/** Moments and lengths of time in words. */
import { createStore, useStore } from '../store.ts'
import { agoWords } from '../words.ts'

/** Words like "3 minutes ago" grow old. */
const minute = createStore(Date.now())
setInterval(() => minute.set(Date.now()), 20_000)

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
/**
 * How long ago, or with `ahead` how soon; the exact moment when one points at it. What has happened is never told as
 * something to come, also where the clock of the gateway goes before that of the browser.
 */
export function Ago({ at, ahead = false }: { readonly at: string; readonly ahead?: boolean }) {
  useStore(minute)
  const ms = Date.parse(at)
  if (Number.isNaN(ms)) return <span>{at}</span>
  return (
    <time dateTime={at} title={exact.format(ms)}>
      {agoWords(ahead ? (ms - Date.now()) / 1_000 : Math.min(0, (ms - Date.now()) / 1_000))}
    </time>
  )
}

/** The time of the day of an event. */
export function clockOf(at: string): string {
  return at.slice(11, 23)
}
