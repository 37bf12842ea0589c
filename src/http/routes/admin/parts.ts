/** What the admin API uses of the rest of the gateway. */
import type { Approvals } from '../../../approvals/approvals.ts'
import type { ClusterStatus } from '../../../cluster/cluster.ts'
import type { Config } from '../../../config/schema.ts'
import type { LoginView } from '../../../credentials/oauth/login-view.ts'
import type { OAuthClients } from '../../../credentials/oauth/oauth-clients.ts'
import type { UserValues } from '../../../credentials/user-values/user-values.ts'
import type { Rotation, Vault } from '../../../credentials/vault/vault.ts'
import { GatewayError } from '../../../errors.ts'
import type { GroupReport, GroupSummary } from '../../../group/reports.ts'
import type { KeyAdmin } from '../../../identity/keys/key-admin.ts'
import type { ServerDefinition } from '../../../registry/definition.ts'
import type { DefinitionStore } from '../../../registry/storage/store.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { ServerDirectory } from '../../../upstream/server/directory.ts'
import type { RegistrationGate } from '../../../upstream/server/registration-gate.ts'
import type { AnswerOf } from '../../api/operation.ts'
import type { AccessRecorder } from '../../hooks/access-log.ts'
import type { ShownConfiguration } from '../configuration.ts'
import type { McpParts } from '../mcp.ts'
import type { AdminAccess } from './access.ts'
import { NameOrder } from './name-order.ts'
import type { AdminStreams } from './streams.ts'

/** The settings that the admin API reads, at each request: they may change meanwhile. */
export interface AdminConfig {
  readonly limits: Pick<Config['limits'], 'bodyBytesMax'>
  /** Directories below which definitions may name files of secrets; none when absent. */
  readonly secretDirs?: readonly string[]
}

export interface AdminOptions {
  readonly directory: ServerDirectory
  readonly store: DefinitionStore
  readonly config: AdminConfig
  /** Which definitions may be registered. */
  readonly gate: RegistrationGate
  readonly log: Log
  readonly streams: AdminStreams
  /** Changes of one server come one after the other, whoever makes them; those made over the API when absent. */
  readonly order?: NameOrder
  /** Reads the configuration again, for a cause that the log names. Rejects with a ConfigError. */
  readonly reload: (cause: string) => Promise<AnswerOf<'reload', 200>>
  /** The configuration in force, and where it came from; nobody is told when absent. */
  readonly settings?: ShownConfiguration
  /** What admins speak MCP with; they do not when absent. */
  readonly mcp?: McpParts
  /** Where it is noted how calls end, and who is told. */
  readonly recorder: AccessRecorder
  /** Who can say who may use what, and why; nobody when absent. */
  readonly access?: AdminAccess
  /** What is approved of tools; nothing when absent. */
  readonly approvals?: AdminApprovals
  /** What is told of groups; none when absent. */
  readonly groups?: AdminGroups
  /** How this gateway fares among others; null where it is alone, as it is when absent. */
  readonly cluster?: () => ClusterStatus | null
  /** What is done with keys, loaded when somebody does; where it is absent there are none. */
  readonly keys?: () => Promise<KeyAdmin>
  /** What is stored of credentials; nothing when absent. */
  readonly credentials?: AdminCredentials
  /** Why nobody can come in at a server; null where somebody can. */
  readonly closedReason?: (name: string) => string | null
  /** What of a definition is most likely not meant, a sentence without its full stop; null for nothing. */
  readonly doubtAbout?: (definition: ServerDefinition) => string | null
  readonly now?: () => Date
  /** How long `GET /admin/tools` waits for one server; 10 s when absent. */
  readonly toolsListMs?: number
}

/** What admins do with logins at servers. */
export interface AdminLogins {
  /** How the login of the account that all share stands; null where there is none, or nobody has asked yet. */
  view(definition: ServerDefinition): LoginView | null
  load(): Promise<OAuthClients>
}

const noLogins: AdminLogins = {
  view: () => null,
  load: () => Promise.reject(new GatewayError('NOT_FOUND', 'Nobody logs in at servers here.')),
}

/** What admins do with approvals of tools; the room behind it is loaded when they ask. */
export interface AdminApprovals {
  isPinned(definition: ServerDefinition): boolean
  /** The names of tools of a server that are held back. */
  heldBack(name: string): readonly string[]
  /** A server was removed, and what was approved of it is to be forgotten. */
  removed(name: string): Promise<void>
  load(): Promise<Pick<Approvals, 'names' | 'report' | 'approve' | 'revoke' | 'watching'>>
}

const noApprovals: AdminApprovals = {
  isPinned: () => false,
  heldBack: () => [],
  removed: async () => {},
  load: () => Promise.reject(new GatewayError('NOT_FOUND', 'This gateway keeps no approvals.')),
}

/** What admins do with stored credentials; the room behind it is loaded when they do. */
export interface AdminCredentials {
  readonly logins: AdminLogins
  /** What is stored, loaded when somebody asks. */
  vault(): Promise<Pick<Vault, 'list'>>
  userValues(): Promise<Pick<UserValues, 'set' | 'remove'>>
  /** Seals everything with a new key. */
  rotate(): Promise<Rotation>
  /** A server was removed, and whatever is stored for it is for no other one. */
  removed(name: string): Promise<void>
}

const noneStored = (): Promise<never> =>
  Promise.reject(new GatewayError('NOT_FOUND', 'No credentials are stored here.'))

const noCredentials: AdminCredentials = {
  logins: noLogins,
  vault: noneStored,
  userValues: noneStored,
  rotate: noneStored,
  removed: async () => {},
}

/** What admins are told of groups. */
export interface AdminGroups {
  list(): Promise<readonly GroupSummary[]>
  /** Null when there is no group of this name. */
  report(name: string, waitMs: number): Promise<GroupReport | null>
}

const noKeys = (): Promise<KeyAdmin> =>
  Promise.reject(new GatewayError('NOT_FOUND', 'No keys are kept here.'))

const noAccess: AdminAccess = {
  principal: async () => ({ reason: 'nobody is known here', nearest: null }),
  explain: () => Promise.reject(new GatewayError('NOT_FOUND', 'Nobody here can say that.')),
}

const noGroups: AdminGroups = { list: async () => [], report: async () => null }

/** The options with every default applied, as the handlers take them. */
export interface AdminParts
  extends Pick<
    AdminOptions,
    'directory' | 'store' | 'config' | 'gate' | 'log' | 'streams' | 'recorder' | 'reload'
  > {
  readonly order: NameOrder
  readonly settings: ShownConfiguration | null
  readonly mcp: McpParts | null
  readonly access: AdminAccess
  readonly approvals: AdminApprovals
  readonly groups: AdminGroups
  readonly cluster: () => ClusterStatus | null
  readonly keys: () => Promise<KeyAdmin>
  readonly credentials: AdminCredentials
  readonly closedReason: (name: string) => string | null
  readonly doubtAbout: (definition: ServerDefinition) => string | null
  readonly now: () => Date
  readonly toolsListMs: number
}

/** The options with what stands for those that are left out. */
export function withDefaults(options: AdminOptions): AdminParts {
  const { directory, store, config, gate, log, streams, recorder, reload } = options
  return {
    directory,
    store,
    config,
    log,
    streams,
    recorder,
    reload,
    order: options.order ?? new NameOrder(),
    settings: options.settings ?? null,
    mcp: options.mcp ?? null,
    access: options.access ?? noAccess,
    approvals: options.approvals ?? noApprovals,
    groups: options.groups ?? noGroups,
    cluster: options.cluster ?? (() => null),
    keys: options.keys ?? noKeys,
    credentials: options.credentials ?? noCredentials,
    closedReason: options.closedReason ?? (() => null),
    doubtAbout: options.doubtAbout ?? (() => null),
    now: options.now ?? (() => new Date()),
    gate,
    toolsListMs: options.toolsListMs ?? 10_000,
  }
}
