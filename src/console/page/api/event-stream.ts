/** Reads an event stream by fetch: a browser's own reader cannot send the header without which the cookie does not count. */
import { type Given, send } from './api.ts'
import { Frames } from './frames.ts'
import type { RouteId } from './routes.ts'

export interface StreamGiven extends Given {
  onEvent(name: string, data: string): void
  /** The gateway has answered, and the stream is open. */
  onOpen?(): void
}

/** Resolves when the stream has ended. Rejects with an ApiFailure when it is refused, or with what broke it off. */
export async function readEvents(id: RouteId, given: StreamGiven): Promise<void> {
  const response = await send(id, given, 'text/event-stream')
  const { body } = response
  if (body === null) return
  given.onOpen?.()
  const frames = new Frames(given.onEvent)
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    frames.take(value)
  }
}

/** Until the next try: so long, or until `signal` ends it or the network is back. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>()
  const ended = new AbortController()
  const until = { signal: ended.signal }
  const timer = setTimeout(over.resolve, ms)
  signal.addEventListener('abort', () => over.resolve(), until)
  addEventListener('online', () => over.resolve(), until)
  if (signal.aborted) over.resolve()
  await over.promise
  clearTimeout(timer)
  ended.abort()
}
