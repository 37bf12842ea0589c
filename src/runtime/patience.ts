/**
 * Deadlines that do not judge what they have not read.
 *
 * A process that was stopped (SIGSTOP, a machine that slept) wakes up with its timers overdue and with answers in
 * its sockets and pipes. The timers come first, and would fail what was answered long ago. Whatever fires much too
 * late therefore lets the loop read for a moment before it counts.
 */

/** How late a timer may be before the process must have stood still. */
export const standstillMs = 1_000
export const readingMs = 1_000

/** Calls `expire` after `waitMs`, or a moment later when the process stood still meanwhile. Returns what takes that back. */
export function deadline(waitMs: number, expire: () => void): () => void {
  const dueMs = performance.now() + waitMs
  let timer = setTimeout(() => {
    if (performance.now() - dueMs < standstillMs) expire()
    else timer = setTimeout(expire, readingMs)
  }, waitMs)
  return () => clearTimeout(timer)
}

/** What `work` gives; rejects with what `tooLate` makes when that takes longer than `waitMs`. */
export async function within<T>(work: Promise<T>, waitMs: number, tooLate: () => Error): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(tooLate()), waitMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
