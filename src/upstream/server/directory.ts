/** What the HTTP room may ask of the registered servers. `upstream/server/servers.ts` implements it. */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { CallWatch } from '../connection/calls.ts'
import type { OutputTail } from './output-tail.ts'

export type ServerState = 'disconnected' | 'connecting' | 'connected' | 'error'

/** Wire form of a status (CONTRACT.md, "Admin API"): durations in nanoseconds, times in ISO 8601. */
export interface ServerStatus {
  /** How many users have it open, where each has one of their own; absent for all others. */
  users?: number
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
  /** ISO 8601; null while the server is on. */
  disabledAt: string | null
}

/** A tool as the server described it, every field kept. */
export type ToolDescription = Readonly<Record<string, unknown>> & { readonly name: string }

/** The result of a `tools/call`, and its JSON text as the server wrote it, in which no number has lost a digit. */
export interface ToolAnswer {
  readonly result: Readonly<Record<string, unknown>>
  readonly text: string
}

/** Where a server is defined: `file` entries are read-only in the admin API. */
export type ServerOrigin = 'file' | 'store'

export interface ServerEntry {
  readonly definition: ServerDefinition
  readonly origin: ServerOrigin
  status(): ServerStatus
  /** When an admin has switched it off, ISO 8601; null while it is on. */
  readonly disabledAt: string | null
  readonly output: Pick<OutputTail, 'lines' | 'follow'>
  /** True once connected, failed for a known reason or switched off (`/readyz`); stays so across restarts. */
  settled(): boolean
  /** Resolves when this start of it has come to an end of either kind, or after `waitMs`. */
  untilSettled(waitMs: number): Promise<void>
  /** What this user has of it, where each has one of their own; itself otherwise. */
  as?(owner: CredentialOwner | null): ServerEntry
  /** Every page, tool filter applied. Rejects with a GatewayError when the server does not answer. */
  listTools(): Promise<ToolDescription[]>
  /** The `tools/call` result, or rejects with a GatewayError (503, 504, or the JSON-RPC error as UPSTREAM_ERROR). */
  callTool(toolName: string, args: Readonly<Record<string, unknown>>, watch: CallWatch): Promise<ToolAnswer>
}

/** What a trial has found. */
export interface Trial {
  readonly status: ServerStatus
  /** Null where it has listed none; `toolsError` says why then, of a server that was reached. */
  readonly tools: readonly ToolDescription[] | null
  readonly toolsError: string | null
  readonly tookMs: number
}

/** How long a trial may take, and what ends it before. */
export interface TrialPatience {
  readonly startMs: number
  readonly listMs: number
  readonly signal: AbortSignal
}

export interface ServerDirectory {
  list(): readonly ServerEntry[]
  get(name: string): ServerEntry | undefined
  /** Registers and starts connecting in the background, unless it is switched off; returns at once. */
  add(definition: ServerDefinition, origin: ServerOrigin): ServerEntry
  /** Swaps the definition; calls in flight finish on the old connection. */
  replace(definition: ServerDefinition): ServerEntry
  /** Ends it: calls in flight get an error, sessions end. Resolves when its processes are gone. */
  remove(name: string): Promise<void>
  /**
   * Ends its processes and starts it anew; calls in flight may finish first, within a bound, and sessions stay.
   * Resolves when the old processes are gone.
   */
  restart(name: string): Promise<void>
  /** Ends its processes, as `restart` does, and starts none until it is switched on again. */
  disable(name: string, disabledAt: string): Promise<void>
  /** Starts it again in the background. */
  enable(name: string): void
  /**
   * Starts a server that is registered nowhere, looks what it is, and ends it again. Rejects with IN_FLIGHT_EXHAUSTED
   * while as many are tried as may be.
   */
  try(definition: ServerDefinition, patience: TrialPatience): Promise<Trial>
}
