/**
 * The login of one owner at one server: which token a request carries, and what happens when one is refused.
 *
 * A token is renewed when about four fifths of its life are over, beside the calls that go on with it, and by one at
 * a time, in this process and in all that share the vault: read again, claim, ask, keep, use. Only `invalid_grant`
 * ends a login. Whatever else goes wrong keeps it, and calls go on as long as their token does.
 */
import { GatewayError, reasonOf } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { type OAuthSettings, settingsOf, takesScopesOfServer } from '../../registry/oauth/oauth-settings.ts'
import type { Sharers } from '../../registry/storage/sharers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { TokenRefusal, TokenSource } from '../../upstream/transports/http/client/token-source.ts'
import { type BearerChallenge, bearerChallenge, unionOf } from './challenge.ts'
import type { LoginCounts } from './login-figures.ts'
import { LoginProofs } from './proof-key.ts'
import { type Confirm, entryNames, type LoginVault, loginIn, type StoredLogin } from './stored.ts'
import { LoginEnded, type TokenEndpoint, TokenRefused } from './token-endpoint.ts'
import {
  ClaimWatch,
  claimOf,
  failurePauseMs,
  hasEnded,
  inTries,
  isLoginAt,
  nextLogin,
  renewalOf,
} from './token-life.ts'

/** How a login stands. */
export type LoginState = 'logged_in' | 'needs_login' | 'needs_consent'

/** What an account needs of the room. */
export interface AccountParts {
  readonly vault: LoginVault
  readonly confirm: Confirm
  readonly log: Log
  /** Those that share the vault. */
  readonly sharers: Sharers
  readonly counts: LoginCounts
  /** The token endpoint that a login came from; null where its client is not known any more. */
  endpointOf(definition: ServerDefinition, login: StoredLogin): Promise<TokenEndpoint | null>
  /** A login with the client's own credentials. */
  obtain(
    definition: ServerDefinition,
    challenge: BearerChallenge | null,
    scopes: readonly string[],
  ): Promise<StoredLogin>
  /** What somebody has to do who has no login here, as a sentence, and where. */
  remedy(definition: ServerDefinition): { readonly text: string; readonly url: string }
  /** Somebody has logged in, here or at another process. */
  loggedIn(account: Account): void
  /** The login is gone. */
  loggedOut(account: Account): void
}

const claimPollMs = 50
/** For so long it is tried to claim one that nobody else has claimed. */
const claimTriesMs = 2_000

export class Account implements TokenSource {
  readonly owner: string
  readonly proofs = new LoginProofs(() => this.login)
  readonly #parts: AccountParts
  /** True while it writes itself. */
  #keeps = false
  #definition: ServerDefinition
  #login: StoredLogin | null = null
  #hasRead = false
  #readsAlways = false
  /** Wall clock: when the token is to be renewed. */
  #renewAtMs = Number.POSITIVE_INFINITY
  /** Wall clock: after a failed renewal, when the next may begin beside calls whose token still counts. */
  #pausedUntilMs = 0
  #renewing: Promise<void> | null = null
  /** The token with which the server lets nobody in any more. */
  #refusedToken: string | null = null
  /** Scopes that calls have lacked and nobody has agreed to. */
  #missing: readonly string[] = []
  /** True once the authorization server has not known the client any more. */
  clientRefused = false
  /** What the server has asked for last. */
  challenge: BearerChallenge | null = null

  constructor(parts: AccountParts, definition: ServerDefinition, owner: string) {
    this.#parts = parts
    this.#definition = definition
    this.owner = owner
  }

  get definition(): ServerDefinition {
    return this.#definition
  }

  get server(): string {
    return this.#definition.name
  }

  get #settings(): OAuthSettings {
    return settingsOf(this.#definition)
  }

  /** Goes on with this definition. A login for another place is none any more, nor counts what was said there. */
  take(definition: ServerDefinition): void {
    const { url, oauth } = this.#definition
    this.#definition = definition
    if (url !== definition.url || !Bun.deepEquals(oauth, definition.oauth)) {
      this.challenge = null
      this.#missing = []
    }
    this.reread()
  }

  get state(): LoginState {
    const { login } = this
    if (this.#missing.length > 0) return 'needs_consent'
    if (this.#settings.grant === 'client_credentials') return 'logged_in'
    return login === null || login.accessToken === this.#refusedToken ? 'needs_login' : 'logged_in'
  }

  /** The login that is there; null for none, and for one that cannot be opened. */
  get login(): StoredLogin | null {
    try {
      return this.#known()
    } catch {
      return null
    }
  }

  /** Whether a login that is there can be renewed without a person. */
  get isRenewed(): boolean {
    return this.#canRenew(this.login)
  }

  /** The scopes that a new login asks for beside those that the server names: none that was given is lost. */
  get scopesBefore(): readonly string[] {
    return unionOf(this.login?.scopes ?? [], this.#missing)
  }

  current(): string | null | Promise<string | null> {
    const login = this.#known()
    if (login === null) return null
    const nowMs = this.#parts.sharers.nowMs()
    if (nowMs < this.#renewAtMs || !this.#canRenew(login)) return login.accessToken
    if (!hasEnded(login, nowMs)) {
      // The token counts for a while: nobody waits, and what fails is tried again.
      if (nowMs >= this.#pausedUntilMs) this.#renew(login).catch(() => {})
      return login.accessToken
    }
    return this.#renew(login).then(() => this.#login?.accessToken ?? null)
  }

  async refused(token: string | null, { status, challenge, again }: TokenRefusal): Promise<void> {
    const said = bearerChallenge(challenge)
    if (status === 403) return await this.#lacksScopes(token, said)
    this.challenge = said ?? this.challenge
    const login = this.#known()
    // Somebody has renewed it meanwhile.
    if (login !== null && login.accessToken !== token) return
    // A new one that is refused as well shows that no other would help, until somebody logs in.
    const isUseless = token !== null && (again || token === this.#refusedToken)
    if (this.#canRenew(login) && !isUseless) return await this.#renew(login)
    this.#refusedToken = token
    throw this.missingError()
  }

  /** What is said to whoever needs a login that is not there. */
  missingError(): GatewayError {
    const why =
      this.#missing.length > 0
        ? `The login at ${this.server} does not allow this (${this.#missing.join(' ')})`
        : `${this.server} wants a login`
    return this.#missingError(why)
  }

  /** A user is asked to open the page; where an admin logs in for all, no client has anybody to ask. */
  #missingError(why: string): GatewayError {
    const { text, url } = this.#parts.remedy(this.#definition)
    const data = this.#settings.account === 'user' ? { url } : undefined
    return new GatewayError('CREDENTIAL_MISSING', `${why}. ${text}`, undefined, data)
  }

  /** Keeps a new login, then uses it. Rejects with a GatewayError where it cannot be kept. */
  async keep(login: StoredLogin, by: 'a person' | 'the client itself'): Promise<void> {
    await this.#parts.confirm(async () => this.#write(login))
    this.#adopt(login)
    this.#missing = []
    if (by !== 'a person') return
    this.#parts.counts.attempted(this.server, 'completed')
    this.#parts.loggedIn(this)
  }

  /** Takes it away; resolves with what it was. */
  async forget(): Promise<StoredLogin | null> {
    const { login } = this
    const { vault, confirm } = this.#parts
    this.#keeps = true
    try {
      await confirm(async () => vault.delete(this.owner, this.server, entryNames.login))
    } finally {
      this.#keeps = false
    }
    this.#adopt(null)
    this.#missing = []
    if (login !== null) this.#parts.loggedOut(this)
    return login
  }

  /** The vault holds another login than before, or may. */
  reread(): void {
    const had = this.#hasRead ? this.#login !== null : null
    this.#hasRead = false
    const has = this.login !== null
    if (had === null || had === has || this.#keeps) return
    if (has) this.#parts.loggedIn(this)
    else this.#parts.loggedOut(this)
  }

  /** Nobody tells it of changes from here on. */
  readAlways(): void {
    this.#readsAlways = true
  }

  #known(): StoredLogin | null {
    if (!this.#hasRead || this.#readsAlways) this.#adopt(this.#stored()?.login ?? null)
    return this.#login
  }

  /** What the vault holds for this place: a token is shown to nobody but the server that it was got for. */
  #stored(): { readonly login: StoredLogin; readonly version: number } | null {
    const entry = this.#parts.vault.read(this.owner, this.server, entryNames.login)
    const login = entry === null ? null : loginIn(entry.value)
    if (entry === null || login === null || !isLoginAt(this.#definition, login)) return null
    return { login, version: entry.version }
  }

  /** False where another process has changed it since that version. */
  #write(login: StoredLogin, ifVersion?: number): boolean {
    const { vault } = this.#parts
    const text = JSON.stringify(login)
    this.#keeps = true
    try {
      return vault.write(this.owner, this.server, entryNames.login, text, ifVersion, login.issuer)
    } finally {
      this.#keeps = false
    }
  }

  /** One that came while the definition changed is none here, however it came. */
  #adopt(login: StoredLogin | null): void {
    this.#hasRead = true
    this.#login = login !== null && isLoginAt(this.#definition, login) ? login : null
    this.#renewAtMs = this.#login === null ? Number.POSITIVE_INFINITY : renewalOf(this.#login)
  }

  #canRenew(login: StoredLogin | null): boolean {
    if (this.#settings.grant === 'client_credentials') return true
    return login !== null && login.refreshToken !== null
  }

  #renew(login: StoredLogin | null): Promise<void> {
    const work =
      login === null || this.#settings.grant === 'client_credentials'
        ? () => this.#obtain([])
        : () => this.#refresh(login)
    this.#renewing ??= work().finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  async #obtain(more: readonly string[]): Promise<void> {
    const { obtain, counts } = this.#parts
    const scopes = unionOf(this.scopesBefore, more)
    await counts.renewing(this.server, async () => {
      await this.keep(await obtain(this.#definition, this.challenge, scopes), 'the client itself')
    })
  }

  async #refresh(known: StoredLogin): Promise<void> {
    try {
      await inTries(async () => {
        if (!(await this.#refreshOnce(known))) throw new Error('the login was changed meanwhile')
      })
    } catch (thrown) {
      throw this.#notRenewed(known, thrown)
    }
  }

  /** Nothing is lost: calls go on as long as the token counts, and the next renewal may fare better. */
  #notRenewed(known: StoredLogin, failure: unknown): GatewayError {
    if (failure instanceof GatewayError && failure.code === 'CREDENTIAL_MISSING') return failure
    this.#pausedUntilMs = this.#parts.sharers.nowMs() + failurePauseMs
    const reason = reasonOf(failure)
    this.#parts.log.warn({ mcp: this.server, reason }, 'a token could not be renewed; the login is kept')
    this.#parts.counts.renewed(this.server, failure instanceof TokenRefused ? 'refused' : 'failed')
    if (failure instanceof TokenRefused) {
      this.clientRefused ||= failure.code === 'invalid_client'
      this.#refusedToken = known.accessToken
      return this.#missingError(`The login at ${this.server} cannot be renewed (${failure.code})`)
    }
    return new GatewayError(
      'ISSUER_UNAVAILABLE',
      `The token for ${this.server} has ended, and ${known.issuer} gives no other one now (${reason}). The login is kept; try again.`,
      failurePauseMs / 1_000,
    )
  }

  /** False where somebody else has changed the login meanwhile, and it is to be looked at again. */
  async #refreshOnce(known: StoredLogin): Promise<boolean> {
    const { sharers } = this.#parts
    const claim = await this.#claim(known)
    if (claim === 'done') return true
    const { login: claimed, version } = claim
    try {
      const endpoint = await this.#parts.endpointOf(this.#definition, claimed)
      if (endpoint === null || claimed.refreshToken === null) throw this.missingError()
      const given = await endpoint.refreshed(claimed.refreshToken)
      const next = nextLogin(claimed, given, sharers.nowMs())
      try {
        // Somebody has logged out meanwhile, or in anew: that counts.
        const isKept = await this.#parts.confirm(async () => this.#write(next, version))
        if (!isKept) return false
      } catch (thrown) {
        // The one before is used up: what came counts, and is kept with the next renewal.
        this.#parts.log.error(
          { mcp: this.server, reason: reasonOf(thrown) },
          'a renewed login could not be kept',
        )
      }
      this.#adopt(next)
      this.#parts.counts.renewed(this.server, 'renewed')
      return true
    } catch (thrown) {
      if (thrown instanceof LoginEnded && this.#stored()?.version !== version) return false
      if (thrown instanceof LoginEnded) {
        this.#parts.log.warn({ mcp: this.server }, 'the authorization server has ended a login')
        this.#parts.counts.renewed(this.server, 'ended')
        await this.forget()
        throw this.missingError()
      }
      const entry = this.#stored()
      if (entry?.login.refreshing?.by === sharers.self)
        await this.#parts
          .confirm(async () => this.#write({ ...entry.login, refreshing: null }, entry.version))
          .catch(() => {})
      throw thrown
    }
  }

  /** Waits until this process alone may renew; `done` when another one has. Rejects where the login is gone. */
  async #claim(
    known: StoredLogin,
  ): Promise<{ readonly login: StoredLogin; readonly version: number } | 'done'> {
    const { sharers } = this.#parts
    const watch = new ClaimWatch(sharers)
    const untilMs = performance.now() + claimTriesMs
    for (;;) {
      const entry = this.#stored()
      if (entry === null) {
        this.#adopt(null)
        throw this.missingError()
      }
      const { login, version } = entry
      if (login.accessToken !== known.accessToken) {
        this.#adopt(login)
        return 'done'
      }
      if (watch.isFree(login)) {
        const claim = { ...login, refreshing: claimOf(sharers) }
        const isMine = await this.#parts.confirm(async () => this.#write(claim, version)).catch(() => false)
        const claimed = isMine ? this.#stored() : null
        if (claimed?.login.refreshing?.by === sharers.self) return claimed
        if (performance.now() >= untilMs)
          throw new GatewayError('STORE_UNAVAILABLE', 'The login cannot be claimed for its renewal.')
      }
      await Bun.sleep(claimPollMs)
    }
  }

  /** Scopes that a new login could bring are asked for once; those that were asked for already bring nothing. */
  async #lacksScopes(token: string | null, said: BearerChallenge | null): Promise<void> {
    const login = this.#known()
    if (login !== null && login.accessToken !== token) return
    const lacking = (said?.scopes ?? []).filter((scope) => login === null || !login.scopes.includes(scope))
    if (lacking.length === 0 || !takesScopesOfServer(this.#settings))
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${this.server} lets this account do less than the call needs${said?.scopes ? ` (${said.scopes.join(' ')})` : ''}, and another login would bring no more.`,
      )
    if (this.#settings.grant === 'client_credentials') {
      this.#renewing ??= this.#obtain(lacking).finally(() => {
        this.#renewing = null
      })
      return await this.#renewing
    }
    this.#missing = unionOf(this.#missing, lacking)
    throw this.missingError()
  }
}
