/**
 * MCP servers that stand in files: `mcps` in our own form, `mcpServers` in the form of desktop clients,
 * and files of the latter kind named by `--mcp-import`.
 *
 * A bad entry of the gateway's own file stops the start, in either form. One of an import, which somebody keeps for
 * another program, is left out and named.
 */

import { dirname, resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { parseDefinition } from '../registry/definition-schema.ts'
import { nestedGroup } from '../registry/group/group-rules.ts'
import { guessesTransport, parseMcpServersMap } from '../registry/mcp-servers-map.ts'
import type { Problem } from '../registry/problems.ts'
import { type Environment, expand, type Gap, gapLine } from './expand.ts'
import { type Faults, faultsMax } from './faults.ts'
import { isMap, readTree } from './file/file.ts'
import { migrationPage, tbxarkRoot } from './file/top-level.ts'
import { strayReferences, withAbsolutePaths, withoutEscapes } from './secrets/server-secrets.ts'

/** A server as it was found. */
export interface FoundServer {
  /** Empty where it has none that can be read. */
  readonly name: string
  /** Where it stands: `compozy.yaml: mcps[0]`. */
  readonly place: string
  /** Null where it cannot be read. */
  readonly definition: ServerDefinition | null
  /** What of it waits for variables that are not set. */
  readonly gaps: readonly Gap[]
  /** What else is wrong with it, a line each. */
  readonly faults: readonly string[]
  /** What is most likely not meant, a line each. */
  readonly doubts: readonly string[]
  readonly imported: boolean
}

export interface Source {
  readonly environment: Environment
  /** Absolute path of the file; a relative `cwd` of a server is taken from its directory. */
  readonly path: string
  readonly shown: string
  /** When the file was last changed, ISO 8601; servers in it have no other date. */
  readonly changedAt: string
  readonly imported: boolean
}

/** The servers in a parsed file. */
export function fileServers(
  tree: { readonly mcps?: unknown; readonly mcpServers?: unknown },
  source: Source,
  faults: Faults,
): FoundServer[] {
  const { mcps, mcpServers } = tree
  return [...ownForm(mcps, source, faults), ...clientForm(mcpServers, 'mcpServers', source, faults)]
}

/** The servers of each file of `--mcp-import`; VS Code calls its map `servers`. */
export async function importedServers(
  files: readonly string[],
  environment: Environment,
  directory: string,
  faults: Faults,
): Promise<FoundServer[]> {
  const found: FoundServer[] = []
  for (const shown of files) {
    await faults.attempt(async () => {
      if (shown === '') throw new ConfigError('--mcp-import needs the path of a file', 2)
      const path = resolve(directory, shown)
      const { tree, changedAt } = await readTree(path, shown, true)
      if (tree[tbxarkRoot] !== undefined) {
        throw new ConfigError(
          `${shown}: is a file of TBXark's proxy, and ${tbxarkRoot} holds its tokens; name it with --config (${migrationPage})`,
        )
      }
      const key = ['mcpServers', 'servers'].find((name) => tree[name] !== undefined)
      if (key === undefined) throw new ConfigError(`${shown}: has no mcpServers map`)
      const source: Source = { environment, path, shown, changedAt, imported: true }
      found.push(...clientForm(tree[key], key, source, faults))
    })
  }
  return found
}

/** The same servers; those whose name is taken, or that are a group in a group, with that fault. */
export function withoutClashes(servers: readonly FoundServer[]): FoundServer[] {
  const places = new Map<string, string>()
  const definitions = servers.flatMap(({ definition }) => definition ?? [])
  return servers.map((server) => {
    const { definition, place, faults } = server
    if (definition === null) return server
    const other = places.get(definition.name)
    if (other !== undefined) {
      const taken = `${place}: the name "${definition.name}" is already taken by ${other}`
      return { ...server, definition: null, faults: [...faults, taken] }
    }
    places.set(definition.name, place)
    const nested = nestedGroup(definition, definitions)
    return nested === null
      ? server
      : { ...server, definition: null, faults: [...faults, faultAt(place, nested)] }
  })
}

/** Why `default_group` cannot be this one; null where it can, also where nobody has that name yet. */
export function defaultGroupFault(
  name: string | false | null,
  servers: readonly FoundServer[],
): string | null {
  const named = servers.find(({ definition }) => definition?.name === name)
  if (named === undefined || named.definition === null || named.definition.group !== null) return null
  return `default_group must name a group, and ${named.name} is a server (${named.place})`
}

/**
 * Puts the faults of each server where they belong: those of an import are warnings, and it is left out. Variables that
 * are not set are no faults yet.
 */
export function reportServers(servers: readonly FoundServer[], faults: Faults, warnings: string[]): void {
  for (const server of servers) {
    warnings.push(...server.doubts)
    if (server.imported) {
      const lines = [...server.faults, ...server.gaps.map(gapLine)]
      if (lines.length > 0) warnings.push(`${lines.join('; ')}; the server is left out`)
    } else for (const line of server.faults) faults.add(line)
  }
}

function ownForm(list: unknown, source: Source, faults: Faults): FoundServer[] {
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) {
    faults.add(`${source.shown}: mcps must be a list of servers`)
    return []
  }
  const servers: FoundServer[] = []
  let unreadable = 0
  for (const [index, entry] of list.entries()) {
    const server = found(entry, `${source.shown}: mcps[${index}]`, source)
    servers.push(server)
    if (server.definition === null) unreadable += 1
    if (unreadable > faultsMax) {
      faults.stopCounting()
      break
    }
  }
  return servers
}

function clientForm(map: unknown, key: string, source: Source, faults: Faults): FoundServer[] {
  if (map === undefined || map === null) return []
  const place = `${source.shown}: ${key}`
  const parsed = parseMcpServersMap(map)
  if (!parsed.ok) {
    faults.add(faultAt(place, parsed.problem))
    return []
  }
  return parsed.entries.map((entry) => {
    const at = `${place}.${entry.name.slice(0, 80)}`
    if ('problem' in entry) return unreadable(entry.name, at, [faultAt(at, entry.problem)], source)
    const server = found(entry.input, at, source)
    return server.definition !== null && isMap(map) && guessesTransport(map[entry.name])
      ? { ...server, definition: { ...server.definition, transportGuessed: true } }
      : server
  })
}

function unreadable(name: string, place: string, faults: readonly string[], source: Source): FoundServer {
  return { name, place, definition: null, gaps: [], faults, doubts: [], imported: source.imported }
}

function found(input: unknown, place: string, source: Source): FoundServer {
  const gaps: Gap[] = []
  const expanded = expand(input, source.environment, place, gaps)
  const stray = strayReferences(expanded).map(
    (field) =>
      `${place}.${field} cannot hold a reference to a secret; env, headers, args, url and authTokens can`,
  )
  const referring = withoutEscapes(withAbsolutePaths(expanded, source.path))
  const based = isMap(referring) ? withDirectory(referring, source.path) : referring
  const parsed = parseDefinition(based, { allowCwd: true, written: true, now: source.changedAt })
  const name = isMap(input) && typeof input['name'] === 'string' ? input['name'] : ''
  const doors = isMap(input) ? doorFields.filter((field) => Object.hasOwn(input, field)) : []
  const given = (field: string): unknown => (isMap(input) ? input[field] : undefined)
  const empty = doors.filter((field) => given(field) === null)
  const faultless = { name, place, gaps, imported: source.imported }
  if (parsed.ok && empty.length === 0 && stray.length === 0) {
    const definition = gaps.length === 0 ? parsed.definition : null
    const doubts = doors.flatMap((field) => emptyDoor(`${place}.${field}`, given(field)))
    return { ...faultless, definition, faults: [], doubts }
  }
  // What is wrong with a text whose references stand in it says nothing about the text that it will be.
  const problems = (parsed.ok ? [] : parsed.problems).filter(
    ({ field }) => !gaps.some((gap) => gap.place === place || gap.place.startsWith(`${place}.${field}`)),
  )
  const faults = [
    ...stray,
    ...empty.map((field) => `${place}.${field} has no value; give it one, or leave the key out`),
    ...problems.map((problem) => faultAt(place, problem)),
  ]
  return { ...faultless, definition: null, faults, doubts: [] }
}

/** What keeps somebody out. A key without a value is a slip there, as it is among the settings. */
const doorFields = [
  'authTokens',
  'allowedIPs',
  'requireAuth',
  'authTokensOnly',
  'toolFilter',
  'pin',
  'access',
] as const

function emptyDoor(place: string, value: unknown): string[] {
  // Without rules nobody comes in whom rules let in.
  if (place.endsWith('.access')) return []
  return Array.isArray(value) && value.length === 0 ? [`${place} is an empty list: it keeps nobody out`] : []
}

function faultAt(place: string, { field, reason }: Problem): string {
  return `${place}${field === '' ? '' : `.${field}`} ${reason.replace(/^: /, '')}`
}

function withDirectory(definition: Record<string, unknown>, file: string): Record<string, unknown> {
  const { cwd } = definition
  return typeof cwd === 'string' && cwd !== ''
    ? { ...definition, cwd: resolve(dirname(file), cwd) }
    : definition
}
