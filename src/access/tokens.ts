/**
 * Tokens as digests. Comparing digests in constant time tells an attacker nothing about a token's
 * length or beginning, and a digest in memory or in a log is not a credential.
 */
import { timingSafeEqual } from 'node:crypto'
import { callerOf } from '../telemetry/callers.ts'
import type { Principal } from './principal.ts'

/** A SHA-256 digest, 32 bytes. */
export type Digest = Uint8Array

/** The digest of a token's UTF-8 bytes. */
export function digestOf(token: string): Digest {
  return Bun.SHA256.hash(token, new Uint8Array(32)) as Digest
}

const askedDigest = new Uint8Array(32) as Digest

/** The same for a token that is only asked about: good until the next call. */
export function digestOfAsked(token: string): Digest {
  return Bun.SHA256.hash(token, askedDigest) as Digest
}

/** The principal of whoever holds the token with this digest. All of it counts: what is shown may be alike. */
function principalOf(digest: Digest, role: 'client' | 'admin'): Principal {
  const id = `${role === 'admin' ? 'admin' : 'token'}:${Buffer.from(digest).toString('hex')}`
  return Object.freeze({ id, shown: callerOf(id), role, grants: null })
}

/** The token of an `Authorization: Bearer` header; null without one. */
export function bearerOf(header: string | null): string | null {
  if (header === null || header.length < 8) return null
  if (!header.startsWith('Bearer ') && header.slice(0, 7).toLowerCase() !== 'bearer ') return null
  const token = header.slice(7).trim()
  return token === '' ? null : token
}

/** `cpz_`, an id of eight, `_`, a secret of 32 and a checksum of six: what scanners for leaked secrets look for. */
const keyText = /^cpz_[a-z0-9]{8}_[0-9A-Za-z]{38}$/
const keyTextLength = 51

/** The id in the text of a key; null for what is none. Whether there is such a key is not said. */
export function keyIdIn(token: string): string | null {
  return token.length === keyTextLength && keyText.test(token) ? token.slice(4, 12) : null
}

/** The tokens of one list. Immutable: a rotation makes a new table. */
export class TokenTable {
  readonly #rows: readonly { readonly digest: Digest; readonly principal: Principal }[]

  constructor(tokens: readonly string[], role: 'client' | 'admin') {
    this.#rows = tokens.map((token) => {
      const digest = digestOf(token)
      return { digest, principal: principalOf(digest, role) }
    })
  }

  get size(): number {
    return this.#rows.length
  }

  /** Who holds them. */
  get principals(): readonly Principal[] {
    return this.#rows.map(({ principal }) => principal)
  }

  /** Who holds the token with this digest. Every row is compared, so that the time tells no position. */
  find(digest: Digest): Principal | null {
    let found: Principal | null = null
    for (const row of this.#rows) if (timingSafeEqual(row.digest, digest)) found = row.principal
    return found
  }

  /** Whether one of its tokens makes this principal. */
  holds(principalId: string): boolean {
    return this.#rows.some((row) => row.principal.id === principalId)
  }
}
