/**
 * An authorization server that gives tokens for tokens: for those that it has signed itself (RFC 8693), for assertions
 * (RFC 7523) and, as an identity provider, assertions for tokens. It checks what a real one would, and the test decides
 * every other answer.
 */
import { randomUUID } from 'node:crypto'
import { decodeJwt, importJWK, type JWTPayload, jwtVerify } from 'jose'
import { startIssuer, type TestIssuer } from './issuer.ts'
import type { TokenJudge } from './protected-server.ts'
import type { IssuedToken } from './token-issuer.ts'

const types = 'urn:ietf:params:oauth:token-type:'
const jag = `${types}id-jag`

export interface AskedExchange {
  readonly form: URLSearchParams
  readonly authorization: string | null
}

export class ExchangingIssuer implements TokenJudge, AsyncDisposable {
  readonly asked: AskedExchange[] = []
  /** Seconds that a token counts. */
  lifetimeS = 300
  /** How long an answer takes. */
  delayMs = 0
  /** Answers before the usual ones. */
  answer: (form: URLSearchParams) => Response | undefined = () => undefined
  /** The issuers whose assertions it takes. */
  readonly trusted: ExchangingIssuer[] = []
  readonly #tokens = new Map<string, IssuedToken>()

  private constructor(
    readonly signing: TestIssuer,
    readonly secret: string,
  ) {}

  static async start(): Promise<ExchangingIssuer> {
    const made = new ExchangingIssuer(await startIssuer(), `secret-${randomUUID()}`)
    made.signing.answer = async (path, request) => await made.#take(path, request)
    return made
  }

  get issuer(): string {
    return this.signing.issuer
  }

  /** A client that it knows, as a definition has it. */
  get client() {
    return { id: 'gateway', secret: this.secret }
  }

  /** What a person comes in with: a token for `aud`. */
  async tokenOf(subject: string, aud: string, lifetimeS = 300): Promise<string> {
    return await this.signing.token(aud, { sub: subject, jti: randomUUID() }, { lifetimeS })
  }

  holder(token: string): IssuedToken | null {
    const found = this.#tokens.get(token)
    return found !== undefined && Date.now() < found.expiresAtMs ? found : null
  }

  /** No token that it has given counts any more. */
  expireAll(): void {
    this.#tokens.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signing[Symbol.asyncDispose]()
  }

  async #take(path: string, request: Request): Promise<Response | undefined> {
    const { issuer } = this
    if (path.startsWith('/.well-known/oauth-authorization-server'))
      return Response.json({ issuer, jwks_uri: `${issuer}/keys`, token_endpoint: `${issuer}/token` })
    if (path !== '/realm/token') return undefined
    const form = new URLSearchParams(await request.text())
    const authorization = request.headers.get('authorization')
    this.asked.push({ form, authorization })
    if (this.delayMs > 0) await Bun.sleep(this.delayMs)
    return this.answer(form) ?? (await this.usual(form, authorization))
  }

  async usual(form: URLSearchParams, authorization: string | null): Promise<Response> {
    const known = `Basic ${Buffer.from(`gateway:${this.secret}`).toString('base64')}`
    const grant = form.get('grant_type')?.replace('urn:ietf:params:oauth:grant-type:', '')
    if (authorization !== known && !(grant === 'jwt-bearer' && authorization === null))
      return refusal('invalid_client', 401)
    try {
      return Response.json(
        grant === 'token-exchange' ? await this.#exchanged(form) : await this.#forAssertion(form),
      )
    } catch {
      return refusal('invalid_grant')
    }
  }

  /** What a token of its own says; rejects for one that does not count. */
  async verified(token: string): Promise<JWTPayload> {
    const { jwk, algorithm } = this.signing.key
    return (await jwtVerify(token, await importJWK(jwk, algorithm))).payload
  }

  async #exchanged(form: URLSearchParams): Promise<object> {
    const subject = String((await this.verified(form.get('subject_token') ?? '')).sub)
    if (form.get('requested_token_type') !== jag)
      return { ...this.#issue(subject, form), issued_token_type: `${types}access_token` }
    const claims = { sub: subject, resource: form.get('resource'), client_id: 'gateway', jti: randomUUID() }
    const header = { typ: 'oauth-id-jag+jwt' }
    const assertion = await this.signing.token(form.get('audience'), claims, { header, lifetimeS: 60 })
    return { access_token: assertion, token_type: 'N_A', issued_token_type: jag, expires_in: 60 }
  }

  async #forAssertion(form: URLSearchParams): Promise<object> {
    const assertion = form.get('assertion') ?? ''
    const from = this.trusted.find(({ issuer }) => issuer === decodeJwt(assertion).iss)
    if (from === undefined) throw new Error('not trusted')
    const { sub, aud } = await from.verified(assertion)
    if (aud !== this.issuer) throw new Error('for somebody else')
    return this.#issue(String(sub), form)
  }

  #issue(subject: string, form: URLSearchParams): Record<string, unknown> {
    const token = `at-${randomUUID()}`
    const scopes = (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '')
    const expiresAtMs = Date.now() + this.lifetimeS * 1_000
    this.#tokens.set(token, {
      ...{ subject, scopes, expiresAtMs },
      resource: form.get('resource') ?? form.get('audience'),
      clientId: 'gateway',
    })
    return { access_token: token, token_type: 'Bearer', expires_in: this.lifetimeS }
  }
}

/** An error of RFC 6749, 5.2. */
export function refusal(error: string, status = 400): Response {
  return Response.json({ error }, { status })
}
