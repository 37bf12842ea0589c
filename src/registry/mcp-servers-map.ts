/**
 * Reads the `mcpServers` map that desktop clients keep, so that their servers work here unchanged.
 *
 * Pure. It only translates keys; the rules of a definition are those of `parseDefinition`, which is to
 * be called on each result. Keys that steer a client's own windows are passed over, anything else that
 * is unknown is left in place for `parseDefinition` to refuse by name, because a restriction that is
 * silently dropped would open a server wider than its owner meant.
 */
import { isObject } from '../protocol/json.ts'
import type { Problem } from './problems.ts'
import { transportNames } from './wire-spelling.ts'

/** One entry of the map. */
export type ServersMapEntry =
  /** The input for `parseDefinition`. */
  | { readonly name: string; readonly input: Readonly<Record<string, unknown>> }
  | { readonly name: string; readonly problem: Problem }

export type ParsedServersMap =
  /** In the order of the file, without the entries that are switched off. */
  | { readonly ok: true; readonly entries: readonly ServersMapEntry[] }
  | { readonly ok: false; readonly problem: Problem }

/** What only a client's own windows and prompts need. */
export const clientOnlyKeys: ReadonlySet<string> = new Set([
  'alwaysAllow',
  'autoApprove',
  'disabled',
  'disabledReason',
  'enabled',
  'gallery',
  'icon',
  'iconUrl',
  'id',
  'isActive',
  'isOpen',
  'name',
  'serverUrl',
  'source',
  'transport',
  'transportType',
  'trust',
  'type',
])

/** Most servers that one map may hold. */
const serversMax = 1_000

/** Turns each entry of the map into the input of a definition, or says why it cannot be read. */
export function parseMcpServersMap(input: unknown): ParsedServersMap {
  if (!isObject(input)) return fault('must be a map from server names to servers')
  const servers = Object.entries(input)
  if (servers.length > serversMax) return fault(`must hold at most ${serversMax} servers`)
  const entries = servers
    .filter(([, server]) => !isObject(server) || !isSwitchedOff(server))
    .map(([name, server]) => entryOf(name, server))
  return { ok: true, entries }
}

function entryOf(name: string, server: unknown): ServersMapEntry {
  const problem = (field: string, reason: string) => ({ name, problem: { field, reason } })
  if (!isObject(server)) return problem('', 'must be an object with command or url')
  if (isEmpty(server)) return problem('', 'needs a command or a url')
  const transport = transportOf(server)
  return transport === null
    ? problem('type', `must be one of ${[...transportNames.keys()].join(', ')}`)
    : { name, input: definitionInput(name, transport, server) }
}

function isSwitchedOff({ disabled, enabled, isActive }: Readonly<Record<string, unknown>>): boolean {
  return disabled === true || enabled === false || isActive === false
}

/** Nothing that says how to reach it, nor a misspelt field that would better be named. */
function isEmpty(server: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(server).every((key) => clientOnlyKeys.has(key) && key !== 'serverUrl')
}

/** True for an entry with a URL that does not say which transport it is for. */
export function guessesTransport(server: unknown): boolean {
  return isObject(server) && kindOf(server) === undefined && server['command'] === undefined
}

function kindOf({ type, transport, transportType }: Readonly<Record<string, unknown>>): unknown {
  return type ?? transport ?? transportType
}

/** Without a type, a URL means Streamable HTTP, and HTTP+SSE, the older wire, where that is refused. */
function transportOf(server: Readonly<Record<string, unknown>>): string | null {
  const kind = kindOf(server)
  if (kind === undefined) return server['command'] === undefined ? 'streamable-http' : 'stdio'
  return typeof kind === 'string' ? (transportNames.get(kind) ?? null) : null
}

function definitionInput(
  name: string,
  transport: string,
  server: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const kept = Object.entries(server).filter(
    // A bare number is seconds for one client and milliseconds for another; the default is safer.
    ([key, value]) => !clientOnlyKeys.has(key) && !(key === 'timeout' && typeof value === 'number'),
  )
  const { url, serverUrl } = server
  const address = url ?? serverUrl
  return { ...Object.fromEntries(kept), ...(address === undefined ? {} : { url: address }), name, transport }
}

function fault(reason: string): ParsedServersMap {
  return { ok: false, problem: { field: '', reason } }
}
