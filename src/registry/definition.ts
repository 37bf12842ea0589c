/** The definition of one MCP server, as the gateway holds it: every default applied, times in ms. */

export type TransportKind = 'stdio' | 'sse' | 'streamable-http'
export type Isolation = 'auto' | 'session' | 'shared'

export interface ToolFilter {
  readonly mode: 'allow' | 'block'
  readonly list: readonly string[]
}

export interface ServerDefinition {
  readonly name: string
  readonly description: string
  readonly transport: TransportKind
  /** True where a file named none: the older HTTP transport is then looked for when the newer one is refused. */
  readonly transportGuessed?: boolean
  /** stdio only; empty otherwise. */
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Working directory of a stdio server; null means the gateway's own. Only settable in the file. */
  readonly cwd: string | null
  /** HTTP transports only; empty otherwise. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Longest silence of one call, restarted by its progress; null takes `timeouts.call_idle`. */
  readonly timeoutMs: number | null
  readonly autoReconnect: boolean
  /** 0 keeps trying for ever. */
  readonly maxReconnects: number
  readonly reconnectDelayMs: number
  readonly healthCheckEnabled: boolean
  readonly healthCheckIntervalMs: number
  /** Copies the server's stderr into the gateway's log. */
  readonly logEnabled: boolean
  readonly toolFilter: ToolFilter | null
  readonly tags: Readonly<Record<string, string>>
  readonly isolation: Isolation
  readonly startTimeoutMs: number
  /** Client headers that may go upstream, lower case. */
  readonly forwardHeaders: readonly string[]
  /** Tokens that open this server beside the global ones. */
  readonly authTokens: readonly string[]
  /** ISO 8601. */
  readonly createdAt: string
  readonly updatedAt: string
}
