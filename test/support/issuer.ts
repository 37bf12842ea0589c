/**
 * An authorization server whose every answer the test decides: it signs whatever it is told to, publishes whatever keys
 * it is told to, and counts what it was asked. For one that does everything right there is `oidc-provider`.
 */
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

export interface IssuerKey {
  readonly id: string
  readonly algorithm: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export async function issuerKey(algorithm = 'ES256', id = `key-${crypto.randomUUID()}`): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return { id, algorithm, privateKey, jwk: { ...(await exportJWK(publicKey)), kid: id, use: 'sig' } }
}

/** Claims of a token that would be taken, but for its audience. */
export type TokenClaims = Readonly<Record<string, unknown>>

export interface SignOptions {
  readonly key?: IssuerKey
  /** Members of the header, over the usual ones. */
  readonly header?: Readonly<Record<string, unknown>>
  /** Seconds from now. */
  readonly lifetimeS?: number
}

/** What the server answers at a path; undefined leaves it to the usual answers. */
export type IssuerAnswer = (
  path: string,
  request: Request,
) => Response | undefined | Promise<Response | undefined>

export interface TestIssuer extends AsyncDisposable {
  /** The issuer, `http://127.0.0.1:PORT/realm`. */
  readonly issuer: string
  readonly key: IssuerKey
  /** What it publishes. */
  keys: JWK[]
  /** The introspection of each token that it knows; others are not active. */
  readonly introspections: Map<string, TokenClaims>
  /** Paths in the order in which they were asked for. */
  readonly asked: string[]
  /** Decides answers, from now on. */
  answer: IssuerAnswer
  /** A token for `aud`, with these claims beside the usual ones. A claim that is undefined is left out. */
  token(aud: unknown, claims?: TokenClaims, options?: SignOptions): Promise<string>
  asks(part: string): number
}

export async function startIssuer(): Promise<TestIssuer> {
  const key = await issuerKey()
  const asked: string[] = []
  const introspections = new Map<string, TokenClaims>()
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url)
      asked.push(pathname)
      return (await running.answer(pathname, request)) ?? (await usual(running, pathname, request))
    },
  })
  const issuer = `http://127.0.0.1:${server.port}/realm`
  const running: TestIssuer = {
    issuer,
    key,
    keys: [key.jwk],
    introspections,
    asked,
    answer: () => undefined,
    asks: (part) => asked.filter((path) => path.includes(part)).length,
    token: (aud, claims = {}, options = {}) => sign(issuer, key, aud, claims, options),
    [Symbol.asyncDispose]: () => server.stop(true),
  }
  return running
}

async function usual(running: TestIssuer, path: string, request: Request): Promise<Response> {
  const { issuer } = running
  switch (path) {
    case '/.well-known/oauth-authorization-server/realm':
      return Response.json({ issuer, jwks_uri: `${issuer}/keys` })
    case '/realm/keys':
      return Response.json({ keys: running.keys })
    case '/realm/introspect': {
      const token = new URLSearchParams(await request.text()).get('token') ?? ''
      const known = running.introspections.get(token)
      return Response.json(known === undefined ? { active: false } : { active: true, ...known })
    }
    default:
      return new Response(null, { status: 404 })
  }
}

async function sign(
  issuer: string,
  own: IssuerKey,
  aud: unknown,
  claims: TokenClaims,
  { key = own, header = {}, lifetimeS = 300 }: SignOptions,
): Promise<string> {
  const nowS = Math.floor(Date.now() / 1_000)
  const payload = { iss: issuer, sub: 'alice', aud, iat: nowS, exp: nowS + lifetimeS, ...claims }
  const told = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined))
  return await new SignJWT(told)
    .setProtectedHeader({ alg: key.algorithm, kid: key.id, typ: 'at+jwt', ...header })
    .sign(key.privateKey)
}

/** A token that nobody has signed: header and claims as they are, and whatever signature. */
export function unsignedToken(header: unknown, payload: unknown, signature = 'AAAA'): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(payload)}.${signature}`
}
