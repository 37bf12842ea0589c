/**
 * An authorization server whose every answer the test decides, and that counts what it is asked: metadata, registration,
 * codes with PKCE, refresh tokens that change with each use, devices, clients of their own. For a real one there is
 * `authorization-server.ts`.
 */
import { createHash, randomUUID } from 'node:crypto'

export interface AskedForm {
  readonly path: string
  readonly form: URLSearchParams
  readonly authorization: string | null
  readonly body: string
  /** The port from which it came. */
  readonly port: number
}

/** Whose an access token is. */
export interface IssuedToken {
  readonly subject: string
  readonly scopes: readonly string[]
  readonly resource: string | null
  readonly clientId: string
  /** Wall clock. */
  readonly expiresAtMs: number
}

export interface TokenIssuerOptions {
  /** Behind the origin. Default `/as`. */
  readonly path?: string
  /** Over the usual metadata; a member that is undefined is left out. */
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Seconds that an access token counts. Default 300; null: it says nothing. */
  readonly lifetimeS?: number | null
  /** Whether a refresh token comes with it. Default true. */
  readonly refreshes?: boolean
  /** Clients that are known, by id. */
  readonly clients?: Readonly<Record<string, string>>
}

export class TokenIssuer implements AsyncDisposable {
  readonly issuer: string
  readonly asked: AskedForm[] = []
  /** Seconds that an access token counts; may change at any time. */
  lifetimeS: number | null
  /** How long a refresh token that was used is taken once more. */
  graceMs = 0
  /** Answers before the usual ones; undefined leaves it to them. */
  answer: (asked: AskedForm, request: Request) => Response | undefined | Promise<Response | undefined> = () =>
    undefined
  /** Whoever has agreed at a device, by user code. */
  readonly agreed = new Map<string, string>()
  readonly #options: TokenIssuerOptions
  readonly #http: ReturnType<typeof Bun.serve>
  readonly #tokens = new Map<string, IssuedToken>()
  readonly #codes = new Map<
    string,
    { challenge: string; redirectUrl: string; token: Omit<IssuedToken, 'expiresAtMs'> }
  >()
  readonly #refreshes = new Map<
    string,
    {
      token: Omit<IssuedToken, 'expiresAtMs'>
      usedAtMs: number | null
      successor: Record<string, unknown> | null
    }
  >()
  readonly #devices = new Map<
    string,
    { userCode: string; scopes: string[]; resource: string | null; clientId: string }
  >()
  readonly #clients: Map<string, string>

  constructor(options: TokenIssuerOptions = {}) {
    this.#options = options
    this.lifetimeS = options.lifetimeS === undefined ? 300 : options.lifetimeS
    this.#clients = new Map(Object.entries(options.clients ?? {}))
    this.#http = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      fetch: (request, server) => this.#take(request, server.requestIP(request)?.port ?? 0),
    })
    this.issuer = `http://127.0.0.1:${this.#http.port}${options.path ?? '/as'}`
  }

  /** Requests to paths that end so. */
  asks(end: string): AskedForm[] {
    return this.asked.filter(({ path }) => path.endsWith(end))
  }

  /** Token requests with this grant. */
  grants(type: string): AskedForm[] {
    return this.asks('/token').filter(({ form }) => form.get('grant_type') === type)
  }

  /** Whose token it is; null for one that does not count. */
  holder(token: string): IssuedToken | null {
    const found = this.#tokens.get(token)
    return found !== undefined && Date.now() < found.expiresAtMs ? found : null
  }

  /** From now on none of these tokens counts. */
  expireAll(): void {
    this.#tokens.clear()
  }

  /** Nobody can refresh any more. */
  revokeAll(): void {
    this.#tokens.clear()
    this.#refreshes.clear()
  }

  /** What a person does at the authorization URL: agrees. Answers where the browser goes. `more` is over the usual answer. */
  approve(authorization: string, subject: string, more: Readonly<Record<string, string | null>> = {}): URL {
    const { searchParams: asked } = new URL(authorization)
    const code = randomUUID()
    this.#codes.set(code, {
      challenge: asked.get('code_challenge') ?? '',
      redirectUrl: asked.get('redirect_uri') ?? '',
      token: {
        subject,
        scopes: (asked.get('scope') ?? '').split(' ').filter((scope) => scope !== ''),
        resource: asked.get('resource'),
        clientId: asked.get('client_id') ?? '',
      },
    })
    const back = new URL(asked.get('redirect_uri') ?? '')
    const answer = { code, state: asked.get('state'), iss: this.issuer, ...more }
    for (const [name, value] of Object.entries(answer)) if (value !== null) back.searchParams.set(name, value)
    return back
  }

  async [Symbol.asyncDispose](): Promise<void> {
    void this.#http.stop(true)
  }

  async #take(request: Request, port: number): Promise<Response> {
    const { pathname } = new URL(request.url)
    const body = request.method === 'POST' ? await request.text() : ''
    const asked: AskedForm = {
      path: pathname,
      form: new URLSearchParams(body),
      authorization: request.headers.get('authorization'),
      body,
      port,
    }
    this.asked.push(asked)
    return (await this.answer(asked, request)) ?? this.usual(asked)
  }

  /** What it answers when nobody decides otherwise. */
  usual({ path, form, authorization, body }: AskedForm): Response {
    if (path.includes('/.well-known/oauth-authorization-server')) return Response.json(this.#metadata())
    if (path.endsWith('/register')) return this.#register(body)
    if (path.endsWith('/token')) return this.#token(form, authorization)
    if (path.endsWith('/device')) return this.#device(form)
    if (path.endsWith('/revoke')) {
      this.#refreshes.delete(form.get('token') ?? '')
      this.#tokens.delete(form.get('token') ?? '')
      return new Response(null, { status: 200 })
    }
    return new Response(null, { status: 404 })
  }

  #metadata(): Record<string, unknown> {
    const { issuer } = this
    const usual = {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      revocation_endpoint: `${issuer}/revoke`,
      device_authorization_endpoint: `${issuer}/device`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    }
    const all = { ...usual, ...this.#options.metadata }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  }

  #register(body: string): Response {
    const asked = JSON.parse(body) as Record<string, unknown>
    const id = `client-${randomUUID()}`
    const secret = `secret-${randomUUID()}`
    this.#clients.set(id, secret)
    return Response.json({ ...asked, client_id: id, client_secret: secret }, { status: 201 })
  }

  #token(form: URLSearchParams, authorization: string | null): Response {
    const clientId = this.#clientOf(form, authorization)
    if (clientId === null) return refused('invalid_client', 401)
    switch (form.get('grant_type')) {
      case 'authorization_code': {
        const code = this.#codes.get(form.get('code') ?? '')
        this.#codes.delete(form.get('code') ?? '')
        const proof = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url')
        const fits =
          code !== undefined &&
          code.challenge === proof &&
          code.redirectUrl === form.get('redirect_uri') &&
          code.token.clientId === clientId
        return fits ? Response.json(this.#issue(code.token)) : refused('invalid_grant')
      }
      case 'refresh_token': {
        const held = this.#refreshes.get(form.get('refresh_token') ?? '')
        if (held === undefined || held.token.clientId !== clientId) return refused('invalid_grant')
        if (held.usedAtMs !== null) {
          const late = performance.now() - held.usedAtMs > this.graceMs
          return late ? refused('invalid_grant') : Response.json(held.successor)
        }
        held.usedAtMs = performance.now()
        held.successor = this.#issue(held.token)
        return Response.json(held.successor)
      }
      case 'client_credentials': {
        const scopes = (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '')
        const { refresh_token: _, ...answer } = this.#issue({
          subject: clientId,
          scopes,
          resource: form.get('resource'),
          clientId,
        })
        return Response.json(answer)
      }
      case 'urn:ietf:params:oauth:grant-type:device_code': {
        const device = this.#devices.get(form.get('device_code') ?? '')
        if (device === undefined) return refused('expired_token')
        const subject = this.agreed.get(device.userCode)
        if (subject === undefined) return refused('authorization_pending')
        return Response.json(this.#issue({ subject, ...device }))
      }
      default:
        return refused('unsupported_grant_type')
    }
  }

  #device(form: URLSearchParams): Response {
    const code = randomUUID()
    const userCode = randomUUID().slice(0, 8).toUpperCase()
    this.#devices.set(code, {
      userCode,
      scopes: (form.get('scope') ?? '').split(' ').filter((scope) => scope !== ''),
      resource: form.get('resource'),
      clientId: form.get('client_id') ?? '',
    })
    return Response.json({
      device_code: code,
      user_code: userCode,
      verification_uri: `${this.issuer}/activate`,
      expires_in: 300,
      interval: 1,
    })
  }

  #clientOf(form: URLSearchParams, authorization: string | null): string | null {
    const basic = /^Basic (.+)$/.exec(authorization ?? '')?.[1]
    if (basic !== undefined) {
      const [id = '', secret = ''] = Buffer.from(basic, 'base64')
        .toString()
        .split(':')
        .map(decodeURIComponent)
      return this.#clients.get(id) === secret ? id : null
    }
    const id = form.get('client_id') ?? ''
    if (form.get('client_secret') !== null)
      return this.#clients.get(id) === form.get('client_secret') ? id : null
    return id === '' || this.#clients.has(id) ? null : id
  }

  #issue(token: Omit<IssuedToken, 'expiresAtMs'>): Record<string, unknown> {
    const accessToken = `at-${randomUUID()}`
    const { lifetimeS } = this
    this.#tokens.set(accessToken, { ...token, expiresAtMs: Date.now() + (lifetimeS ?? 300) * 1_000 })
    const refreshToken = `rt-${randomUUID()}`
    this.#refreshes.set(refreshToken, { token, usedAtMs: null, successor: null })
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      ...(lifetimeS === null ? {} : { expires_in: lifetimeS }),
      ...(this.#options.refreshes === false ? {} : { refresh_token: refreshToken }),
      ...(token.scopes.length === 0 ? {} : { scope: token.scopes.join(' ') }),
    }
  }
}

/** An error of RFC 6749, 5.2. */
export function refused(error: string, status = 400): Response {
  return Response.json({ error }, { status })
}
