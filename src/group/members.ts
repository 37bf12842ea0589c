/** Which servers a group shows, and how each. Pure: from the definition of the group and those of all servers. */
import { namePatterns } from '../protocol/name-pattern.ts'
import type { GroupMember, GroupSettings, ServerDefinition } from '../registry/definition.ts'
import { GroupNames, type NamedMember } from './names.ts'

/** One server in a group. Names of tools are the server's own. */
export interface Member {
  readonly server: string
  /** What its names stand behind, without the `__`; `own` is its server's name, an empty text is nothing. */
  readonly prefix: NamedMember['prefix']
  readonly rename: Readonly<Record<string, string>>
  /** True where `allow` or `block` may hide a tool. */
  readonly filters: boolean
  /** Whether the group shows this tool of the member's. */
  allows(tool: string): boolean
  /** What the group says of a tool in place of the server; null where it leaves that to the server. */
  described(tool: string): string | null
}

/**
 * The members, in the order of the definition; those that a tag or `all` brings by name. A server that several
 * entries fit is decided by the most particular one (`server`, then `tag`, then `all`; of two tags the first) and
 * stands at its place. A server that is named and not registered is a member too; a group never is.
 */
export function resolveMembers(group: GroupSettings, servers: Iterable<ServerDefinition>): readonly Member[] {
  const definitions = [...servers].sort((a, b) => (a.name < b.name ? -1 : 1))
  const groups = new Set(definitions.filter((one) => one.group !== null).map(({ name }) => name))
  const candidates = definitions.filter((one) => one.group === null)
  const taken = new Set<string>()
  const found = group.members.map((): string[] => [])
  for (const kind of ['server', 'tag', 'all'] as const) {
    for (const [index, entry] of group.members.entries()) {
      if (kindOf(entry) !== kind) continue
      for (const name of serversOf(entry, candidates)) {
        if (taken.has(name) || groups.has(name)) continue
        taken.add(name)
        found[index]?.push(name)
      }
    }
  }
  return group.members.flatMap((entry, index) => {
    const allows = toolsOf(entry)
    return (found[index] ?? []).map((server) => memberOf(server, entry, group.naming, allows))
  })
}

/** Names of the members' tools. `reserved` are names of the group's own tools. */
export function toolNames(members: readonly Member[], reserved?: ReadonlySet<string>): GroupNames {
  return new GroupNames(members, reserved)
}

/** Names of the members' prompts: `rename` is about tools. */
export function promptNames(members: readonly Member[]): GroupNames {
  return new GroupNames(members.map(({ server, prefix }) => ({ server, prefix, rename: {} })))
}

function kindOf({ server, tag }: GroupMember): 'server' | 'tag' | 'all' {
  if (server !== null) return 'server'
  return tag === null ? 'all' : 'tag'
}

function serversOf(
  { server, tag }: GroupMember,
  definitions: readonly ServerDefinition[],
): readonly string[] {
  if (server !== null) return [server]
  return definitions.filter(({ tags }) => tag === null || hasTag(tags, tag)).map(({ name }) => name)
}

/** `team` is any server with that key, `team=docs` one with that key and value. */
function hasTag(tags: Readonly<Record<string, string>>, wanted: string): boolean {
  return Object.entries(tags).some(([key, value]) => key === wanted || `${key}=${value}` === wanted)
}

function toolsOf({ allow, block }: GroupMember): (tool: string) => boolean {
  const allowed = allow === null ? () => true : namePatterns(allow)
  const blocked = block === null ? () => false : namePatterns(block)
  return (tool) => allowed(tool) && !blocked(tool)
}

function memberOf(
  server: string,
  entry: GroupMember,
  naming: GroupSettings['naming'],
  allows: (tool: string) => boolean,
): Member {
  const { prefix, allow, block, rename, describe } = entry
  return {
    server,
    prefix: prefix ?? (naming === 'plain' ? '' : { own: true }),
    rename,
    filters: allow !== null || block !== null,
    allows,
    described: (tool) => (Object.hasOwn(describe, tool) ? (describe[tool] ?? null) : null),
  }
}
