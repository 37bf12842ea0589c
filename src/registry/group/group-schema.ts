/**
 * What a definition of transport `group` has that others have not: its fields in wire form, and their defaults.
 * The rules between the fields are in group-rules.ts.
 */
import { type Static, Type } from '@sinclair/typebox'
import type { GroupMember, GroupSettings } from '../definition.ts'
import { durationMs, wireDuration } from '../duration.ts'
import { duration, flag, oneOf, optional, serverName, textList, textMap } from '../field-schemas.ts'

/** Any name that a server may give a tool. */
const toolNamePattern = '^[^\\x00-\\x1f\\x7f]{1,256}$'
const toolName = Type.String({
  pattern: toolNamePattern,
  description: 'a name of 1 to 256 printable characters',
})
/** What stands in front of names, so that they stay names which every client takes. */
const prefix = Type.String({
  pattern: '^[a-zA-Z0-9_-]{0,32}$',
  description: 'at most 32 letters, digits, underscores or hyphens',
})
const newName = Type.String({
  pattern: '^[a-zA-Z0-9_-]{1,64}$',
  description: '1 to 64 letters, digits, underscores or hyphens',
})

const toolsMax = 1_024
const membersMax = 256
const defaultListWaitMs = 3_000

const memberWire = Type.Object(
  {
    server: optional('One server, by its name.', serverName),
    tag: optional(
      'All servers with this tag: a key of their tags, or key=value.',
      Type.String({ minLength: 1, maxLength: 1_153, description: 'a tag, as key or key=value' }),
    ),
    all: optional('All servers.', flag),
    prefix: optional(
      'Stands in place of the server’s name before its tools and prompts; empty for none.',
      prefix,
    ),
    allow: optional(
      'The only tools to show, by the server’s own names; * stands for any text.',
      textList(toolsMax, toolName),
    ),
    block: optional(
      'Tools not to show, by the server’s own names; * stands for any text.',
      textList(toolsMax, toolName),
    ),
    rename: optional(
      'New names of tools, by the server’s own names.',
      Type.Record(Type.String({ pattern: toolNamePattern }), newName, {
        additionalProperties: false,
        maxProperties: toolsMax,
        description: `a map of at most ${toolsMax} names`,
        keys: 'the name of a tool',
      }),
    ),
    describe: optional(
      'New descriptions of tools, by the server’s own names.',
      textMap(toolsMax, toolNamePattern, 'the name of a tool', 4_096),
    ),
  },
  { additionalProperties: false, description: 'an object with server, tag or all' },
)

/** The fields of a group. */
export const groupFields = {
  members: optional(
    'Group only: which servers it shows as one, and how.',
    Type.Array(memberWire, {
      minItems: 1,
      maxItems: membersMax,
      description: `a list of 1 to ${membersMax} members, such as { server: docs }`,
    }),
  ),
  naming: optional(
    'Group only: whether names stand behind that of their server (server__tool) or as they are.',
    oneOf(['prefix', 'plain']),
  ),
  exposure: optional(
    'Group only: whether all tools are listed, or found with a tool.',
    oneOf(['all', 'search']),
  ),
  always: optional(
    'Group only: with exposure search, tools that are listed all the same, by their shown names; * stands for any text.',
    textList(toolsMax, toolName),
  ),
  listWait: optional('Group only: how long a list waits for a member.', duration),
}

const groupWireSchema = Type.Object(groupFields)
/** The fields of a group in a definition that fits its schema. */
export type GroupWire = Static<typeof groupWireSchema>
/** One entry of `members`. */
export type GroupMemberWire = Static<typeof memberWire>

/** The settings of a group whose fields fit the schema and the rules, defaults applied. */
export function groupSettingsOf(wire: GroupWire): GroupSettings {
  return {
    members: (wire.members ?? []).map(memberOf),
    naming: wire.naming ?? 'prefix',
    exposure: wire.exposure ?? 'all',
    always: wire.always ?? [],
    listWaitMs: durationMs(wire.listWait) ?? defaultListWaitMs,
  }
}

/** The wire form again; `groupSettingsOf` reads it back as the same. */
export function groupToWire({ members, naming, exposure, always, listWaitMs }: GroupSettings): GroupWire {
  return {
    members: members.map(memberToWire),
    naming,
    exposure,
    always: [...always],
    listWait: wireDuration(listWaitMs),
  }
}

function memberOf(wire: GroupMemberWire): GroupMember {
  return {
    server: wire.server ?? null,
    tag: wire.tag ?? null,
    all: wire.all ?? false,
    prefix: wire.prefix ?? null,
    allow: wire.allow ?? null,
    block: wire.block ?? null,
    rename: wire.rename ?? {},
    describe: wire.describe ?? {},
  }
}

function memberToWire({
  server,
  tag,
  all,
  prefix,
  allow,
  block,
  rename,
  describe,
}: GroupMember): GroupMemberWire {
  return {
    ...(server === null ? {} : { server }),
    ...(tag === null ? {} : { tag }),
    ...(all ? { all } : {}),
    ...(prefix === null ? {} : { prefix }),
    ...(allow === null ? {} : { allow: [...allow] }),
    ...(block === null ? {} : { block: [...block] }),
    ...(Object.keys(rename).length === 0 ? {} : { rename: { ...rename } }),
    ...(Object.keys(describe).length === 0 ? {} : { describe: { ...describe } }),
  }
}
