/** What admins have open: event streams, kept alive by the one timer of the process, and calls that they wait for. */
import { AdminGrants } from '../../../access/admin-grants.ts'
import type { Grants } from '../../../access/reach.ts'
import type { ByteLedger } from '../../../runtime/byte-ledger.ts'
import { Roster } from '../../../runtime/in-flight.ts'
import { EventStream, eventStreamHeaders } from '../../../session/event-stream.ts'
import { clientKeyOf, contextOf, type RequestContext } from '../../context.ts'

/** What may wait for one reader; one that does not keep up is cut off. */
const unreadBytesMax = 1024 * 1024

/** A call that somebody waits for. */
export interface AwaitedCall {
  /** Aborted when its caller leaves, and when it is let in no more. */
  readonly signal: AbortSignal
  end(): void
}

export class AdminStreams {
  readonly #ledger: ByteLedger
  readonly #settings: { readonly heartbeatMs: number }
  readonly #open = new Roster<EventStream>()
  readonly #calls = new Map<RequestContext, AbortController>()
  readonly #contexts = new WeakMap<EventStream, RequestContext>()
  /** Of those who speak MCP, by browser, token or key. */
  readonly #grants = new Map<string, AdminGrants>()

  constructor(ledger: ByteLedger, settings: { readonly heartbeatMs: number }) {
    this.#ledger = ledger
    this.#settings = settings
  }

  /** A stream for whoever asks; `onEnd` is called once when nobody reads it any more, whoever ended it. */
  open(request: Request, onEnd: () => void): EventStream {
    const context = contextOf(request)
    const clientKey = clientKeyOf(context)
    const stream = new EventStream(
      unreadBytesMax,
      null,
      eventStreamHeaders,
      (giveUp) => this.#ledger.open(clientKey, giveUp),
      (ended) => {
        this.#open.delete(ended)
        onEnd()
      },
    )
    this.#open.add(stream)
    // A connection that is gone by now would never say so.
    request.signal.addEventListener('abort', () => stream.close(), { once: true })
    if (request.signal.aborted) stream.close()
    this.#contexts.set(stream, context)
    return stream
  }

  /** Takes in the call that this request waits for. */
  await(request: Request): AwaitedCall {
    const context = contextOf(request)
    const ended = new AbortController()
    this.#calls.set(context, ended)
    return {
      signal: AbortSignal.any([request.signal, ended.signal]),
      end: () => void this.#calls.delete(context),
    }
  }

  /** What the admin of this request is granted who speaks MCP: the same one for as long as that admin is let in. */
  grantsOf(request: Request): AdminGrants {
    const context = contextOf(request)
    const { browser, principal, admittedBy } = context
    const key = browser?.key ?? principal.id
    let grants = this.#grants.get(key)
    if (grants === undefined || !grants.counts) {
      grants = new AdminGrants(() => admittedBy?.admitsAdmin(context) !== false)
      this.#grants.set(key, grants)
    }
    return grants
  }

  /** Gives up what was granted to those who are let in no more, and returns it. */
  endedGrants(): readonly Grants[] {
    const ended: Grants[] = []
    for (const [key, grants] of this.#grants) {
      if (grants.counts) continue
      this.#grants.delete(key)
      ended.push(grants)
    }
    return ended
  }

  /** Ends those that this test picks by the request that has opened them, and the calls of such requests. */
  closeWhere(picks: (context: RequestContext) => boolean): void {
    for (const [context, ended] of this.#calls) if (picks(context)) ended.abort()
    for (const stream of this.#open.list()) {
      const context = this.#contexts.get(stream)
      if (context !== undefined && picks(context)) stream.close()
    }
  }

  /** Time's passing. */
  sweep(nowMs: number): void {
    for (const stream of this.#open.list()) stream.heartbeat(nowMs, this.#settings.heartbeatMs)
  }
}
