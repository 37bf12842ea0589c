/**
 * The interface between a connection and the wire to one MCP server.
 *
 * A transport moves JSON-RPC texts and nothing else: it does not map ids, does not know sessions of
 * clients and never sends a request again that may have run. It never throws after `open`;
 * every failure reaches the connection through its receiver. When a response that a request was due on has come
 * to its end and the request is not `settled`, it has failed: nothing waits for an answer that has no way to come.
 */
import type { GatewayError } from '../../errors.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import type { TraceContext } from '../../telemetry/traces/trace.ts'
import type { ServerBudget } from './flood-guard.ts'

/** What a transport tells its connection. Calls are synchronous and must not throw. */
export interface TransportReceiver {
  /** An entry for the bytes of a large answer to this request while it arrives; null when it is no client's. */
  openEntry(requestId: number): LedgerEntry | null
  /**
   * One JSON-RPC message text, a single JSON object without a line break at its ends.
   * `requestId` is the upstream id of the request on whose response it arrived, or null when the
   * wire carries no such attribution (stdio, HTTP+SSE, a standing GET stream).
   */
  message(text: string, requestId: number | null): void
  /**
   * A message of `largeAnswerBytesMin` bytes and more, not decoded. False when it is not taken in this form:
   * then it must come again as a text.
   */
  large(pieces: MessagePieces, requestId: number | null): boolean
  /** True when nobody waits for an answer to this request: it was answered, has failed or was given up. */
  settled(requestId: number): boolean
  /** The request with this upstream id will get no answer; it may or may not have been delivered. */
  requestFailed(requestId: number, error: GatewayError): void
  /**
   * The server cut the response stream of this request and will go on with it later (2025-11-25, "Sending
   * Messages": it may close the connection at any time after an event id); the transport resumes it.
   */
  interrupted?(requestId: number): void
  /** The upstream no longer knows the session; `requestId`, if it is not null, is proved not to have run. */
  sessionLost(requestId: number | null): void
  /** What is no request was refused as if the session were lost, which a request must find out. */
  sessionDoubted(): void
  /** The wire is gone for good; sent once, after which the transport is silent. */
  closed(error: GatewayError): void
  /** So much was spent on what is no message of any kind, in bytes and work (`costs` of flood-guard.ts). */
  unasked(units: number): void
  /** What all streams of the server share. */
  readonly budget: ServerBudget
  /** A line for the server's own log: stderr, or stdout noise that is not JSON. */
  noise(line: string): void
}

/** What the wire needs to know about a message beside its text. */
export interface Outgoing {
  /** JSON text of one message, without raw line breaks. */
  readonly text: string
  /** Upstream id when it is a request, else null. */
  readonly requestId: number | null
  readonly method: string | null
  /** Headers for this one message (modern `Mcp-*`, forwarded client headers); ignored by stdio. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Sent as headers too, beside those; ignored by stdio. */
  readonly trace?: TraceContext | undefined
  /**
   * True for what does the same twice as once, a probe of the gateway's own: it may be sent again where a kept
   * connection has failed under it. Absent for everything else, which is sent once.
   */
  readonly repeatable?: boolean
}

/** A session that a server has given. */
export interface TransportSession {
  readonly id: string
  /** The origin that has given it; no other is told of it. */
  readonly origin: string
  /** Whether the server was told `notifications/initialized`. */
  readonly announced: boolean
}

/** One whose code is loaded first comes as a promise. */
export type MadeTransport = UpstreamTransport | Promise<UpstreamTransport>

export interface UpstreamTransport {
  /** Process id for stdio, else null. */
  readonly pid: number | null
  /**
   * What the server does instead of answering, and what to look at, as a phrase for people without secrets; empty
   * where nothing is known of it.
   */
  silence(): string
  /** True where every request is answered on a response of its own, which tells what an answer without id is for. */
  readonly attributes: boolean
  /** Connects the wire. Rejects with a GatewayError when it cannot be had. */
  open(receiver: TransportReceiver, signal: AbortSignal): Promise<void>
  /** Queues one message. Order is kept on ordered wires (stdio, HTTP+SSE). Never throws. */
  send(outgoing: Outgoing): void
  /**
   * Called with the negotiated version before `notifications/initialized` is sent, legacy era only: HTTP
   * sends it as a header from then on, and opens the GET stream once that notification was taken.
   */
  initialized(protocolVersion: string): void
  /** Forgets the upstream session so that a new `initialize` can be sent (after `sessionLost`). */
  resetSession(): void
  /** The session that the server has given; null without one. Absent where there can be none. */
  readonly session?: TransportSession | null
  /** Goes on with a session that another process has begun, in the place of `initialize`. */
  continueSession?(session: TransportSession, protocolVersion: string): void
  /** Its session is another process's from now on: `close` does not end it. */
  leaveSession?(): void
  /** Ends the response that a modern request is waiting on (its cancel). No-op on ordered wires. */
  abort(requestId: number): void
  /** Stops reading until `resume`, so that a flooding server blocks instead of filling memory. */
  pause(): void
  resume(): void
  /**
   * Ends the wire and everything behind it (session DELETE; stdin EOF, TERM, KILL of the group). The
   * receiver hears nothing more, not even `closed`.
   */
  close(): Promise<void>
}

/**
 * Notifications and answers that may be on their way over HTTP, or wait for it, at a time. Requests are
 * bounded at the gateway's door; without this a client that only notifies could fill the memory of the
 * gateway while a server does not listen. There is more room for what ends something: each
 * call in flight may end with a cancel and with the refusal of a question at once.
 */
const unansweredMax = 256
const unansweredEndsMax = 2_048
const endCharsMax = 1_024

/** Whether one more may wait beside so many. */
export function hasRoom(unanswered: number, { text, method }: Outgoing): boolean {
  const ends = method === null || method === 'notifications/cancelled'
  return unanswered < (ends && text.length <= endCharsMax ? unansweredEndsMax : unansweredMax)
}

/** What is said of one that found no room. */
export function droppedNote({ method }: Outgoing): string {
  return `(${method ?? 'a response'} was dropped: the server does not take its messages)`
}
