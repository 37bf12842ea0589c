/**
 * Asks an issuer who a person is: OpenID Connect, authorization code with PKCE. The gateway keeps no token of it; what
 * it takes is the subject and the claims.
 */
import * as oauth from 'oauth4webapi'
import type { Config } from '../../config/schema.ts'
import { GatewayError, reasonOf } from '../../errors.ts'
import type { JsonObject } from '../../protocol/json.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import { Issuer } from '../oauth/issuer.ts'
import { issuerMetadata } from '../oauth/issuer-requests.ts'
import { readToken } from '../oauth/token-claims.ts'

export type LoginSettings = Config['auth']['oauth']['login']

/** What must be known again when the person comes back. */
export interface LoginSecrets {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/** How long the metadata of the issuer counts. */
const metadataMs = 60 * 60_000
/** The least time from an attempt that failed to the next. */
const pauseMs = 5_000

export interface OidcLoginParts {
  readonly settings: LoginSettings
  readonly issuer: string
  readonly clientId: string
  /** Where the person comes back to. */
  readonly redirectUrl: string
  readonly ask: Ask
  readonly log: Log
}

export class OidcLogin {
  readonly #parts: OidcLoginParts
  readonly #client: oauth.Client
  readonly #keys: Issuer
  #metadata: { readonly server: Promise<oauth.AuthorizationServer>; untilMs: number } | null = null

  constructor(parts: OidcLoginParts) {
    const { issuer, clientId, ask, log } = parts
    this.#parts = parts
    this.#client = { client_id: clientId, [oauth.clockSkew]: 0, [oauth.clockTolerance]: 60 }
    const plain = { issuer, audiences: [], clients: [], claims: {}, jwksUri: null, introspection: null }
    this.#keys = new Issuer(plain, ask, log, () => {})
  }

  /** Where the person goes to sign in. Rejects with ISSUER_UNAVAILABLE. */
  async begin(): Promise<{ url: URL; secrets: LoginSecrets }> {
    const { authorization_endpoint: endpoint } = await this.#server()
    const url = endpoint === undefined ? null : URL.parse(endpoint)
    if (url === null || !this.#isPlace(url)) throw this.#unusable('no authorization endpoint')
    const secrets = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
    }
    const parameters = {
      response_type: 'code',
      client_id: this.#client.client_id,
      redirect_uri: this.#parts.redirectUrl,
      scope: ['openid', ...this.#parts.settings.scopes.filter((scope) => scope !== 'openid')].join(' '),
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(secrets.verifier),
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return { url, secrets }
  }

  /**
   * The claims of whoever has come back with these parameters. Rejects with SIGN_IN_FAILED; a token is only asked for
   * once issuer and state were found to be right, in this order, before an error of the issuer is looked at.
   */
  async finish(parameters: URLSearchParams, secrets: LoginSecrets): Promise<JsonObject> {
    const server = await this.#server()
    const { redirectUrl, settings } = this.#parts
    try {
      const checked = oauth.validateAuthResponse(server, this.#client, parameters, secrets.state)
      const auth = clientAuth(server, settings.clientSecret)
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        this.#client,
        auth,
        checked,
        redirectUrl,
        secrets.verifier,
        this.#options,
      )
      const result = await oauth.processAuthorizationCodeResponse(server, this.#client, response, {
        expectedNonce: secrets.nonce,
        requireIdToken: true,
      })
      const claims = oauth.getValidatedIdTokenClaims(result)
      const token = result.id_token ?? ''
      const read = readToken(token)
      const signed = read !== null && !('refused' in read) && (await this.#keys.hasSigned(token, read))
      if (claims === undefined || !signed) throw new Error('the ID token is not signed by the issuer')
      return claims
    } catch (thrown) {
      if (thrown instanceof GatewayError && thrown.code === 'ISSUER_UNAVAILABLE') throw thrown
      this.#parts.log.warn({ issuer: this.#parts.issuer, reason: reasonOf(thrown) }, 'a sign-in failed')
      const denied = thrown instanceof oauth.AuthorizationResponseError
      throw new GatewayError(
        'SIGN_IN_FAILED',
        denied ? 'The issuer did not sign you in. Try again.' : 'The sign-in cannot be finished; try again.',
      )
    }
  }

  /** Nobody who begins sign-ins decides how often the issuer is asked: all wait for the same answer, good or bad. */
  #server(): Promise<oauth.AuthorizationServer> {
    const nowMs = performance.now()
    if (this.#metadata !== null && nowMs < this.#metadata.untilMs) return this.#metadata.server
    const asked = { server: this.#askForServer(), untilMs: nowMs + metadataMs }
    this.#metadata = asked
    asked.server.catch(() => {
      asked.untilMs = performance.now() + pauseMs
    })
    return asked.server
  }

  async #askForServer(): Promise<oauth.AuthorizationServer> {
    const { issuer, ask, log } = this.#parts
    try {
      return (await issuerMetadata(issuer, ask)) as unknown as oauth.AuthorizationServer
    } catch (thrown) {
      log.warn({ issuer, reason: reasonOf(thrown) }, 'the issuer of sign-ins cannot be asked')
      throw new GatewayError(
        'ISSUER_UNAVAILABLE',
        'Nobody can sign in at the moment: the issuer does not answer.',
        pauseMs / 1_000,
      )
    }
  }

  /** An issuer that is read over TLS names nothing in clear text. */
  #isPlace({ protocol }: URL): boolean {
    return protocol === 'https:' || (protocol === 'http:' && this.#parts.issuer.startsWith('http://'))
  }

  #unusable(what: string): GatewayError {
    return new GatewayError(
      'ISSUER_UNAVAILABLE',
      `The metadata of the issuer names ${what} that can be used.`,
    )
  }

  get #options(): oauth.TokenEndpointRequestOptions {
    const { issuer, ask } = this.#parts
    return {
      [oauth.allowInsecureRequests]: issuer.startsWith('http://'),
      [oauth.customFetch]: async (url, { headers, body }) => {
        const { status, text, mediaType } = await ask({
          url,
          learnedFrom: issuer,
          headers: Object.fromEntries(Object.entries(headers)),
          form: body.toString(),
        })
        return new Response(text, { status, headers: { 'content-type': mediaType } })
      },
    }
  }
}

/** In the header, unless the issuer knows only the other way; a public client has none. */
function clientAuth(server: oauth.AuthorizationServer, secret: string | null): oauth.ClientAuth {
  if (secret === null) return oauth.None()
  const methods = server.token_endpoint_auth_methods_supported
  const inHeader = methods === undefined || methods.includes('client_secret_basic')
  return inHeader ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret)
}
