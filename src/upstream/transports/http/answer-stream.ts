/**
 * Reads the event stream that answers one POST, across as many connections as it takes.
 *
 * A server may close the connection at any time after an event with an id and expects the client to come
 * back with GET and `Last-Event-ID`. The request itself is never sent again: without ids, or when the
 * server does not let the stream be resumed, the request has failed.
 *
 * Spec: 2025-11-25, Transports, Sending Messages 6 and Resumability. The modern era has no resumption.
 */
import { type ErrorCode, GatewayError, resultTooLargeError } from '../../../errors.ts'
import { requestIdOfAnswer } from '../../../protocol/large-answer.ts'
import type { HttpAnswer } from './client/answer/answer.ts'
import { wait } from './client/answer/cancellation.ts'
import { messagesOf, readEvents, type StreamCursor, type StreamReading } from './event-body.ts'

/** Delay before a reconnect for which the server asked for none. */
const reconnectMs = 1_000
/** `retry: 0` must not become a busy loop. */
export const reconnectMinMs = 100
/** Reconnects in a row that bring no new event. */
const fruitlessResumesMax = 5
/** A server should end the stream after its answer; one that does not is cut off after this. */
const afterAnswerMs = 1_000

/** A server that restarts is out of reach for a moment; it may resume its streams all the same. */
const unreached: readonly ErrorCode[] = ['UPSTREAM_CLOSED', 'SERVER_UNAVAILABLE']

export interface AnswerStream extends StreamReading {
  readonly requestId: number
  readonly host: string
  /** One message of the stream. */
  message(text: string): void
  /** True once nobody waits for the answer any more. */
  settled(): boolean
  /** The answer came and could not be taken. */
  failed(error: GatewayError): void
  /** The server cut the stream and it will be resumed. */
  interrupted(): void
  /** GET with this `Last-Event-ID`; rejects with a GatewayError. */
  resume(lastEventId: string): Promise<HttpAnswer>
}

/** Resolves when the answer was delivered, or reported as failed. Rejects with a GatewayError when it will not come. */
export async function readAnswerStream(first: HttpAnswer, stream: AnswerStream): Promise<void> {
  const cursor: StreamCursor = { lastEventId: '', retryMs: null }
  let answered = false
  let timer: ReturnType<typeof setTimeout> | null = null

  function settled(): void {
    answered = true
    timer ??= setTimeout(() => stream.cancellation.cancel(), afterAnswerMs)
  }

  function event(type: string, data: string): void {
    for (const text of messagesOf(type, data, stream)) {
      stream.message(text)
      if (stream.settled()) settled()
    }
  }

  function oversized(head: string, tail: string): void {
    if (requestIdOfAnswer(head, tail) !== stream.requestId) return
    stream.failed(resultTooLargeError(stream.eventBytesMax, 'limits.line_bytes_max'))
    settled()
  }

  /** A broken stream is resumed like one that ended; an aborted one is noticed by the caller. */
  function broken(thrown: unknown): void {
    if (!(thrown instanceof GatewayError) || thrown.code !== 'BYTES_EXHAUSTED') return
    stream.failed(thrown)
    settled()
  }

  const sink = { event, oversized }
  let answer: HttpAnswer | null = first
  let seenEventId = ''
  let fruitless = 0
  try {
    for (;;) {
      if (answer !== null) await readEvents(answer, stream, cursor, sink).catch(broken)
      if (answered) return
      if (cursor.lastEventId === '') throw endedEarly(stream, 'the stream cannot be resumed')
      fruitless = cursor.lastEventId === seenEventId ? fruitless + 1 : 0
      if (fruitless >= fruitlessResumesMax) throw endedEarly(stream, 'resuming brought nothing new')
      seenEventId = cursor.lastEventId
      stream.interrupted()
      const due = await wait(delayMs(cursor, fruitless), stream.cancellation)
      if (!due) throw endedEarly(stream, 'it is not waited for any more')
      answer = await resumed(stream, cursor.lastEventId)
    }
  } finally {
    if (timer !== null) clearTimeout(timer)
  }
}

/** The resumed stream, or null when it may be tried again. Rejects when the server refuses to resume. */
async function resumed(stream: AnswerStream, lastEventId: string): Promise<HttpAnswer | null> {
  let answer: HttpAnswer
  try {
    answer = await stream.resume(lastEventId)
  } catch (thrown) {
    if (thrown instanceof GatewayError && unreached.includes(thrown.code)) return null
    throw thrown
  }
  const { status } = answer
  if (status === 200 && answer.mediaType === 'text/event-stream') return answer
  answer.discard()
  if (status >= 500 || status === 429) return null
  throw endedEarly(stream, `resuming it was answered with HTTP ${status}`)
}

function delayMs({ retryMs }: StreamCursor, fruitless: number): number {
  return retryMs === null ? reconnectMs * 2 ** fruitless : Math.max(retryMs, reconnectMinMs)
}

function endedEarly({ host }: AnswerStream, why: string): GatewayError {
  return new GatewayError('UPSTREAM_CLOSED', `${host} ended the stream before it answered, and ${why}.`)
}
