/**
 * The wire form of a server definition (CONTRACT.md, "Admin API") and its way into the gateway.
 *
 * Pure. The same rules hold for the admin API, the configuration file and imported client files, so
 * that a definition means the same wherever it came from.
 */
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { definitionRuleSchema, ruleOf } from './access/rule-schema.ts'
import type { ServerDefinition, ToolFilter } from './definition.ts'
import { ruleProblems } from './definition-rules.ts'
import { durationMs } from './duration.ts'
import { duration, flag, oneOf, optional, serverName, text, textList, textMap } from './field-schemas.ts'
import { groupFields, groupSettingsOf } from './group/group-schema.ts'
import { oauthOf, oauthSchema } from './oauth/oauth-schema.ts'
import { type Problem, problemsOf, sentenceOf } from './problems.ts'
import { tlsOf } from './secrets/tls-files.ts'
import { wireSpelling } from './wire-spelling.ts'

/** Field name characters of HTTP (RFC 9110, 5.1). */
const headerNamePattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$"
/** What a process environment can hold as a name: anything printable without `=`. */
const envNamePattern = '^[^=\\x00-\\x20\\x7f]{1,256}$'

const tlsPath = Type.Optional(
  Type.String({ pattern: '^[^}\\r\\n\\0]{1,4096}$', description: 'the path of a file' }),
)

/** The wire form. Optional fields may be absent or null; both take the default. */
export const definitionWireSchema = Type.Object(
  {
    name: serverName,
    description: optional('What the server is for.', text(4_096)),
    transport: {
      ...oneOf(['stdio', 'sse', 'streamable-http', 'group']),
      title: 'How it is reached; http is taken for streamable-http.',
    },
    command: optional('The program of a server that is a process.', text(4_096)),
    args: optional(
      'Its arguments; values that look like secrets come back masked.',
      textList(256, text(32_768)),
    ),
    env: optional(
      'Its environment variables; values come back masked.',
      textMap(256, envNamePattern, 'an environment variable name', 65_536),
    ),
    cwd: optional('Its working directory; only the configuration file may set one.', text(4_096)),
    url: optional('Where a server over HTTP is.', text(4_096)),
    headers: optional(
      'Headers of each request to it; values come back masked.',
      textMap(64, headerNamePattern, 'an HTTP header name', 16_384),
    ),
    tls: optional(
      'Files for TLS to it: authorities, and the certificate and key that the gateway shows; over the API below secrets.dirs.',
      Type.Object(
        { ca: tlsPath, cert: tlsPath, key: tlsPath },
        {
          additionalProperties: false,
          description: 'an object with ca, cert and key, each the path of a file',
        },
      ),
    ),
    oauth: optional(
      'How the gateway gets tokens for it: whose account, by which grant, from which authorization server, as which client.',
      oauthSchema,
    ),
    timeout: optional('Longest silence of one call, restarted by its progress.', duration),
    autoReconnect: optional('Whether a lost connection is made again.', flag),
    maxReconnects: optional(
      'Attempts before giving up; 0 never does.',
      Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'an integer from 0 to 1000000' }),
    ),
    reconnectDelay: optional('The pause before the first attempt; later ones are longer.', duration),
    healthCheckEnabled: optional('Whether the server is asked for a sign of life now and then.', flag),
    healthCheckInterval: optional('How often.', duration),
    logEnabled: optional('Whether its standard error is copied into the log of the gateway.', flag),
    toolFilter: optional(
      'Which tools clients see and may call.',
      Type.Object(
        { mode: oneOf(['allow', 'block']), list: textList(1_024, text(256)) },
        { additionalProperties: false, description: 'an object with mode and list' },
      ),
    ),
    tags: optional(
      'Notes of your own; a group may choose servers by them.',
      textMap(64, '^[^\\x00-\\x1f\\x7f]{1,128}$', 'a tag name', 1_024),
    ),
    isolation: optional(
      'Whether clients share a connection to the server.',
      oneOf(['auto', 'session', 'shared']),
    ),
    affinity: optional(
      'Where several replicas or workers are one gateway: whether all calls of a client without sessions are served by one of them, so that they find what earlier ones have left behind at a server with sessions.',
      oneOf(['auto', 'none']),
    ),
    onOwnerLoss: optional(
      'What becomes of a session when its replica or worker is gone: restart goes on with it elsewhere, on a new connection; end answers 404.',
      oneOf(['restart', 'end']),
    ),
    startTimeout: optional('Longest start.', duration),
    forwardHeaders: optional(
      'Headers of a client that go on to the server.',
      textList(32, Type.String({ pattern: headerNamePattern, description: 'an HTTP header name' })),
    ),
    authTokens: optional(
      'Tokens that open this server beside the global ones; they come back masked.',
      textList(
        64,
        // What an `Authorization: Bearer` header can carry; a token with a space could never match.
        Type.String({ pattern: '^[\\x21-\\x7e]{1,4096}$', description: 'printable text without spaces' }),
      ),
    ),
    authTokensOnly: optional('Whether no token but its own opens this server.', flag),
    allowedIPs: optional(
      'Addresses and CIDR blocks of clients that may come in; none: every address.',
      textList(256, text(64)),
    ),
    requireAuth: optional('Whether a token is asked for even when none is configured.', flag),
    pin: optional(
      'Whether its tools are held back until an admin has approved their definitions; none: as mcp_proxy.pinning says.',
      flag,
    ),
    access: optional(
      'Which people and keys may use what of it; left out: those whom rules elsewhere name; an empty list: none of them.',
      Type.Array(definitionRuleSchema, { maxItems: 256, description: 'a list of at most 256 rules' }),
    ),
    ...groupFields,
    // Kept by the gateway; taken in and passed over so that what GET returned can be PUT.
    createdAt: optional('Set by the gateway, and passed over in a request.', text(64)),
    updatedAt: optional('Set by the gateway, and passed over in a request.', text(64)),
  },
  { $id: 'ServerDefinition', additionalProperties: false },
)

export type DefinitionWire = Static<typeof definitionWireSchema>

export interface ParseOptions {
  /** Only the configuration file may choose a working directory. */
  readonly allowCwd?: boolean
  /** True for what a person has just written: tokens that are plainly none, such as `$NAME`, are refused. */
  readonly written?: boolean
  /** ISO 8601; becomes `updatedAt`, and `createdAt` unless there is a previous definition. */
  readonly now: string
  /** The definition being replaced: its `createdAt` is kept. */
  readonly previous?: ServerDefinition
}

export type ParsedDefinition =
  | { readonly ok: true; readonly definition: ServerDefinition }
  | { readonly ok: false; readonly problems: Problem[] }

/**
 * Reads one definition in wire form: shape first, then the rules between fields, then the defaults.
 * Never throws; a refusal names every field at fault and never repeats a value.
 */
export function parseDefinition(input: unknown, options: ParseOptions): ParsedDefinition {
  const wire = wireSpelling(input)
  if (!Value.Check(definitionWireSchema, wire)) {
    return { ok: false, problems: problemsOf(definitionWireSchema, wire) }
  }
  const problems = ruleProblems(wire, options)
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, definition: withDefaults(wire, options) }
}

/**
 * A definition as it was stored, `what` in words. Throws an Error of one clear sentence for what this version cannot
 * read, whatever its form.
 */
export function storedDefinition(
  what: string,
  wire: unknown,
  { createdAt, updatedAt }: Pick<ServerDefinition, 'createdAt' | 'updatedAt'>,
): ServerDefinition {
  const parsed = parseDefinition(wire, { now: updatedAt })
  if (!parsed.ok) throw new Error(`${what} cannot be read: ${sentenceOf(parsed.problems)}`)
  return { ...parsed.definition, createdAt }
}

function withDefaults(wire: DefinitionWire, options: ParseOptions): ServerDefinition {
  return {
    name: wire.name,
    description: wire.description ?? '',
    transport: wire.transport,
    command: wire.command ?? '',
    args: wire.args ?? [],
    env: wire.env ?? {},
    cwd: wire.cwd ?? null,
    url: wire.url ?? '',
    headers: wire.headers ?? {},
    ...(wire.tls === undefined ? {} : { tls: tlsOf(wire.tls) }),
    ...(wire.oauth === undefined ? {} : { oauth: oauthOf(wire.oauth) }),
    timeoutMs: durationMs(wire.timeout),
    autoReconnect: wire.autoReconnect ?? true,
    maxReconnects: wire.maxReconnects ?? 0,
    reconnectDelayMs: durationMs(wire.reconnectDelay) ?? 5_000,
    healthCheckEnabled: wire.healthCheckEnabled ?? true,
    healthCheckIntervalMs: durationMs(wire.healthCheckInterval) ?? 30_000,
    logEnabled: wire.logEnabled ?? false,
    toolFilter: (wire.toolFilter as ToolFilter | undefined) ?? null,
    tags: wire.tags ?? {},
    isolation: wire.isolation ?? 'auto',
    affinity: wire.affinity ?? 'auto',
    onOwnerLoss: wire.onOwnerLoss ?? 'restart',
    startTimeoutMs: durationMs(wire.startTimeout) ?? 120_000,
    forwardHeaders: [...new Set((wire.forwardHeaders ?? []).map((name) => name.toLowerCase()))],
    authTokens: wire.authTokens ?? [],
    authTokensOnly: wire.authTokensOnly ?? false,
    allowedIPs: wire.allowedIPs ?? [],
    requireAuth: wire.requireAuth ?? false,
    pin: wire.pin ?? null,
    access: wire.access?.map(ruleOf) ?? null,
    group: wire.transport === 'group' ? groupSettingsOf(wire) : null,
    createdAt: options.previous?.createdAt ?? options.now,
    updatedAt: options.now,
  }
}

/** The group of everything, which `/mcp` shows where `default_group` names no other. It stands in no registry. */
export const everythingGroup: ServerDefinition = withDefaults(
  { name: 'mcp', description: 'Every server.', transport: 'group', members: [{ all: true }] },
  { now: new Date(0).toISOString() },
)
