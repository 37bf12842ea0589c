/**
 * A key to which tokens are bound, and the proofs that whoever sends one has it (RFC 9449, 4.2). One for each login,
 * kept with it. ES256, which every authorization server has to know that knows proofs at all.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto'

import type { TokenProofs } from '../../upstream/transports/http/client/token-source.ts'
import type { StoredLogin } from './stored.ts'

/** What a proof is for. */
export interface ProvenRequest {
  readonly method: string
  readonly url: URL
  /** The token that goes with it; null at a token endpoint. */
  readonly token: string | null
  /** What the receiver has asked for; null for nothing. */
  readonly nonce: string | null
}

export class ProofKey {
  readonly #key: KeyObject
  readonly #header: string
  /** As it is kept: a private JWK. */
  readonly text: string
  /** The token of the last proof, and its digest: most are of the same. */
  #last: { readonly token: string; readonly digest: string } | null = null

  /** A new one; with `text` one that was kept. Throws for what is none. */
  constructor(text?: string) {
    this.#key =
      text === undefined
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
        : createPrivateKey({ key: JSON.parse(text) as Record<string, string>, format: 'jwk' })
    const { kty, crv, x, y, d } = this.#key.export({ format: 'jwk' })
    this.text = JSON.stringify({ kty, crv, x, y, d })
    this.#header = encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } })
  }

  /** Another one for each request: whoever has seen it can use it for nothing. */
  proof({ method, url, token, nonce }: ProvenRequest): string {
    const payload = encoded({
      jti: randomUUID(),
      htm: method,
      htu: `${url.origin}${url.pathname}`,
      iat: Math.floor(Date.now() / 1_000),
      ...(token === null ? {} : { ath: this.#digestOf(token) }),
      ...(nonce === null ? {} : { nonce }),
    })
    const said = `${this.#header}.${payload}`
    const signature = sign('sha256', Buffer.from(said), { key: this.#key, dsaEncoding: 'ieee-p1363' })
    return `${said}.${signature.toString('base64url')}`
  }

  #digestOf(token: string): string {
    if (this.#last?.token !== token)
      this.#last = { token, digest: createHash('sha256').update(token).digest('base64url') }
    return this.#last.digest
  }
}

/** The proofs that go with the token of a login. What the server wants in them is remembered. */
export class LoginProofs implements TokenProofs {
  readonly #login: () => StoredLogin | null
  #key: ProofKey | null = null
  #keyText = ''
  #nonce: string | null = null

  /** `login` is the one that there is now. */
  constructor(login: () => StoredLogin | null) {
    this.#login = login
  }

  of(token: string, method: string, url: URL): string | null {
    const text = this.#login()?.proofKey
    if (text === undefined) return null
    if (this.#key === null || text !== this.#keyText) {
      this.#key = new ProofKey(text)
      this.#keyText = text
    }
    return this.#key.proof({ method, url, token, nonce: this.#nonce })
  }

  wants(nonce: string): void {
    this.#nonce = nonce
  }
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
