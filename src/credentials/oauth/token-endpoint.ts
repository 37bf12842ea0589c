/**
 * One authorization server as it is asked for tokens: codes, refresh tokens, the client's own credentials, devices.
 * Every request goes the guarded way, bounded in bytes and time. An answer without a usable token is a failure.
 */
import * as oauth from 'oauth4webapi'
import { GatewayError, reasonOf } from '../../errors.ts'
import { objectIn } from '../../protocol/json.ts'
import type { Ask, SmallAnswer } from '../../upstream/transports/http/client/small-requests.ts'
import type { Authority } from './discovery.ts'
import type { ProofKey } from './proof-key.ts'
import type { KnownClient } from './registration.ts'

/** What an authorization server gave. */
export interface GivenTokens {
  readonly accessToken: string
  /** Null where none came: one that there is then stays. */
  readonly refreshToken: string | null
  /** Seconds from now; null where it says nothing. */
  readonly lifetimeS: number | null
  /** What they are bound to, as it is kept; null for nothing. */
  readonly proofKey: string | null
}

/** A login at another device. */
export interface DeviceStart {
  readonly deviceCode: string
  readonly userCode: string
  readonly verificationUrl: string
  readonly lifetimeS: number
  readonly intervalS: number
}

/** The authorization server says that the login is over: nothing but a new one helps. */
export class LoginEnded extends Error {}

/** What an authorization server said instead of giving a token, by the code of RFC 6749, 5.2. */
export class TokenRefused extends Error {
  constructor(readonly code: string) {
    super(`it answered ${code}`)
  }
}

const tokenForm = /^[\x21-\x7e]{1,16384}$/
const tokenTypes = 'urn:ietf:params:oauth:token-type:'
/** As what an access token comes; many an authorization server does not say it. */
const usableTypes: ReadonlySet<unknown> = new Set([
  undefined,
  `${tokenTypes}access_token`,
  `${tokenTypes}jwt`,
])
const lifetimeSMax = 10 * 365 * 86_400
/** An error code as it is shown. Digits are in none that is known, and in tokens that somebody repeats. */
const codeForm = /^[a-z][a-z_.-]{0,63}$/i

export class TokenEndpoint {
  readonly #authority: Authority
  readonly #client: KnownClient
  readonly #key: ProofKey | null
  readonly #options: oauth.TokenEndpointRequestOptions

  /** With a key, tokens are asked for that are bound to it. */
  constructor(authority: Authority, client: KnownClient, ask: Ask, key: ProofKey | null = null) {
    this.#authority = authority
    this.#key = key
    this.#client = client
    const { issuer } = authority
    this.#options = {
      [oauth.allowInsecureRequests]: issuer.startsWith('http://'),
      [oauth.customFetch]: async (url, { headers, body }) => {
        const form = body.toString()
        const own = Object.fromEntries(Object.entries(headers))
        const send = (proof: { readonly dpop?: string }) =>
          ask({ url, learnedFrom: issuer, headers: { ...own, ...proof }, form })
        return asAnswer(key === null ? await send({}) : await withProof(key, url, send))
      },
    }
  }

  /**
   * For the code in these parameters. Issuer and state are judged first, in this order, then an error; nothing is
   * asked before. Rejects with TokenRefused, and with whatever says that nobody could be asked.
   */
  async withCode(
    parameters: URLSearchParams,
    expected: { readonly state: string; readonly verifier: string; readonly redirectUrl: string },
  ): Promise<GivenTokens> {
    const { metadata } = this.#authority
    const client = this.#clientMetadata
    const checked = oauth.validateAuthResponse(metadata, client, parameters, expected.state)
    const response = await oauth.authorizationCodeGrantRequest(
      metadata,
      client,
      this.#client.auth,
      checked,
      expected.redirectUrl,
      expected.verifier,
      { ...this.#options, additionalParameters: this.#resource },
    )
    return await this.#given(oauth.processAuthorizationCodeResponse(metadata, client, response))
  }

  /** Rejects with LoginEnded where the issuer says so, and in no other case. */
  async refreshed(refreshToken: string): Promise<GivenTokens> {
    const { metadata } = this.#authority
    const client = this.#clientMetadata
    const response = await oauth.refreshTokenGrantRequest(metadata, client, this.#client.auth, refreshToken, {
      ...this.#options,
      additionalParameters: this.#resource,
    })
    try {
      return await this.#given(oauth.processRefreshTokenResponse(metadata, client, response))
    } catch (thrown) {
      if (thrown instanceof TokenRefused && thrown.code === 'invalid_grant') throw new LoginEnded()
      throw thrown
    }
  }

  async withOwnCredentials(scopes: readonly string[]): Promise<GivenTokens> {
    const { metadata } = this.#authority
    const client = this.#clientMetadata
    const parameters = { ...this.#resource, ...scopeParameter(scopes) }
    const response = await oauth.clientCredentialsGrantRequest(
      metadata,
      client,
      this.#client.auth,
      parameters,
      this.#options,
    )
    return await this.#given(oauth.processClientCredentialsResponse(metadata, client, response))
  }

  /**
   * What is given for a token of somebody (RFC 8693, 2). Rejects with TokenRefused, also for something else than what
   * was asked for.
   */
  async exchanged(
    { token, type }: { readonly token: string; readonly type: string },
    wanted: { readonly type: string; readonly audience: string | null; readonly scopes: readonly string[] },
  ): Promise<GivenTokens> {
    const { audience, scopes } = wanted
    const parameters = {
      subject_token: token,
      subject_token_type: `${tokenTypes}${type}`,
      requested_token_type: `${tokenTypes}${wanted.type}`,
      ...(audience === null ? {} : { audience }),
      ...scopeParameter(scopes),
    }
    return await this.#generic('token-exchange', parameters, wanted.type)
  }

  /** For an assertion that stands for somebody (RFC 7523, 2.1). */
  async withAssertion(
    assertion: string,
    scopes: readonly string[],
    more: Readonly<Record<string, string>>,
  ): Promise<GivenTokens> {
    return await this.#generic(
      'jwt-bearer',
      { assertion, ...scopeParameter(scopes), ...more },
      'access_token',
    )
  }

  async #generic(grant: string, parameters: Record<string, string>, type: string): Promise<GivenTokens> {
    const { metadata } = this.#authority
    const client = this.#clientMetadata
    const response = await oauth.genericTokenEndpointRequest(
      metadata,
      client,
      this.#client.auth,
      `urn:ietf:params:oauth:grant-type:${grant}`,
      { ...parameters, ...this.#resource },
      this.#options,
    )
    // What is no access token says so, and nothing else may.
    const answer = oauth.processGenericTokenEndpointResponse(metadata, client, response, {
      recognizedTokenTypes: { n_a: () => {} },
    })
    const given = await this.#given(answer)
    const { issued_token_type: issued, token_type: scheme } = await answer
    const isIt =
      type === 'access_token'
        ? scheme === 'bearer' && usableTypes.has(issued)
        : issued === `${tokenTypes}${type}`
    if (!isIt) throw new TokenRefused('another kind of token')
    // Whoever gives nothing of their own would have the server see what was for them alone.
    if (given.accessToken === (parameters['subject_token'] ?? parameters['assertion']))
      throw new TokenRefused('the token that it was shown')
    return given
  }

  async beginAtDevice(scopes: readonly string[]): Promise<DeviceStart> {
    const { metadata } = this.#authority
    const client = this.#clientMetadata
    const parameters = { ...this.#resource, ...scopeParameter(scopes) }
    const response = await oauth.deviceAuthorizationRequest(
      metadata,
      client,
      this.#client.auth,
      parameters,
      this.#options,
    )
    try {
      const start = await oauth.processDeviceAuthorizationResponse(metadata, client, response)
      return {
        deviceCode: start.device_code,
        userCode: start.user_code,
        verificationUrl: start.verification_uri_complete ?? start.verification_uri,
        lifetimeS: start.expires_in,
        intervalS: start.interval ?? 5,
      }
    } catch (thrown) {
      throw refusalOf(thrown)
    }
  }

  /** Rejects with TokenRefused and the code `authorization_pending` or `slow_down` while nobody has agreed. */
  async withDevice(deviceCode: string): Promise<GivenTokens> {
    const { metadata } = this.#authority
    const client = this.#clientMetadata
    const response = await oauth.deviceCodeGrantRequest(metadata, client, this.#client.auth, deviceCode, {
      ...this.#options,
      additionalParameters: this.#resource,
    })
    return await this.#given(oauth.processDeviceCodeResponse(metadata, client, response))
  }

  /** Tells the issuer that a token is used no more, where it takes that (RFC 7009). Never rejects. */
  async revoke(token: string): Promise<void> {
    const { metadata } = this.#authority
    if (metadata.revocation_endpoint === undefined) return
    try {
      const response = await oauth.revocationRequest(
        metadata,
        this.#clientMetadata,
        this.#client.auth,
        token,
        this.#options,
      )
      await oauth.processRevocationResponse(response)
    } catch {
      // It ends by itself.
    }
  }

  get #clientMetadata(): oauth.Client {
    return { client_id: this.#client.id }
  }

  get #resource(): Record<string, string> {
    const { resource } = this.#authority
    return resource === null ? {} : { resource }
  }

  async #given(processed: Promise<oauth.TokenEndpointResponse>): Promise<GivenTokens> {
    let answer: oauth.TokenEndpointResponse
    try {
      answer = await processed
    } catch (thrown) {
      throw refusalOf(thrown)
    }
    const { access_token: accessToken, refresh_token: refreshToken, expires_in: lifetimeS } = answer
    if (this.#key !== null && answer.token_type !== 'dpop')
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${this.#authority.issuer} gives tokens that are bound to no key: leave oauth.dpop of the server out.`,
      )
    if (!tokenForm.test(accessToken))
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${this.#authority.issuer} gave a token that cannot be sent.`,
      )
    return {
      accessToken,
      refreshToken: refreshToken ?? null,
      lifetimeS: lifetimeS === undefined ? null : Math.min(lifetimeS, lifetimeSMax),
      proofKey: this.#key?.text ?? null,
    }
  }
}

/** As a request names its scopes; without any it names none. */
export function scopeParameter(scopes: readonly string[]): { readonly scope?: string } {
  return scopes.length === 0 ? {} : { scope: scopes.join(' ') }
}

/** Sends with a proof, and once more where the authorization server wants a nonce in it (RFC 9449, 8). */
async function withProof(
  key: ProofKey,
  href: string,
  send: (proof: { readonly dpop: string }) => Promise<SmallAnswer>,
): Promise<SmallAnswer> {
  const url = new URL(href)
  const proofWith = (nonce: string | null) => key.proof({ method: 'POST', url, token: null, nonce })
  const answer = await send({ dpop: proofWith(null) })
  const { nonce = '', status, text } = answer
  if (status < 400 || nonce === '' || objectIn(text)?.error !== 'use_dpop_nonce') return answer
  return await send({ dpop: proofWith(nonce) })
}

/**
 * The answer as the library takes it: without an ID token, which nobody here reads and which must not cost the login
 * when it is odd; as JSON where it is JSON under another name; and as a refusal where it is one under a status of 200.
 */
function asAnswer({ status, text, mediaType }: SmallAnswer): Response {
  const type = mediaType === '' || mediaType === 'text/plain' ? 'application/json' : mediaType
  const headers = { 'content-type': type }
  const body = objectIn(text)
  if (body === null) return new Response(status === 204 ? null : text, { status, headers })
  const { id_token: _, ...rest } = body
  const refused = status === 200 && typeof body.error === 'string' && rest['access_token'] === undefined
  return new Response(JSON.stringify(rest), { status: refused ? 400 : status, headers })
}

function refusalOf(thrown: unknown): unknown {
  if (thrown instanceof oauth.ResponseBodyError)
    return new TokenRefused(codeForm.test(thrown.error) ? thrown.error : 'an error without a known code')
  if (thrown instanceof oauth.WWWAuthenticateChallengeError) return new TokenRefused('invalid_client')
  if (thrown instanceof GatewayError || thrown instanceof TokenRefused) return thrown
  return new Error(reasonOf(thrown))
}

/** An authorization server that cannot be asked now, whatever was thrown. */
export function outage(issuer: string, thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError && thrown.code === 'ISSUER_UNAVAILABLE') return thrown
  return new GatewayError(
    'ISSUER_UNAVAILABLE',
    `${issuer} cannot be asked for a token now (${reasonOf(thrown)}). Try again.`,
    5,
  )
}
