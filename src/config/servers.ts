/**
 * MCP servers that stand in files: `mcps` in our own form, `mcpServers` in the form of desktop clients,
 * and files of the latter kind named by `--mcp-import`.
 */

import { dirname, resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { parseDefinition } from '../registry/definition-schema.ts'
import { nestedGroup } from '../registry/group/group-rules.ts'
import { guessesTransport, parseMcpServersMap } from '../registry/mcp-servers-map.ts'
import type { Problem } from '../registry/problems.ts'
import { type Environment, expand } from './expand.ts'
import { isMap, readTree } from './file.ts'
import { namedSettings } from './shape.ts'

export interface PlacedDefinition {
  readonly definition: ServerDefinition
  /** Where it stands: `compozy.yaml: mcps[0]`. */
  readonly place: string
}

export interface Definitions {
  readonly definitions: readonly PlacedDefinition[]
  readonly warnings: readonly string[]
}

export interface Source {
  readonly environment: Environment
  /** Absolute path of the file; a relative `cwd` of a server is taken from its directory. */
  readonly path: string
  readonly shown: string
  /** When the file was last changed, ISO 8601; servers in it have no other date. */
  readonly changedAt: string
}

/** The servers in a parsed file. Throws a ConfigError that names the field at fault. */
export function treeDefinitions(tree: Record<string, unknown>, source: Source): Definitions {
  return {
    definitions: [...ownForm(tree['mcps'], source), ...clientForm(tree['mcpServers'], 'mcpServers', source)],
    warnings: nearRoots(tree, source.shown),
  }
}

/** The servers of each file of `--mcp-import`; VS Code calls its map `servers`. */
export async function importedDefinitions(
  files: readonly string[],
  environment: Environment,
  directory: string,
): Promise<readonly PlacedDefinition[]> {
  const definitions: PlacedDefinition[] = []
  for (const shown of files) {
    if (shown === '') throw new ConfigError('--mcp-import needs the path of a file', 2)
    const path = resolve(directory, shown)
    const { tree, changedAt } = await readTree(path, shown, true)
    const key = ['mcpServers', 'servers'].find((name) => tree[name] !== undefined)
    if (key === undefined) throw new ConfigError(`${shown}: has no mcpServers map`)
    definitions.push(...clientForm(tree[key], key, { environment, path, shown, changedAt }))
  }
  return definitions
}

/** Throws a ConfigError when two definitions have one name, or a group would stand in a group. */
export function uniqueDefinitions(definitions: readonly PlacedDefinition[]): readonly PlacedDefinition[] {
  const places = new Map<string, string>()
  for (const { definition, place } of definitions) {
    const other = places.get(definition.name)
    if (other !== undefined) {
      throw new ConfigError(`${place}: the name "${definition.name}" is already taken by ${other}`)
    }
    places.set(definition.name, place)
  }
  const all = definitions.map(({ definition }) => definition)
  for (const { definition, place } of definitions) {
    const nested = nestedGroup(definition, all)
    if (nested !== null) throw new ConfigError(faultAt(place, [nested]))
  }
  return definitions
}

/** Why `default_group` cannot be this one; null where it can, also where nobody has that name yet. */
export function defaultGroupFault(
  name: string | false | null,
  definitions: readonly PlacedDefinition[],
): string | null {
  const named = definitions.find(({ definition }) => definition.name === name)
  if (named === undefined || named.definition.group !== null) return null
  return `default_group must name a group, and ${named.definition.name} is a server (${named.place})`
}

function ownForm(list: unknown, source: Source): PlacedDefinition[] {
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new ConfigError(`${source.shown}: mcps must be a list of servers`)
  return list.map((entry, index) => parse(entry, `${source.shown}: mcps[${index}]`, source))
}

function clientForm(map: unknown, key: string, source: Source): PlacedDefinition[] {
  if (map === undefined || map === null) return []
  const place = `${source.shown}: ${key}`
  const parsed = parseMcpServersMap(map)
  if (!parsed.ok) throw new ConfigError(faultAt(place, parsed.problems))
  return parsed.definitions.map((input) => {
    const { definition, place: at } = parse(input, `${place}.${input['name']}`, source)
    return guessesTransport(isMap(map) ? map[definition.name] : null)
      ? { definition: { ...definition, transportGuessed: true }, place: at }
      : { definition, place: at }
  })
}

function parse(input: unknown, place: string, source: Source): PlacedDefinition {
  const expanded = expand(input, source.environment, place)
  const based = isMap(expanded) ? withDirectory(expanded, source.path) : expanded
  const parsed = parseDefinition(based, { allowCwd: true, now: source.changedAt })
  if (parsed.ok) return { definition: parsed.definition, place }
  throw new ConfigError(faultAt(place, parsed.problems))
}

/** The first problem is enough for one line: whoever mends it will see the next. */
function faultAt(place: string, [problem]: readonly Problem[]): string {
  if (problem === undefined) return `${place} cannot be read`
  return `${place}${problem.field === '' ? '' : `.${problem.field}`} ${problem.reason.replace(/^: /, '')}`
}

function withDirectory(definition: Record<string, unknown>, file: string): Record<string, unknown> {
  const { cwd } = definition
  return typeof cwd === 'string' && cwd !== ''
    ? { ...definition, cwd: resolve(dirname(file), cwd) }
    : definition
}

/** Other products share this file, so an unknown key at the top is no error; a near miss is suspicious. */
function nearRoots(tree: Record<string, unknown>, shown: string): string[] {
  const roots = ['mcp_proxy', 'mcps', 'mcpServers']
  // A file without any of ours may be another product's, or one of ours that lacks its first line.
  if (!roots.some((root) => root in tree)) {
    const astray = Object.keys(tree).find((key) => namedSettings.some((named) => named.key === key))
    if (astray !== undefined) return [`${shown}: ${astray} is passed over; did you mean mcp_proxy.${astray}?`]
  }
  const fold = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '')
  return Object.keys(tree).flatMap((key) => {
    const meant = roots.find((root) => root !== key && fold(root) === fold(key))
    return meant === undefined ? [] : [`${shown}: ${key} is passed over; did you mean ${meant}?`]
  })
}
