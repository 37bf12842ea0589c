/**
 * The gateway as an OAuth client of its servers: the one door of this room. It has an account for each owner at each
 * server, gives their tokens to connections, and begins and ends logins.
 */

import type { CallerTokenPlace } from '../../access/owner/caller-token.ts'
import { sharedOwner } from '../../access/owner/credential-owner.ts'
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { isExchanged, settingsOf } from '../../registry/oauth/oauth-settings.ts'
import type { Sharers } from '../../registry/storage/sharers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LoginFigures } from '../../telemetry/metrics.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import type { TokenSource } from '../../upstream/transports/http/client/token-source.ts'
import { Account } from './account.ts'
import { Authorities } from './authorities.ts'
import type { ExchangedAccount } from './exchange/exchanged-account.ts'
import { Exchanges } from './exchange/exchanges.ts'
import { LoginCounts, loginFigures } from './login-figures.ts'
import { type LoginView, viewOf } from './login-view.ts'
import { type BegunLogin, Logins, type OpenedAuthority, originOf, pendingMs } from './logins.ts'
import type { clientDocument } from './registration.ts'
import { type Confirm, entryNames, type LoginVault } from './stored.ts'

export interface OAuthParts {
  readonly vault: LoginVault
  readonly confirm: Confirm
  /** Those that share the vault. */
  readonly sharers: Sharers
  readonly ask: Ask
  readonly log: Log
  /** The URL of the gateway as browsers know it, no trailing slash. */
  base(): string
  /** The definition of a registered server. */
  definition(name: string): ServerDefinition | undefined
  /** All of them. */
  definitions(): readonly ServerDefinition[]
  /** Somebody has logged in: what waited for that may go on. */
  loggedIn(account: Account): void
  /** A login is gone. */
  loggedOut(account: Account): void
  /** Somebody has come with another token than before: what waited for that may go on. */
  credentialsChanged(server: string, owner: string): void
  /** The tokens that callers have come in with. */
  readonly callers: CallerTokenPlace
}

const accountsMax = 20_000

export class OAuthClients {
  readonly #parts: OAuthParts
  /** By owner and server. */
  readonly #accounts = new Map<string, Account>()
  readonly #unsubscribe: () => void
  readonly #counts: LoginCounts
  readonly #authorities: Authorities
  readonly #exchanges: Exchanges
  readonly logins: Logins

  constructor(parts: OAuthParts) {
    this.#parts = parts
    const { vault, confirm, log } = parts
    this.#counts = new LoginCounts(vault, (name) => parts.definition(name) !== undefined)
    this.#authorities = new Authorities(parts)
    this.#exchanges = new Exchanges({
      ...{ log, callers: parts.callers, authorities: this.#authorities, counts: this.#counts },
      definition: (name) => parts.definition(name),
      changed: (server, owner) => parts.credentialsChanged(server, owner),
    })
    this.logins = new Logins({
      ...{ vault, confirm, log, counts: this.#counts },
      nowMs: parts.sharers.nowMs,
      open: (account) => this.#open(account),
      reopen: ({ definition }, pending) => this.#authorities.reopened(definition, pending),
      account: (owner, server) => this.account(owner, server),
      redirectUrl: (definition) => this.#authorities.redirectUrl(definition),
    })
    this.#unsubscribe = parts.vault.onChange((owner, server, name) => {
      if (name !== entryNames.login) return
      this.#counts.changed()
      this.#accounts.get(keyOf(owner, server))?.reread()
    })
  }

  close(): void {
    this.#unsubscribe()
    this.logins.close()
  }

  /** The account of this owner at this server, under this definition. */
  accountFor(definition: ServerDefinition, owner: string): Account {
    const key = keyOf(owner, definition.name)
    const known = this.#accounts.get(key)
    if (known !== undefined) {
      if (known.definition !== definition) known.take(definition)
      return known
    }
    this.#makeRoom()
    const { vault, confirm, log, sharers } = this.#parts
    const account = new Account(
      {
        ...{ vault, confirm, log, sharers, counts: this.#counts },
        endpointOf: (now, login) => this.#authorities.endpointOf(now, login),
        obtain: (now, challenge, scopes) => this.#authorities.obtained(now, challenge, scopes),
        remedy: (now) => this.#remedy(now),
        loggedIn: (account) => this.#parts.loggedIn(account),
        loggedOut: (account) => this.#parts.loggedOut(account),
      },
      definition,
      owner,
    )
    this.#accounts.set(key, account)
    return account
  }

  /**
   * What brings tokens to a connection under this definition: nothing where it is not the registered one, which is
   * tried or replaced. A login is for the place that is registered, and for no other under its name.
   */
  source(definition: ServerDefinition, owner: string): TokenSource {
    let registered = this.#parts.definition(definition.name)
    const isIt =
      registered !== undefined &&
      registered.url === definition.url &&
      Bun.deepEquals(registered.oauth, definition.oauth)
    if (!isIt || registered === undefined) return noTokens
    const account = this.#tokensFor(registered, owner)
    // A connection may outlive its definition: a login for another place is none of its business.
    const isStill = (): boolean => {
      const { definition: now } = account
      if (now !== registered && originOf(now) !== originOf(definition)) return false
      registered = now
      return true
    }
    const still = (token: string | null): string | null => (isStill() ? token : null)
    return {
      current: () => {
        const token = isStill() ? account.current() : null
        return token instanceof Promise ? token.then(still) : token
      },
      refused: (token, refusal) => (isStill() ? account : noTokens).refused(token, refusal),
      proofs: account.proofs,
    }
  }

  #tokensFor(definition: ServerDefinition, owner: string): Account | ExchangedAccount {
    return isExchanged(settingsOf(definition))
      ? this.#exchanges.accountFor(definition, owner)
      : this.accountFor(definition, owner)
  }

  /** The same for a server that is registered now, and wants logins; null for any other. */
  account(owner: string, server: string): Account | null {
    const definition = this.#parts.definition(server)
    if (definition?.oauth === undefined || isExchanged(definition.oauth)) return null
    return this.accountFor(definition, owner)
  }

  /** How the login of this owner stands. */
  view(definition: ServerDefinition, owner: string): LoginView | null {
    const { oauth } = definition
    if (oauth === undefined) return null
    if (isExchanged(oauth)) return this.#exchanges.view(definition, oauth, owner)
    const { state, login } = this.accountFor(definition, owner)
    return viewOf(oauth, login, {
      state,
      url: state === 'logged_in' ? null : this.connectUrl(definition.name),
    })
  }

  /** How the logins at all servers fare that want one. */
  figures(): LoginFigures[] {
    const ofShared = (name: string) => this.sharedAccount(name)
    return loginFigures(this.#parts.definitions(), this.#accounts.values(), ofShared, this.#counts)
  }

  /** Begins a login of the account that all share, as an admin asks for it. Rejects with a GatewayError. */
  async beginShared(name: string, how: 'browser' | 'paste' | 'device'): Promise<BegunLogin> {
    const account = this.#requireShared(name)
    const { grant } = settingsOf(account.definition)
    if (grant === 'client_credentials')
      throw new GatewayError(
        'BAD_REQUEST',
        `${name} takes the gateway's own credentials (oauth.grant), so nobody logs in there.`,
      )
    if (how === 'device' || grant === 'device') return await this.logins.beginAtDevice(account)
    if (how === 'paste') return await this.logins.begin(account, null)
    const ticket = await this.logins.makeTicket(account)
    return { url: `${this.connectUrl(name)}?ticket=${ticket}`, userCode: null, lifetimeS: pendingMs / 1_000 }
  }

  /** The account that all share at a server; null where there is none. */
  sharedAccount(name: string): Account | null {
    const account = this.account(sharedOwner, name)
    return account?.definition.oauth?.account === 'shared' ? account : null
  }

  /** Ends the login that all share. Rejects with BAD_REQUEST where there can be none. */
  async logoutShared(name: string): Promise<void> {
    this.#requireShared(name)
    await this.logout(sharedOwner, name)
  }

  /** Ends a login here, and tells its issuer. False where there was none. */
  async logout(owner: string, server: string): Promise<boolean> {
    const account = this.account(owner, server)
    const login = (await account?.forget()) ?? null
    if (account === null || login === null) return false
    const endpoint = await this.#authorities.endpointOf(account.definition, login).catch(() => null)
    await endpoint?.revoke(login.refreshToken ?? login.accessToken)
    this.#parts.log.info({ mcp: server, owner }, 'logged out at a server')
    return true
  }

  /** Where a person logs in at a server. */
  connectUrl(name: string): string {
    return `${this.#parts.base()}/connect/${encodeURIComponent(name)}`
  }

  #requireShared(name: string): Account {
    const account = this.sharedAccount(name)
    if (account !== null) return account
    const oauth = this.#parts.definition(name)?.oauth
    if (oauth !== undefined && isExchanged(oauth))
      throw new GatewayError(
        'BAD_REQUEST',
        `${name} takes a token in exchange (oauth.grant ${oauth.grant}), so nobody logs in there.`,
      )
    throw new GatewayError(
      'BAD_REQUEST',
      oauth !== undefined
        ? `At ${name} each user logs in on their own, at ${this.connectUrl(name)}.`
        : `${name} has no oauth in its definition, so nobody logs in there.`,
    )
  }

  /** The metadata document at `/oauth/clients/ID`; null for what is none. */
  document(id: string): ReturnType<typeof clientDocument> | null {
    return this.#authorities.document(id)
  }

  async #open(account: Account): Promise<OpenedAuthority> {
    const { definition } = account
    if (account.clientRefused) {
      account.clientRefused = false
      this.#authorities.forgetClient(definition)
    }
    const challenge = account.challenge ?? (await this.#authorities.challengeOf(definition))
    return await this.#authorities.opened(definition, challenge)
  }

  #remedy({ name, oauth }: ServerDefinition): { readonly text: string; readonly url: string } {
    const url = this.connectUrl(name)
    const text =
      oauth?.account === 'user'
        ? `Log in at ${url}, then try again.`
        : `An admin logs in with "compozy servers login ${name}", or at ${url}.`
    return { text, url }
  }

  /** One that is put out here reads the vault each time, for nobody tells it of changes any more. */
  #makeRoom(): void {
    for (const [key, account] of this.#accounts) {
      if (this.#accounts.size < accountsMax) return
      this.#accounts.delete(key)
      account.readAlways()
    }
  }
}

const noTokens: TokenSource = {
  current: () => null,
  refused: async () => {
    throw new GatewayError(
      'CREDENTIAL_MISSING',
      'It wants a login, which takes a server that is registered: register it, then log in.',
    )
  },
}

function keyOf(owner: string, server: string): string {
  return `${server} ${owner}`
}
