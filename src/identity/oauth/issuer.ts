/** One authorization server: its keys, what it says of tokens that only it can read, and whether a token is its. */
import type { IssuerSettings } from '../../config/auth/oauth-settings.ts'
import { GatewayError, reasonOf } from '../../errors.ts'
import type { JsonObject } from '../../protocol/json.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import { introspect, issuerMetadata } from './issuer-requests.ts'
import { KeySet } from './key-set.ts'
import type { ReadToken } from './token-claims.ts'

/** How long the place of the keys counts without being asked for anew. */
const placeMs = 24 * 60 * 60_000
/** The least time between two log lines about the same outage. */
const complaintMs = 30_000
/** Seconds after which an issuer that did not answer may be asked again. */
const retryAfterSeconds = 5

export class Issuer {
  readonly settings: IssuerSettings
  readonly #ask: Ask
  readonly #log: Log
  readonly #nowMs: () => number
  #complainedAtMs = Number.NEGATIVE_INFINITY
  readonly #keys: KeySet
  #withdrawals = 0
  #keysUrl: { readonly url: string; readonly learnedFrom: string | null; readonly untilMs: number } | null =
    null

  /** `withdrawn` is told when keys are gone; `nowMs` is monotonic. */
  constructor(
    settings: IssuerSettings,
    ask: Ask,
    log: Log,
    withdrawn: (issuer: Issuer) => void,
    nowMs = () => performance.now(),
  ) {
    this.settings = settings
    this.#ask = ask
    this.#log = log
    this.#nowMs = nowMs
    this.#keys = new KeySet({
      load: () => this.#loadKeys(),
      failed: (reason) =>
        log.warn(
          { issuer: settings.issuer, reason },
          'the keys of an issuer cannot be had; those that are known count on',
        ),
      withdrawn: () => {
        this.#withdrawals++
        withdrawn(this)
      },
      nowMs,
    })
  }

  /** How often keys have gone: what was verified under an earlier count may be of one that is gone. */
  get withdrawals(): number {
    return this.#withdrawals
  }

  /** Whether the signature of a token is of one of its keys. Rejects with ISSUER_UNAVAILABLE. */
  async hasSigned(token: string, { algorithm, keyId }: ReadToken): Promise<boolean> {
    const keys = await this.#keys.find(algorithm, keyId)
    // Loaded with the first token: until then nobody needs it.
    const { compactVerify } = await import('jose')
    for (const key of keys) {
      try {
        await compactVerify(token, key, { algorithms: [algorithm] })
        return true
      } catch {
        // Another key, a key that is too short, or a forged token.
      }
    }
    return false
  }

  /** What it says of a token; null when that does not count. Rejects with ISSUER_UNAVAILABLE. */
  async introspect(token: string): Promise<JsonObject | null> {
    const { introspection, issuer } = this.settings
    if (introspection === null) return null
    try {
      return await introspect(token, introspection, this.#ask)
    } catch (thrown) {
      if (this.#nowMs() - this.#complainedAtMs >= complaintMs) {
        this.#complainedAtMs = this.#nowMs()
        this.#log.warn({ issuer, reason: reasonOf(thrown) }, 'an issuer cannot be asked about tokens')
      }
      throw new GatewayError(
        'ISSUER_UNAVAILABLE',
        'The issuer of this token cannot be asked at the moment. The token may be good; try again later.',
        retryAfterSeconds,
      )
    }
  }

  async #loadKeys(): Promise<string> {
    const { url, learnedFrom } = await this.#placeOfKeys()
    try {
      const { status, text } = await this.#ask({ url, learnedFrom, headers: { accept: 'application/json' } })
      if (status === 200) return text
      throw new GatewayError(
        'ISSUER_UNAVAILABLE',
        `${new URL(url).host} answered HTTP ${status} to the request for keys.`,
      )
    } catch (thrown) {
      // They may have moved.
      this.#keysUrl = null
      throw thrown
    }
  }

  async #placeOfKeys(): Promise<{ readonly url: string; readonly learnedFrom: string | null }> {
    const { issuer, jwksUri } = this.settings
    if (jwksUri !== null) return { url: jwksUri, learnedFrom: null }
    if (this.#keysUrl !== null && this.#nowMs() < this.#keysUrl.untilMs) return this.#keysUrl
    const url = (await issuerMetadata(issuer, this.#ask))['jwks_uri']
    if (typeof url !== 'string' || !isKeysUrl(url, issuer)) {
      throw new GatewayError(
        'ISSUER_UNAVAILABLE',
        `The metadata of ${issuer} names no place of its keys that can be used.`,
      )
    }
    this.#keysUrl = { url, learnedFrom: issuer, untilMs: this.#nowMs() + placeMs }
    return this.#keysUrl
  }
}

/** An issuer that is read over TLS keeps its keys behind TLS. */
function isKeysUrl(url: string, issuer: string): boolean {
  return url.startsWith('https://') || (url.startsWith('http://') && issuer.startsWith('http://'))
}
