/**
 * Who issues tokens for a server, and for which resource (2026-07-28, basic/authorization/authorization-server-discovery):
 * the metadata of the server by its challenge, by its path, at its root; then that of the authorization server, which
 * must call itself exactly what it was called.
 *
 * The attack: a server names somebody else. A secret of a client goes only to an issuer that the definition names
 * (registry/oauth), a token only to the server that it was got for, and no address further in than the one that named
 * it is asked at all.
 */
import type * as oauth from 'oauth4webapi'
import { GatewayError } from '../../errors.ts'
import { issuerMetadata } from '../../identity/oauth/issuer-requests.ts'
import { type JsonObject, objectIn } from '../../protocol/json.ts'
import type { OAuthSettings } from '../../registry/oauth/oauth-settings.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import type { BearerChallenge } from './challenge.ts'

/** Where tokens for a server come from. */
export interface Authority {
  readonly issuer: string
  readonly metadata: oauth.AuthorizationServer
  /** The resource that tokens are asked for; null for none. */
  readonly resource: string | null
  /** What the server says that it usually takes; null where it says nothing. */
  readonly scopesSupported: readonly string[] | null
}

interface ResourceMetadata {
  readonly resource: string
  readonly issuers: readonly string[]
  readonly scopesSupported: readonly string[] | null
}

const listMax = 64

/** Rejects with ISSUER_UNAVAILABLE while somebody does not answer, and with UPSTREAM_UNAUTHORIZED for what cannot be used. */
export async function discover(
  ask: Ask,
  serverUrl: string,
  settings: OAuthSettings,
  challenge: BearerChallenge | null,
): Promise<Authority> {
  const server = new URL(serverUrl)
  server.username = ''
  server.password = ''
  server.hash = ''
  const named = await resourceMetadata(ask, server, challenge)
  checkResource(named, server, settings)
  const issuer = settings.issuer ?? named?.issuers[0] ?? server.origin
  const found = URL.parse(issuer)
  if (found === null || !isPlace(found, server.protocol === 'https:' && settings.issuer === null))
    throw unusable(server, 'names an authorization server that is no https URL')
  const learnedFrom = settings.issuer === null ? namedBy(server, found) : issuer
  const metadata = await issuerMetadata(issuer, ask, learnedFrom).catch((thrown: unknown) => {
    throw told(thrown, server, named === null && settings.issuer === null)
  })
  return {
    issuer,
    metadata: checkedMetadata(metadata, issuer, server),
    resource: resourceOf(named, server, settings),
    scopesSupported: named?.scopesSupported ?? null,
  }
}

/** The same for a login that is there, whose issuer and resource are known. Rejects as `discover` does. */
export async function authorityOf(
  ask: Ask,
  serverUrl: string,
  settings: OAuthSettings,
  { issuer, resource }: { readonly issuer: string; readonly resource: string | null },
): Promise<Authority> {
  const server = new URL(serverUrl)
  const learnedFrom = settings.issuer === issuer ? issuer : namedBy(server, new URL(issuer))
  const metadata = await issuerMetadata(issuer, ask, learnedFrom)
  return { issuer, metadata: checkedMetadata(metadata, issuer, server), resource, scopesSupported: null }
}

/** The document itself; null for a server that has none. */
async function resourceMetadata(
  ask: Ask,
  server: URL,
  challenge: BearerChallenge | null,
): Promise<ResourceMetadata | null> {
  const places = challenge?.resourceMetadata ? [challenge.resourceMetadata] : wellKnownPlaces(server)
  for (const place of places) {
    const url = URL.parse(place)
    if (url === null || !isPlace(url, server.protocol === 'https:'))
      throw unusable(server, 'names a place of its metadata that is no https URL')
    const { status, text } = await ask({
      url: url.href,
      learnedFrom: namedBy(server, url),
      headers: { accept: 'application/json' },
    })
    if (status === 200) return readMetadata(text, server)
    if (status >= 500) throw unavailable(`${url.host} answered HTTP ${status} to the request for metadata`)
    if (challenge?.resourceMetadata)
      throw unusable(server, `names metadata that is not there (HTTP ${status})`)
  }
  return null
}

/** Below the path of the server, then at the root (RFC 9728, 3.1). */
function wellKnownPlaces({ origin, pathname }: URL): readonly string[] {
  const root = `${origin}/.well-known/oauth-protected-resource`
  const path = pathname.replace(/\/+$/, '')
  return path === '' ? [root] : [root + path, root]
}

function readMetadata(text: string, server: URL): ResourceMetadata {
  const document = objectIn(text)
  const resource = document?.['resource']
  if (document === null || typeof resource !== 'string')
    throw unusable(server, 'has metadata that names no resource')
  return {
    resource,
    issuers: textsIn(document['authorization_servers']) ?? [],
    scopesSupported: textsIn(document['scopes_supported']),
  }
}

function textsIn(value: unknown): readonly string[] | null {
  if (!Array.isArray(value)) return null
  return value.filter((entry): entry is string => typeof entry === 'string').slice(0, listMax)
}

/** A server may speak for itself, and for what lies around it at its own origin. */
function checkResource(
  named: ResourceMetadata | null,
  server: URL,
  { resource: setting, issuer }: OAuthSettings,
): void {
  if (named === null || (setting !== 'auto' && setting !== 'none')) return
  if (!covers(named.resource, server))
    throw unusable(
      server,
      'says that it is another resource than the one in url; if that is meant, set oauth.resource of the server',
    )
  if (named.issuers.length === 0 && issuer === null)
    throw unusable(server, 'names no authorization server; set oauth.issuer of the server')
}

/** Whether a resource is the server, or a path above it at the same origin. */
export function covers(resource: string, server: URL): boolean {
  const url = URL.parse(resource)
  if (url === null || url.origin !== server.origin || url.hash !== '' || url.search !== '') return false
  const path = url.pathname.replace(/\/+$/, '')
  return path === '' || server.pathname === path || server.pathname.startsWith(`${path}/`)
}

/** As the server writes it; else its own URL, without a slash where there is no path. */
function resourceOf(named: ResourceMetadata | null, server: URL, { resource }: OAuthSettings): string | null {
  if (resource === 'none') return null
  if (resource !== 'auto') return resource
  if (named !== null) return named.resource
  return server.pathname === '/' && server.search === '' ? server.origin : server.href
}

/** The endpoints that are used, each at a place that may be asked. */
function checkedMetadata(metadata: JsonObject, issuer: string, server: URL): oauth.AuthorizationServer {
  const secure = issuer.startsWith('https://')
  for (const name of endpoints) {
    const value = metadata[name]
    if (value === undefined) continue
    const url = typeof value === 'string' ? URL.parse(value) : null
    if (url === null || !isPlace(url, secure))
      throw unusable(server, `has an authorization server whose ${name} cannot be used`)
  }
  return metadata as unknown as oauth.AuthorizationServer
}

const endpoints = [
  'authorization_endpoint',
  'token_endpoint',
  'registration_endpoint',
  'device_authorization_endpoint',
  'revocation_endpoint',
] as const

/** What is read over TLS names nothing in clear text. */
function isPlace({ protocol, username }: URL, secure: boolean): boolean {
  return username === '' && (protocol === 'https:' || (protocol === 'http:' && !secure))
}

/**
 * Who named a place, for the guard: an address must not lie further in than whoever names it. An authorization server
 * of the same machine stands at a port of its own, so the port is that of the place: what is asked there is read from
 * `/.well-known/`, and whatever else it names must be at its own port.
 */
function namedBy(server: URL, place: URL): string {
  const from = new URL(server)
  from.port = place.port === '' && place.protocol !== from.protocol ? portOf(place) : place.port
  return from.href
}

function portOf({ protocol }: URL): string {
  return protocol === 'https:' ? '443' : '80'
}

function told(thrown: unknown, { host }: URL, guessed: boolean): unknown {
  if (!guessed || !(thrown instanceof GatewayError) || thrown.code !== 'ISSUER_UNAVAILABLE') return thrown
  return new GatewayError(
    'UPSTREAM_UNAUTHORIZED',
    `${host} asks for a token and does not say where tokens come from: set oauth.issuer of the server to its authorization server.`,
  )
}

/** The refusal of a login at somebody who does not offer what it takes. */
export function unusable(place: URL | string, what: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAUTHORIZED', `No login can begin: ${new URL(place).host} ${what}.`)
}

function unavailable(what: string): GatewayError {
  return new GatewayError('ISSUER_UNAVAILABLE', `${what}. It is asked again with the next attempt.`)
}
