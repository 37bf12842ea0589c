/**
 * What a group puts between a part of a session and its client: its own requests, whose answers are for the group, and
 * the way in which the client hears what the member says.
 */
import { type Reach, reachOf } from '../../access/reach.ts'
import { GatewayError } from '../../errors.ts'
import { listChanges } from '../../protocol/eras.ts'
import { memberSpan, scanMessage } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { type AnsweringServer, Exchange } from '../../session/legacy/exchange.ts'
import type { Session, Showing } from '../../session/legacy/session.ts'
import type { ChangedList } from '../changes.ts'
import { answeredRefusal, type RpcRefusal } from '../refusal.ts'
import { shownNotification } from '../shown.ts'
import type { UriShowing } from '../view/shown-uris.ts'

/** No client has this id, so that none can cancel what it did not send. */
const innerIdText = 'null'

/** A request that a group makes in the name of a session. */
export class InnerExchange extends Exchange {
  readonly carriesMessages = false
  /** JSON text of the result. Rejects with a GatewayError, or with an RpcRefusal for an error that the server answered. */
  readonly result: Promise<string>
  #resolve: (result: string) => void = () => {}
  #reject: (reason: GatewayError | RpcRefusal) => void = () => {}

  constructor(session: Session, server: AnsweringServer, method: string, paramsText: string | null) {
    const params = paramsText === null ? '' : `,"params":${paramsText}`
    const message = scanMessage(`{"jsonrpc":"2.0","id":0,"method":${JSON.stringify(method)}${params}}`)
    if (message === null) throw new GatewayError('INVALID_PARAMS', 'The parameters are malformed.')
    super(session, server, message, innerIdText)
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Lists are kept for whoever gets the same of the server: what each may see of them is decided later. */
  override get reach(): Reach {
    return reachOf(null, this.server.definition)
  }

  deliver(text: string): void {
    this.client.streams.sendStanding(text)
  }

  protected finish(text: string | null, error: GatewayError | null): void {
    if (text === null) {
      this.#reject(error ?? new GatewayError('UPSTREAM_CLOSED', `${this.method} was cancelled`))
      return
    }
    const result = memberSpan(text, 0, 'result')
    const refusal = result === null ? memberSpan(text, 0, 'error') : null
    if (result) this.#resolve(text.slice(result.start, result.end))
    else this.#reject(answeredRefusal(refusal === null ? '{}' : text.slice(refusal.start, refusal.end)))
  }
}

/** Characters of the URIs that are remembered as the client has written them; all others are told as lists show them. */
const subscribedCharsMax = 256 * 1024

/** The session that a part belongs to. */
export interface PartOwner {
  readonly uriShowing: UriShowing
  /** The member has answered a request to this method; nothing of it is changed here. */
  answered(server: string, method: string, text: string): void
  /** The member says that one of its lists has changed. */
  listChanged(list: ChangedList): void
}

/** How the client hears what one member says: its loggers and URIs as the group shows them. */
export class PartShowing implements Showing {
  readonly #owner: PartOwner
  readonly #server: string
  /** Subscriptions under another URI than the member's own: by the own one, what the client has asked for. */
  readonly #subscribed = new Map<string, string>()
  #subscribedChars = 0

  constructor(owner: PartOwner, server: string) {
    this.#owner = owner
    this.#server = server
  }

  subscribed(ownUri: string, askedUri: string): void {
    this.unsubscribed(ownUri)
    const chars = ownUri.length + askedUri.length
    if (askedUri === ownUri || this.#subscribedChars + chars > subscribedCharsMax) return
    this.#subscribed.set(ownUri, askedUri)
    this.#subscribedChars += chars
  }

  unsubscribed(ownUri: string): void {
    const askedUri = this.#subscribed.get(ownUri)
    if (askedUri === undefined) return
    this.#subscribed.delete(ownUri)
    this.#subscribedChars -= ownUri.length + askedUri.length
  }

  notification(method: string, text: string): string | null {
    const change = listChanges.get(method)
    if (change) {
      this.#owner.listChanged(change.capability)
      return null
    }
    return shownNotification(method, text, this.#server, (uri) => {
      return this.#subscribed.get(uri) ?? this.#owner.uriShowing.known(this.#server, uri)
    })
  }

  answer(method: string, text: string): string | Promise<string> {
    this.#owner.answered(this.#server, method, text)
    return this.#owner.uriShowing.answer(this.#server, method, text)
  }

  mayChange(pieces: MessagePieces): boolean {
    return this.#owner.uriShowing.mayChange(pieces)
  }
}
