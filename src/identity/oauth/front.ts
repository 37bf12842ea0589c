/**
 * The gateway as an OAuth resource server: from a token to the principal that it stands for, and the documents and
 * challenges by which a client finds out where to get one.
 */
import type { Principal } from '../../access/principal.ts'
import type { Person } from '../../access/rules.ts'
import type { IssuerSettings } from '../../config/auth/oauth-settings.ts'
import { ChallengeError, GatewayError, internalError, reasonOf } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import type { Identity, Place } from '../identity.ts'
import type { CallerTokens } from './caller-tokens.ts'
import { Issuer } from './issuer.ts'
import { type Audience, everyServer, type ResourceMetadata, Resources } from './resources.ts'
import { TokenCache } from './token-cache.ts'
import { type JudgedClaims, judgeClaims, type Refused, readToken } from './token-claims.ts'

export interface OAuthParts {
  readonly baseUrl: string
  readonly scopes: readonly string[]
  readonly issuers: readonly IssuerSettings[]
  readonly ask: Ask
  readonly log: Log
  principalOf(user: Omit<Person, 'id'>): Principal
  /** Where tokens are kept that servers take in exchange; absent where none is. */
  readonly callers?: { readonly wanted: boolean; readonly tokens: CallerTokens }
  /** Monotonic; `performance.now` when absent. */
  readonly nowMs?: () => number
}

/** A token that counts, and what for. */
interface Known {
  readonly principal: Principal
  readonly audience: Audience
  readonly issuer: Issuer
}

/** A signature counts so long: then it is looked at again, with the keys that the issuer has now. */
const verifiedMs = 10 * 60_000
/** An answer of an issuer counts so long, good or bad. */
const introspectedMs = 60_000
/** Tokens that are being looked at, of all clients together. */
const lookingMax = 256
/** Of what somebody else has written, in a log line. */
const shownCharsMax = 200

export class OAuthFront implements Identity {
  readonly resources: Resources
  readonly #parts: OAuthParts
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #cache = new TokenCache<Known | Refused>()
  readonly #looking = new Map<string, Promise<Known | Refused | GatewayError>>()

  constructor(parts: OAuthParts) {
    this.#parts = parts
    this.resources = new Resources(parts)
    const forget = (issuer: Issuer): void =>
      this.#cache.forgetWhere((known) => 'issuer' in known && known.issuer === issuer)
    this.#issuers = new Map(
      parts.issuers.map((settings) => [
        settings.issuer,
        new Issuer(settings, parts.ask, parts.log, forget, parts.nowMs),
      ]),
    )
  }

  identify(
    token: string,
    digest: Uint8Array,
    place: Place,
    mayAsk: () => GatewayError | null,
  ): Principal | GatewayError | Promise<Principal | GatewayError> {
    const known = this.#cache.get(digest, Date.now())
    if (known !== undefined) return this.#at(place, known, token)
    return this.#look(token, digest, mayAsk).then((found) => this.#at(place, found, token))
  }

  get keepsTokens(): boolean {
    return this.#parts.callers?.wanted === true
  }

  askForToken({ path }: Place): GatewayError {
    return new ChallengeError(
      'UNAUTHENTICATED',
      'Send "Authorization: Bearer" with an access token for this URL; WWW-Authenticate names where its metadata is.',
      this.resources.challenge(path, null),
    )
  }

  askForScopes({ path }: Place, scopes: readonly string[]): GatewayError {
    const description = `The token lacks a scope; ask for ${scopes.join(' ')}.`
    const challenge = this.resources.challenge(path, { error: 'insufficient_scope', description, scopes })
    return new ChallengeError('INSUFFICIENT_SCOPE', description, challenge)
  }

  metadataAt(path: string): ResourceMetadata | null {
    return this.resources.metadataAt(path)
  }

  #at(place: Place, found: Known | Refused | GatewayError, token: string): Principal | GatewayError {
    if (found instanceof GatewayError) return found
    const { callers } = this.#parts
    if ('refused' in found) {
      if (callers?.wanted) callers.tokens.refused(token)
      return this.#refusal(place, found.refused)
    }
    const { principal, audience } = found
    if (!audience.everywhere && !audience.places.has(placeOf(place)))
      return this.#refusal(place, 'is not for this URL')
    if (callers?.wanted) callers.tokens.came(token, principal, found.issuer.settings.issuer, audience)
    return principal
  }

  #refusal({ path }: Place, why: string): GatewayError {
    const description = `The token ${why}.`
    const challenge = this.resources.challenge(path, { error: 'invalid_token', description })
    return new ChallengeError('UNAUTHENTICATED', description, challenge)
  }

  /** One look at a time for each token, however many requests bring it. */
  #look(
    token: string,
    digest: Uint8Array,
    mayAsk: () => GatewayError | null,
  ): Promise<Known | Refused | GatewayError> {
    const key = Buffer.from(digest).toString('base64')
    const others = this.#looking.get(key)
    if (others !== undefined) return others
    if (this.#looking.size >= lookingMax) return Promise.resolve(tooMany())
    const copy = Uint8Array.from(digest)
    const look = this.#found(token, copy, mayAsk)
      .catch((thrown: unknown) => this.#fault(thrown))
      .finally(() => this.#looking.delete(key))
    this.#looking.set(key, look)
    return look
  }

  async #found(
    token: string,
    digest: Uint8Array,
    mayAsk: () => GatewayError | null,
  ): Promise<Known | Refused | GatewayError> {
    const read = readToken(token)
    // What looks like a key of this gateway, spelled wrongly or taken back, is nobody else's business.
    if (read === null && token.startsWith('cpz_')) return { refused: 'is not known here' }
    if (read === null) return await this.#askIssuers(token, digest, mayAsk)
    if ('refused' in read) return read
    const issuer = this.#issuers.get(read.issuer)
    if (issuer === undefined)
      return this.#tell({ refused: 'is of an issuer that is not known here' }, read.payload)
    const judged = this.#judged(read.payload, issuer)
    if ('refused' in judged) return this.#tell(judged, read.payload)
    const { withdrawals } = issuer
    if (!(await issuer.hasSigned(token, read))) return { refused: 'is not signed by its issuer' }
    // A key that has gone meanwhile may be the one that signed it.
    if (withdrawals === issuer.withdrawals) {
      const untilMs = Math.min(judged.expiresAtMs, Date.now() + verifiedMs)
      this.#cache.set(digest, judged.known, untilMs, token.length)
    }
    return judged.known
  }

  /** A token that cannot be read here: each issuer that answers about tokens is asked, until one knows it. */
  async #askIssuers(
    token: string,
    digest: Uint8Array,
    mayAsk: () => GatewayError | null,
  ): Promise<Known | Refused | GatewayError> {
    const untilMs = Date.now() + introspectedMs
    let refused: Refused = { refused: 'is not known here' }
    for (const issuer of this.#issuers.values()) {
      if (issuer.settings.introspection === null) continue
      const busy = mayAsk()
      if (busy !== null) return busy
      const said = await issuer.introspect(token)
      if (said === null) continue
      const judged = isOfIssuer(said, issuer) ? this.#judged(said, issuer) : refused
      if ('known' in judged) {
        this.#cache.set(digest, judged.known, Math.min(untilMs, judged.expiresAtMs), token.length)
        return judged.known
      }
      refused = judged
    }
    this.#cache.set(digest, refused, untilMs, 0)
    return refused
  }

  /** For whoever pairs the gateway with an issuer: what a token says of whom it is for, and nothing of whose it is. */
  #tell(
    refused: Refused,
    { iss, aud, azp, client_id: clientId }: Readonly<Record<string, unknown>>,
  ): Refused {
    const { log } = this.#parts
    if (log.debugging !== true) return refused
    const shown = (value: unknown): string => JSON.stringify(value ?? null).slice(0, shownCharsMax)
    const fields = {
      reason: refused.refused,
      iss: shown(iss),
      aud: shown(aud),
      client: shown(clientId ?? azp),
    }
    log.debug(fields, 'an access token was refused')
    return refused
  }

  #judged(
    payload: Readonly<Record<string, unknown>>,
    issuer: Issuer,
  ): { known: Known; expiresAtMs: number } | Refused {
    const { settings } = issuer
    const judged: JudgedClaims | Refused = judgeClaims(payload, settings, Date.now() / 1_000)
    if ('refused' in judged) return judged
    const audience = this.resources.audienceOf(judged.audiences, settings.audiences)
    if (audience === null) return { refused: 'is not for this gateway' }
    const { subject, claims } = judged
    const expiresAtMs = judged.expiresAtS * 1_000
    const principal = this.#parts.principalOf({ issuer: settings.issuer, subject, claims, expiresAtMs })
    return { known: { principal, audience, issuer }, expiresAtMs }
  }

  /** What can be said of a look that failed: never that the token is bad. */
  #fault(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) return thrown
    this.#parts.log.error({ reason: reasonOf(thrown) }, 'a token could not be looked at')
    return internalError()
  }
}

/** What a token must be for here; a path that is no endpoint is only for tokens that are for everything. */
function placeOf({ path, server }: Place): string {
  if (path.startsWith('/mcp-proxy/')) return server
  return Resources.pathOf(path) === null ? '' : everyServer
}

/** An answer that names an issuer must name this one; and it must be about a bearer token. */
function isOfIssuer(said: Readonly<Record<string, unknown>>, { settings }: Issuer): boolean {
  const { iss, token_type: type } = said
  if (iss !== undefined && iss !== settings.issuer) return false
  return type === undefined || (typeof type === 'string' && /^(?:bearer|access_token)$/i.test(type))
}

function tooMany(): GatewayError {
  return new GatewayError(
    'ISSUER_UNAVAILABLE',
    'Too many tokens are being looked at. The token may be good; try again later.',
    1,
  )
}
