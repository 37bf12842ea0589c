/**
 * People in a browser: they sign in at an issuer, or with a token that they have, and are known by a cookie from then
 * on. One room, for whatever pages there are; it knows no request and no page.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { personId, personPrincipal } from '../../access/person.ts'
import type { Principal } from '../../access/principal.ts'
import { hasClaims, type RuleBook } from '../../access/rules.ts'
import type { Config } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import type { JsonObject } from '../../protocol/json.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import { namedClaims } from '../oauth/token-claims.ts'
import { type BrowserSession, BrowserSessions, digestOf, type OpenedSession } from './browser-sessions.ts'
import { type LoginSecrets, OidcLogin } from './oidc-login.ts'

export type { BrowserSession } from './browser-sessions.ts'

export interface SignInParts {
  readonly book: RuleBook
  readonly ask: Ask
  readonly log: Log
  /** The configuration in force. */
  settings(): Pick<Config, 'baseUrl' | 'auth'>
  /** Whom a token or key stands for now, by the principal of when it was shown; null once it counts no more. */
  current(principal: Principal): Principal | null
}

/** A sign-in that has begun at the issuer. */
interface Pending {
  readonly secrets: LoginSecrets
  /** Digest of what this browser alone has. */
  readonly browser: string
  readonly returnTo: string
  readonly untilMs: number
  /** Whom it counts for in the bound of one address. */
  readonly address: string
  readonly login: OidcLogin
}

/** The place that issuers send people back to, behind the base. */
const callbackPath = '/oauth/callback/login'

const pendingMs = 10 * 60_000
const pendingMax = 1_000
const pendingPerAddressMax = 20
const browserBytes = 32
const commonClaims = { groups: 'groups', scopes: 'scope' }

export class SignIn {
  readonly #parts: SignInParts
  readonly #sessions = new BrowserSessions()
  /** By digest of the state, oldest first. */
  readonly #pending = new Map<string, Pending>()
  #login: { readonly of: unknown; readonly login: OidcLogin | null } | null = null

  constructor(parts: SignInParts) {
    this.#parts = parts
  }

  /** True where people can sign in at an issuer. */
  get atIssuer(): boolean {
    return this.#oidc() !== null
  }

  /**
   * Begins a sign-in: where the browser goes, and what it keeps until it is back. Rejects with ISSUER_UNAVAILABLE, and
   * with NOT_FOUND where there is no issuer.
   */
  async begin(returnTo: string, address: string): Promise<{ url: URL; browser: string }> {
    const login = this.#oidc()
    if (login === null) {
      throw new GatewayError(
        'NOT_FOUND',
        'There is no issuer to sign in at; set auth.oauth.login, or sign in with a token.',
      )
    }
    const { url, secrets } = await login.begin()
    const browser = randomBytes(browserBytes).toString('base64url')
    this.#makeRoom(address)
    const untilMs = performance.now() + pendingMs
    const pending = { secrets, browser: digestOf(browser), returnTo, untilMs, address, login }
    this.#pending.set(digestOf(secrets.state), pending)
    return { url, browser }
  }

  /**
   * Finishes one. Rejects with SIGN_IN_FAILED for what this browser did not begin, or began too long ago, or has come
   * back from already: nothing is asked of the issuer then.
   */
  async finish(
    parameters: URLSearchParams,
    browser: string | null,
  ): Promise<OpenedSession & { returnTo: string }> {
    const states = parameters.getAll('state')
    const key = digestOf(states.length === 1 ? (states[0] ?? '') : '')
    const pending = this.#pending.get(key)
    const known = pending !== undefined && browser !== null && equal(pending.browser, digestOf(browser))
    if (!known || performance.now() >= pending.untilMs) {
      throw new GatewayError(
        'SIGN_IN_FAILED',
        'This sign-in was not begun in this browser, took too long, or is over already. Begin again.',
      )
    }
    this.#pending.delete(key)
    const claims = await pending.login.finish(parameters, pending.secrets)
    return { ...this.#openPerson(claims), returnTo: pending.returnTo }
  }

  /**
   * Opens a session for somebody who has shown a token that is configured, or a key. It ends when that counts no more,
   * and when it is given another role: what a browser may do is never more, or less, than when its person signed in.
   */
  open(principal: Principal): OpenedSession {
    return this.#sessions.open(principal.id, () => {
      const now = this.#parts.current(principal)
      return now?.role === principal.role ? now : null
    })
  }

  find(cookie: string): BrowserSession | null {
    return this.#sessions.find(cookie)
  }

  /** Who is signed in in the session of this key now; null where there is none any more. */
  principalIn(key: string): Principal | null {
    return this.#sessions.principalIn(key)
  }

  end(session: BrowserSession): void {
    this.#sessions.end(session)
  }

  has(session: BrowserSession): boolean {
    return this.#sessions.has(session)
  }

  #openPerson(token: JsonObject): OpenedSession {
    const { settings, book } = this.#parts
    const { login, issuers } = settings().auth.oauth
    const issuer = login.issuer ?? ''
    const subject = String(token['sub'])
    const paths = issuers.find((known) => known.issuer === issuer)?.claims ?? commonClaims
    const claims = namedClaims(token, paths)
    let made: { readonly of: unknown; readonly principal: Principal } | null = null
    const holder = (): Principal | null => {
      const now = settings().auth.oauth.login
      if (now.issuer !== issuer) return null
      if (made?.of !== now) {
        const person = { issuer, subject, claims, expiresAtMs: opened.session.endsAtMs }
        made = { of: now, principal: personPrincipal(person, book, roleOf(claims, now)) }
      }
      return made.principal
    }
    const opened = this.#sessions.open(personId(issuer, subject), holder)
    return opened
  }

  /** Made anew when the settings are others. */
  #oidc(): OidcLogin | null {
    const { baseUrl, auth } = this.#parts.settings()
    const settings = auth.oauth.login
    if (this.#login?.of === settings) return this.#login.login
    const { issuer, clientId } = settings
    const { ask, log } = this.#parts
    const login =
      issuer === null || clientId === null || baseUrl === null
        ? null
        : new OidcLogin({ settings, issuer, clientId, redirectUrl: baseUrl + callbackPath, ask, log })
    this.#login = { of: settings, login }
    return login
  }

  #makeRoom(address: string): void {
    const own = [...this.#pending].filter(([, pending]) => pending.address === address)
    const [oldest] = own
    if (own.length >= pendingPerAddressMax && oldest !== undefined) this.#pending.delete(oldest[0])
    for (const [key, { untilMs }] of this.#pending) {
      if (this.#pending.size < pendingMax && performance.now() < untilMs) break
      this.#pending.delete(key)
    }
  }
}

/** The highest role whose claims a person has. */
function roleOf(
  claims: Readonly<Record<string, readonly string[]>>,
  { admin, operator, viewer }: Config['auth']['oauth']['login'],
): Principal['role'] {
  const roles = [
    { role: 'admin', settings: admin },
    { role: 'operator', settings: operator },
    { role: 'viewer', settings: viewer },
  ] as const
  const found = roles.find(({ settings }) => settings !== null && hasClaims(claims, settings.claims))
  return found?.role ?? 'client'
}

function equal(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
}
