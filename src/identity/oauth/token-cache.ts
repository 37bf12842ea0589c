/**
 * What is known of tokens, by their digests: a token that was looked at is not looked at again before it ends. Bounded
 * in number and in characters; past a bound, what was used longest ago is looked at anew.
 */
import { timingSafeEqual } from 'node:crypto'

interface Entry<T> {
  readonly digest: Uint8Array
  readonly value: T
  /** Wall clock. */
  readonly untilMs: number
  readonly chars: number
}

const entriesMax = 10_000
const charsMax = 16 * 1024 * 1024

export class TokenCache<T> {
  /** By the first 48 bits, in the order of their entry. */
  readonly #entries = new Map<number, Entry<T>>()
  #chars = 0

  /** `nowMs` is the wall clock, which the ends of tokens are told by. */
  get(digest: Uint8Array, nowMs: number): T | undefined {
    const key = keyOf(digest)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (nowMs >= entry.untilMs) {
      this.#delete(key, entry)
      return undefined
    }
    return timingSafeEqual(entry.digest, digest) ? entry.value : undefined
  }

  /** `chars` is the length of the token, by which what it says is bounded. */
  set(digest: Uint8Array, value: T, untilMs: number, chars: number): void {
    const key = keyOf(digest)
    const before = this.#entries.get(key)
    if (before !== undefined) this.#delete(key, before)
    this.#entries.set(key, { digest: Uint8Array.from(digest), value, untilMs, chars })
    this.#chars += chars
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= entriesMax && this.#chars <= charsMax) break
      this.#delete(oldest, entry)
    }
  }

  /** Forgets what this test picks. */
  forgetWhere(picks: (value: T) => boolean): void {
    for (const [key, entry] of this.#entries) if (picks(entry.value)) this.#delete(key, entry)
  }

  #delete(key: number, entry: Entry<T>): void {
    this.#entries.delete(key)
    this.#chars -= entry.chars
  }
}

/** 48 bits, which a number holds exactly; a text of the whole digest costs ten times as much to make. */
function keyOf(digest: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = digest
  return ((a << 16) | (b << 8) | c) * 0x1000000 + ((d << 16) | (e << 8) | f)
}
