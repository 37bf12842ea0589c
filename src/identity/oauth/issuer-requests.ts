/**
 * What an issuer is asked: about itself (RFC 8414, OpenID Connect Discovery), which is believed only of itself, and about
 * a token that only it can read (RFC 7662), where nothing but a plain yes counts.
 */
import type { IntrospectionSettings } from '../../config/auth/oauth-settings.ts'
import { GatewayError } from '../../errors.ts'
import { type JsonObject, objectIn } from '../../protocol/json.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'

/** Where the metadata of an issuer may be, in the order of the specification (2025-11-25, basic/authorization). */
function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  const inserted = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ]
  return path === '' ? inserted : [...inserted, `${origin}${path}/.well-known/openid-configuration`]
}

/**
 * The metadata. Rejects with a GatewayError that says why there is none. `learnedFrom` is who named the issuer, where
 * the settings did not.
 */
export async function issuerMetadata(
  issuer: string,
  ask: Ask,
  learnedFrom: string = issuer,
): Promise<JsonObject> {
  let why = 'nothing was found'
  let isNearly = false
  for (const url of metadataUrls(issuer)) {
    const { status, text } = await ask({ url, learnedFrom, headers: { accept: 'application/json' } })
    if (status !== 200) {
      // What was found before says more.
      if (!isNearly) why = `${new URL(url).host} answered HTTP ${status}`
      continue
    }
    const metadata = objectIn(text)
    const named = metadata?.['issuer']
    if (metadata !== null && named === issuer) return metadata
    isNearly = true
    why =
      typeof named === 'string'
        ? `it names the issuer ${JSON.stringify(named.slice(0, 200))}`
        : 'it is no metadata'
  }
  throw new GatewayError('ISSUER_UNAVAILABLE', `The metadata of ${issuer} cannot be used: ${why}.`)
}

/** What the issuer says of it; null when it is not active. Rejects when nothing can be told. */
export async function introspect(
  token: string,
  settings: IntrospectionSettings,
  ask: Ask,
): Promise<JsonObject | null> {
  const form = new URLSearchParams({ token, token_type_hint: 'access_token' }).toString()
  const { status, text } = await ask({
    url: settings.endpoint,
    learnedFrom: null,
    headers: { authorization: basic(settings), accept: 'application/json' },
    form,
  })
  const said = status === 200 ? objectIn(text) : null
  if (said === null || typeof said['active'] !== 'boolean') {
    const { host } = new URL(settings.endpoint)
    throw new Error(`${host} does not say whether the token counts (HTTP ${status})`)
  }
  return said['active'] ? said : null
}

/** Both halves are form-encoded first (RFC 6749, 2.3.1). */
function basic({ clientId, clientSecret }: IntrospectionSettings): string {
  const encoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
  return `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')}`
}
