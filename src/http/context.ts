/**
 * What the hooks have settled about one request, before its body is read.
 * Made in `http/hooks`, read by routes and by the access log.
 */
import type { NamedItem } from '../access/items.ts'
import type { Principal } from '../access/principal.ts'
import type { ErrorCode, GatewayError } from '../errors.ts'
import type { BrowserSession } from '../identity/sign-in/sign-in.ts'
import { type ClientAddress, countingKey, type PeerAddress } from '../net/address.ts'
import type { Listed } from '../runtime/in-flight.ts'
import type { CallEnding } from '../telemetry/call-ending.ts'
import type { RequestTrace } from '../telemetry/traces/trace.ts'

/**
 * The part of the gateway that a path belongs to. Access rules hang on it, and a route group serves
 * only requests admitted for its own area, so that a second reading of the path changes nothing.
 */
export type Area =
  | 'health'
  | 'metrics'
  | 'admin'
  | 'mcp'
  | 'discovery'
  | 'me'
  | 'callback'
  | 'console'
  | 'connect'
  | 'unknown'

/** Bun's per-request idle timer: 0 switches it off until the next request on the connection. */
export interface IdleTimer {
  timeout(request: Request, seconds: number): void
}

/** Asks again whether somebody may go on who has waited: rules and keys may be others by now. */
export interface Readmission {
  /** Why it may not; null where it may. */
  refusalNow(context: RequestContext): GatewayError | null
  /** Whether an admin request could still be let in; else what it has opened must end. */
  admitsAdmin(context: RequestContext): boolean
}

export interface RequestContext extends Listed {
  readonly request: Request
  readonly requestId: string
  readonly area: Area
  /** The path of the request line, without query; the access log's `path`. */
  readonly path: string
  /** The `{name}` of `/mcp-proxy/{name}/…`, not checked for existence; empty elsewhere. */
  readonly server: string
  /** What follows that name, such as `stream`; empty elsewhere. */
  readonly endpoint: string
  readonly peer: PeerAddress | null
  /** Of the other end of the connection; absent where nobody asks for it, which is where there are no workers. */
  peerPort?: number
  readonly client: ClientAddress | null
  /** Scheme, host and prefix as the client sees them (`https://gw.example/tools`), no trailing slash. */
  readonly externalBase: string
  /** The listed web origin whose page asks, to be named in CORS headers; else null. */
  readonly corsOrigin?: string | null
  principal: Principal
  /** The browser whose person asks, known by its cookie. */
  browser?: BrowserSession
  /** Monotonic milliseconds (`performance.now()`), for durations only. */
  readonly startedAtMs: number
  /** Set by the listener; null in tests that have no socket. */
  idleTimer?: IdleTimer | null
  /** The member of the cluster that has let it in and passed it on; absent where that was this one. */
  readonly forwardedBy?: string
  /** The hooks, and how their rules stood when they let it in; absent in tests that have none. */
  admittedBy?: Readmission
  rulesVersion?: number
  /** True once the body has arrived: from then on the request may wait as long as its answer takes. */
  bodyRead: boolean
  /** True while the connection has no time limit. */
  untimed: boolean
  readonly log: RequestLog
}

/** Fields of the access log that routes fill in as they learn them. */
export interface RequestLog {
  /** The server, or the group where no one server is meant. */
  mcp?: string | undefined
  /** The group by which the request came. */
  group?: string | undefined
  rpcMethod?: string | undefined
  tool?: string | undefined
  /** The prompt, resource or template that is named; not in the access log, for a URI may hold much. */
  item?: NamedItem
  /** The trace that the message says it belongs to. */
  traceparent?: string
  /** Why the request was refused at the door. */
  reason?: string
  /** Who has signed in with it. */
  signedIn?: Principal
  /** What an admin has changed, where the path does not name it. */
  target?: string
  /** The fields of a definition that an admin has changed. */
  changed?: string
  /** A short hash, never the id itself. */
  sessionId?: string | undefined
  /** Which bridge the request took, such as `legacy-legacy`. */
  pair?: string | undefined
  /** What the client calls itself. */
  client?: string | undefined
  /** Catalogue code of the error that was answered. */
  code?: ErrorCode | undefined
  /** How the call ended; without it, status and code say so. */
  ending?: CallEnding | undefined
  /** The span of a request; undefined where nobody has asked for traces. */
  trace?: RequestTrace | undefined
  /** The call goes on behind the response, and will have a line of its own. */
  pending?: boolean
}

/** An empty one that has room for all fields: adding one after the other to an object is several times as dear. */
export function emptyLog(): RequestLog {
  return {
    mcp: undefined,
    group: undefined,
    rpcMethod: undefined,
    tool: undefined,
    sessionId: undefined,
    pair: undefined,
    client: undefined,
    code: undefined,
    ending: undefined,
    trace: undefined,
    pending: false,
  }
}

const key = Symbol('context')
type Carrier = Request & { [key]?: RequestContext }

/** Ties a context to its request. A symbol property costs a third of a WeakMap entry (0.08 against 0.25 µs). */
export function attachContext(request: Request, context: RequestContext): void {
  ;(request as Carrier)[key] = context
}

/**
 * The name that whoever asks is counted under, wherever a bound is for one client: its token, and without one its
 * address, as `countingKey` has it, also behind a trusted proxy.
 */
export function clientKeyOf({ principal, client, peer }: RequestContext): string {
  if (principal.role !== 'anonymous') return principal.id
  const address = client ?? peer
  return address === null ? 'address unix' : `address ${countingKey(address)}`
}

/**
 * Notes that the body of a request has arrived (long-waits.ts). Its sender says how long that takes, so whether the
 * request may go on is asked again: throws the GatewayError with which it ends.
 */
export function noteBodyRead(request: Request): void {
  const context = (request as Carrier)[key]
  if (context === undefined) return
  context.bodyRead = true
  requireAdmitted(context)
}

/** Throws the GatewayError with which a request ends that has waited, and may not go on any more. */
export function requireAdmitted(context: RequestContext): void {
  const refusal = context.admittedBy?.refusalNow(context) ?? null
  if (refusal !== null) throw refusal
}

/** Who sends a request; undefined for one that the hooks never saw. */
export function senderOf(request: Request): Principal | undefined {
  return (request as Carrier)[key]?.principal
}

/** The context of an admitted request. Throws when the hooks never saw it, which no route may survive. */
export function contextOf(request: Request): RequestContext {
  const context = (request as Carrier)[key]
  if (context === undefined) throw new Error('the request was not admitted by the hooks')
  return context
}

/** A handler of an MCP endpoint. It resolves, with an error response where needed; it never rejects. */
export type McpHandler = (request: Request, context: RequestContext, serverName: string) => Promise<Response>

export interface McpHandlers {
  /** `POST GET DELETE /mcp-proxy/{name}/stream` and below. */
  readonly stream: McpHandler
  /** `GET /mcp-proxy/{name}/sse` and below. */
  readonly sse: McpHandler
  /** `POST /mcp-proxy/{name}/message?sessionId=`. */
  readonly message: McpHandler
}
