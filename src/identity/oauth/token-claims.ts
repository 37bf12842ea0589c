/**
 * What a token says, and whether that is enough: the rules of RFC 9068, 8707 and 7662 that need no key. Pure; the
 * time is handed in, and what is wrong comes back as a phrase that may be shown.
 */
import type { IssuerSettings } from '../../config/auth/oauth-settings.ts'
import { isObject, type JsonObject, objectIn } from '../../protocol/json.ts'

/** What is asked of an answer about a token, whoever gave it. */
export interface JudgedClaims {
  readonly subject: string
  readonly audiences: readonly string[]
  /** Wall clock, seconds. */
  readonly expiresAtS: number
  /** Values by the names that rules use. */
  readonly claims: Readonly<Record<string, readonly string[]>>
}

/** Why a token is refused, as a phrase behind "the token …". */
export interface Refused {
  readonly refused: string
}

/** A signed token, taken apart and not yet believed. */
export interface ReadToken {
  readonly algorithm: string
  readonly keyId: string | null
  readonly issuer: string
  readonly payload: JsonObject
}

/** Signatures with a key that the issuer publishes. None that a published key could forge. */
const algorithms: ReadonlySet<string> = new Set([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
])

/** What a token for a resource may call itself (RFC 9068, 2.1; RFC 7519, 5.1). Others are for somebody else. */
const types: ReadonlySet<string> = new Set(['jwt', 'at+jwt', 'application/at+jwt', 'application/jwt'])

/** What only tokens for other readers have: ID tokens (OpenID Connect Core, 3.1.3.6) and logout tokens. */
const foreignClaims = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events'] as const
/** The same, as single issuers say it. */
const foreignKinds: ReadonlySet<unknown> = new Set(['ID', 'Refresh', 'Offline', 'Logout'])

/** How far the clocks of issuer and gateway may be apart. The end of a token is its end. */
const skewS = 60
const subjectCharsMax = 512
const audiencesMax = 256
/** Where issuers name the client, in the order in which they are believed. */
const clientClaims = ['client_id', 'azp', 'appid', 'cid'] as const

/** Takes a token apart; null when it is no signed JWT, and may be one that only its issuer can read. */
export function readToken(token: string): ReadToken | Refused | null {
  const parts = token.split('.')
  const [head, body, signature] = parts
  if (parts.length !== 3 || head === undefined || body === undefined || signature === undefined) return null
  const header = readPart(head)
  if (header === null || typeof header['alg'] !== 'string') return null
  const payload = readPart(body)
  if (payload === null) return { refused: 'holds no claims' }
  const { alg, kid, typ, crit } = header
  if (!algorithms.has(String(alg))) return { refused: 'is not signed in a way that is taken here' }
  if (typ !== undefined && (typeof typ !== 'string' || !types.has(typ.toLowerCase()))) {
    return { refused: 'is of a type that is no access token' }
  }
  if (crit !== undefined) return { refused: 'asks for extensions that are not known here' }
  if (kid !== undefined && typeof kid !== 'string')
    return { refused: 'names its key in no way that is known' }
  const { iss } = payload
  if (typeof iss !== 'string') return { refused: 'names no issuer' }
  return { algorithm: String(alg), keyId: kid ?? null, issuer: iss, payload }
}

function readPart(part: string): JsonObject | null {
  return /^[A-Za-z0-9_-]+$/.test(part) ? objectIn(Buffer.from(part, 'base64url').toString('utf8')) : null
}

/** The claims of a token or of an introspection, once it is known whose they are. */
export function judgeClaims(
  payload: JsonObject,
  settings: Pick<IssuerSettings, 'clients' | 'claims'>,
  nowS: number,
): JudgedClaims | Refused {
  const { sub, exp, nbf, iat, cnf } = payload
  if (!isTime(exp)) return { refused: 'has no end' }
  if (exp <= nowS) return { refused: 'has expired' }
  if (nbf !== undefined && !(isTime(nbf) && nbf <= nowS + skewS)) return { refused: 'is not valid yet' }
  if (iat !== undefined && !(isTime(iat) && iat <= nowS + skewS))
    return { refused: 'was issued in the future' }
  if (typeof sub !== 'string' || sub === '' || sub.length > subjectCharsMax) {
    return { refused: 'names nobody' }
  }
  if (cnf !== undefined) return { refused: 'is bound to a key, which is not supported here' }
  if (isForeign(payload)) return { refused: 'is no access token' }
  if (!isClientListed(payload, settings.clients)) return { refused: 'was issued to another client' }
  const audiences = audiencesOf(payload['aud'])
  if (audiences === null) return { refused: 'is for nobody in particular' }
  return { subject: sub, audiences, expiresAtS: exp, claims: namedClaims(payload, settings.claims) }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isForeign(payload: JsonObject): boolean {
  if (foreignClaims.some((name) => payload[name] !== undefined)) return true
  return foreignKinds.has(payload['typ']) || payload['token_use'] === 'id'
}

function isClientListed(payload: JsonObject, clients: readonly string[]): boolean {
  if (clients.length === 0) return true
  const client = clientClaims.map((name) => payload[name]).find((value) => value !== undefined)
  return typeof client === 'string' && clients.includes(client)
}

function audiencesOf(aud: unknown): readonly string[] | null {
  const list: unknown = typeof aud === 'string' ? [aud] : aud
  if (!Array.isArray(list) || list.length === 0 || list.length > audiencesMax) return null
  return list.every((entry) => typeof entry === 'string') ? list : null
}

/** The values of the claims that rules name. */
export function namedClaims(
  payload: JsonObject,
  paths: Readonly<Record<string, string>>,
): Record<string, readonly string[]> {
  return Object.fromEntries(
    Object.entries(paths).map(([name, path]) => [name, valuesOf(claimAt(payload, path), name === 'scopes')]),
  )
}

/** A claim by its whole name, which may hold dots (`https://example.com/groups`), or by a path. */
function claimAt(payload: JsonObject, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path]
  // The same under the name that some issuers give it.
  if (path === 'scope') return payload['scp']
  let value: unknown = payload
  for (const step of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, step)) return undefined
    value = value[step]
  }
  return value
}

function valuesOf(claim: unknown, inWords: boolean): readonly string[] {
  if (typeof claim === 'string') return inWords ? claim.split(/\s+/).filter((word) => word !== '') : [claim]
  return Array.isArray(claim) ? claim.filter((value) => typeof value === 'string') : []
}
