/** The rules of a group that its schema cannot say. Pure; called with input that already fits the schema. */
import type { ServerDefinition } from '../definition.ts'
import type { AddProblem, Problem } from '../problems.ts'
import type { GroupMemberWire, GroupWire } from './group-schema.ts'

/** What belongs to one process or connection; the members of a group have their own. */
const serverFields = [
  'command',
  'args',
  'env',
  'cwd',
  'url',
  'headers',
  'tls',
  'timeout',
  'autoReconnect',
  'maxReconnects',
  'reconnectDelay',
  'healthCheckEnabled',
  'healthCheckInterval',
  'logEnabled',
  'isolation',
  'startTimeout',
  'forwardHeaders',
  'pin',
] as const

const groupOnlyFields = ['members', 'naming', 'exposure', 'always', 'listWait'] as const

/** What the rules look at in a definition. */
type RuledWire = GroupWire & { readonly name: string; readonly transport: string } & {
  readonly [Field in (typeof serverFields)[number]]?: unknown
}

/** What is wrong with a definition whose transport is `group`. */
export function groupProblems(wire: RuledWire, add: AddProblem): void {
  for (const field of serverFields) {
    if (isGiven(wire[field])) add(field, 'does not go with transport group; its members have their own')
  }
  if (wire.members === undefined) {
    add(
      'members',
      'is required for transport group: a list such as [{ server: docs }, { tag: team=docs }] or [{ all: true }]',
    )
  }
  const seen = new Set<string>()
  for (const [index, member] of (wire.members ?? []).entries()) {
    const field = `members[${index}]`
    add(field, choiceReason(member, seen))
    if (member.server === wire.name) add(`${field}.server`, 'is this group itself')
    renameProblems(member, field, add)
  }
}

/** What is wrong with a definition of another transport that has fields of a group. */
export function notGroupProblems(wire: RuledWire, add: AddProblem): void {
  for (const field of groupOnlyFields) {
    if (isGiven(wire[field])) add(field, `goes with transport group only, not with ${wire.transport}`)
  }
}

/**
 * Why this definition would put a group in a group, beside these others; null when it would not. The other way
 * round counts too: a group may name a server before it is registered, and that name must not become a group.
 */
export function nestedGroup(
  definition: ServerDefinition,
  others: Iterable<ServerDefinition>,
): Problem | null {
  if (definition.group === null) return null
  const named = new Map(definition.group.members.map(({ server }, index) => [server, index]))
  for (const other of others) {
    if (other.group === null || other.name === definition.name) continue
    const index = named.get(other.name)
    if (index !== undefined)
      return {
        field: `members[${index}].server`,
        reason: `is the group ${other.name}; a group in a group is not possible, name its servers`,
      }
    if (other.group.members.some(({ server }) => server === definition.name))
      return {
        field: 'name',
        reason: `is a member of the group ${other.name}, and a group in a group is not possible; choose another name`,
      }
  }
  return null
}

/** Go clients send an empty text, list or map, or 0, for a field that was never set. */
function isGiven(value: unknown): boolean {
  if (value === undefined || value === '' || value === 0) return false
  return typeof value !== 'object' || value === null || Object.keys(value).length > 0
}

function choiceReason(member: GroupMemberWire, seen: Set<string>): string | null {
  const given = [
    ...(member.server === undefined ? [] : [`server ${member.server}`]),
    ...(member.tag === undefined ? [] : [`tag ${member.tag}`]),
    ...(member.all === true ? ['all'] : []),
  ]
  const [only, ...others] = given
  if (only === undefined || others.length > 0) return 'must have exactly one of server, tag and all: true'
  if (seen.has(only)) return 'stands twice; put everything about it into one entry'
  seen.add(only)
  return null
}

function renameProblems({ rename = {} }: GroupMemberWire, field: string, add: AddProblem): void {
  const owners = new Map<string, string>()
  for (const [own, shown] of Object.entries(rename)) {
    const other = owners.get(shown)
    if (other !== undefined)
      add(`${field}.rename.${own}`, `gives the name that ${other} is given; two tools cannot have one`)
    owners.set(shown, own)
  }
}
