/** The definition of one MCP server, as the gateway holds it: every default applied, times in ms. */

import type { AccessRule } from './access/rule-schema.ts'
import type { OAuthSettings } from './oauth/oauth-settings.ts'

/** `group` is no server of its own: it shows those of others as one (`group` of the definition). */
export type TransportKind = 'stdio' | 'sse' | 'streamable-http' | 'group'
export type Isolation = 'auto' | 'session' | 'shared'
/** Where several replicas or workers are one gateway: `none` serves a client without sessions wherever it comes to. */
export type Affinity = 'auto' | 'none'
/** What becomes of a session whose replica or worker is gone: another one goes on with it, or it is over. */
export type OwnerLoss = 'restart' | 'end'

export interface ToolFilter {
  readonly mode: 'allow' | 'block'
  readonly list: readonly string[]
}

/** An entry of a group: which servers it brings, and how the group shows what they have. */
export interface GroupMember {
  /** Exactly one of these three is given. */
  readonly server: string | null
  /** Servers with this tag: a key, or `key=value`. */
  readonly tag: string | null
  readonly all: boolean
  /** Takes the place of the server's name before its tools and prompts, empty for nothing; null: by `naming`. */
  readonly prefix: string | null
  /** Own names of tools, patterns with `*` among them; null shows every tool. */
  readonly allow: readonly string[] | null
  /** The same for tools that are not shown. */
  readonly block: readonly string[] | null
  /** New names of tools by their own. */
  readonly rename: Readonly<Record<string, string>>
  /** New descriptions of tools by their own names. */
  readonly describe: Readonly<Record<string, string>>
}

/** What only a group has. */
export interface GroupSettings {
  readonly members: readonly GroupMember[]
  /** `prefix`: names are shown as `server__name`. `plain`: as they are. */
  readonly naming: 'prefix' | 'plain'
  /** `search`: tools are found with a tool, and only those in `always` are listed. */
  readonly exposure: 'all' | 'search'
  /** Shown names, patterns with `*` among them. */
  readonly always: readonly string[]
  /** How long a list waits for a member. */
  readonly listWaitMs: number
}

/** TLS towards a server, in PEM form; empty texts for what is not given. */
export interface UpstreamTls {
  /** The authorities that its certificate may come from, instead of those of the machine. */
  readonly ca: string
  /** What the gateway shows it. */
  readonly cert: string
  readonly key: string
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
  readonly tls?: UpstreamTls
  /** Where tokens for it come from; absent where it wants none of the gateway's. */
  readonly oauth?: OAuthSettings
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
  readonly affinity: Affinity
  readonly onOwnerLoss: OwnerLoss
  readonly startTimeoutMs: number
  /** Client headers that may go upstream, lower case. */
  readonly forwardHeaders: readonly string[]
  /** Tokens that open this server beside the global ones. */
  readonly authTokens: readonly string[]
  /** They are the only ones: no global token opens it. */
  readonly authTokensOnly: boolean
  /** Addresses and CIDR blocks of clients that may come in; empty means every address. */
  readonly allowedIPs: readonly string[]
  /** A token is asked for even when none is configured, and then nobody comes in. */
  readonly requireAuth: boolean
  /** Whether its tools are held back until an admin has approved their definitions; null: as `pinning` says. */
  readonly pin: boolean | null
  /** Which signed-in callers may use what of it; null: those whom rules elsewhere name. */
  readonly access: readonly AccessRule[] | null
  /** Not null exactly where `transport` is `group`; the fields of processes and connections then have no meaning. */
  readonly group: GroupSettings | null
  /**
   * What stands in the places of secrets that live elsewhere (`env.TOKEN`, `args[1]`, `url`), which the fields hold the
   * values of (secrets/references.ts). It is what is stored and shown.
   */
  readonly written?: Readonly<Record<string, string>>
  /** Why some of these values could not be had; the server is then not connected to. */
  readonly unread?: string
  /** What has come into `env` and `headers` for one user (secrets/user-values.ts); only in the copy that is theirs. */
  readonly userValues?: readonly string[]
  /** ISO 8601. */
  readonly createdAt: string
  readonly updatedAt: string
}
