/**
 * Sends spans to a collector over OTLP/HTTP, many at once and never on the path of a call.
 *
 * What waits is bounded in number and bytes. What finds no room, and what the collector does not take, is dropped and
 * counted: traces must never stop the service.
 */

import { version } from '../../../package.json'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../log.ts'
import { attributesOf, type EndedSpan, type SpanEncoding, type SpanSender } from './otlp-span.ts'
import type { SpanFigures } from './trace.ts'
import type { TraceSettings } from './trace-settings.ts'

/** Characters, or bytes, of the spans that wait. */
const queueLengthMax = 4 * 1024 * 1024
/** A batch that the collector could not take is sent so often in all. */
const triesMax = 4
const retryMs = 1_000
const retryMsMax = 30_000
/** OTLP/HTTP: these may be tried again, all others may not. */
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504])

type Settings = Omit<TraceSettings, 'sampler' | 'protocol'>

export class SpanExporter<Written extends string | Uint8Array<ArrayBuffer>> implements SpanFigures {
  exported = 0
  dropped = 0
  readonly #settings: Settings
  readonly #log: Log
  readonly #encoding: SpanEncoding<Written>
  #waiting: Written[] = []
  #waitingLength = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  /** The sending that is under way. */
  #sending: Promise<void> | null = null
  #failing = false
  readonly #closing = new AbortController()

  /** `encode` says how they are written. */
  constructor(settings: Settings, log: Log, encode: (sender: SpanSender) => SpanEncoding<Written>) {
    this.#settings = settings
    this.#log = log
    const attributes = attributesOf(resourceOf(settings.resource))
    this.#encoding = encode({ attributes, scope: { name: 'compozy', version } })
  }

  /** Takes a span that has ended; drops it when there is no room. */
  take(span: EndedSpan): void {
    const { queueSpansMax, batchSpansMax, delayMs } = this.#settings
    if (this.#waiting.length >= queueSpansMax || this.#waitingLength >= queueLengthMax) {
      this.dropped++
      return
    }
    const written = this.#encoding.span(span)
    this.#waiting.push(written)
    this.#waitingLength += written.length
    if (this.#sending !== null) return
    if (this.#waiting.length >= batchSpansMax) this.#send()
    else if (this.#timer === null) {
      this.#timer = setTimeout(() => this.#send(), delayMs)
      this.#timer.unref()
    }
  }

  /** Sends what is waiting, as far as that is done by then. */
  async close(deadlineMs: number): Promise<void> {
    const deadline = setTimeout(() => this.#closing.abort(), deadlineMs)
    await this.#sending
    this.#send()
    await this.#sending
    clearTimeout(deadline)
    this.#closing.abort()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.dropped += this.#waiting.length
    this.#waiting = []
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#sending !== null || this.#waiting.length === 0) return
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = null
    })
  }

  /** Batch after batch, until less than one is left. */
  async #sendAll(): Promise<void> {
    const { batchSpansMax } = this.#settings
    do {
      const batch = this.#waiting.slice(0, batchSpansMax)
      const sent = await this.#sendBatch(batch)
      this.exported += sent
      this.dropped += batch.length - sent
      // Only now: until then they count as waiting.
      this.#waiting.splice(0, batch.length)
      this.#waitingLength = this.#waiting.reduce((sum, { length }) => sum + length, 0)
    } while (this.#waiting.length >= batchSpansMax && !this.#closing.signal.aborted)
    if (this.#waiting.length > 0 && !this.#closing.signal.aborted) {
      this.#timer = setTimeout(() => this.#send(), this.#settings.delayMs)
      this.#timer.unref()
    }
  }

  /** How many of them the collector has taken. */
  async #sendBatch(batch: readonly Written[]): Promise<number> {
    const body = this.#encoding.request(batch)
    for (let tries = 1; ; tries++) {
      const outcome = await this.#post(body, batch.length)
      if (typeof outcome === 'number') return outcome
      const { reason, waitMs } = outcome
      if (waitMs === null || tries >= triesMax || this.#closing.signal.aborted) {
        this.#failed(reason)
        return 0
      }
      await this.#pause(Math.min(waitMs || retryMs * 2 ** (tries - 1), retryMsMax))
    }
  }

  async #post(body: Written, count: number): Promise<number | { reason: string; waitMs: number | null }> {
    const { endpoint, headers, timeoutMs } = this.#settings
    try {
      const answer = await fetch(endpoint, {
        method: 'POST',
        headers: { ...headers, 'content-type': this.#encoding.contentType },
        body,
        // What is secret in the headers is for this address alone.
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]),
      })
      const said = await answer.bytes()
      if (answer.status >= 200 && answer.status < 300) {
        const rejected = this.#encoding.rejectedIn(said)
        if (rejected > 0) this.#failed(`it refused ${rejected} of ${count} spans`)
        else this.#works()
        return Math.max(0, count - rejected)
      }
      const askedSeconds = Number.parseInt(answer.headers.get('retry-after') ?? '', 10) || 0
      const waitMs = passing.has(answer.status) ? Math.max(0, askedSeconds) * 1_000 : null
      return { reason: `it answered HTTP ${answer.status}`, waitMs }
    } catch (thrown) {
      const reason =
        thrown instanceof DOMException ? `it did not answer within ${timeoutMs} ms` : reasonOf(thrown)
      return { reason, waitMs: 0 }
    }
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    timer.unref()
    this.#closing.signal.addEventListener('abort', () => resolve(), { once: true })
    return promise
  }

  /** One line when it begins, not one for each batch. */
  #failed(reason: string): void {
    if (this.#failing) return
    this.#failing = true
    this.#log.warn(
      { endpoint: new URL(this.#settings.endpoint).origin, reason },
      'spans are not taken; they are dropped',
    )
  }

  #works(): void {
    if (!this.#failing) return
    this.#failing = false
    this.#log.info({ endpoint: new URL(this.#settings.endpoint).origin }, 'spans are taken again')
  }
}

function resourceOf(named: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const own = {
    'service.version': version,
    'service.instance.id': crypto.randomUUID(),
    'process.pid': String(process.pid),
    'telemetry.sdk.name': 'compozy',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
  }
  return { ...own, ...Object.fromEntries(named) }
}
