/**
 * Which doors a configuration opens to everybody that were not open before: the last token of a list, the last address,
 * the last rule. Pure.
 *
 * Of a file that is half written and reads well all of these are missing, so that a change which nobody asked to have
 * taken must not open them (reload.ts).
 */
import type { Config } from '../config/schema.ts'
import { initialOf, namedSettings, valueAt } from '../config/shape.ts'
import type { AccessRule } from '../registry/access/rule-schema.ts'
import type { ServerDefinition } from '../registry/definition.ts'

/** What stood at each door, as a person finds it in the file: `auth.global_tokens`, `authTokens of docs`. */
export function openedDoors(before: Config, after: Config): string[] {
  const known = new Map(before.servers.map((server) => [server.name, server]))
  return [
    ...openedSettings(before, after),
    ...openedByKeys(before, after),
    ...widened('auth.oauth.access', before.auth.oauth.access, after.auth.oauth.access),
    ...after.servers.flatMap((server) => {
      const earlier = known.get(server.name)
      return earlier === undefined || earlier === server ? [] : openedFields(earlier, server)
    }),
  ]
}

const keysKey = 'auth.keys'

/** Settings that guard something and go back to their default, which does not. */
function openedSettings(before: Config, after: Config): string[] {
  return namedSettings.flatMap(({ key, path, setting }) => {
    if (setting.guards !== true || key === keysKey) return []
    // No default of a door depends on the machine.
    const initial = initialOf(setting, { stateDirectory: '', terminal: false })
    const opened =
      !Bun.deepEquals(valueAt(before, path), initial) && Bun.deepEquals(valueAt(after, path), initial)
    return opened && !isGuardedOtherwise(key, after) ? [key] : []
  })
}

const clientDoors: readonly string[] = ['auth.global_tokens', 'auth.oauth.issuers']

/** Tokens, keys and signing in open one door, and any of them guards it. */
function isGuardedOtherwise(key: string, { auth }: Config): boolean {
  return clientDoors.includes(key)
    ? clientsAreAsked(auth)
    : key === 'auth.admin_tokens' && adminsAreAsked(auth)
}

/** Keys of which none is left for a door: the list need not be empty. And what narrows one that stays. */
function openedByKeys({ auth: before }: Config, { auth: after }: Config): string[] {
  const lost = (role: boolean): boolean => before.keys.some((key) => (key.role !== null) === role)
  const opened = (lost(false) && !clientsAreAsked(after)) || (lost(true) && !adminsAreAsked(after))
  const known = new Map(before.keys.map((key) => [key.id, key]))
  return [
    ...(opened ? [keysKey] : []),
    ...after.keys.flatMap((key) => {
      const earlier = known.get(key.id)
      if (earlier === undefined || Bun.deepEquals(earlier, key)) return []
      const endless = earlier.expiresAtMs !== null && key.expiresAtMs === null
      return [
        ...widened(`access of key ${key.name}`, earlier.access, key.access),
        ...(endless ? [`expires of key ${key.name}`] : []),
      ]
    }),
  ]
}

/** What narrows a rule: cut off, the rule is one for everything, or for everybody. */
const narrowings: readonly ((rule: AccessRule) => boolean)[] = [
  ({ who }) => who !== null,
  ({ servers }) => servers !== null,
  ({ tools, readOnly }) => tools !== null || readOnly,
  ({ readOnly }) => readOnly,
  ({ prompts }) => prompts !== null,
  ({ resources }) => resources !== null,
]

/** The place of these rules, where each was narrowed by something that one of them lacks now. */
function widened(
  place: string,
  before: readonly AccessRule[] | null,
  after: readonly AccessRule[] | null,
): string[] {
  if (before === null || before.length === 0 || after === null) return []
  const wider = narrowings.some((narrows) => before.every(narrows) && !after.every(narrows))
  return wider ? [place] : []
}

function clientsAreAsked({ globalTokens, oauth, keys }: Config['auth']): boolean {
  return globalTokens.length > 0 || oauth.issuers.length > 0 || keys.some(({ role }) => role === null)
}

function adminsAreAsked({ adminTokens, oauth, keys }: Config['auth']): boolean {
  const { issuer, viewer, operator, admin } = oauth.login
  const roles = issuer !== null && [viewer, operator, admin].some((role) => role !== null)
  return adminTokens.length > 0 || roles || keys.some(({ role }) => role !== null)
}

/** The fields of a definition whose absence keeps nobody out. */
const doorFields: readonly {
  readonly field: keyof ServerDefinition
  readonly guards: (server: ServerDefinition) => boolean
}[] = [
  { field: 'authTokens', guards: ({ authTokens }) => authTokens.length > 0 },
  { field: 'authTokensOnly', guards: ({ authTokensOnly }) => authTokensOnly },
  { field: 'allowedIPs', guards: ({ allowedIPs }) => allowedIPs.length > 0 },
  { field: 'requireAuth', guards: ({ requireAuth }) => requireAuth },
  { field: 'toolFilter', guards: ({ toolFilter }) => toolFilter !== null },
  { field: 'pin', guards: ({ pin }) => pin === true },
  { field: 'access', guards: ({ access }) => access !== null },
]

function openedFields(before: ServerDefinition, after: ServerDefinition): string[] {
  return [
    ...doorFields
      .filter(({ guards }) => guards(before) && !guards(after))
      .map(({ field }) => `${field} of ${after.name}`),
    ...widened(`access of ${after.name}`, before.access, after.access),
  ]
}
