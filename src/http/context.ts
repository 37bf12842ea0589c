/**
 * What the hooks have settled about one request, before its body is read.
 * Made in `http/hooks`, read by routes and by the access log.
 */
import type { ClientAddress, PeerAddress } from '../net/address.ts'

/** Who is asking: a token (by its digest) or nobody in particular. Sessions and lanes are bound to `id`. */
export interface Principal {
  /** `anonymous`, or `t:` and the first 16 hex digits of the token's SHA-256. Never the token. */
  readonly id: string
  readonly role: 'anonymous' | 'client' | 'admin'
}

export interface RequestContext {
  readonly requestId: string
  readonly peer: PeerAddress | null
  readonly client: ClientAddress | null
  /** Scheme, host and prefix as the client sees them (`https://gw.example/tools`), no trailing slash. */
  readonly externalBase: string
  principal: Principal
  readonly startedAtMs: number
  /** Fields of the access log that routes fill in as they learn them. */
  readonly log: {
    mcp?: string
    rpcMethod?: string
    tool?: string
    /** A short hash, never the id itself. */
    sessionId?: string
    /** Which bridge the request took, such as `legacy-legacy`. */
    pair?: string
  }
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
