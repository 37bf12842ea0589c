/** `oauth` of a definition, as the gateway holds it. */

/** How the gateway says at a token endpoint which client it is. */
export const clientMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const

export type ClientMethod = (typeof clientMethods)[number]

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

export interface OAuthSettings {
  /** `shared`: one login for everybody. `user`: each user has their own. */
  readonly account: 'shared' | 'user'
  readonly grant: 'authorization_code' | 'client_credentials' | 'device'
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
}
