/**
 * `oauth` of a definition: as whom, and in which way, the gateway gets tokens for a server. Shape, defaults and the
 * rules between its fields; pure.
 */
import { type Static, Type } from '@sinclair/typebox'
import { oneOf, text } from '../field-schemas.ts'
import { isMasked, maskValue, secretMask } from '../mask.ts'
import { hasReference, maskedAround } from '../secrets/references.ts'
import { clientMethods, type OAuthSettings } from './oauth-settings.ts'

/** RFC 6749, 3.3. */
const scope = Type.String({
  pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,512}$',
  description: 'a scope: printable text without spaces, quotes and backslashes',
})

const client = Type.Object(
  {
    id: Type.String({
      pattern: '^[\\x21-\\x7e]{1,2048}$',
      description: 'printable text without spaces',
    }),
    secret: Type.Optional(text(4_096)),
    key: Type.Optional(text(16_384)),
    method: Type.Optional(oneOf(clientMethods)),
  },
  { additionalProperties: false, description: 'an object with id, secret, key and method' },
)

/** The wire form. */
export const oauthSchema = Type.Object(
  {
    account: Type.Optional(oneOf(['shared', 'user'])),
    grant: Type.Optional(oneOf(['authorization_code', 'client_credentials', 'device'])),
    issuer: Type.Optional(text(2_048)),
    client: Type.Optional(client),
    scopes: Type.Optional(
      Type.Unsafe<string[]>(Type.Array(scope, { maxItems: 64, description: 'a list of at most 64 scopes' })),
    ),
    resource: Type.Optional(text(2_048)),
    pkce: Type.Optional(oneOf(['advertised', 'assumed'])),
  },
  {
    additionalProperties: false,
    description: 'an object with account, grant, issuer, client, scopes, resource and pkce',
  },
)

export type OAuthWire = Static<typeof oauthSchema>

/** With every default applied. */
export function oauthOf(wire: OAuthWire): OAuthSettings {
  const { client: given } = wire
  return {
    account: wire.account ?? 'shared',
    grant: wire.grant ?? 'authorization_code',
    issuer: wire.issuer ?? null,
    client:
      given === undefined
        ? null
        : {
            id: given.id,
            secret: given.secret ?? '',
            key: given.key ?? '',
            method: given.method ?? null,
          },
    scopes: wire.scopes ?? null,
    resource: wire.resource ?? 'auto',
    pkce: wire.pkce ?? 'advertised',
  }
}

/** Back in wire form, secrets and all; what is as usual is left out. */
export function oauthToWire(settings: OAuthSettings): OAuthWire {
  const { account, grant, issuer, client: known, scopes, resource, pkce } = settings
  return {
    ...(account === 'shared' ? {} : { account }),
    ...(grant === 'authorization_code' ? {} : { grant }),
    ...(issuer === null ? {} : { issuer }),
    ...(known === null
      ? {}
      : {
          client: {
            id: known.id,
            ...(known.secret === '' ? {} : { secret: known.secret }),
            ...(known.key === '' ? {} : { key: known.key }),
            ...(known.method === null ? {} : { method: known.method }),
          },
        }),
    ...(scopes === null ? {} : { scopes: [...scopes] }),
    ...(resource === 'auto' ? {} : { resource }),
    ...(pkce === 'advertised' ? {} : { pkce }),
  }
}

/** The wire form that may leave the gateway. */
export function maskedOAuth(wire: OAuthWire): OAuthWire {
  const { client: known } = wire
  if (known === undefined) return wire
  const masked = (value: string): string =>
    maskedAround([value], (texts) => texts.map(maskValue))[0] ?? secretMask
  return {
    ...wire,
    client: {
      ...known,
      ...(known.secret === undefined ? {} : { secret: masked(known.secret) }),
      ...(known.key === undefined ? {} : { key: masked(known.key) }),
    },
  }
}

/**
 * What came back masked, with the values that were stored: only for the same client of the same issuer, for whoever
 * named another one would be handed the secret.
 */
export function mergedOAuth(sent: unknown, stored: OAuthSettings | undefined): unknown {
  const wire = sent as OAuthWire | null
  const given = wire?.client
  const known = stored?.client ?? null
  if (typeof given !== 'object' || given === null || known === null) return sent
  if (given.id !== known.id || (wire?.issuer ?? null) !== stored?.issuer) return sent
  return {
    ...wire,
    client: {
      ...given,
      ...(given.secret === secretMask ? { secret: known.secret } : {}),
      ...(given.key === secretMask ? { key: known.key } : {}),
    },
  }
}

type Add = (field: string, reason: string | null) => void

const maskedReason =
  'is a mask, and a stored value takes its place only while url, issuer and client.id stay the same; send the value of the secret again'

/** What of a definition `oauth` has to go with. */
export interface OAuthSurroundings {
  readonly transport: string
  readonly oauth?: OAuthWire
  readonly headers?: Readonly<Record<string, string>>
  readonly forwardHeaders?: readonly string[]
  readonly isolation?: string
}

/** Names each broken rule. */
export function oauthProblems(wire: OAuthSurroundings, add: Add): void {
  const { oauth, transport } = wire
  if (oauth === undefined) return
  if (transport !== 'sse' && transport !== 'streamable-http') {
    add('oauth', `does not go with transport ${transport}; it is for servers over HTTP`)
    return
  }
  const names = Object.keys(wire.headers ?? {}).map((name) => name.toLowerCase())
  const forwarded = (wire.forwardHeaders ?? []).map((name) => name.toLowerCase())
  if (names.includes('authorization'))
    add('headers.Authorization', 'does not go with oauth, which brings the tokens; leave one of them out')
  if (forwarded.includes('authorization'))
    add('forwardHeaders', 'must not hold authorization beside oauth, which brings the tokens')
  if (oauth.account === 'user' && wire.isolation === 'shared')
    add('isolation', 'must not be shared with oauth.account: user, or one user would act as another')
  add('oauth.issuer', issuerReason(oauth.issuer))
  add('oauth.resource', resourceReason(oauth.resource ?? 'auto'))
  clientProblems(oauth, add)
  if (oauth.account === 'user' && oauth.grant !== undefined && oauth.grant !== 'authorization_code')
    add('oauth.grant', `${oauth.grant} has no user of its own; with account: user it is authorization_code`)
}

function clientProblems({ client: given, grant, issuer }: OAuthWire, add: Add): void {
  const secret = given?.secret ?? ''
  const key = given?.key ?? ''
  if (hasReference(given?.id ?? '')) add('oauth.client.id', 'is no secret; write the id itself')
  if (isMasked(secret)) add('oauth.client.secret', maskedReason)
  if (isMasked(key)) add('oauth.client.key', maskedReason)
  if (secret !== '' && key !== '') add('oauth.client', 'takes a secret or a key, not both')
  const proves = secret !== '' || key !== ''
  if (proves && issuer === undefined)
    add('oauth.issuer', 'is needed beside a client with a secret or a key: whoever a server names gets none')
  if (grant === 'client_credentials' && !proves)
    add('oauth.client', 'needs id and secret (or key) for the grant client_credentials')
  const { method } = given ?? {}
  if (method === 'private_key_jwt' && key === '') add('oauth.client.key', 'is needed for private_key_jwt')
  if (key !== '' && method !== undefined && method !== 'private_key_jwt')
    add('oauth.client.method', 'must be private_key_jwt where there is a key')
  if ((method === 'client_secret_basic' || method === 'client_secret_post') && secret === '')
    add('oauth.client.secret', `is needed for ${method}`)
}

function issuerReason(issuer: string | undefined): string | null {
  if (issuer === undefined) return null
  const url = URL.parse(issuer)
  const fits = url !== null && (url.protocol === 'https:' || url.protocol === 'http:')
  if (!fits || url.search !== '' || url.hash !== '' || url.username !== '')
    return 'must be an http or https URL without query, fragment and user, as the authorization server writes it'
  return null
}

function resourceReason(resource: string): string | null {
  if (resource === 'auto' || resource === 'none') return null
  const url = URL.parse(resource)
  return url === null || resource.includes('#')
    ? 'must be auto, none, or an absolute URI without fragment'
    : null
}
