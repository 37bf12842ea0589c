/** A definition in its wire form (CONTRACT.md, "Admin API"): masked for people, whole for the store. */
import { ruleToWire } from './access/rule-schema.ts'
import type { GroupSettings, ServerDefinition } from './definition.ts'
import type { DefinitionWire } from './definition-schema.ts'
import { wireDuration } from './duration.ts'
import { groupToWire } from './group/group-schema.ts'
import { maskArgs, maskText, maskUrl, maskValue, secretMask, splitUrl } from './mask.ts'
import { maskedOAuth, oauthToWire } from './oauth/oauth-schema.ts'
import { oauthSecretsOf } from './oauth/oauth-settings.ts'
import { isSecretName, isWorthHiding } from './secret-looking.ts'
import { asWritten, maskedAround, placesOf, valuesIn } from './secrets/references.ts'
import { tlsToWire } from './secrets/tls-files.ts'

/**
 * The wire form with every secret in it that was written into it, and the references to others; for the store only.
 * `parseDefinition` reads it back.
 */
export function definitionToStored(resolved: ServerDefinition): DefinitionWire {
  const definition = asWritten(resolved)
  return definition.group === null ? serverToStored(definition) : groupToStored(definition, definition.group)
}

/** The fields that a group and a server share, and nothing that a group has no use for. */
function groupToStored(definition: ServerDefinition, group: GroupSettings): DefinitionWire {
  const { name, description, transport, tags, createdAt, updatedAt } = definition
  return {
    name,
    description,
    transport,
    ...groupToWire(group),
    ...storedFilter(definition),
    tags: { ...tags },
    ...storedOwning(definition),
    ...storedDoor(definition),
    createdAt,
    updatedAt,
  }
}

function storedFilter({ toolFilter }: ServerDefinition): Pick<DefinitionWire, 'toolFilter'> {
  return toolFilter === null ? {} : { toolFilter: { mode: toolFilter.mode, list: [...toolFilter.list] } }
}

/** What several replicas or workers make of it; the usual is left out, as below. */
function storedOwning({ affinity, onOwnerLoss }: ServerDefinition) {
  return {
    ...(affinity === 'auto' ? {} : { affinity }),
    ...(onOwnerLoss === 'restart' ? {} : { onOwnerLoss }),
  }
}

/** Who may come in. What says nothing is left out, so that an earlier version can read what is stored. */
function storedDoor({ authTokens, authTokensOnly, allowedIPs, requireAuth, access }: ServerDefinition) {
  return {
    authTokens: [...authTokens],
    ...(authTokensOnly ? { authTokensOnly } : {}),
    ...(allowedIPs.length === 0 ? {} : { allowedIPs: [...allowedIPs] }),
    ...(requireAuth ? { requireAuth } : {}),
    ...(access === null ? {} : { access: access.map(ruleToWire) }),
  }
}

function serverToStored(definition: ServerDefinition): DefinitionWire {
  const { timeoutMs, cwd } = definition
  return {
    name: definition.name,
    description: definition.description,
    transport: definition.transport,
    ...(definition.transport === 'stdio' || definition.command !== '' ? { command: definition.command } : {}),
    args: [...definition.args],
    env: { ...definition.env },
    ...(cwd === null ? {} : { cwd }),
    ...(definition.url === '' ? {} : { url: definition.url }),
    headers: { ...definition.headers },
    ...(definition.tls === undefined ? {} : { tls: tlsToWire(definition.tls) }),
    ...(definition.oauth === undefined ? {} : { oauth: oauthToWire(definition.oauth) }),
    ...(timeoutMs === null ? {} : { timeout: wireDuration(timeoutMs) }),
    autoReconnect: definition.autoReconnect,
    maxReconnects: definition.maxReconnects,
    reconnectDelay: wireDuration(definition.reconnectDelayMs),
    healthCheckEnabled: definition.healthCheckEnabled,
    healthCheckInterval: wireDuration(definition.healthCheckIntervalMs),
    logEnabled: definition.logEnabled,
    ...storedFilter(definition),
    ...(definition.pin === null ? {} : { pin: definition.pin }),
    tags: { ...definition.tags },
    isolation: definition.isolation,
    ...storedOwning(definition),
    startTimeout: wireDuration(definition.startTimeoutMs),
    forwardHeaders: [...definition.forwardHeaders],
    ...storedDoor(definition),
    createdAt: definition.createdAt,
    updatedAt: definition.updatedAt,
  }
}

/** The wire form that may leave the gateway: secrets are `"***"`, references such as `${NAME}` readable. */
export function definitionToWire(definition: ServerDefinition): DefinitionWire {
  const wire = definitionToStored(definition)
  return {
    ...wire,
    ...(wire.command === undefined ? {} : { command: maskText(wire.command) }),
    ...(wire.url === undefined
      ? {}
      : { url: maskedAround([wire.url], (texts) => texts.map(maskUrl))[0] ?? '' }),
    ...(wire.args === undefined ? {} : { args: maskedAround(wire.args, maskArgs) }),
    ...(wire.env === undefined ? {} : { env: maskValues(wire.env) }),
    ...(wire.headers === undefined ? {} : { headers: maskValues(wire.headers) }),
    ...(wire.oauth === undefined ? {} : { oauth: maskedOAuth(wire.oauth) }),
    authTokens: maskedAround(wire.authTokens ?? [], (texts) => texts.map(maskValue)),
  }
}

const secretValues = new WeakMap<ServerDefinition, readonly string[]>()

/**
 * Every value that the wire form hides, for taking secrets out of text that a server wrote (its
 * standard error, its error messages), but for those that are too short to be worth it.
 * The same list for the same definition, so that what is made of it is made once.
 */
export function secretValuesOf(definition: ServerDefinition): readonly string[] {
  const values = secretValues.get(definition) ?? collectSecrets(definition)
  secretValues.set(definition, values)
  return values
}

function collectSecrets(definition: ServerDefinition): string[] {
  const maskedArgs = maskArgs(definition.args)
  const named = (values: Readonly<Record<string, string>>, partsOf: (value: string) => string[]): string[] =>
    Object.entries(values).flatMap(([name, value]) =>
      [value, ...partsOf(value)].filter((part) => isWorthHiding(part, isSecretName(name))),
    )
  const announced = [
    ...definition.authTokens,
    ...(definition.oauth === undefined ? [] : oauthSecretsOf(definition.oauth).map(([, text]) => text)),
    ...hiddenIn(definition.command, maskText(definition.command)),
    ...definition.args.flatMap((arg, index) => hiddenIn(arg, maskedArgs[index] ?? arg)),
  ]
  const candidates = [
    ...named(definition.env, () => []),
    ...named(definition.headers, headerParts),
    ...[...referredValues(definition), ...(definition.userValues ?? [])].filter((value) =>
      isWorthHiding(value, true),
    ),
    ...announced.filter((value) => isWorthHiding(value, true)),
    ...urlSecrets(definition.url),
  ]
  return [...new Set(candidates.filter((value) => maskValue(value) === secretMask))]
}

/** Whatever has come from elsewhere is a secret, also where it does not look like one. */
function referredValues({ written, unread, ...definition }: ServerDefinition): string[] {
  if (written === undefined) return []
  // Certificates are shown to whoever connects.
  const secret = placesOf(definition).filter(([place]) => place !== 'tls.ca' && place !== 'tls.cert')
  return secret.flatMap(([place, text]) => valuesIn(written[place] ?? '', text))
}

/** `Bearer X` and `name=X; other=Y`: X may be printed without what stands before it. */
function headerParts(value: string): string[] {
  const parts = value.split(/[\s,;]+/).filter((part) => !/^(?:basic|bearer|digest|token)$/i.test(part))
  return [...parts, ...parts.map((part) => part.slice(part.indexOf('=') + 1))]
}

/** Credentials as they are written, as a server reads them, and as they travel in a header. */
export function urlSecrets(text: string): string[] {
  const url = splitUrl(text)
  if (url === null) return []
  const [user = '', ...secret] = url.userinfo?.split(':') ?? []
  const pairs = (url.query ?? []).map((pair) => {
    const equals = pair.indexOf('=')
    return [pair.slice(0, Math.max(equals, 0)), pair.slice(equals + 1)] as const
  })
  const { username = '', password = '', searchParams } = URL.parse(text) ?? {}
  const [decodedUser = '', decodedPassword = ''] = [username, password].map(percentDecoded)
  const basic = Buffer.from(`${decodedUser}:${decodedPassword}`).toString('base64')
  const announced = [
    ...secret,
    decodedPassword,
    ...url.path.filter((segment) => maskText(segment) !== segment),
    ...(url.fragment === null ? [] : [url.fragment]),
    ...(username === '' ? [] : [basic]),
  ]
  return [
    ...[user, decodedUser].filter((value) => isWorthHiding(value, false)),
    ...announced.filter((value) => isWorthHiding(value, true)),
    ...[...pairs, ...(searchParams?.entries() ?? [])].flatMap(([name, value]) =>
      isWorthHiding(value, isSecretName(name)) ? [value] : [],
    ),
  ]
}

/** The text itself where its escapes are none. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** What stands in `arg` where its masked form has a mask: exact for one mask, the whole for several. */
function hiddenIn(arg: string, masked: string): string[] {
  const pieces = masked.split(secretMask)
  if (masked === arg || pieces.length < 2) return []
  const [head = '', tail = ''] = [pieces[0], pieces.at(-1)]
  return [arg.slice(head.length, arg.length - tail.length)]
}

function maskValues(map: Readonly<Record<string, string>>): Record<string, string> {
  const masked = maskedAround(Object.values(map), (values) => values.map(maskValue))
  return Object.fromEntries(Object.keys(map).map((key, at) => [key, masked[at] ?? secretMask]))
}
