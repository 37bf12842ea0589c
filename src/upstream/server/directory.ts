/** What the HTTP room may ask of the registered servers. `upstream/server/servers.ts` implements it. */
import type { ServerDefinition } from '../../registry/definition.ts'

export type ServerState = 'disconnected' | 'connecting' | 'connected' | 'error'

/** Wire form of a status (CONTRACT.md, "Admin API"): durations in nanoseconds, times in ISO 8601. */
export interface ServerStatus {
  name: string
  status: ServerState
  lastConnected: string | null
  lastError: string | null
  lastErrorTime: string | null
  reconnectAttempts: number
  /** Times that its process was started again, or its session opened again. */
  restarts: number
  /** When it came up or went down, in ISO 8601. */
  since: string
  /** Why it is not well, in one line; null when it is. */
  reason: string | null
  /** How its last process ended; null when none has. */
  lastExit: { code: number | null; signal: string | null; at: string } | null
  upTime: number
  totalRequests: number
  totalErrors: number
  toolErrors: number
  avgResponseTime: number
  protocolVersion: string | null
  era: 'legacy' | 'modern' | null
  serverInfo: unknown
  capabilities: unknown
  processes: number
  sessions: number
  stderrTail: string[]
}

/** A tool as the server described it, every field kept. */
export type ToolDescription = Readonly<Record<string, unknown>> & { readonly name: string }

export interface ServerEntry {
  readonly definition: ServerDefinition
  /** `file` entries are read-only in the admin API. */
  readonly origin: 'file' | 'store'
  status(): ServerStatus
  /** True once connected or failed for a known reason (`/readyz`). */
  settled(): boolean
  /** Every page, tool filter applied. Rejects with a GatewayError when the server does not answer. */
  listTools(): Promise<ToolDescription[]>
  /** The raw `tools/call` result, or rejects with a GatewayError (503, 504, or the JSON-RPC error as UPSTREAM_ERROR). */
  callTool(toolName: string, args: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>
}

export interface ServerDirectory {
  list(): readonly ServerEntry[]
  get(name: string): ServerEntry | undefined
  /** Registers and starts connecting in the background; resolves at once. */
  add(definition: ServerDefinition, origin: 'file' | 'store'): ServerEntry
  /** Swaps the definition; calls in flight finish on the old connection. */
  replace(definition: ServerDefinition): ServerEntry
  /** Ends it: calls in flight get an error, sessions end. Resolves when its processes are gone. */
  remove(name: string): Promise<void>
}
