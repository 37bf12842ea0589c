/** A key as a file has it and as the admin API takes it: the wire forms, their bounds, and the key in memory. */
import { type Static, Type } from '@sinclair/typebox'
import { optional } from '../field-schemas.ts'
import { type AccessRule, ruleOf, ruleSchema, ruleToWire } from './rule-schema.ts'

/** Keys of a file, and as many of the API. */
export const keysMax = 10_000
/** Rules of one key. */
const keyRulesMax = 512

/** What a key of the admin API may do, each more than the one before. */
export const keyRoles = ['viewer', 'operator', 'admin'] as const
export type KeyRole = (typeof keyRoles)[number]

/** The id of a key, which stands in its text. */
export const keyIdSchema = Type.String({
  pattern: '^[a-z0-9]{8}$',
  description: 'eight lower case letters and digits',
})

const keyName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$',
  description: '1 to 64 letters, digits, dots, hyphens, underscores, @ and +, the first a letter or digit',
})

const user = Type.String({
  pattern: '^[^\\x00-\\x1f\\x7f]{1,512}$',
  description: 'a text of 1 to 512 printable characters',
})

const instant = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2}))?$',
  description:
    'a date such as 2027-03-01 (from its first moment in UTC on) or a time such as 2027-03-01T12:00:00Z',
})

const rate = Type.Object(
  {
    perSecond: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'a whole number from 1' }),
    burst: optional(
      'As many at once; left out: as many as in a second.',
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'a whole number from 1' }),
    ),
  },
  { additionalProperties: false, description: 'an object such as { perSecond: 10, burst: 20 }' },
)

const inFlight = Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'a whole number from 1' })

/** A rule of a key, which is about that key. */
export const keyRuleSchema = Type.Omit(ruleSchema, ['who'], {
  additionalProperties: false,
  description: 'a rule such as { servers: [docs], tools: ["search_*"] }',
})

const access = Type.Array(keyRuleSchema, {
  maxItems: keyRulesMax,
  description: `a list of at most ${keyRulesMax} rules`,
})

const role = Type.Unsafe<KeyRole>({
  ...Type.Union(keyRoles.map((word) => Type.Literal(word))),
  description: `one of ${keyRoles.join(', ')}`,
})

/** What the file and the API have in common. */
const grantedFields = {
  user: optional('On whose behalf it is used; rules name it under who.users.', user),
  access: optional('What it opens. Nothing named is nothing allowed.', access),
  rate: optional('Requests that may be sent with it.', rate),
  inFlight: optional('Calls that may be in flight with it.', inFlight),
  role: optional('Makes it a key of the admin API, which opens no MCP server.', role),
}

/** An entry of `auth.keys`. */
export const fileKeySchema = Type.Object(
  {
    id: keyIdSchema,
    name: keyName,
    hash: Type.String({
      pattern: '^sha256:[0-9a-f]{64}$',
      description: 'sha256: and 64 hexadecimal digits, as "compozy keys create --for-file" prints them',
    }),
    expires: optional('When it ends; left out: never.', instant),
    ...grantedFields,
  },
  { additionalProperties: false, description: 'a map with id, name, hash and access' },
)

/** The body of `POST /admin/keys`. */
export const newKeySchema = Type.Object(
  {
    name: keyName,
    expires: optional(
      'When it ends; left out: after 90 days; null: never.',
      Type.Union([instant, Type.Null()], { description: `${instant.description}, or null` }),
    ),
    ...grantedFields,
  },
  { $id: 'NewKey', additionalProperties: false, description: 'an object with a name' },
)

/** The body of `PATCH /admin/keys/{id}`: what is left out stays, null takes away. */
export const keyChangeSchema = Type.Object(
  {
    name: optional('', keyName),
    expires: optional(
      '',
      Type.Union([instant, Type.Null()], { description: `${instant.description}, or null` }),
    ),
    user: optional('', Type.Union([user, Type.Null()], { description: `${user.description}, or null` })),
    access: optional('', access),
    rate: optional('', Type.Union([rate, Type.Null()], { description: `${rate.description}, or null` })),
    inFlight: optional(
      '',
      Type.Union([inFlight, Type.Null()], { description: `${inFlight.description}, or null` }),
    ),
    role: optional('', role),
  },
  {
    $id: 'KeyChange',
    additionalProperties: false,
    minProperties: 1,
    description: 'an object with what is to change',
  },
)

const keyText = /^cpz_[a-z0-9]{8}_[0-9A-Za-z]{38}$/
const keyHash = /^sha256:[0-9a-f]{64}$/i

/**
 * Why a text is no token, where it is a key or the hash of one: as a token it would open everything, also once the key
 * is revoked. Null for any other.
 */
export function keyAsTokenReason(token: string): string | null {
  const what = keyText.test(token) ? 'is a key' : keyHash.test(token) ? 'is the hash of a key' : null
  return (
    what &&
    `${what}: keys stand in auth.keys and open what their rules name; make a token, such as with "openssl rand -hex 32"`
  )
}

export type NewKeyWire = Static<typeof newKeySchema>
export type KeyChangeWire = Static<typeof keyChangeSchema>

/** A key with its defaults, without its secret. */
export interface Key {
  readonly id: string
  readonly name: string
  readonly user: string | null
  /** Null: it opens MCP endpoints. */
  readonly role: KeyRole | null
  readonly access: readonly AccessRule[]
  readonly rate: { readonly perSecond: number; readonly burst: number } | null
  readonly inFlight: number | null
  /** Wall clock; null for never. */
  readonly expiresAtMs: number | null
}

/** A key of a file: the digest of its text is all that is known of that. */
export interface FileKey extends Key {
  /** `sha256:` and hexadecimal digits. */
  readonly hash: string
}

/** The wall clock of an instant of the wire; null where the text is a day that no calendar has. */
export function instantMs(text: string): number | null {
  const ms = Date.parse(text)
  // 2027-02-31 would be read as the third of March.
  const day = Date.parse(`${text.slice(0, 10)}T00:00:00Z`)
  const same = !Number.isNaN(day) && new Date(day).toISOString().startsWith(text.slice(0, 10))
  return Number.isNaN(ms) || !same ? null : ms
}

/** The key that fits this wire form, defaults applied. */
export function keyOf(
  id: string,
  wire: Pick<NewKeyWire, 'name' | 'user' | 'access' | 'rate' | 'inFlight' | 'role'>,
  expiresAtMs: number | null,
): Key {
  const { name, access = [], inFlight = null } = wire
  return {
    id,
    name,
    user: wire.user ?? null,
    role: wire.role ?? null,
    access: access.map(ruleOf),
    rate: wire.rate === undefined ? null : { ...wire.rate, burst: wire.rate.burst ?? wire.rate.perSecond },
    inFlight,
    expiresAtMs,
  }
}

/** The wire form of what `keyOf` reads. */
export function keyToWire({ name, user, role, access, rate, inFlight }: Key): Omit<NewKeyWire, 'expires'> {
  return {
    name,
    ...(user === null ? {} : { user }),
    ...(role === null ? { access: access.map(ruleToWire) } : { role }),
    ...(rate === null ? {} : { rate }),
    ...(inFlight === null ? {} : { inFlight }),
  }
}

/** What is wrong with a key that fits its schema, as the end of a sentence about the field; null for nothing. */
export function keyFault({
  role,
  access,
  inFlight,
}: Pick<Key, 'role' | 'access' | 'inFlight'>): { readonly field: string; readonly reason: string } | null {
  if (role !== null && access.length > 0)
    return {
      field: 'access',
      reason: 'has no meaning beside role: a key of the admin API opens no server; make two keys',
    }
  if (role !== null && inFlight !== null)
    return { field: 'inFlight', reason: 'has no meaning beside role: a key of the admin API makes no calls' }
  const bare = access.findIndex(({ servers }) => servers === null)
  if (bare >= 0) return { field: `access[${bare}].servers`, reason: 'is required; ["*"] names all' }
  return null
}
