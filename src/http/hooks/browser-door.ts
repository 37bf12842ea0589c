/**
 * A person in a browser, known by a cookie. A browser attaches it to whatever asks, so a cookie alone changes nothing and
 * opens no admin path: that takes a page of the gateway's own, which knows the session's token and has the right Origin.
 */
import { timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { BrowserSession, SignIn } from '../../identity/sign-in/sign-in.ts'
import { isLoopbackHost } from '../../net/host.ts'

/** What a page sends beside the cookie. */
export const csrfHeader = 'x-csrf-token'

/** What a browser keeps: a session, and between the two halves of a sign-in, or of a login at a server, that it has begun one. */
export type CookieKind = 'session' | 'login' | 'connect'

/**
 * Under TLS the name has the prefix with which browsers take a cookie from this host alone (RFC 6265bis, 4.1.3.2), and
 * none without it is read: whoever has a neighbouring host cannot plant one.
 */
export function cookieName(kind: CookieKind, externalBase: string): string {
  return `${isSecure(externalBase) ? '__Host-' : ''}compozy-${kind}`
}

/** `value` empty takes it back. Strict but for the login, whose browser comes back from another site. */
export function setCookie(
  kind: CookieKind,
  externalBase: string,
  value: string,
  maxAgeSeconds: number,
): string {
  const site = kind === 'session' ? 'Strict' : 'Lax'
  const secure = isSecure(externalBase) ? '; Secure' : ''
  const age = value === '' ? 0 : maxAgeSeconds
  return `${cookieName(kind, externalBase)}=${value}; Path=/; HttpOnly; SameSite=${site}; Max-Age=${age}${secure}`
}

function isSecure(externalBase: string): boolean {
  return externalBase.startsWith('https://')
}

/** In clear text a cookie is for this machine alone. Throws ADMIN_FORBIDDEN elsewhere. */
export function requireSafeCookie(externalBase: string): void {
  if (isSecure(externalBase) || isLoopbackHost(URL.parse(externalBase)?.hostname ?? '')) return
  throw new GatewayError(
    'ADMIN_FORBIDDEN',
    'Signing in takes https, for the cookie would be read on the way. Set base_url to the https URL of the gateway.',
  )
}

/** The value of a cookie; null without one. */
export function cookieOf(headers: Headers, kind: CookieKind, externalBase: string): string | null {
  const header = headers.get('cookie')
  if (header === null) return null
  const prefix = `${cookieName(kind, externalBase)}=`
  const found = header.split(/;\s*/).find((pair) => pair.startsWith(prefix))
  return found === undefined ? null : found.slice(prefix.length)
}

/** The session of a request's cookie; null without one that is open. */
export function sessionOf(
  headers: Headers,
  externalBase: string,
  signIn: SignIn | null,
): BrowserSession | null {
  const cookie = signIn === null ? null : cookieOf(headers, 'session', externalBase)
  return cookie === null ? null : (signIn?.find(cookie) ?? null)
}

/** Refuses whatever a page of another site could have made a browser send; `token` is what a form has in place of the header. */
export function checkPage(
  request: Request,
  session: BrowserSession,
  externalBase: string,
  token: string | null = request.headers.get(csrfHeader),
): GatewayError | null {
  const given = Buffer.from(token ?? '')
  const expected = Buffer.from(session.csrf)
  const known = given.length === expected.length && timingSafeEqual(given, expected)
  return known && isOwnPage(request, externalBase)
    ? null
    : new GatewayError(
        'ADMIN_FORBIDDEN',
        'With a cookie this takes a page of the gateway: its Origin, and the csrf of GET /me as X-CSRF-Token.',
      )
}

/** Whether a request is of a page of the gateway's own; of no page at all only where nothing is changed. */
export function isOwnPage({ method, headers }: Request, externalBase: string): boolean {
  const origin = headers.get('origin')
  if (origin === null) return method === 'GET' || method === 'HEAD'
  return origin === URL.parse(externalBase)?.origin
}
