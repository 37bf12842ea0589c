/**
 * As which client the gateway asks for tokens (2026-07-28, basic/authorization/client-registration): the one of the
 * definition, else the metadata document at its public base URL, else one that it registers and keeps. What was
 * registered belongs to the issuer that it was registered at.
 */
import { createPrivateKey } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { GatewayError } from '../../errors.ts'
import { isLoopbackHost } from '../../net/host.ts'
import { objectIn } from '../../protocol/json.ts'
import { type ClientMethod, isExchanged, type OAuthSettings } from '../../registry/oauth/oauth-settings.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import type { Authority } from './discovery.ts'
import type { StoredClient } from './stored.ts'

/** The gateway as a client of one issuer. */
export interface KnownClient {
  readonly id: string
  readonly auth: oauth.ClientAuth
  /** True for one that may be registered anew. */
  readonly isOwn: boolean
}

/** Where people come back to, and where issuers read about the client. */
export interface ClientPlaces {
  /** Where people come back to. */
  readonly redirectUrl: string
  /** The metadata document; null where no issuer could read it. */
  readonly documentUrl: string | null
}

/** What has been registered at some issuer. */
export interface ClientMemory {
  read(): StoredClient | null
  write(client: StoredClient): void
}

const clientName = 'Compozy MCP gateway'
const textMax = 4_096

/** What the gateway says of itself (RFC 7591, 2). */
function clientMetadata(redirectUrl: string, method: ClientMethod) {
  const { protocol, hostname } = new URL(redirectUrl)
  const isNative = protocol === 'http:' && isLoopbackHost(hostname)
  return {
    client_name: clientName,
    redirect_uris: [redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: method,
    application_type: isNative ? 'native' : 'web',
  }
}

/** The document that issuers read. */
export function clientDocument(documentUrl: string, redirectUrl: string) {
  return { client_id: documentUrl, ...clientMetadata(redirectUrl, 'none') }
}

/** Rejects with UPSTREAM_UNAUTHORIZED where there is no client that the issuer would know. */
export async function clientFor(
  authority: Authority,
  settings: OAuthSettings,
  places: ClientPlaces,
  memory: ClientMemory,
  ask: Ask,
): Promise<KnownClient> {
  const { metadata, issuer } = authority
  if (settings.client !== null) return registeredClient(settings.client, metadata)
  if (isExchanged(settings)) return noClient
  const { documentUrl, redirectUrl } = places
  if (metadata['client_id_metadata_document_supported'] === true && documentUrl !== null)
    return { id: documentUrl, auth: oauth.None(), isOwn: false }
  const kept = memory.read()
  if (kept !== null && kept.issuer === issuer && kept.redirectUrl === redirectUrl && counts(kept))
    return { id: kept.id, auth: authOf(kept.method, kept.secret ?? ''), isOwn: true }
  const made = await register(authority, redirectUrl, settings, ask)
  memory.write(made)
  return { id: made.id, auth: authOf(made.method, made.secret ?? ''), isOwn: true }
}

/** An assertion says who it is for by itself (RFC 7521, 4.1): nothing is said of a client. */
const noClient: KnownClient = { id: 'none', auth: () => {}, isOwn: false }

/** The client of a login that is there: no other can refresh it. Null where it is not known any more. */
export function clientOfLogin(
  clientId: string,
  metadata: oauth.AuthorizationServer,
  settings: OAuthSettings,
  memory: ClientMemory,
): KnownClient | null {
  const { client, issuer } = settings
  // A login that began under another definition may have come from whoever the server named then.
  if (client?.id === clientId)
    return issuer === null || issuer === metadata.issuer ? registeredClient(client, metadata) : null
  const kept = memory.read()
  if (kept?.id === clientId && kept.issuer === metadata.issuer)
    return { id: clientId, auth: authOf(kept.method, kept.secret ?? ''), isOwn: true }
  return clientId.startsWith('https://') ? { id: clientId, auth: oauth.None(), isOwn: false } : null
}

/** The client of a definition, as an authorization server with this metadata takes it. */
export function registeredClient(
  { id, secret, key, method }: NonNullable<OAuthSettings['client']>,
  metadata: oauth.AuthorizationServer,
): KnownClient {
  if (key !== '') return { id, auth: signed(key, metadata), isOwn: false }
  const chosen = method ?? (secret === '' ? 'none' : preferred(metadata))
  return { id, auth: authOf(chosen, secret), isOwn: false }
}

/** The first of ours that the issuer takes; RFC 8414, 2 has the header where it does not say. */
function preferred({
  token_endpoint_auth_methods_supported: known,
}: oauth.AuthorizationServer): ClientMethod {
  if (known === undefined || known.includes('client_secret_basic')) return 'client_secret_basic'
  return known.includes('client_secret_post') ? 'client_secret_post' : 'none'
}

function authOf(method: ClientMethod, secret: string): oauth.ClientAuth {
  if (method === 'none' || secret === '') return oauth.None()
  return method === 'client_secret_post' ? oauth.ClientSecretPost(secret) : inHeader(secret)
}

/**
 * Both halves are form-encoded first (RFC 6749, 2.3.1), and nothing that need not be: the library escapes dashes and
 * dots as well, and many an authorization server takes the halves as they stand there.
 */
function inHeader(secret: string): oauth.ClientAuth {
  const encoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
  return (_server, { client_id: id }, _body, headers) => {
    headers.set(
      'authorization',
      `Basic ${Buffer.from(`${encoded(id)}:${encoded(secret)}`).toString('base64')}`,
    )
  }
}

/** Signs with the key of the definition; the audience is the issuer (RFC 7523, 3). */
function signed(pem: string, metadata: oauth.AuthorizationServer): oauth.ClientAuth {
  let key: ReturnType<typeof createPrivateKey>
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new GatewayError(
      'UPSTREAM_UNAUTHORIZED',
      'No login can begin: oauth.client.key of the server is no private key in PEM form without a passphrase.',
    )
  }
  return async (server, client, body, headers) => {
    // Loaded with the first such client: hardly any gateway has one.
    const { importPKCS8 } = await import('jose')
    const whole = key.export({ type: 'pkcs8', format: 'pem' }).toString()
    const usable = await importPKCS8(whole, algorithmOf(key, metadata))
    await oauth.PrivateKeyJwt(usable)(server, client, body, headers)
  }
}

const curveAlgorithms: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

function algorithmOf(
  { asymmetricKeyType, asymmetricKeyDetails }: ReturnType<typeof createPrivateKey>,
  { token_endpoint_auth_signing_alg_values_supported: known }: oauth.AuthorizationServer,
): string {
  if (asymmetricKeyType === 'ed25519') return 'Ed25519'
  if (asymmetricKeyType === 'ec') return curveAlgorithms[asymmetricKeyDetails?.namedCurve ?? ''] ?? 'ES256'
  return known === undefined || known.includes('RS256') ? 'RS256' : 'PS256'
}

async function register(
  { metadata, issuer }: Authority,
  redirectUrl: string,
  { grant }: OAuthSettings,
  ask: Ask,
): Promise<StoredClient> {
  const { registration_endpoint: endpoint, device_authorization_endpoint: deviceEndpoint } = metadata
  if (endpoint === undefined) {
    throw new GatewayError(
      'UPSTREAM_UNAUTHORIZED',
      `No login can begin: ${issuer} knows no clients but those that were registered there. Register one with the redirect URI ${redirectUrl} and set oauth.issuer and oauth.client of the server.`,
    )
  }
  const wish = clientMetadata(redirectUrl, preferred(metadata))
  const device = 'urn:ietf:params:oauth:grant-type:device_code'
  // Somebody may log in at a device whatever the definition says, and the client is registered once.
  const knowsDevices = grant === 'device' || deviceEndpoint !== undefined
  const grantTypes = knowsDevices ? [...wish.grant_types, device] : wish.grant_types
  const { status, text } = await ask({
    url: endpoint,
    learnedFrom: issuer,
    headers: { accept: 'application/json' },
    json: JSON.stringify({ ...wish, grant_types: grantTypes }),
  })
  const answer = objectIn(text)
  const id = answer?.['client_id']
  if (
    (status !== 201 && status !== 200) ||
    answer === null ||
    typeof id !== 'string' ||
    id.length > textMax
  ) {
    const why = typeof answer?.error === 'string' ? answer.error.slice(0, 100) : `HTTP ${status}`
    throw new GatewayError(
      status >= 500 ? 'ISSUER_UNAVAILABLE' : 'UPSTREAM_UNAUTHORIZED',
      `No login can begin: ${new URL(issuer).host} did not register the gateway as a client (${why}). Register one there with the redirect URI ${redirectUrl} and set oauth.issuer and oauth.client of the server.`,
    )
  }
  const secret = typeof answer['client_secret'] === 'string' ? answer['client_secret'] : null
  const endsS = answer['client_secret_expires_at']
  return {
    issuer,
    redirectUrl,
    id,
    secret,
    method: methodOf(answer['token_endpoint_auth_method'], secret, metadata),
    expiresAtMs: typeof endsS === 'number' && endsS > 0 ? endsS * 1_000 : null,
  }
}

/** The one that comes back wins over the one that was asked for. */
function methodOf(named: unknown, secret: string | null, metadata: oauth.AuthorizationServer): ClientMethod {
  if (named === 'none' || secret === null) return 'none'
  if (named === 'client_secret_basic' || named === 'client_secret_post') return named
  return preferred(metadata)
}

function counts({ expiresAtMs }: StoredClient): boolean {
  return expiresAtMs === null || Date.now() < expiresAtMs
}
