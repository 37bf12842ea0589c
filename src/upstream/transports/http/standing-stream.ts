/**
 * The GET stream on which a legacy server speaks of its own accord; kept open for as long as the session.
 *
 * Offering it is the server's choice: a refusal of the first GET is final. Afterwards a lost stream is
 * opened again, after the delay that the server asked for, else with growing pauses; after a refusal, which the
 * loss of the session explains, with the longest.
 *
 * Spec: 2025-11-25, Transports, Listening for Messages from the Server.
 */
import { retryAfterSeconds } from '../../../net/retry-after.ts'
import { reconnectMinMs } from './answer-stream.ts'
import type { HttpAnswer } from './client/answer/answer.ts'
import { wait } from './client/answer/cancellation.ts'
import { messagesOf, readEvents, type StreamCursor, type StreamReading } from './event-body.ts'

/** Pauses grow from one to the other while the stream cannot be had or brings nothing. */
const backoffMinMs = 1_000
const backoffMaxMs = 30_000
/** A stream that lived this long did not fail: something in between ends idle connections. */
const healthyMs = 10_000

export interface StandingStream extends StreamReading {
  /** GET, with `Last-Event-ID` unless it is empty. */
  get(lastEventId: string): Promise<HttpAnswer>
  message(text: string): void
  /** An event over the cap was left out. */
  oversized(): void
  /** A server that had offered the stream refuses it: it may not know the session any more. */
  refused(): void
}

/** Resolves when the stream is not offered or it is cancelled. Never rejects. */
export async function keepListening(stream: StandingStream): Promise<void> {
  const cursor: StreamCursor = { lastEventId: '', retryMs: null }
  let offered = false
  let failures = 0
  const sink = {
    event(type: string, data: string): void {
      failures = 0
      for (const text of messagesOf(type, data, stream)) stream.message(text)
    },
    oversized: () => stream.oversized(),
  }
  while (!stream.cancellation.happened) {
    let refusal = false
    const startedMs = performance.now()
    let askedMs = 0
    try {
      const answer = await stream.get(cursor.lastEventId)
      if (answer.status === 200 && answer.mediaType === 'text/event-stream') {
        offered = true
        await readEvents(answer, stream, cursor, sink)
      } else {
        askedMs = (retryAfterSeconds(answer.header('retry-after'), new Date().getTime()) ?? 0) * 1_000
        answer.discard()
        refusal = refused(answer.status)
        if (refusal && !offered) return
        if (refusal && !stream.cancellation.happened) stream.refused()
      }
    } catch {
      // A broken stream is opened again like one that ended.
    }
    if (performance.now() - startedMs >= healthyMs) failures = 0
    const backoffMs = Math.min(backoffMinMs * 2 ** Math.min(failures++, 10), backoffMaxMs)
    const delayMs = cursor.retryMs === null ? backoffMs : Math.max(cursor.retryMs, reconnectMinMs)
    await wait(refusal ? backoffMaxMs : Math.max(delayMs, askedMs), stream.cancellation)
  }
}

/** Too early, too often; 409: the stream of the process before this one is not closed yet. */
const passing: ReadonlySet<number> = new Set([408, 409, 425, 429])

/** True for an answer that another try would only get again; passing faults are not. */
function refused(status: number): boolean {
  return (status < 500 && !passing.has(status)) || status === 501
}
