/** What a lane needs of the two sides it joins: the client's session and the server it belongs to. */
import type { GatewayError } from '../../errors.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import type { Log } from '../../telemetry/log.ts'
import type { UpstreamCall } from '../connection/calls.ts'
import type { GatewayIdentity } from '../connection/handshake.ts'
import type { ToolTable } from '../server/tools.ts'
import type { Mask } from '../transports/mask.ts'
import type { UpstreamTransport } from '../transports/transport.ts'
import type { Lane } from './lane.ts'

/** A downstream session as its lane sees it. `session/legacy/session.ts` implements it. Calls must not throw. */
export interface LaneClient {
  readonly id: string
  readonly principalId: string
  /** The client's own `initialize` request. */
  readonly initialize: MessageText
  /** Headers of the client's that its connection's `initialize` carries (`forwardHeaders`). */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** True when the client declared any capability: such a client gets a lane of its own. */
  readonly interactive: boolean
  /** A notification for this client; `call` is its request that the message belongs to, when known. */
  notify(message: MessageText, call: UpstreamCall | null): void
  /** A server's request for this client. `answer` takes the response with the server's own id text. */
  ask(message: MessageText, call: UpstreamCall | null, answer: (text: string) => void): void
  /** The server withdrew a request of its own; `requestIdText` is the raw id it had used. */
  withdraw(message: MessageText, requestIdText: string): void
  /** Calls `listener` once when the client is gone for good, at once if it is; the answer takes that back. */
  whenGone?(listener: () => void): () => void
  /** The lane died under its clients; whoever waits for notifications must see to a new one. */
  laneLost(): void
}

export interface LaneSettings {
  readonly callIdleMs: number
  readonly callTotalMs: number
  readonly startTimeoutMs: number
  /** Connections that speak for the stateless clients of one principal; each set of capabilities has its own. */
  readonly lanesPerClientMax: number
}

/** What a lane needs of the server it belongs to. */
export interface LaneHost {
  readonly name: string
  readonly log: Log
  readonly laneSettings: LaneSettings
  /** A transport ready to be opened, or a GatewayError when the process limit is reached. */
  createTransport(): UpstreamTransport
  readonly identity: GatewayIdentity
  /** True while nobody answers at the server's address: calls are refused instead of sent. */
  readonly unreachable: boolean
  /** A request could not be brought to the server, or its answer not back. */
  doubt(): void
  noise(line: string): void
  /** Takes the definition's secrets out of a text for people. */
  readonly mask: Mask
  /** The lanes that speak for the same client as this one, itself included. */
  peersOf(lane: Lane): Iterable<Lane>
  readonly tools: Pick<ToolTable, 'forget'>
  /** A lane that was ready is gone, or an attempt has failed (`wasReady` is false) and left nothing behind. */
  laneClosed(lane: Lane, error: GatewayError, wasReady: boolean): void
}
