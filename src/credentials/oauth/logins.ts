/**
 * Logins from their beginning to their end: in a browser, by an address that somebody brings back, at another device.
 *
 * A login that has begun is known by its state, 256 bits that count once and for ten minutes. It remembers issuer,
 * verifier, owner, server and the browser that began. Whoever comes back with anything else is refused before a token
 * is asked for.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { GatewayError, reasonOf } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { takesScopesOfServer } from '../../registry/oauth/oauth-settings.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Account } from './account.ts'
import { unionOf } from './challenge.ts'
import { type Authority, unusable } from './discovery.ts'
import type { LoginCounts } from './login-figures.ts'
import {
  type Confirm,
  entryNames,
  type LoginVault,
  type PendingLogin,
  pendingIn,
  type StoredLogin,
  ticketIn,
} from './stored.ts'
import {
  type DeviceStart,
  type GivenTokens,
  scopeParameter,
  type TokenEndpoint,
  TokenRefused,
} from './token-endpoint.ts'
import { expiryOf } from './token-life.ts'

/** Where tokens of a server come from, and as which client the gateway asks for them. */
export interface OpenedAuthority {
  readonly authority: Authority
  readonly clientId: string
  readonly endpoint: TokenEndpoint
}

export interface LoginParts {
  readonly vault: LoginVault
  readonly confirm: Confirm
  readonly log: Log
  /** The wall clock of all that share the vault. */
  nowMs(): number
  readonly counts: LoginCounts
  /** For a login that begins now: everything is asked for anew. */
  open(account: Account): Promise<OpenedAuthority>
  /** For one that has begun. */
  reopen(account: Account, pending: PendingLogin): Promise<OpenedAuthority>
  account(owner: string, server: string): Account | null
  redirectUrl(definition: ServerDefinition): string
}

/** A login that waits for a person. */
export interface BegunLogin {
  /** Where the person goes. */
  readonly url: string
  /** What is typed there; null where the address says it. */
  readonly userCode: string | null
  readonly lifetimeS: number
}

/** How long a login that has begun, or a ticket for one, counts. */
export const pendingMs = 10 * 60_000
const pendingPerAccountMax = 20
const deviceSMax = 30 * 60
const intervalSMin = 1
export class Logins {
  readonly #parts: LoginParts
  /** Logins at devices that are waited for, by account. */
  readonly #devices = new Map<Account, { cancelled: boolean }>()

  constructor(parts: LoginParts) {
    this.#parts = parts
  }

  /**
   * The address at the authorization server. `browser` is what the browser alone has that will come back, null where
   * whoever began brings the answer; `session` that in which its person is signed in. Rejects with a GatewayError that
   * says why none can begin.
   */
  async begin(account: Account, browser: string | null, session: string | null = null): Promise<BegunLogin> {
    const { authority, clientId } = await this.#parts.open(account)
    const { metadata, issuer, resource } = authority
    const endpoint = URL.parse(metadata.authorization_endpoint ?? '')
    if (endpoint === null)
      throw unusable(issuer, 'has no page to log in; set another oauth.grant of the server')
    this.#checkPkce(account.definition, authority)
    const [state, verifier] = [randomText(), randomText()]
    const scopes = wantedScopes(account, authority, true)
    const redirectUrl = this.#parts.redirectUrl(account.definition)
    const pending: PendingLogin = {
      issuer,
      clientId,
      origin: originOf(account.definition),
      resource,
      verifier,
      redirectUrl,
      scopes: [...scopes],
      browser: browser === null ? null : digestOf(browser),
      session,
      untilMs: this.#parts.nowMs() + pendingMs,
    }
    this.#makeRoom(account)
    const { vault, confirm } = this.#parts
    const name = entryNames.pending + digestOf(state)
    const { owner, server } = account
    await confirm(async () => vault.write(owner, server, name, JSON.stringify(pending), null, issuer))
    const parameters = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUrl,
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...scopeParameter(scopes),
      ...(resource === null ? {} : { resource }),
      // Without a person's word there is no refresh token (OpenID Connect Core, 11).
      ...(scopes.includes('offline_access') ? { prompt: 'consent' } : {}),
    }
    for (const [parameter, value] of Object.entries(parameters)) endpoint.searchParams.set(parameter, value)
    return { url: endpoint.href, userCode: null, lifetimeS: pendingMs / 1_000 }
  }

  /**
   * Finishes one with what the browser came back with. `path` is the one that it came to, null where somebody brings it.
   * `mayStill` says whether whoever began it in a session may do so now: their key may have been given to somebody else.
   * Rejects with SIGN_IN_FAILED for what was not begun here, and with ISSUER_UNAVAILABLE.
   */
  async finish(
    parameters: URLSearchParams,
    browser: string | null,
    path: string | null,
    mayStill: (account: Account, session: string) => boolean = () => false,
  ): Promise<Account> {
    const states = parameters.getAll('state')
    const state = states.length === 1 ? (states[0] ?? '') : ''
    const name = entryNames.pending + digestOf(state)
    const { vault, log, counts } = this.#parts
    const [found] = state === '' ? [] : vault.list({ prefix: name })
    const entry = found === undefined ? null : vault.read(found.owner, found.server, name)
    const pending = entry === null ? null : pendingIn(entry.value)
    const account = found === undefined ? null : this.#parts.account(found.owner, found.server)
    if (pending === null || account === null || this.#parts.nowMs() >= pending.untilMs) throw notBegun()
    if (pending.origin !== originOf(account.definition)) throw notBegun()
    if (path !== null && !pending.redirectUrl.endsWith(path)) throw notBegun()
    if (!isSameBrowser(pending, browser, path === null)) throw notBegun(pending.browser === null)
    if (pending.session !== null && !mayStill(account, pending.session)) throw notBegun()
    // Whoever takes it away is the one who goes on.
    const isOurs = await this.#parts
      .confirm(async () => vault.delete(account.owner, account.server, name))
      .catch(() => false)
    if (!isOurs) throw notBegun()
    try {
      const { authority, clientId, endpoint } = await this.#parts.reopen(account, pending)
      const { verifier, redirectUrl, scopes } = pending
      const given = await endpoint.withCode(parameters, { state, verifier, redirectUrl })
      await account.keep(
        loginOf(pending.origin, authority, clientId, scopes, given, this.#parts.nowMs()),
        'a person',
      )
      log.info(
        { mcp: account.server, owner: account.owner, issuer: authority.issuer },
        'logged in at a server',
      )
      return account
    } catch (thrown) {
      log.warn({ mcp: account.server, owner: account.owner, reason: reasonOf(thrown) }, 'a login has failed')
      counts.attempted(account.server, 'failed')
      if (thrown instanceof GatewayError) throw thrown
      const why = thrown instanceof TokenRefused ? ` (${thrown.code})` : ''
      if (thrown instanceof TokenRefused && thrown.code === 'invalid_client') account.clientRefused = true
      throw new GatewayError(
        'SIGN_IN_FAILED',
        `The login at ${account.server} cannot be finished${why}; begin again.`,
      )
    }
  }

  /** Begins one at another device, and waits for it in the background. */
  async beginAtDevice(account: Account): Promise<BegunLogin> {
    const origin = originOf(account.definition)
    const opened = await this.#parts.open(account)
    const { authority, endpoint } = opened
    if (authority.metadata.device_authorization_endpoint === undefined)
      throw unusable(authority.issuer, 'knows no logins at another device; use --paste instead of --device')
    const scopes = wantedScopes(account, authority, true)
    const start = await endpoint.beginAtDevice(scopes).catch((thrown: unknown) => {
      throw thrown instanceof GatewayError
        ? thrown
        : unusable(authority.issuer, `refused (${reasonOf(thrown)})`)
    })
    if (!/^https?:\/\//.test(start.verificationUrl))
      throw unusable(authority.issuer, 'names no page for the device')
    const before = this.#devices.get(account)
    if (before !== undefined) before.cancelled = true
    const watch = { cancelled: false }
    this.#devices.set(account, watch)
    void this.#waitForDevice(account, { ...opened, origin }, scopes, start, watch).finally(() => {
      if (this.#devices.get(account) === watch) this.#devices.delete(account)
    })
    const { verificationUrl, userCode } = start
    return { url: verificationUrl, userCode, lifetimeS: Math.min(start.lifetimeS, deviceSMax) }
  }

  /** A ticket with which a browser may begin the login of an account that all share, once. */
  async makeTicket(account: Account): Promise<string> {
    const ticket = randomText()
    this.#makeRoom(account)
    const text = JSON.stringify({ untilMs: this.#parts.nowMs() + pendingMs })
    const { vault, confirm } = this.#parts
    const name = entryNames.ticket + digestOf(ticket)
    await confirm(async () => vault.write(account.owner, account.server, name, text, null))
    return ticket
  }

  /** Whether this ticket is one that counts. */
  knowsTicket(account: Account, ticket: string): boolean {
    const { vault } = this.#parts
    const name = entryNames.ticket + digestOf(ticket)
    const entry = vault.read(account.owner, account.server, name)
    const known = entry === null ? null : ticketIn(entry.value)
    return known !== null && this.#parts.nowMs() < known.untilMs
  }

  /** The same, and takes it away: true for one of those who ask. */
  async useTicket(account: Account, ticket: string): Promise<boolean> {
    if (!this.knowsTicket(account, ticket)) return false
    const { vault, confirm } = this.#parts
    const name = entryNames.ticket + digestOf(ticket)
    return await confirm(async () => vault.delete(account.owner, account.server, name)).catch(() => false)
  }

  /** Waits for no device any more. */
  close(): void {
    for (const watch of this.#devices.values()) watch.cancelled = true
  }

  async #waitForDevice(
    account: Account,
    { authority, clientId, endpoint, origin }: OpenedAuthority & { readonly origin: string },
    scopes: readonly string[],
    { deviceCode, lifetimeS, intervalS }: DeviceStart,
    watch: { readonly cancelled: boolean },
  ): Promise<void> {
    const untilMs = performance.now() + Math.min(lifetimeS, deviceSMax) * 1_000
    let pauseS = Math.max(intervalS, intervalSMin)
    while (performance.now() < untilMs) {
      await sleepUnreferenced(pauseS * 1_000)
      if (watch.cancelled) return
      try {
        const given = await endpoint.withDevice(deviceCode)
        if (watch.cancelled) return
        await account.keep(
          loginOf(origin, authority, clientId, scopes, given, this.#parts.nowMs()),
          'a person',
        )
        this.#parts.log.info({ mcp: account.server, issuer: authority.issuer }, 'logged in at a server')
        return
      } catch (thrown) {
        const code = thrown instanceof TokenRefused ? thrown.code : ''
        if (code === 'slow_down') pauseS += 5
        else if (code !== '' && code !== 'authorization_pending') {
          this.#parts.log.warn({ mcp: account.server, reason: code }, 'a login has failed')
          this.#parts.counts.attempted(account.server, 'failed')
          return
        }
      }
    }
  }

  #checkPkce({ oauth }: ServerDefinition, { metadata, issuer }: Authority): void {
    if (oauth?.pkce === 'assumed' || metadata.code_challenge_methods_supported?.includes('S256') === true)
      return
    throw unusable(
      issuer,
      'does not say that it takes PKCE with S256; if it does all the same, set oauth.pkce of the server to assumed',
    )
  }

  /** What is over goes, and past the bound what is oldest. */
  #makeRoom({ owner, server }: Account): void {
    const { vault } = this.#parts
    const kept: { readonly name: string; readonly untilMs: number }[] = []
    for (const prefix of [entryNames.pending, entryNames.ticket])
      for (const { name } of vault.list({ owner, server, prefix })) {
        const text = vault.read(owner, server, name)?.value ?? ''
        const untilMs = (pendingIn(text) ?? ticketIn(text))?.untilMs ?? 0
        if (this.#parts.nowMs() >= untilMs) vault.delete(owner, server, name)
        else kept.push({ name, untilMs })
      }
    const surplus = kept.length + 1 - pendingPerAccountMax
    kept.sort((a, b) => a.untilMs - b.untilMs)
    for (const { name } of kept.slice(0, Math.max(0, surplus))) vault.delete(owner, server, name)
  }
}

/** As a login is kept for this origin that an authorization server has just given tokens for. */
export function loginOf(
  origin: string,
  { issuer, resource }: Authority,
  clientId: string,
  scopes: readonly string[],
  given: GivenTokens,
  nowMs: number,
): StoredLogin {
  return {
    issuer,
    clientId,
    origin,
    resource,
    accessToken: given.accessToken,
    refreshToken: given.refreshToken,
    obtainedAtMs: nowMs,
    expiresAtMs: expiryOf(given, nowMs),
    scopes: [...scopes],
    ...(given.proofKey === null ? {} : { proofKey: given.proofKey }),
    refreshing: null,
  }
}

/**
 * The scopes of a login (2026-07-28, basic/authorization, Scope Selection Strategy): those of the definition, else those
 * that the server asked for, else those that it names; with all that there were before, and where that brings a refresh
 * token with `offline_access`. Of a server whose word counts for nothing (oauth-settings.ts), those of the definition.
 */
export function wantedScopes(
  { definition, challenge, scopesBefore }: Pick<Account, 'definition' | 'challenge' | 'scopesBefore'>,
  { scopesSupported, metadata }: Authority,
  wantsRefresh: boolean,
): readonly string[] {
  const { oauth } = definition
  const chosen = oauth?.scopes ?? null
  if (oauth !== undefined && !takesScopesOfServer(oauth)) return chosen ?? []
  const named = chosen ?? challenge?.scopes ?? scopesSupported ?? []
  const scopes = unionOf(named, scopesBefore)
  const offered = wantsRefresh && chosen === null && scopes.length > 0
  return offered && metadata.scopes_supported?.includes('offline_access') === true
    ? unionOf(scopes, ['offline_access'])
    : scopes
}

/** The origin of the server, for which its tokens are. */
export function originOf({ url }: ServerDefinition): string {
  return URL.parse(url)?.origin ?? ''
}

/** No secret of a browser is kept as it is. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** 256 bits. */
function randomText(): string {
  return randomBytes(32).toString('base64url')
}

/** What is to be brought is brought: a browser that a link has led to ends no login of whoever has sent the link. */
function isSameBrowser(pending: PendingLogin, browser: string | null, isBrought: boolean): boolean {
  if (pending.browser === null || isBrought) return pending.browser === null && isBrought
  if (browser === null) return false
  const [one, other] = [Buffer.from(pending.browser), Buffer.from(digestOf(browser))]
  return one.length === other.length && timingSafeEqual(one, other)
}

function notBegun(isPasted = false): GatewayError {
  return new GatewayError(
    'SIGN_IN_FAILED',
    isPasted
      ? 'This login was begun in a terminal: copy the address of this page and paste it there.'
      : 'This login was not begun in this browser, took too long, or is over already. Begin again.',
  )
}

function sleepUnreferenced(waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, waitMs).unref()
  })
}
