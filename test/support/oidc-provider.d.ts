/** What the tests use of `oidc-provider`, which comes without types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  /** A token as it is kept. */
  interface KeptToken {
    readonly accountId?: string
    readonly clientId: string
    readonly aud?: string | readonly string[]
    /** Seconds. */
    readonly exp: number
    readonly scopes: ReadonlySet<string>
  }
  interface KeptTokens {
    find(value: string): Promise<KeptToken | undefined>
  }

  export default class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    proxy: boolean
    readonly AccessToken: KeptTokens
    readonly ClientCredentials: KeptTokens
    callback(): (request: IncomingMessage, response: ServerResponse) => void
  }
}
