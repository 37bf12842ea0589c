/** A gateway with OAuth in front, under a base URL that leads to it, and clients that sign in. */

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { OAuthClientProvider } from '@modelcontextprotocol/client'
import type { AuthorizationServer } from './authorization-server.ts'
import { type GatewayOptions, type RunningGateway, startGatewayProcess } from './gateway.ts'

/** A port that nobody listens on: the base URL must be known before the gateway is. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export interface OAuthGatewayOptions extends Omit<GatewayOptions, 'config' | 'args'> {
  /** `auth.oauth`. */
  readonly oauth: Readonly<Record<string, unknown>>
  /** The rest of `auth`. */
  readonly auth?: Readonly<Record<string, unknown>>
  readonly settings?: Readonly<Record<string, unknown>>
  readonly mcps?: readonly Readonly<Record<string, unknown>>[]
}

/** Starts it; its URL is its base URL. */
export async function startOAuthGateway(options: OAuthGatewayOptions): Promise<RunningGateway> {
  const { oauth, auth = {}, settings = {}, mcps = [], ...others } = options
  const port = await freePort()
  return await startGatewayProcess({
    ...others,
    args: ['--mcp-port', String(port)],
    config: {
      mcp_proxy: { base_url: `http://127.0.0.1:${port}`, auth: { ...auth, oauth }, ...settings },
      mcps,
    },
  })
}

/** Where the clients of the tests come back to. Nobody listens there: the test reads the URL. */
export const redirectUrl = 'http://127.0.0.1:9/callback'

export interface ClientKind {
  /** A client id that the server knows. */
  readonly id?: string
  /** Where the metadata document of the client is. */
  readonly metadataUrl?: string
  /** Neither: it registers itself. */
}

/** An OAuth client of the SDK for one person, who signs in when asked to. */
export function personOf(
  authority: AuthorizationServer,
  login: string,
  { id, metadataUrl }: ClientKind = {},
): OAuthClientProvider & {
  callback(): Promise<URLSearchParams>
  readonly signIns: number
  readonly clientId: string
} {
  let information: unknown = id === undefined ? undefined : { client_id: id, issuer: authority.issuer }
  let tokens: unknown
  let verifier = ''
  let discovered: unknown
  let signedIn: Promise<URL> | null = null
  let signIns = 0
  const provider = {
    redirectUrl,
    ...(metadataUrl === undefined ? {} : { clientMetadataUrl: metadataUrl }),
    clientMetadata: {
      client_name: 'test',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
    state: () => 'state-of-the-test',
    clientInformation: () => information,
    saveClientInformation: (given: unknown) => {
      information = given
    },
    tokens: () => tokens,
    saveTokens: (given: unknown) => {
      tokens = given
    },
    redirectToAuthorization: (url: URL) => {
      signIns++
      signedIn = authority.signIn(url, login)
    },
    saveDiscoveryState: (given: unknown) => {
      discovered = given
    },
    discoveryState: () => discovered,
    saveCodeVerifier: (given: string) => {
      verifier = given
    },
    codeVerifier: () => verifier,
    callback: async () => {
      if (signedIn === null) throw new Error('nobody was asked to sign in')
      return (await signedIn).searchParams
    },
    get signIns() {
      return signIns
    },
    get clientId() {
      return (information as { client_id?: string } | undefined)?.client_id
    },
  }
  return provider as never
}
