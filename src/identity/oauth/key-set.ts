/**
 * The keys of one issuer, kept here and asked for seldom.
 *
 * Nobody who sends tokens decides how often the issuer is asked: however many keys they name, there is one request
 * in 30 s, and all wait for the same one. An issuer that cannot be reached ends nothing: the keys that are known count
 * for a day. A key that it has taken back counts until the next request, minutes later.
 */
import type { CryptoKey, JWK } from 'jose'
import { GatewayError, reasonOf } from '../../errors.ts'
import { isObject, type JsonObject } from '../../protocol/json.ts'

/** How long keys count without being asked for anew. */
const freshMs = 10 * 60_000
/** How long they count when they cannot be asked for. */
const staleMs = 24 * 60 * 60_000
/** The least time from one request to the next, whatever for. */
const pauseMs = 30_000
const keysMax = 100
/** Of the keys that could have made a signature that names none. */
const candidatesMax = 8

interface PublishedKey {
  readonly id: string | null
  readonly jwk: JWK
  /** By algorithm. */
  readonly imported: Map<string, Promise<CryptoKey | null>>
}

export interface KeySetParts {
  /** The text of the key set; rejects with a GatewayError. */
  load(): Promise<string>
  /** Told once for each request that failed. */
  failed(reason: string): void
  /** Told when a key is gone that was there: what it has signed counts no more. */
  withdrawn(): void
  readonly nowMs: () => number
}

export class KeySet {
  readonly #parts: KeySetParts
  #keys: readonly PublishedKey[] = []
  #loadedAtMs = Number.NEGATIVE_INFINITY
  #askedAtMs = Number.NEGATIVE_INFINITY
  #failed = false
  #loading: Promise<void> | null = null

  constructor(parts: KeySetParts) {
    this.#parts = parts
  }

  /**
   * The keys that may have made a signature; none when the issuer is known to have no such key. Rejects with
   * ISSUER_UNAVAILABLE when that cannot be found out now.
   */
  async find(algorithm: string, keyId: string | null): Promise<readonly CryptoKey[]> {
    const { nowMs } = this.#parts
    const ageMs = nowMs() - this.#loadedAtMs
    if (ageMs > staleMs) await this.#load()
    // Nobody waits for keys that are only no longer fresh.
    else if (ageMs > freshMs) void this.#load()
    const found = await this.#fitting(algorithm, keyId)
    if (found.length > 0) return found
    await this.#load()
    if (this.#failed) throw this.#unavailable()
    return await this.#fitting(algorithm, keyId)
  }

  /** Asks the issuer, unless somebody has a moment ago. */
  #load(): Promise<void> {
    if (this.#loading !== null) return this.#loading
    const nowMs = this.#parts.nowMs()
    if (nowMs - this.#askedAtMs < pauseMs) return Promise.resolve()
    this.#askedAtMs = nowMs
    this.#loading = this.#ask().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  async #ask(): Promise<void> {
    try {
      const keys = readKeys(await this.#parts.load())
      const before = this.#keys
      this.#keys = keys.map((key) => before.find((known) => sameKey(known, key)) ?? key)
      this.#loadedAtMs = this.#parts.nowMs()
      this.#failed = false
      if (before.some((known) => !this.#keys.includes(known))) this.#parts.withdrawn()
    } catch (thrown) {
      this.#failed = true
      this.#parts.failed(reasonOf(thrown))
    }
  }

  async #fitting(algorithm: string, keyId: string | null): Promise<readonly CryptoKey[]> {
    if (this.#parts.nowMs() - this.#loadedAtMs > staleMs) throw this.#unavailable()
    const named = this.#keys.filter(({ id, jwk }) => (keyId === null || id === keyId) && fits(jwk, algorithm))
    const keys = await Promise.all(named.slice(0, candidatesMax).map((key) => imported(key, algorithm)))
    return keys.filter((key) => key !== null)
  }

  #unavailable(): GatewayError {
    const waitMs = Math.max(1_000, this.#askedAtMs + pauseMs - this.#parts.nowMs())
    return new GatewayError(
      'ISSUER_UNAVAILABLE',
      'The keys of the issuer of this token cannot be had at the moment. The token may be good; try again later.',
      Math.ceil(waitMs / 1_000),
    )
  }
}

function sameKey(one: PublishedKey, other: PublishedKey): boolean {
  return one.id === other.id && JSON.stringify(one.jwk) === JSON.stringify(other.jwk)
}

/** Whether a published key could verify this algorithm (RFC 7517, 4; RFC 7518, 3.1; RFC 8037). */
function fits({ kty, crv, alg }: JWK, algorithm: string): boolean {
  if (alg !== undefined && alg !== algorithm) return false
  if (algorithm.startsWith('RS') || algorithm.startsWith('PS')) return kty === 'RSA'
  if (algorithm === 'ES256') return kty === 'EC' && crv === 'P-256'
  if (algorithm === 'ES384') return kty === 'EC' && crv === 'P-384'
  if (algorithm === 'ES512') return kty === 'EC' && crv === 'P-521'
  return kty === 'OKP' && crv === 'Ed25519'
}

async function imported(key: PublishedKey, algorithm: string): Promise<CryptoKey | null> {
  let made = key.imported.get(algorithm)
  if (made === undefined) {
    made = readKey({ ...key.jwk, alg: algorithm }, algorithm)
    key.imported.set(algorithm, made)
  }
  return await made
}

/** Null for one that cannot be read: it verifies nothing, and the others do. */
async function readKey(jwk: JWK, algorithm: string): Promise<CryptoKey | null> {
  const { importJWK } = await import('jose')
  try {
    const key = await importJWK(jwk, algorithm)
    return key instanceof Uint8Array ? null : key
  } catch {
    return null
  }
}

/** The usable keys of a set. Throws when the text is none. */
function readKeys(text: string): readonly PublishedKey[] {
  const set: unknown = JSON.parse(text)
  const keys = isObject(set) ? set['keys'] : undefined
  if (!Array.isArray(keys)) throw new Error('the answer is no key set')
  return keys.filter(isObject).flatMap(publicKeyOf).slice(0, keysMax)
}

/** The public part of a key, and only of one that is meant for signatures. */
function publicKeyOf(key: JsonObject): PublishedKey[] {
  const { kty, use, key_ops: operations, kid, alg, n, e, crv, x, y } = key
  if (use !== undefined && use !== 'sig') return []
  if (Array.isArray(operations) && !operations.includes('verify')) return []
  const members = Object.entries({ kty, alg, n, e, crv, x, y }).filter(
    ([, value]) => typeof value === 'string',
  )
  if (typeof kty !== 'string') return []
  const jwk = Object.fromEntries(members) as JWK
  return [{ id: typeof kid === 'string' ? kid : null, jwk, imported: new Map() }]
}
