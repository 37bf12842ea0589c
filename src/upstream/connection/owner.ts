/** What a connection needs of whoever opened it. */
import type { GatewayError } from '../../errors.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import type { UpstreamCall } from './calls.ts'
import type { Connection } from './connection.ts'

/** What a connection asks of whoever leased it. Synchronous; must not throw. */
export interface ConnectionOwner {
  /** A request of the server's; `call` is the client's request that caused it, when that is known. */
  serverRequest(connection: Connection, message: MessageText, call: UpstreamCall | null): void
  /** A notification that no table of the connection claims. */
  notification(connection: Connection, message: MessageText, call: UpstreamCall | null): void
  /** The upstream session is gone (HTTP 404); `call` was not delivered and may be sent again. */
  sessionLost(connection: Connection, call: UpstreamCall | null): void
  /** The wire failed under one request, which may be a sign of more. */
  requestLost(): void
  closed(connection: Connection, error: GatewayError): void
  noise(line: string): void
  /** Takes the server's secrets out of a text for people. */
  mask(text: string): string
}

export interface CallLimits {
  /** Longest silence of a call; progress starts it anew. */
  readonly callIdleMs: number
  readonly callTotalMs: number
}
