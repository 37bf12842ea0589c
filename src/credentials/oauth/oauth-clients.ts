/**
 * The gateway as an OAuth client of its servers: the one door of this room. It has an account for each owner at each
 * server, gives their tokens to connections, and begins and ends logins.
 */
import { createHash } from 'node:crypto'
import { sharedOwner } from '../../access/owner/credential-owner.ts'
import { GatewayError } from '../../errors.ts'
import { isLoopbackHost } from '../../net/host.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { OAuthSettings } from '../../registry/oauth/oauth-settings.ts'
import type { Sharers } from '../../registry/storage/sharers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LoginFigures } from '../../telemetry/metrics.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import type { TokenSource } from '../../upstream/transports/http/client/token-source.ts'
import { Account, type LoginState } from './account.ts'
import { type BearerChallenge, bearerChallenge } from './challenge.ts'
import { authorityOf, discover } from './discovery.ts'
import { LoginCounts, loginFigures } from './login-figures.ts'
import { type BegunLogin, Logins, loginOf, type OpenedAuthority, originOf, wantedScopes } from './logins.ts'
import {
  type ClientMemory,
  type ClientPlaces,
  clientDocument,
  clientFor,
  clientOfLogin,
} from './registration.ts'
import {
  type Confirm,
  clientIn,
  entryNames,
  type LoginVault,
  type PendingLogin,
  type StoredLogin,
} from './stored.ts'
import { outage, TokenEndpoint, TokenRefused } from './token-endpoint.ts'

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
}

/** How a login stands, for people. */
export interface LoginView {
  readonly account: OAuthSettings['account']
  readonly state: LoginState
  /** Where a person logs in; null where nobody has to. */
  readonly url: string | null
  readonly issuer: string | null
  readonly scopes: string[]
  /** When the token came and when it ends, in ISO 8601; null where that is not known. */
  readonly since: string | null
  readonly expiresAt: string | null
}

const accountsMax = 20_000
const callbackIdLength = 22

export class OAuthClients {
  readonly #parts: OAuthParts
  /** By owner and server. */
  readonly #accounts = new Map<string, Account>()
  readonly #unsubscribe: () => void
  readonly #counts: LoginCounts
  readonly logins: Logins

  constructor(parts: OAuthParts) {
    this.#parts = parts
    const { vault, confirm, log } = parts
    this.#counts = new LoginCounts(vault, (name) => parts.definition(name) !== undefined)
    this.logins = new Logins({
      ...{ vault, confirm, log, counts: this.#counts },
      nowMs: parts.sharers.nowMs,
      open: (account) => this.#open(account),
      reopen: (account, pending) => this.#reopen(account, pending),
      account: (owner, server) => this.account(owner, server),
      redirectUrl: (definition) => this.redirectUrl(definition),
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
        endpointOf: (now, login) => this.#endpointOf(now, login),
        obtain: (now, challenge, scopes) => this.#obtain(now, challenge, scopes),
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
    const account = this.accountFor(registered, owner)
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
    }
  }

  /** The same for a server that is registered now, and wants logins; null for any other. */
  account(owner: string, server: string): Account | null {
    const definition = this.#parts.definition(server)
    if (definition?.oauth === undefined) return null
    return this.accountFor(definition, owner)
  }

  /** How the login of this owner stands. */
  view(definition: ServerDefinition, owner: string): LoginView | null {
    const { oauth } = definition
    if (oauth === undefined) return null
    const { state, login } = this.accountFor(definition, owner)
    const expiresAtMs = login?.expiresAtMs ?? null
    return {
      account: oauth.account,
      state,
      url: state === 'logged_in' ? null : this.connectUrl(definition.name),
      issuer: login?.issuer ?? oauth.issuer,
      scopes: [...(login?.scopes ?? oauth.scopes ?? [])],
      since: login === null ? null : new Date(login.obtainedAtMs).toISOString(),
      expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    }
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
    return { url: `${this.connectUrl(name)}?ticket=${ticket}`, userCode: null, lifetimeS: 600 }
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
    const endpoint = await this.#endpointOf(account.definition, login).catch(() => null)
    await endpoint?.revoke(login.refreshToken ?? login.accessToken)
    this.#parts.log.info({ mcp: server, owner }, 'logged out at a server')
    return true
  }

  /** Where a person logs in at a server. */
  connectUrl(name: string): string {
    return `${this.#parts.base()}/connect/${encodeURIComponent(name)}`
  }

  /** Where authorization servers send people back to: another place for each server, so that none can be mixed up. */
  redirectUrl(definition: ServerDefinition): string {
    return `${this.#parts.base()}/oauth/callback/${callbackId(definition)}`
  }

  /** The metadata document at `/oauth/clients/ID`; null for what is none. */
  document(id: string): ReturnType<typeof clientDocument> | null {
    const found = this.#parts.definitions().find((definition) => {
      return definition.oauth !== undefined && callbackId(definition) === id
    })
    const url = found === undefined ? null : this.#places(found).documentUrl
    return found === undefined || url === null ? null : clientDocument(url, this.redirectUrl(found))
  }

  #requireShared(name: string): Account {
    const account = this.sharedAccount(name)
    if (account !== null) return account
    const isOfUsers = this.#parts.definition(name)?.oauth !== undefined
    throw new GatewayError(
      'BAD_REQUEST',
      isOfUsers
        ? `At ${name} each user logs in on their own, at ${this.connectUrl(name)}.`
        : `${name} has no oauth in its definition, so nobody logs in there.`,
    )
  }

  #places(definition: ServerDefinition): ClientPlaces {
    const base = this.#parts.base()
    const { protocol, hostname } = new URL(base)
    const isPublic = protocol === 'https:' && !isLoopbackHost(hostname)
    return {
      redirectUrl: this.redirectUrl(definition),
      documentUrl: isPublic ? `${base}/oauth/clients/${callbackId(definition)}` : null,
    }
  }

  async #open(account: Account): Promise<OpenedAuthority> {
    const { definition } = account
    if (account.clientRefused) {
      account.clientRefused = false
      this.#parts.vault.delete(sharedOwner, definition.name, entryNames.client)
    }
    return await this.#opened(definition, account.challenge ?? (await this.#challengeOf(definition)))
  }

  async #opened(definition: ServerDefinition, challenge: BearerChallenge | null): Promise<OpenedAuthority> {
    const { ask } = this.#parts
    const settings = settingsOf(definition)
    const authority = await discover(ask, definition.url, settings, challenge)
    const memory = this.#memoryOf(definition.name)
    const client = await clientFor(authority, settings, this.#places(definition), memory, ask)
    return { authority, clientId: client.id, endpoint: new TokenEndpoint(authority, client, ask) }
  }

  async #reopen({ definition }: Account, pending: PendingLogin): Promise<OpenedAuthority> {
    const { ask } = this.#parts
    const settings = settingsOf(definition)
    const authority = await authorityOf(ask, definition.url, settings, pending)
    const { clientId } = pending
    const client = clientOfLogin(clientId, authority.metadata, settings, this.#memoryOf(definition.name))
    if (client === null)
      throw new GatewayError('SIGN_IN_FAILED', 'The gateway is another client there by now. Begin again.')
    return { authority, clientId, endpoint: new TokenEndpoint(authority, client, ask) }
  }

  async #endpointOf(definition: ServerDefinition, login: StoredLogin): Promise<TokenEndpoint | null> {
    const { ask } = this.#parts
    const settings = settingsOf(definition)
    const authority = await authorityOf(ask, definition.url, settings, login)
    const client = clientOfLogin(
      login.clientId,
      authority.metadata,
      settings,
      this.#memoryOf(definition.name),
    )
    return client === null ? null : new TokenEndpoint(authority, client, ask)
  }

  /** A token for the client itself. */
  async #obtain(
    definition: ServerDefinition,
    challenge: BearerChallenge | null,
    scopesBefore: readonly string[],
  ): Promise<StoredLogin> {
    const { authority, clientId, endpoint } = await this.#opened(definition, challenge)
    const scopes = wantedScopes({ definition, challenge, scopesBefore }, authority, false)
    try {
      const given = await endpoint.withOwnCredentials(scopes)
      return loginOf(originOf(definition), authority, clientId, scopes, given, this.#parts.sharers.nowMs())
    } catch (thrown) {
      if (!(thrown instanceof TokenRefused)) throw outage(authority.issuer, thrown)
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${authority.issuer} gives the gateway no token for ${definition.name} (${thrown.code}): check oauth.client and oauth.scopes of the server.`,
      )
    }
  }

  /** What the server says to somebody without a token; null where it says nothing of one. */
  async #challengeOf({ url }: ServerDefinition): Promise<BearerChallenge | null> {
    const headers = { accept: 'text/event-stream' }
    const answer = await this.#parts.ask({ url, learnedFrom: null, headers }).catch(() => null)
    return answer?.status === 401 ? bearerChallenge(answer.challenge) : null
  }

  #memoryOf(server: string): ClientMemory {
    const { vault } = this.#parts
    return {
      read: () => {
        const entry = vault.read(sharedOwner, server, entryNames.client)
        return entry === null ? null : clientIn(entry.value)
      },
      write: (client) =>
        void vault.write(
          sharedOwner,
          server,
          entryNames.client,
          JSON.stringify(client),
          undefined,
          client.issuer,
        ),
    }
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

function settingsOf({ name, oauth }: ServerDefinition): OAuthSettings {
  if (oauth === undefined) throw new GatewayError('INTERNAL', `${name} has no oauth.`)
  return oauth
}

function callbackId({ name }: ServerDefinition): string {
  return createHash('sha256').update(`callback ${name}`).digest('base64url').slice(0, callbackIdLength)
}

function keyOf(owner: string, server: string): string {
  return `${server} ${owner}`
}
