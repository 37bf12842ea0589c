/**
 * The two eras of MCP as data: versions, methods, and what each method may do.
 *
 * A method that is missing from an era's table does not exist in that era; nothing else in the
 * gateway compares version strings or lists methods. Unknown methods are never refused because of
 * these tables between two ends of the same era: they are relayed as they are.
 *
 * Spec: 2026-07-28, changelog and basic/versioning; 2025-11-25 and earlier, schema.
 */

/** `legacy`: `initialize` handshake and sessions. `modern`: every request stands alone (2026-07-28). */
export type Era = 'legacy' | 'modern'

/** Newest first. 2024-10-07 is a pre-release that old SDKs still ask for; it is spoken like 2024-11-05. */
export const legacyVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07'] as const

/** Newest first. */
export const modernVersions = ['2026-07-28'] as const

const firstModernVersion = '2026-07-28'

export const latestLegacyVersion: LegacyVersion = legacyVersions[0]
export const latestModernVersion: ModernVersion = modernVersions[0]

export type LegacyVersion = (typeof legacyVersions)[number]
export type ModernVersion = (typeof modernVersions)[number]

/** The era of every version that the gateway speaks; a version that is not here is not spoken. */
export const eraOfVersion: ReadonlyMap<string, Era> = new Map([
  ...legacyVersions.map((version) => [version, 'legacy'] as const),
  ...modernVersions.map((version) => [version, 'modern'] as const),
])

/**
 * The era that a version string claims, spoken or not: revisions are ISO dates, so anything that sorts
 * from 2026-07-28 on (drafts and later revisions included) claims the stateless mechanism.
 */
export function claimedEra(version: string): Era {
  return eraOfVersion.get(version) ?? (version >= firstModernVersion ? 'modern' : 'legacy')
}

/**
 * The version that answers `initialize`: the one asked for when it is spoken, else the newest one that
 * both ends can be expected to know. A client that names a date knows the revisions before it; one that
 * names something older than all, or no date at all, is offered the newest (2025-11-25, Lifecycle).
 */
export function negotiateLegacyVersion(requested: unknown): LegacyVersion {
  if (typeof requested !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(requested)) return latestLegacyVersion
  return legacyVersions.find((version) => version <= requested) ?? latestLegacyVersion
}

/** What came and went between legacy revisions: the first and the last one that have it. */
const legacyFeatures = {
  /** Arrays of messages in one POST. */
  batch: { first: '2025-03-26', last: '2025-03-26' },
  /** A stream that begins with an event that only carries an id, so that it can be resumed (SEP-1699). */
  priming: { first: '2025-11-25', last: legacyVersions[0] },
} as const satisfies Record<string, { first: LegacyVersion; last: LegacyVersion }>

/** Whether a legacy version has such a feature. */
export function legacyVersionHas(version: string, feature: keyof typeof legacyFeatures): boolean {
  const { first, last } = legacyFeatures[feature]
  return version >= first && version <= last
}

/** Reserved `_meta` keys (2026-07-28, basic/index, `_meta`). */
export const metaKeys = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  relatedTask: 'io.modelcontextprotocol/related-task',
} as const

/** Log levels from most to least verbose (RFC 5424). */
export const logLevels = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const

export type LogLevel = (typeof logLevels)[number]

/** The place of a level among `LOG_LEVELS`; -1 for what is none. */
export function logRank(level: unknown): number {
  return (logLevels as readonly unknown[]).indexOf(level)
}

export function isLogLevel(value: unknown): value is LogLevel {
  return logRank(value) >= 0
}

/** Whether a message at `level` is wanted by one who asked for `floor`. An unknown level counts as wanted. */
export function reachesLevel(level: unknown, floor: LogLevel): boolean {
  return !isLogLevel(level) || logRank(level) >= logRank(floor)
}

/** JSON-RPC codes that bridges read and write. */
export const rpcCodes = {
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** 2025-11-25 and earlier; must not be sent in the modern era. */
  resourceNotFound: -32002,
  /** 2025-11-25 only; must not be sent in the modern era. */
  urlElicitationRequired: -32042,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedVersion: -32022,
} as const

/**
 * HTTP status of a modern response that is an error, when no stream has been opened yet. Every other
 * code is 200 with the error in the body; the envelope's own -32602 is 400 by its rejection.
 */
export function modernErrorStatus(rpcCode: number): 200 | 400 | 404 {
  if (rpcCode === rpcCodes.methodNotFound) return 404
  return modernErrorCodes.has(rpcCode) ? 400 : 200
}

/** The errors that only a modern server sends: how a probe knows one (basic/versioning). */
export const modernErrorCodes: ReadonlySet<number> = new Set([
  rpcCodes.headerMismatch,
  rpcCodes.missingClientCapability,
  rpcCodes.unsupportedVersion,
])

/**
 * Errors by which a client over HTTP may suspect that its server is of the other era. Servers with sessions answer
 * -32000 or -32001 to a request outside of one; a stateless server should use neither.
 */
export const foreignErrors: Readonly<Record<Era, ReadonlySet<number>>> = {
  legacy: modernErrorCodes,
  modern: new Set([-32000, -32001]),
}

/** One request method that a client may send. */
export interface ClientRequestRow {
  /** The parameter that `Mcp-Name` mirrors on modern HTTP. */
  readonly nameParam?: 'name' | 'uri' | 'taskId'
  /** The modern result must carry `ttlMs` and `cacheScope` (server/utilities/caching). */
  readonly cacheable?: true
  /** The modern result may be `input_required`; in the legacy era the server may ask meanwhile (basic/patterns/mrtr). */
  readonly mayAsk?: true
  /** Defined by an official extension, not by the core: relayed within the era, unknown across eras. */
  readonly extension?: true
}

/** The requests of one era that a client may send. */
export const clientRequests: {
  readonly modern: ReadonlyMap<string, ClientRequestRow>
  readonly legacy: ReadonlySet<string>
} = {
  modern: new Map<string, ClientRequestRow>([
    ['server/discover', { cacheable: true }],
    ['subscriptions/listen', {}],
    ['tools/list', { cacheable: true }],
    ['tools/call', { nameParam: 'name', mayAsk: true }],
    ['prompts/list', { cacheable: true }],
    ['prompts/get', { nameParam: 'name', mayAsk: true }],
    ['resources/list', { cacheable: true }],
    ['resources/templates/list', { cacheable: true }],
    ['resources/read', { nameParam: 'uri', cacheable: true, mayAsk: true }],
    ['completion/complete', {}],
    ['tasks/get', { nameParam: 'taskId', extension: true }],
    ['tasks/update', { nameParam: 'taskId', extension: true }],
    ['tasks/cancel', { nameParam: 'taskId', extension: true }],
  ]),
  legacy: new Set([
    'initialize',
    'ping',
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'tools/list',
    'tools/call',
    'prompts/list',
    'prompts/get',
    'resources/list',
    'resources/templates/list',
    'resources/read',
    'completion/complete',
    'tasks/get',
    'tasks/result',
    'tasks/list',
    'tasks/cancel',
  ]),
}

/**
 * Requests that a server may make of its client, and the client capability each needs. In the legacy
 * era they are JSON-RPC requests; in the modern era they travel inside an `input_required` result.
 */
export const serverRequests: ReadonlyMap<string, 'elicitation' | 'sampling' | 'roots'> = new Map([
  ['elicitation/create', 'elicitation'],
  ['sampling/createMessage', 'sampling'],
  ['roots/list', 'roots'],
])

/** The capabilities by which a client lets a server ask it something. */
export const askableCapabilities: ReadonlySet<string> = new Set(serverRequests.values())

/** The notifications that some revision gives to clients. */
export const clientNotifications: ReadonlySet<string> = new Set([
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
  'notifications/tasks/status',
])

/** How a list change is announced by a server and asked for in a `subscriptions/listen` filter. */
export interface ListChangeRow {
  readonly capability: 'tools' | 'prompts' | 'resources'
  readonly field: 'toolsListChanged' | 'promptsListChanged' | 'resourcesListChanged'
}

export const listChanges: ReadonlyMap<string, ListChangeRow> = new Map<string, ListChangeRow>([
  ['notifications/tools/list_changed', { capability: 'tools', field: 'toolsListChanged' }],
  ['notifications/prompts/list_changed', { capability: 'prompts', field: 'promptsListChanged' }],
  ['notifications/resources/list_changed', { capability: 'resources', field: 'resourcesListChanged' }],
])
