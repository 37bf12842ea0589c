/**
 * Collects the bytes of one line or event that has not ended yet.
 *
 * One buffer that doubles, not a list of chunks: a peer that sends one byte per write would otherwise
 * cost a hundred bytes of bookkeeping for each of its own. Pure; at most twice the bytes it holds.
 */
const keptBytes = 64 * 1024

export class PartialBytes {
  #buffer: Buffer = Buffer.alloc(0)
  #length = 0

  get length(): number {
    return this.#length
  }

  add(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2, 1024))
      grown.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = grown
    }
    this.#buffer.set(bytes, this.#length)
    this.#length = needed
  }

  /** A view, valid until the next `add` or `clear`. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Forgets the bytes, and gives a large buffer back so that one huge line costs nothing afterwards. */
  clear(): void {
    this.#length = 0
    if (this.#buffer.length > keptBytes) this.#buffer = Buffer.alloc(0)
  }
}
