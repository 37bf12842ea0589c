/** From so many pieces on, small ones are put together. */
const piecesBeforeJoining = 16
const smallPieceBytes = 4 * 1024
const tailBytes = 64 * 1024

/**
 * The unread bytes of a body, in order. A server may send megabytes in chunks of one byte, and a view of
 * its own for each would take a hundred times as much: small pieces are copied together once there are many.
 */
export class PieceQueue {
  #pieces: Uint8Array[] = []
  /** The first piece that was not taken yet. */
  #at = 0
  #bytes = 0
  #tail: Uint8Array | null = null
  #tailUsed = 0

  /** The number of bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  push(piece: Uint8Array): void {
    this.#bytes += piece.length
    if (this.#pieces.length - this.#at < piecesBeforeJoining || piece.length > smallPieceBytes) {
      this.#pieces.push(piece)
      this.#tail = null
    } else this.#join(piece)
  }

  #join(piece: Uint8Array): void {
    let tail = this.#tail
    if (tail === null || this.#tailUsed + piece.length > tail.length) {
      tail = new Uint8Array(tailBytes)
      this.#tail = tail
      this.#tailUsed = 0
      this.#pieces.push(tail)
    }
    tail.set(piece, this.#tailUsed)
    this.#tailUsed += piece.length
    this.#pieces[this.#pieces.length - 1] = tail.subarray(0, this.#tailUsed)
  }

  /** The next piece, or null when none is there. */
  shift(): Uint8Array | null {
    const piece = this.#pieces[this.#at]
    if (piece === undefined) return null
    this.#at++
    this.#bytes -= piece.length
    if (this.#at === this.#pieces.length) this.clear()
    return piece
  }

  /** Everything that waits. */
  take(): Uint8Array[] {
    const pieces = this.#at === 0 ? this.#pieces : this.#pieces.slice(this.#at)
    this.clear()
    return pieces
  }

  clear(): void {
    this.#pieces = []
    this.#at = 0
    this.#bytes = 0
    this.#tail = null
  }
}
