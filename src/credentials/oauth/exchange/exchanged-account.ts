/**
 * The tokens of one owner at one server that are given for something: for the token with which a caller has come in,
 * or for an assertion of the definition. Kept in memory alone. None lives longer than what it was given for, and one
 * is asked for at a time.
 */

import type { CallerToken } from '../../../access/owner/caller-token.ts'
import { GatewayError, reasonOf } from '../../../errors.ts'
import type { ServerDefinition } from '../../../registry/definition.ts'
import { settingsOf, takesScopesOfServer } from '../../../registry/oauth/oauth-settings.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { TokenRefusal, TokenSource } from '../../../upstream/transports/http/client/token-source.ts'
import { type BearerChallenge, bearerChallenge, unionOf } from '../challenge.ts'
import type { LoginCounts } from '../login-figures.ts'
import { failurePauseMs, hasEnded, inTries, isFinal, renewalOf } from '../token-life.ts'

/** What a token is given for. */
export type Given = Pick<CallerToken, 'token' | 'issuer' | 'counts' | 'expiresAtMs'>

/** A token of a server's, as it came. */
export interface ExchangedToken {
  readonly accessToken: string
  /** Wall clock. */
  readonly obtainedAtMs: number
  readonly expiresAtMs: number | null
  /** Those that were asked for. */
  readonly scopes: readonly string[]
}

export interface ExchangeParts {
  readonly log: Log
  readonly counts: LoginCounts
  /** The definition of a registered server. */
  definition(name: string): ServerDefinition | undefined
  /** What there is to give for a token of this owner. Throws a GatewayError that says what is missing. */
  givenFor(definition: ServerDefinition, owner: string): Given
  /** No token could be had for it. */
  failed(account: ExchangedAccount): void
  /** Rejects with a GatewayError: with ISSUER_UNAVAILABLE for what may fare better the next time. */
  exchange(
    definition: ServerDefinition,
    given: Given,
    challenge: BearerChallenge | null,
    scopesBefore: readonly string[],
  ): Promise<ExchangedToken>
}

interface Held extends ExchangedToken {
  readonly given: Given
  /** Whether what it was given for counts for long after it. */
  readonly isOutlived: boolean
  /** Wall clock: when another one is asked for beside the calls that go on with it. */
  readonly renewAtMs: number
}

/** What ends no further apart ends together. */
const togetherMs = 30_000
/** For so long nobody is asked again for what was refused. */
const refusalMs = 60_000

export class ExchangedAccount implements TokenSource {
  readonly owner: string
  /** Its tokens are bound to no key. */
  readonly proofs = null
  readonly #parts: ExchangeParts
  #definition: ServerDefinition
  #held: Held | null = null
  /** Counts up when what was asked for is of no use any more. */
  #generation = 0
  #exchanging: Promise<string> | null = null
  #refusal: { readonly of: string; readonly error: GatewayError; readonly untilMs: number } | null = null
  #pausedUntilMs = 0
  #challenge: BearerChallenge | null = null
  /** Scopes that calls have lacked. */
  #more: readonly string[] = []
  /** The token that the server has refused though it was new. */
  #uselessToken: string | null = null

  constructor(parts: ExchangeParts, definition: ServerDefinition, owner: string) {
    this.#parts = parts
    this.#definition = definition
    this.owner = owner
  }

  get definition(): ServerDefinition {
    return this.#definition
  }

  /** The token that is there; null for none that counts. */
  get held(): ExchangedToken | null {
    return this.#held !== null && counts(this.#held, Date.now()) ? this.#held : null
  }

  /** Goes on with this definition; another assertion in it leaves what the one before has brought. */
  take(definition: ServerDefinition): void {
    const { url, oauth } = this.#definition
    if (definition === this.#definition) return
    this.#definition = definition
    this.#refusal = null
    const isSame =
      url === definition.url && Bun.deepEquals(withoutAssertion(oauth), withoutAssertion(definition.oauth))
    if (isSame) return
    this.#generation++
    this.#held = null
    this.#exchanging = null
    this.#challenge = null
    this.#more = []
  }

  current(): string | Promise<string> {
    const held = this.#held
    const nowMs = Date.now()
    if (held === null || !counts(held, nowMs)) return this.#exchange()
    // It counts for a while: nobody waits for the next one.
    if (nowMs >= held.renewAtMs && nowMs >= this.#pausedUntilMs)
      this.#exchange().catch(() => {
        this.#pausedUntilMs = Date.now() + failurePauseMs
      })
    return held.accessToken
  }

  async refused(token: string | null, { status, challenge, again }: TokenRefusal): Promise<void> {
    const said = bearerChallenge(challenge)
    // Somebody has another one meanwhile.
    if (this.#held !== null && this.#held.accessToken !== token) return
    if (status === 403) return await this.#lacksScopes(said)
    this.#challenge = said ?? this.#challenge
    if (again || token === this.#uselessToken) {
      this.#uselessToken = token
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${this.#definition.name} refuses the token that ${settingsOf(this.#definition).issuer} gives for it: check oauth.resource, oauth.audience and oauth.scopes of the server.`,
      )
    }
    this.#held = null
    await this.#exchange()
  }

  /** They are asked for once; those that were asked for already bring nothing. */
  async #lacksScopes(said: BearerChallenge | null): Promise<void> {
    const before = this.#held
    const lacking = (said?.scopes ?? []).filter((scope) => before?.scopes.includes(scope) !== true)
    if (lacking.length === 0 || !takesScopesOfServer(settingsOf(this.#definition)))
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${this.#definition.name} lets this account do less than the call needs${said?.scopes ? ` (${said.scopes.join(' ')})` : ''}, and another token would bring no more.`,
      )
    const had = this.#more
    this.#more = unionOf(had, lacking)
    try {
      await this.#exchange()
    } catch (thrown) {
      // Other calls go on with what there was.
      this.#more = had
      this.#refusal = null
      throw thrown
    }
  }

  #exchange(): Promise<string> {
    if (this.#exchanging !== null) return this.#exchanging
    this.#takeRenewed()
    const definition = this.#definition
    const exchanging = this.#exchanged(definition).finally(() => {
      if (this.#exchanging === exchanging) this.#exchanging = null
    })
    this.#exchanging = exchanging
    return exchanging
  }

  /** A connection may be older than the assertion that its definition has by now. */
  #takeRenewed(): void {
    const now = this.#parts.definition(this.#definition.name)
    const { url, oauth } = this.#definition
    if (now?.url === url && Bun.deepEquals(withoutAssertion(now.oauth), withoutAssertion(oauth)))
      this.take(now)
  }

  async #exchanged(definition: ServerDefinition): Promise<string> {
    const given = this.#givenFor(definition)
    const refusal = this.#refusal
    if (refusal !== null && refusal.of === given.token && performance.now() < refusal.untilMs)
      throw refusal.error
    const scopes = unionOf(this.#held?.scopes ?? [], this.#more)
    const generation = this.#generation
    const token = await this.#tried(definition, given, scopes)
    // What came for another definition, or for what has ended meanwhile, is used by nobody who comes later.
    if (generation !== this.#generation || !given.counts) return token.accessToken
    const lives = { ...token, expiresAtMs: earlier(token.expiresAtMs, given.expiresAtMs) }
    // What ends about when that ends is used to its end: another one would live no longer.
    const isOutlived = token.expiresAtMs !== null && token.expiresAtMs + togetherMs < given.expiresAtMs
    this.#held = {
      ...lives,
      given,
      isOutlived,
      renewAtMs: isOutlived ? renewalOf(lives) : Number.POSITIVE_INFINITY,
    }
    this.#refusal = null
    return token.accessToken
  }

  #givenFor(definition: ServerDefinition): Given {
    try {
      return this.#parts.givenFor(definition, this.owner)
    } catch (thrown) {
      this.#parts.failed(this)
      throw thrown
    }
  }

  async #tried(
    definition: ServerDefinition,
    given: Given,
    scopes: readonly string[],
  ): Promise<ExchangedToken> {
    try {
      const token = await inTries(() => {
        if (!given.counts) throw this.#ended()
        return this.#parts.exchange(definition, given, this.#challenge, scopes)
      })
      this.#parts.counts.renewed(definition.name, 'renewed')
      return token
    } catch (thrown) {
      throw this.#notExchanged(given, thrown instanceof GatewayError ? thrown : this.#ended())
    }
  }

  #notExchanged(given: Given, error: GatewayError): GatewayError {
    const { log, failed } = this.#parts
    const { name } = this.#definition
    log.warn({ mcp: name, owner: this.owner, reason: reasonOf(error) }, 'a token could not be exchanged')
    // What was given counts no more: that is its owner's affair, and no fault of what is configured.
    const isOfOwner = error.code === 'CREDENTIAL_MISSING'
    this.#parts.counts.renewed(name, isOfOwner ? 'ended' : isFinal(error) ? 'refused' : 'failed')
    failed(this)
    if (isFinal(error)) this.#refusal = { of: given.token, error, untilMs: performance.now() + refusalMs }
    return error
  }

  #ended(): GatewayError {
    return new GatewayError(
      'CREDENTIAL_MISSING',
      `The token to exchange for ${this.#definition.name} has ended.`,
    )
  }
}

function counts(held: Held, nowMs: number): boolean {
  const { given, isOutlived, expiresAtMs } = held
  const isOver = isOutlived ? hasEnded(held, nowMs) : expiresAtMs !== null && nowMs >= expiresAtMs
  return given.counts && !isOver
}

function earlier(one: number | null, other: number): number | null {
  const first = Math.min(one ?? Number.POSITIVE_INFINITY, other)
  return Number.isFinite(first) ? first : null
}

function withoutAssertion(oauth: ServerDefinition['oauth']): unknown {
  return { ...oauth, assertion: '' }
}
