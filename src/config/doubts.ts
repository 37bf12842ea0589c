/**
 * What reads well in a configuration and is most likely not meant: a token that somebody guesses, an admin's token in
 * the hands of clients, a name that nobody has. Warnings: a gateway starts with all of it. Pure.
 */
import type { Key } from '../registry/access/key-schema.ts'
import type { AccessRule } from '../registry/access/rule-schema.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { nearestName } from '../registry/nearest-name.ts'
import type { Config } from './schema.ts'
import { initialOf, type NamedSetting } from './shape.ts'

/** What to doubt, a sentence each, without what is known only when a gateway has its store (`unknownNames`). */
export function doubtsAbout(config: Config): string[] {
  const { auth, servers } = config
  return [
    ...guessable('auth.global_tokens', auth.globalTokens),
    ...guessable('auth.admin_tokens', auth.adminTokens),
    ...servers.flatMap(({ name, authTokens }) => guessable(`authTokens of ${name}`, authTokens)),
    ...servers.flatMap((server) => adminTokenDoubt(server, auth.adminTokens) ?? []),
    ...servers.flatMap(({ name, allowedIPs }) => everyAddress(`allowedIPs of ${name}`, allowedIPs)),
    ...rolesWithoutIssuer(auth.oauth),
  ]
}

/** What is said of a server whose own tokens open the admin API too; null for any other. */
export function adminTokenDoubt(
  { name, authTokens }: Pick<ServerDefinition, 'name' | 'authTokens'>,
  adminTokens: readonly string[],
): string | null {
  if (!authTokens.some((token) => adminTokens.includes(token))) return null
  return `a token stands in authTokens of ${name} and in auth.admin_tokens: every client that has it can administer the gateway`
}

/** What is said of an explicit list without entries, where that leaves a door open; null for anything else. */
export function emptyListDoubt({ key, setting }: NamedSetting, value: unknown): string | null {
  if (setting.guards !== true || !Array.isArray(value) || value.length > 0) return null
  const initial = initialOf(setting, { stateDirectory: '', terminal: false })
  if (!Array.isArray(initial) || initial.length > 0) return null
  // What none means stands in the table of settings; where it says nothing, none is no open door.
  const meaning = /None: (.*?)\.?$/.exec(setting.doc)?.[1]
  return meaning === undefined ? null : `mcp_proxy.${key} is an empty list: ${meaning}`
}

/** Tried first by whoever tries any. */
const guessed =
  /^(?:change[-_]?(?:me|it|this)?|(?:my|your|the)?[-_]?(?:secret|token|password|passwd|key|api[-_]?key|admin)(?:[-_]?token)?|pass|test(?:ing)?|(?:test|dev|demo|example|default|global|client)(?:[-_]?(?:token|key|secret))?|letmein|hunter2|qwerty|abc(?:123)?|foo|bar|todo|xxx+|1234\d*|0+)$/i

function guessable(place: string, tokens: readonly string[]): string[] {
  return tokens.flatMap((token, at) =>
    guessed.test(token)
      ? [
          `${place} entry ${at + 1} is a word that is tried first; make a token, such as with "openssl rand -hex 32"`,
        ]
      : [],
  )
}

function everyAddress(place: string, blocks: readonly string[]): string[] {
  const block = blocks.find((text) => text.endsWith('/0'))
  return block === undefined ? [] : [`${place} holds ${block}, which is every address: nobody is kept out`]
}

function rolesWithoutIssuer({ issuers, access, login }: Config['auth']['oauth']): string[] {
  const roles = (['viewer', 'operator', 'admin'] as const).filter((role) => login[role] !== null)
  return [
    ...(login.issuer === null && roles.length > 0
      ? [`auth.oauth.login.${roles[0]} has no effect without auth.oauth.login.issuer: nobody can sign in`]
      : []),
    ...(login.issuer === null && issuers.length === 0 && access.length > 0
      ? ['auth.oauth.access has no effect without auth.oauth.issuers: nobody comes with a token of theirs']
      : []),
  ]
}

/**
 * Names of servers and groups that `definitions` do not have, and of keys that are none of `keys`, a sentence each.
 * They may come later, so that none of it is a fault.
 */
export function unknownNames(
  { defaultGroup, auth }: Pick<Config, 'defaultGroup' | 'auth'>,
  definitions: readonly ServerDefinition[],
  keys: readonly Pick<Key, 'id' | 'name'>[] = auth.keys,
): string[] {
  const names = definitions.map(({ name }) => name)
  const groups = definitions.filter(({ group }) => group !== null).map(({ name }) => name)
  const unknown = (name: string): boolean => !names.includes(name)
  return [
    ...(typeof defaultGroup === 'string' && unknown(defaultGroup)
      ? [
          `default_group: no group is named ${defaultGroup}, and /mcp is 404 until one is${near(defaultGroup, groups)}`,
        ]
      : []),
    ...definitions.flatMap(({ name, group }) =>
      (group?.members ?? []).flatMap(({ server }) =>
        server !== null && unknown(server)
          ? [
              `${name}: no server is named ${server}, a member of this group, which goes without it${near(server, names)}`,
            ]
          : [],
      ),
    ),
    ...auth.oauth.access
      .flatMap(namedServers)
      .flatMap((server) =>
        unknown(server)
          ? [
              `auth.oauth.access: no server is named ${server}, and its rule opens nothing there${near(server, names)}`,
            ]
          : [],
      ),
    ...auth.keys.flatMap((key) => unknownServersOf(key, names)),
    ...definitions.flatMap((definition) => unknownKeys(definition, keys)),
  ]
}

/** Servers and groups that the rules of a key name and nobody has, a sentence each. */
export function unknownServersOf(
  { name: key, access }: Pick<Key, 'name' | 'access'>,
  names: readonly string[],
): string[] {
  const named = new Set(access.flatMap(namedServers).filter((name) => !names.includes(name)))
  return [...named].map(
    (server) =>
      `key ${key}: no server is named ${server}, and its rule opens nothing there${near(server, names)}`,
  )
}

function unknownKeys(
  { name, access }: ServerDefinition,
  keys: readonly Pick<Key, 'id' | 'name'>[],
): string[] {
  const named = new Set((access ?? []).flatMap(({ who }) => who?.keys ?? []))
  const known = new Set(keys.flatMap((key) => [key.id, key.name]))
  return [...named.difference(known)].map(
    (key) => `access of ${name}: no key has the name or id ${key}${near(key, [...known])}`,
  )
}

function namedServers({ servers }: AccessRule): readonly string[] {
  return (servers ?? []).filter((name) => !name.includes('*'))
}

function near(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names)
  return nearest === null ? '' : `; did you mean ${nearest}?`
}
