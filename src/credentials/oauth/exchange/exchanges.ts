/**
 * Tokens that are given for something else: the token of whoever comes in (RFC 8693), or an assertion (RFC 7523), with
 * or without an identity provider that makes it (Identity Assertion Authorization Grant).
 *
 * The attack: a definition names an authorization server to which callers would hand their tokens. So the token of a
 * caller goes to the issuer that it came from, and to nobody else.
 */

import type { CallerTokenPlace } from '../../../access/owner/caller-token.ts'
import { GatewayError } from '../../../errors.ts'
import { objectIn } from '../../../protocol/json.ts'
import type { ServerDefinition } from '../../../registry/definition.ts'
import { type OAuthSettings, settingsOf, takesCallersToken } from '../../../registry/oauth/oauth-settings.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { Authorities } from '../authorities.ts'
import type { BearerChallenge } from '../challenge.ts'
import type { LoginCounts } from '../login-figures.ts'
import { type LoginView, viewOf } from '../login-view.ts'
import { type OpenedAuthority, wantedScopes } from '../logins.ts'
import { type GivenTokens, outage, TokenRefused } from '../token-endpoint.ts'
import { expiryOf } from '../token-life.ts'
import { ExchangedAccount, type ExchangedToken, type Given } from './exchanged-account.ts'

export interface ExchangesParts {
  readonly log: Log
  readonly counts: LoginCounts
  readonly authorities: Authorities
  readonly callers: CallerTokenPlace
  /** The definition of a registered server. */
  definition(name: string): ServerDefinition | undefined
  /** What could not be used for want of a token can be tried again. */
  changed(server: string, owner: string): void
}

const accountsMax = 20_000
/** What is known of an authorization server counts so long. */
const openedMs = 5 * 60_000

export class Exchanges {
  readonly #parts: ExchangesParts
  /** By owner and server. */
  readonly #accounts = new Map<string, ExchangedAccount>()
  readonly #opened = new WeakMap<
    ServerDefinition,
    { readonly opening: Promise<OpenedAuthority>; readonly untilMs: number }
  >()

  /** Those that had no token when they were asked last. */
  readonly #failed = new Set<ExchangedAccount>()

  constructor(parts: ExchangesParts) {
    this.#parts = parts
    parts.callers.renewed = (owner) => this.#renewed(owner)
  }

  /** The tokens of this owner at this server, under this definition. */
  accountFor(definition: ServerDefinition, owner: string): ExchangedAccount {
    const key = `${definition.name} ${owner}`
    const known = this.#accounts.get(key)
    if (known !== undefined) {
      if (known.definition !== definition) known.take(definition)
      return known
    }
    this.#makeRoom()
    const { log, counts } = this.#parts
    const account = new ExchangedAccount(
      {
        ...{ log, counts },
        definition: (name) => this.#parts.definition(name),
        failed: (account) => this.#failed.add(account),
        givenFor: (now, whose) => this.#givenFor(now, whose),
        exchange: (now, given, challenge, scopes) => this.#exchange(now, given, challenge, scopes),
      },
      definition,
      owner,
    )
    this.#accounts.set(key, account)
    return account
  }

  /** How tokens of this owner stand: nobody logs in for them. */
  view({ name }: ServerDefinition, settings: OAuthSettings, owner: string): LoginView {
    const held = this.#accounts.get(`${name} ${owner}`)?.held ?? null
    return viewOf(settings, held, { state: 'logged_in', url: null })
  }

  /** A caller has come with another token: what had none may have one now. */
  #renewed(owner: string): void {
    for (const account of this.#failed) {
      if (account.owner !== owner) continue
      this.#failed.delete(account)
      this.#parts.changed(account.definition.name, owner)
    }
  }

  #givenFor(definition: ServerDefinition, owner: string): Given {
    const { callers } = this.#parts
    const settings = settingsOf(definition)
    const issuer = settings.identityProvider?.issuer ?? settings.issuer ?? ''
    const { name } = definition
    if (!takesCallersToken(settings)) return assertionOf(name, settings, issuer)
    const found =
      callers.tokens?.of(owner, name, (other) => this.#parts.definition(other) !== undefined) ?? null
    if (found === null) throw noToken(name, owner, issuer)
    if (found.issuer === issuer) return found
    throw new GatewayError(
      'CREDENTIAL_MISSING',
      `${name} is called as whoever comes with an access token of ${issuer}, and yours is of ${found.issuer}, to which alone it may be shown.`,
    )
  }

  async #exchange(
    definition: ServerDefinition,
    given: Given,
    challenge: BearerChallenge | null,
    scopesBefore: readonly string[],
  ): Promise<ExchangedToken> {
    const opened = await this.#openedOf(definition, challenge)
    const { authority, endpoint } = opened
    const settings = settingsOf(definition)
    const scopes = wantedScopes({ definition, challenge, scopesBefore }, authority, false)
    const tokens =
      settings.grant === 'token_exchange'
        ? await told(definition, authority.issuer, given, () =>
            endpoint.exchanged(
              { token: given.token, type: settings.assertionType ?? usualType(settings) },
              { type: 'access_token', audience: settings.audience, scopes },
            ),
          )
        : await this.#withAssertion(definition, given, opened, scopes)
    const nowMs = Date.now()
    const { accessToken } = tokens
    return { accessToken, obtainedAtMs: nowMs, expiresAtMs: expiryOf(tokens, nowMs), scopes }
  }

  async #withAssertion(
    definition: ServerDefinition,
    given: Given,
    { authority, endpoint }: OpenedAuthority,
    scopes: readonly string[],
  ): Promise<GivenTokens> {
    const settings = settingsOf(definition)
    const { identityProvider: provider } = settings
    if (provider === null) {
      const more = takesCallersToken(settings) ? onBehalf : {}
      return await told(definition, authority.issuer, given, () =>
        endpoint.withAssertion(given.token, scopes, more),
      )
    }
    const at = await this.#parts.authorities
      .providerOf(definition, provider, authority.resource)
      .catch((thrown: unknown) => {
        throw thrown instanceof GatewayError ? thrown : outage(provider.issuer, thrown)
      })
    const assertion = await told(definition, provider.issuer, given, () =>
      at.exchanged(
        { token: given.token, type: settings.assertionType ?? usualType(settings) },
        { type: 'id-jag', audience: authority.issuer, scopes },
      ),
    )
    return await told(definition, authority.issuer, null, () =>
      endpoint.withAssertion(assertion.accessToken, scopes, {}),
    )
  }

  /** What was found for one user serves all of them, for a while. */
  #openedOf(definition: ServerDefinition, challenge: BearerChallenge | null): Promise<OpenedAuthority> {
    const known = this.#opened.get(definition)
    if (known !== undefined && performance.now() < known.untilMs) return known.opening
    const opening = this.#open(definition, challenge)
    const entry = { opening, untilMs: performance.now() + openedMs }
    this.#opened.set(definition, entry)
    opening.catch(() => {
      if (this.#opened.get(definition) === entry) this.#opened.delete(definition)
    })
    return opening
  }

  async #open(definition: ServerDefinition, challenge: BearerChallenge | null): Promise<OpenedAuthority> {
    const { authorities } = this.#parts
    return await authorities.opened(definition, challenge ?? (await authorities.challengeOf(definition)))
  }

  /** What has ended goes first; whoever still uses one that goes keeps it for themselves. */
  #makeRoom(): void {
    if (this.#accounts.size < accountsMax) return
    this.#failed.clear()
    for (const [key, { held }] of this.#accounts) if (held === null) this.#accounts.delete(key)
    for (const key of this.#accounts.keys()) {
      if (this.#accounts.size < accountsMax) return
      this.#accounts.delete(key)
    }
  }
}

/** What Microsoft Entra wants to be told; others read over it (RFC 6749, 3.2). */
const onBehalf = { requested_token_use: 'on_behalf_of' }

function usualType({ account, identityProvider }: OAuthSettings): string {
  if (account === 'user') return 'access_token'
  return identityProvider === null ? 'jwt' : 'id_token'
}

/** The assertion of a definition. Throws CREDENTIAL_MISSING for one that has ended. */
function assertionOf(name: string, { assertion }: OAuthSettings, issuer: string): Given {
  const expiresAtMs = endOf(assertion)
  const given = {
    token: assertion,
    issuer,
    expiresAtMs,
    get counts() {
      return Date.now() < expiresAtMs
    },
  }
  if (given.counts) return given
  throw new GatewayError(
    'CREDENTIAL_MISSING',
    `The assertion for ${name} (oauth.assertion) has ended at ${new Date(expiresAtMs).toISOString()}. Whoever makes it has to renew it.`,
  )
}

/** No date is later. */
const lastInstantMs = 8.64e15

/** When a JWT says that it ends, wall clock; never for whatever says nothing. */
function endOf(assertion: string): number {
  const claims = objectIn(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString())
  const endsS = claims?.['exp']
  if (typeof endsS !== 'number' || endsS * 1_000 > lastInstantMs) return Number.POSITIVE_INFINITY
  return Math.max(0, endsS * 1_000)
}

function noToken(name: string, owner: string, issuer: string): GatewayError {
  const why = owner.startsWith('oauth:')
    ? 'no token of yours for it counts here now'
    : 'a key has none to give for it'
  return new GatewayError(
    'CREDENTIAL_MISSING',
    `${name} is called as whoever comes with an access token of ${issuer}, and ${why}: come with one.`,
  )
}

/** Asks, and says of a refusal what to do. `given` is what the caller, or the definition, gave; null for what was made of it. */
async function told(
  { name, oauth }: ServerDefinition,
  issuer: string,
  given: Given | null,
  ask: () => Promise<GivenTokens>,
): Promise<GivenTokens> {
  try {
    return await ask()
  } catch (thrown) {
    if (!(thrown instanceof TokenRefused))
      throw thrown instanceof GatewayError ? thrown : outage(issuer, thrown)
    const { code } = thrown
    const isOfCaller = given !== null && oauth?.account === 'user'
    if ((code === 'invalid_grant' || code === 'invalid_request') && isOfCaller)
      throw new GatewayError(
        'CREDENTIAL_MISSING',
        `${issuer} gives no token for ${name} in exchange for the one that you came with (${code}): come with a new one. If that does not help, an admin checks oauth of the server.`,
      )
    throw new GatewayError(
      'UPSTREAM_UNAUTHORIZED',
      `${issuer} gives no token for ${name} (${code}): check ${placesOf(code)} of the server.`,
    )
  }
}

/** What to look at. */
function placesOf(code: string): string {
  if (code === 'invalid_target') return 'oauth.resource and oauth.audience'
  if (code === 'invalid_scope') return 'oauth.scopes'
  if (code === 'invalid_client' || code === 'unauthorized_client') return 'oauth.client'
  if (code === 'invalid_grant') return 'oauth.assertion'
  return 'oauth.grant, oauth.client and oauth.assertionType'
}
