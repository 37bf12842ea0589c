/**
 * A real authorization server: `oidc-provider`, with its own pages to sign in, and a person who fills them in without a
 * browser. It takes clients that are registered beforehand, by a metadata document, or by registering themselves.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'
import type { IssuedToken } from './token-issuer.ts'

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

export interface AuthorizationServerOptions {
  /** Public clients that are known from the start, by id, with where they come back to. */
  readonly clients?: Readonly<Record<string, readonly string[]>>
  /** Confidential ones, with their secrets. */
  readonly confidential?: Readonly<
    Record<string, { readonly secret: string; readonly redirects: readonly string[] }>
  >
  /** Form of access tokens. Default `jwt`. */
  readonly tokens?: 'jwt' | 'opaque'
  /** Seconds that an access token counts. Default 300. */
  readonly lifetimeS?: number
  /** Claims of everybody's tokens beside the usual ones. */
  readonly claims?: (login: string) => Readonly<Record<string, unknown>>
  /** Clients that get tokens of their own, with their secrets. */
  readonly services?: Readonly<Record<string, string>>
  /** PEM of whoever signs for the places of client metadata documents. */
  readonly ca?: string
}

export interface AuthorizationServer extends AsyncDisposable {
  readonly issuer: string
  /** Paths in the order in which they were asked for. */
  readonly asked: string[]
  /**
   * What a person does at an authorization URL: signs in under that name and agrees. Resolves with the URL to which
   * the browser is sent in the end.
   */
  signIn(authorizationUrl: URL, login: string): Promise<URL>
  /** What a person does at the page for a device, whose address has the code: signs in and agrees. */
  agreeAtDevice(page: URL, login: string): Promise<void>
  /** Whose token it is; null for one that does not count. */
  holder(token: string): Promise<IssuedToken | null>
}

/** Starts it on a free port. */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions = {},
): Promise<AuthorizationServer> {
  const asked: string[] = []
  let answer: ReturnType<Provider['callback']> | null = null
  const server = createServer((request, response) => {
    asked.push(request.url?.split('?')[0] ?? '')
    answer?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = quietly(() => new Provider(issuer, configurationOf(options)))
  answer = provider.callback()
  return {
    issuer,
    asked,
    async signIn(url, login) {
      const end = await visit(url, login, issuer)
      if (end instanceof URL) return end
      throw new Error(`no form: ${end.slice(0, 500)}`)
    },
    async agreeAtDevice(page, login) {
      const end = await visit(page, login, issuer)
      if (end instanceof URL || !end.includes('Sign-in Success')) throw new Error(`not agreed: ${end}`)
    },
    holder: (token) => holderIn(provider, token),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function holderIn(provider: Provider, token: string): Promise<IssuedToken | null> {
  const found = (await provider.AccessToken.find(token)) ?? (await provider.ClientCredentials.find(token))
  if (found === undefined) return null
  return {
    subject: found.accountId ?? found.clientId,
    scopes: [...found.scopes],
    resource: [found.aud ?? []].flat()[0] ?? null,
    clientId: found.clientId,
    expiresAtMs: found.exp * 1_000,
  }
}

/** It warns of every runtime but Node, and of what only tests may switch on. */
function quietly<T>(make: () => T): T {
  const { info, warn } = console
  console.info = console.warn = () => {}
  try {
    return make()
  } finally {
    Object.assign(console, { info, warn })
  }
}

function configurationOf(options: AuthorizationServerOptions): Record<string, unknown> {
  const {
    clients = {},
    confidential = {},
    tokens = 'jwt',
    lifetimeS = 300,
    claims = () => ({}),
    services = {},
    ca,
  } = options
  const common = {
    grant_types: ['authorization_code', 'refresh_token', deviceGrant],
    response_types: ['code'],
  }
  return {
    clients: [
      ...Object.entries(clients).map(([id, redirects]) => ({
        ...common,
        client_id: id,
        redirect_uris: redirects,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      })),
      ...Object.entries(confidential).map(([id, { secret, redirects }]) => ({
        ...common,
        client_id: id,
        client_secret: secret,
        redirect_uris: redirects,
        ...(redirects[0]?.startsWith('http:') === true ? { application_type: 'native' } : {}),
      })),
      ...Object.entries(services).map(([id, secret]) => ({
        client_id: id,
        client_secret: secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
    ],
    scopes: ['openid', 'offline_access', 'mcp'],
    claims: { openid: ['sub', 'groups'] },
    conformIdTokenClaims: false,
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, ...claims(id) }),
    }),
    extraTokenClaims: (_context: unknown, token: { accountId?: string }) => claims(token.accountId ?? ''),
    clientBasedCORS: () => true,
    // Whoever uses one twice loses the login.
    rotateRefreshToken: true,
    ttl: {
      AccessToken: lifetimeS,
      ClientCredentials: lifetimeS,
      DeviceCode: 600,
      Grant: 3_600,
      Interaction: 600,
      RefreshToken: 3_600,
      Session: 3_600,
    },
    fetch: (url: string, init: RequestInit) =>
      fetch(url, { ...init, ...(ca === undefined ? {} : { tls: { ca } }) } as RequestInit),
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: 'mcp',
          audience: resource,
          accessTokenFormat: tokens,
          accessTokenTTL: lifetimeS,
        }),
      },
    },
  }
}

/** As many pages and redirects as a sign-in has, and some more. */
const stepsMax = 16

/** Where it ends outside the issuer, or the last page without a form. */
async function visit(start: URL, login: string, issuer: string): Promise<URL | string> {
  const cookies = new Map<string, string>()
  let url = start
  let body: URLSearchParams | null = null
  for (let step = 0; step < stepsMax; step++) {
    if (url.origin !== issuer) return url
    const answer: Response = await fetch(url, {
      method: body === null ? 'GET' : 'POST',
      headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
      body,
      redirect: 'manual',
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = answer.headers.get('location')
    const page = await answer.text()
    if (location !== null) {
      url = new URL(location, url)
      body = null
      continue
    }
    const action = /<form[^>]* action="([^"]*)"/.exec(page)?.[1]
    if (action === undefined) return page
    body = new URLSearchParams(hiddenFields(page))
    if (body.get('prompt') === 'login') {
      body.set('login', login)
      body.set('password', 'x')
    }
    url = new URL(action, url)
  }
  throw new Error(`the sign-in has more than ${stepsMax} steps`)
}

function hiddenFields(page: string): [string, string][] {
  return [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, value],
  )
}
