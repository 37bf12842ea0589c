/** `oauth` of a definition, as the gateway holds it. */
import { GatewayError } from '../../errors.ts'

/** How the gateway says at a token endpoint which client it is. */
export const clientMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const

export type ClientMethod = (typeof clientMethods)[number]

/** How tokens are got. */
export const grants = [
  'authorization_code',
  'client_credentials',
  'device',
  'token_exchange',
  'jwt_bearer',
] as const

/** What is given in exchange, by the names of RFC 8693, 3. */
export const assertionTypes = ['access_token', 'id_token', 'jwt'] as const

/** A client that was registered beforehand. */
export interface OAuthClientSettings {
  readonly id: string
  /** Empty for none. */
  readonly secret: string
  /** A private key in PEM form, for `private_key_jwt`; empty for none. */
  readonly key: string
  /** Null for the one that the authorization server prefers. */
  readonly method: ClientMethod | null
}

/** Where a company says of its people who they are, and as which client the gateway asks it for that. */
export interface IdentityProviderSettings {
  readonly issuer: string
  readonly client: OAuthClientSettings
}

export interface OAuthSettings {
  /** `shared`: one login for everybody. `user`: each user has their own. */
  readonly account: 'shared' | 'user'
  readonly grant: (typeof grants)[number]
  /** The authorization server, whatever the server names; null for the one that it names. */
  readonly issuer: string | null
  /** Null for a client that the gateway makes itself known as. */
  readonly client: OAuthClientSettings | null
  /** Null for those that the server asks for. */
  readonly scopes: readonly string[] | null
  /** `auto`, `none`, or a URI of its own. */
  readonly resource: string
  /** `assumed` where an authorization server takes S256 and does not say so. */
  readonly pkce: 'advertised' | 'assumed'
  /** Whether tokens are bound to a key of the login (RFC 9449). */
  readonly dpop: boolean
  /** What stands for the account that all share, with the grants that take something in exchange; empty for none. */
  readonly assertion: string
  /** What the assertion, or the token of a caller, is; null for what it usually is. */
  readonly assertionType: (typeof assertionTypes)[number] | null
  /** For whom a token is asked, as the authorization server calls it; null for nobody but the resource. */
  readonly audience: string | null
  /** Null where the assertion is shown to `issuer` itself. */
  readonly identityProvider: IdentityProviderSettings | null
}

/** The `oauth` of a definition that has one. Throws INTERNAL for another. */
export function settingsOf({
  name,
  oauth,
}: {
  readonly name: string
  readonly oauth?: OAuthSettings
}): OAuthSettings {
  if (oauth === undefined) throw new GatewayError('INTERNAL', `${name} has no oauth.`)
  return oauth
}

/** Whether tokens come of something that is given for them, so that nobody logs in. */
export function isExchanged({ grant }: Pick<OAuthSettings, 'grant'>): boolean {
  return grant === 'token_exchange' || grant === 'jwt_bearer'
}

/** Whether it is the token of each caller that is given. */
export function takesCallersToken({ grant, account }: Pick<OAuthSettings, 'grant' | 'account'>): boolean {
  return account === 'user' && isExchanged({ grant })
}

/**
 * Whether scopes that a server names are asked for. Where nobody agrees to them, and neither a resource nor an audience
 * says for whom the token is, they would: a server could have itself given what opens another one.
 */
export function takesScopesOfServer({
  grant,
  resource,
  audience,
}: Pick<OAuthSettings, 'grant' | 'resource' | 'audience'>): boolean {
  if (grant === 'authorization_code' || grant === 'device') return true
  return resource !== 'none' || (grant === 'token_exchange' && audience !== null)
}

/** The secrets in it, by their places; those that are not there are left out. */
export function oauthSecretsOf({ client, assertion, identityProvider }: OAuthSettings): [string, string][] {
  const places: [string, string][] = [
    ['oauth.client.secret', client?.secret ?? ''],
    ['oauth.client.key', client?.key ?? ''],
    ['oauth.assertion', assertion],
    ['oauth.identityProvider.client.secret', identityProvider?.client.secret ?? ''],
    ['oauth.identityProvider.client.key', identityProvider?.client.key ?? ''],
  ]
  return places.filter(([, text]) => text !== '')
}

/** With what `at` makes of the text at each of these places. */
export function withOAuthSecrets(
  settings: OAuthSettings,
  at: (place: string, text: string) => string,
): OAuthSettings {
  const { client, assertion, identityProvider: provider } = settings
  const changed = (place: string, known: OAuthClientSettings): OAuthClientSettings => ({
    ...known,
    secret: at(`${place}.secret`, known.secret),
    key: at(`${place}.key`, known.key),
  })
  return {
    ...settings,
    client: client === null ? null : changed('oauth.client', client),
    assertion: at('oauth.assertion', assertion),
    identityProvider:
      provider === null
        ? null
        : { ...provider, client: changed('oauth.identityProvider.client', provider.client) },
  }
}
