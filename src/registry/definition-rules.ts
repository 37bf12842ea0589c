/**
 * The rules of a definition that a schema cannot say: what belongs together, and what must never
 * stand in a command line, a header or a URL. Pure; called with input that already fits the schema.
 */
import { parseCidrSet } from '../net/cidr.ts'
import { framingHeaders, isForwardable } from '../net/header-policy.ts'
import { keyAsTokenReason } from './access/key-schema.ts'
import type { DefinitionWire, ParseOptions } from './definition-schema.ts'
import { durationMs, formatDuration, nanosecondsPerMs } from './duration.ts'
import { groupProblems, notGroupProblems } from './group/group-rules.ts'
import { isMasked } from './mask.ts'
import { oauthProblems } from './oauth/oauth-rules.ts'
import type { AddProblem, Problem } from './problems.ts'
import { placeholderReason } from './secret-looking.ts'
import { hasReference } from './secrets/references.ts'
import { userNamesIn, userValueNameWords } from './secrets/user-values.ts'

const durationFields = [
  'timeout',
  'reconnectDelay',
  'healthCheckInterval',
  'startTimeout',
  'listWait',
] as const

/** Timers are 32-bit, and no call or interval is longer than a day. */
const durationMsMax = 86_400_000

/** Every broken rule, in the order of the fields. */
export function ruleProblems(
  wire: DefinitionWire,
  { allowCwd = false, written = false }: Pick<ParseOptions, 'allowCwd' | 'written'>,
): Problem[] {
  const problems: Problem[] = []
  const add = (field: string, reason: string | null): void => {
    if (reason !== null) problems.push({ field, reason })
  }
  for (const field of durationFields) add(field, durationReason(wire[field]))
  add('cwd', wire.cwd !== undefined && !allowCwd ? 'can only be set in the configuration file' : null)
  if (wire.transport === 'group') groupProblems(wire, add)
  else notGroupProblems(wire, add)
  if (wire.transport === 'stdio') stdioProblems(wire, add)
  else if (wire.transport !== 'group') httpProblems(wire, add)
  oauthProblems(wire, add)
  if (wire.affinity === 'none' && wire.isolation === 'shared')
    add('affinity', 'cannot be none with isolation: shared, by which all clients share one process')
  for (const [index, arg] of (wire.args ?? []).entries()) add(`args[${index}]`, startedReason(arg))
  for (const [name, value] of Object.entries(wire.env ?? {})) add(`env.${name}`, startedReason(value))
  headerProblems(wire.headers ?? {}, add)
  userValueProblems(wire, add)
  for (const [index, name] of (wire.forwardHeaders ?? []).entries()) {
    add(`forwardHeaders[${index}]`, forwardReason(name.toLowerCase()))
  }
  for (const [index, token] of (wire.authTokens ?? []).entries()) {
    const judged = written && !hasReference(token)
    const reason = isMasked(token) ? maskedReason : keyAsTokenReason(token)
    add(`authTokens[${index}]`, reason ?? (judged ? placeholderReason(token) : null))
  }
  if (wire.authTokensOnly === true && (wire.authTokens ?? []).length === 0) {
    add('authTokensOnly', 'needs authTokens beside it: no other token opens the server')
  }
  for (const [index, address] of (wire.allowedIPs ?? []).entries()) {
    add(`allowedIPs[${index}]`, addressReason(address))
  }
  return problems
}

const maskedReason = 'is a mask, and no stored value stands behind it; send the value itself'
/** What `merge-masked.ts` has not put back was stored for another place, or never. */
const maskedSentReason =
  'is a mask, and a stored value takes its place only while the transport and the scheme, host and port of url stay the same; send the value of the secret again'
const maskedStartedReason =
  'is a mask, and a stored value takes its place only while the transport, command, args and every entry of env stay the same; send the value of the secret again'
const lineReason = 'must not contain line breaks or NUL'

function durationReason(value: string | number | undefined): string | null {
  if (typeof value === 'number' && value > 0 && value < nanosecondsPerMs) {
    // Below a thousand people think in seconds, above it in milliseconds.
    const meant = formatDuration(value < 1_000 ? value * 1_000 : value)
    return `${value} means nanoseconds here; write "${meant}"`
  }
  if (value === undefined || value === 0) return null
  const ms = durationMs(value)
  if (ms === null) return 'must be a duration such as "30s", "500ms" or "1h30m"'
  return ms < 1 || ms > durationMsMax ? 'must be between 1ms and 24h' : null
}

function stdioProblems(wire: DefinitionWire, add: AddProblem): void {
  const command = wire.command ?? ''
  if (command.trim() === '') add('command', 'is required for transport stdio')
  else if (isMasked(command)) add('command', maskedStartedReason)
  else add('command', /[\0\r\n]/.test(command) ? lineReason : null)
  add('tls', wire.tls === undefined ? null : 'does not go with transport stdio')
  if ((wire.url ?? '') !== '') add('url', 'does not go with transport stdio; use sse or streamable-http')
}

function httpProblems(wire: DefinitionWire, add: AddProblem): void {
  if ((wire.command ?? '') !== '') add('command', `does not go with transport ${wire.transport}; use stdio`)
  add('url', urlReason(wire.url ?? '', wire.transport))
  add('tls', tlsReason(wire))
}

function tlsReason({ url = '', tls }: DefinitionWire): string | null {
  if (tls === undefined) return null
  if (!/^https:/i.test(url)) return 'goes with an https url only'
  return (tls.cert === undefined) === (tls.key === undefined)
    ? null
    : 'needs cert and key, or neither of them'
}

function urlReason(url: string, transport: string): string | null {
  if (url === '') return `is required for transport ${transport}`
  // The URL parser silently drops control characters, so what is checked would not be what is shown.
  if (/[\0-\x20\x7f]/.test(url)) return 'must not contain spaces or control characters'
  const parsed = URL.parse(url)
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    return 'must be an http or https URL'
  }
  return isMasked(url) ? maskedSentReason : null
}

/** Of an argument or a variable. Line breaks are allowed: private keys in PEM form are a common value. */
function startedReason(value: string): string | null {
  if (isMasked(value)) return maskedStartedReason
  // The system would cut the value there.
  return value.includes('\0') ? 'must not contain NUL' : null
}

/** Without the entry itself, which the parser quotes in front: it may be a token in the wrong place. */
function addressReason(address: string): string | null {
  const parsed = parseCidrSet([address])
  return parsed.ok ? null : `is wrong: ${parsed.errors[0]?.replace(/^"[^"]*": /, '')}`
}

function headerProblems(headers: Readonly<Record<string, string>>, add: AddProblem): void {
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase()
    if (framingHeaders.has(key)) add(`headers.${name}`, 'is set by the gateway itself')
    else if (seen.has(key)) add(`headers.${name}`, 'stands twice; header names do not differ by case')
    else if (isMasked(value)) add(`headers.${name}`, maskedSentReason)
    else if (/[\0\r\n]/.test(value)) add(`headers.${name}`, lineReason)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters HTTP refuses.
    else if (/[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]|[^\0-\xff]/.test(value)) {
      add(`headers.${name}`, 'must contain only Latin-1 text; encode anything else')
    }
    seen.add(key)
  }
}

/** `${user.…}` stands in values of `env` and `headers`, and what it makes of a server is each user's own. */
function userValueProblems(
  { command, args, url, cwd, env, headers, isolation, oauth }: DefinitionWire,
  add: AddProblem,
): void {
  const elsewhere: [string, string | undefined][] = [
    ...textsOf('oauth.client', oauth?.client),
    ['oauth.assertion', oauth?.assertion],
    ...textsOf('oauth.identityProvider.client', oauth?.identityProvider?.client),
    ...Object.keys(env ?? {}).map((name): [string, string] => [`env.${name}`, name]),
    ['command', command],
    ...(args ?? []).map((arg, index): [string, string] => [`args[${index}]`, arg]),
    ['url', url],
    ['cwd', cwd],
  ]
  for (const [field, text] of elsewhere)
    if (userNamesIn(text ?? '')?.length !== 0) add(field, userElsewhereReason)
  let used = false
  for (const [map, values] of Object.entries({ env, headers }))
    for (const [name, value] of Object.entries(values ?? {})) {
      const names = userNamesIn(value)
      used ||= names === null || names.length > 0
      if (names === null) add(`${map}.${name}`, userNameReason)
    }
  if (used && isolation === 'shared')
    add('isolation', 'cannot be shared with ${user.…}: each user has a connection of their own')
}

const userElsewhereReason =
  'holds ${user.…}, which works in values of env and headers only; write $${user.…} where the text itself is meant'
const userNameReason = `holds \${user.…} without a name in it: \${user.NAME} takes ${userValueNameWords}; write $\${user.…} where the text itself is meant`

function forwardReason(name: string): string | null {
  return isForwardable(name) ? null : 'is never forwarded: it belongs to the connection with the gateway'
}

function textsOf(place: string, fields: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries(fields).map(([name, text]) => [`${place}.${name}`, text])
}
