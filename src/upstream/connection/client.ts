/** Whoever has requests on a connection: what reaches a client beside the answers to its calls. */
import { GatewayError, rpcErrorText } from '../../errors.ts'
import { idTextOf, type MessageText } from '../../protocol/jsonrpc.ts'
import type { TransportSession } from '../transports/transport.ts'
import type { UpstreamCall } from './calls.ts'

/** A session that a server over HTTP has begun for one client, so that another process can go on with it. */
export interface UpstreamSession extends TransportSession {
  /** That of the definition: it is for no other place. */
  readonly url: string
  /** What `initialize` was answered with, as JSON text. */
  readonly result: string
}

/** A client as its lane sees it: a session, or one side of stateless requests. Calls must not throw. */
export interface LaneClient {
  readonly id: string
  readonly principalId: string
  /** What it is counted under, wherever a bound is for one client. */
  readonly clientKey: string
  /** The client's own `initialize` request. */
  readonly initialize: MessageText
  /** Headers of the client's that its connection's `initialize` carries (`forwardHeaders`). */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** True when the client declared any capability: such a client gets a lane of its own. */
  readonly interactive: boolean
  /** A notification for this client; `call` is its request that the message belongs to, when known. */
  notify(message: MessageText, call: UpstreamCall | null): void
  /**
   * A server's request for this client. `answer` takes the response with the server's own id text. Where nothing
   * says which `call` it belongs to, `carrier` names one of those in flight that can carry it, each time anew.
   */
  ask(
    message: MessageText,
    call: UpstreamCall | null,
    answer: (text: string) => void,
    carrier: () => UpstreamCall | null,
  ): void
  /** The server withdrew a request of its own; `requestIdText` is the raw id it had used. */
  withdraw(message: MessageText, requestIdText: string): void
  /** Keeps so many bytes more for it, or fewer; false when there is no room for them. None: its bytes are counted elsewhere. */
  keep?(bytes: number): boolean
  /** The session at the server that its next lane goes on with instead of beginning one; taken once. */
  resumes?: UpstreamSession | null
  /** Calls `listener` once when the client is gone for good, at once if it is; the answer takes that back. */
  whenGone?(listener: () => void): () => void
  /** The lane died under its clients; whoever waits for notifications must see to a new one. */
  laneLost(): void
}

/** Answers a server's request with the error that no client can take it. */
export function refuseServerRequest(
  message: MessageText,
  answer: (text: string) => void,
  reason: string,
): void {
  answer(rpcErrorText(new GatewayError('NO_CAPABLE_CLIENT', reason), idTextOf(message)))
}
