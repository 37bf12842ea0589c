/**
 * One rule of access, as it stands in settings, definitions and keys alike: who, and what of which servers. The
 * wire form and its defaults; what a rule decides is in src/access.
 */
import { type Static, Type } from '@sinclair/typebox'
import { flag, optional, textList } from '../field-schemas.ts'

const namesMax = 256
const namePattern = '^[^\\x00-\\x1f\\x7f]{1,512}$'
const name = Type.String({ pattern: namePattern, description: 'a text of 1 to 512 printable characters' })

/** Values that a token or a sign-in must have, by the name of the claim: of each name one of those that are listed. */
export const claimsSchema = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' }),
  textList(namesMax, name),
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 16,
    description: 'a map from claims to lists of values, such as { groups: [eng] }',
    keys: 'the name of a claim',
  },
)

/** Not empty: whoever takes the last name out of a list means nobody, and a rule without names means everybody. */
const people = Type.Unsafe<string[]>(
  Type.Array(name, {
    minItems: 1,
    maxItems: namesMax,
    description: `a list of 1 to ${namesMax} strings; for nobody, leave out the rule`,
  }),
)

const whoSchema = Type.Object(
  {
    keys: optional('Keys, by id or name.', people),
    users: optional(
      'People: the user of a key, a principal (oauth:…), or issuer and subject with a space between them.',
      people,
    ),
    claims: optional('What the token of a person must say.', claimsSchema),
  },
  { additionalProperties: false, minProperties: 1, description: 'an object with keys, users or claims' },
)

/** What a rule opens: the part that keys have, too. */
const openedFields = {
  servers: optional('Servers and groups; * stands for any text.', textList(namesMax, name)),
  tools: optional('Their tools; left out: all.', textList(1_024, name)),
  prompts: optional('Their prompts; left out: all.', textList(1_024, name)),
  resources: optional('Their resources, by URI; left out: all.', textList(1_024, name)),
  readOnly: optional('Whether only tools count that say readOnlyHint: true.', flag),
}

/** A rule that names servers, as in settings and keys. `who` left out: everybody who is signed in, or the key. */
export const ruleSchema = Type.Object(
  { who: optional('Whom it is about.', whoSchema), ...openedFields },
  { additionalProperties: false, description: 'a rule such as { who: { claims: … }, servers: […] }' },
)

export type RuleWire = Static<typeof ruleSchema>

/** A rule of one definition, which is about that server. */
export const definitionRuleSchema = Type.Omit(ruleSchema, ['servers'], {
  additionalProperties: false,
  description: 'a rule such as { who: { claims: … }, tools: […] }',
})

/** Whom a rule is about. Keys are one way in; users and claims are about people, and where both stand both must hold. */
export interface Who {
  readonly keys: readonly string[]
  readonly users: readonly string[]
  readonly claims: Readonly<Record<string, readonly string[]>>
}

/** A rule with its defaults: null is "all". */
export interface AccessRule {
  readonly who: Who | null
  readonly servers: readonly string[] | null
  readonly tools: readonly string[] | null
  readonly prompts: readonly string[] | null
  readonly resources: readonly string[] | null
  readonly readOnly: boolean
}

/** A rule that fits the schema, defaults applied. */
export function ruleOf(wire: RuleWire): AccessRule {
  const { who } = wire
  return {
    who:
      who === undefined ? null : { keys: who.keys ?? [], users: who.users ?? [], claims: who.claims ?? {} },
    servers: wire.servers ?? null,
    tools: wire.tools ?? null,
    prompts: wire.prompts ?? null,
    resources: wire.resources ?? null,
    readOnly: wire.readOnly ?? false,
  }
}

/** The wire form again; `ruleOf` reads it back as the same. */
export function ruleToWire({ who, servers, tools, prompts, resources, readOnly }: AccessRule): RuleWire {
  return {
    ...(who === null ? {} : { who: whoToWire(who) }),
    ...(servers === null ? {} : { servers: [...servers] }),
    ...(tools === null ? {} : { tools: [...tools] }),
    ...(prompts === null ? {} : { prompts: [...prompts] }),
    ...(resources === null ? {} : { resources: [...resources] }),
    ...(readOnly ? { readOnly } : {}),
  }
}

function whoToWire({ keys, users, claims }: Who): NonNullable<RuleWire['who']> {
  const named = Object.entries(claims).map(([name, values]): [string, string[]] => [name, [...values]])
  return {
    ...(keys.length === 0 ? {} : { keys: [...keys] }),
    ...(users.length === 0 ? {} : { users: [...users] }),
    ...(named.length === 0 ? {} : { claims: Object.fromEntries(named) }),
  }
}
