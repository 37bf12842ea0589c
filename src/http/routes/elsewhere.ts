/**
 * Where a request is served, in a gateway of several processes. The routes ask before they do anything of their own;
 * where there is one process only, nobody is there to be asked (`McpParts.elsewhere`).
 */
import type { Session } from '../../session/legacy/session.ts'
import type { RequestContext } from '../context.ts'
import type { Inbound, McpTarget } from './mcp.ts'

/** A request as far as a route has read it. */
export interface Asked {
  readonly request: Request
  readonly context: RequestContext
  readonly target: McpTarget
  readonly endpoint: 'stream' | 'sse'
  /** The session that it names; null for none. */
  readonly sessionId: string | null
  /** What it says; null where it has no body. */
  readonly inbound: Inbound | null
}

export interface Elsewhere {
  /** The answer of another process; null for what is to be served here. Rejects with a GatewayError. */
  answer(asked: Asked): Promise<Response | null> | null
  /** A client has begun a session here: resolves once another process could go on with it. Never rejects. */
  opened(session: Session): Promise<void>
}
