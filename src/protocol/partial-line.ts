/**
 * Collects the bytes of one line that has not ended yet, up to a cap.
 *
 * Large chunks are kept as they came and joined once, which costs half of what a growing buffer does;
 * small ones are copied together, because a peer that sends one byte per write would otherwise cost a
 * hundred bytes of bookkeeping for each of its own. Past the cap only both ends and the size are kept,
 * enough to say whose message was too large. Pure; holds at most about twice `lineBytesMax`.
 */
const slabBytes = 16 * 1024
/** From this size on a chunk is kept by reference: its owner must not write into it again. */
const referencedBytesMin = 4 * 1024
/** A smaller part than this of what was read at once is copied: by reference it would keep all of that. */
const referencedPartMin = 1 / 4
const nothing = Buffer.alloc(0)

/** How much of an oversized line is kept at each end. */
export const edgeBytes = 256

/** What JSON-RPC may begin with: an object, a batch, white space, the first byte of a byte order mark. */
const mayBeJson: ReadonlySet<number> = new Set([
  ...[...'{[ \t\r'].map((character) => character.charCodeAt(0)),
  0xef,
])

export class PartialLine {
  readonly #lineBytesMax: number
  readonly #noiseBytesMax: number
  /** Of the current line. */
  #bytesMax: number
  #pieces: Uint8Array[] = []
  #slab: Buffer = nothing
  #slabLength = 0
  /** Size of the line so far, also of what was thrown away. */
  #length = 0
  #head = ''
  #tail: Buffer = nothing

  /** `noiseBytesMax` is the cap of a line whose first byte shows that it is no JSON. */
  constructor(lineBytesMax: number, noiseBytesMax = lineBytesMax) {
    this.#lineBytesMax = lineBytesMax
    this.#noiseBytesMax = Math.min(noiseBytesMax, lineBytesMax)
    this.#bytesMax = lineBytesMax
  }

  get length(): number {
    return this.#length
  }

  get oversized(): boolean {
    return this.#length > this.#bytesMax
  }

  /** The first characters of an oversized line. */
  get head(): string {
    return this.#head
  }

  /** The last characters of an oversized line. */
  get tail(): string {
    return this.#tail.toString('utf8')
  }

  add(bytes: Uint8Array): void {
    if (this.#length === 0 && bytes.length > 0)
      this.#bytesMax = mayBeJson.has(bytes[0] ?? 0) ? this.#lineBytesMax : this.#noiseBytesMax
    if (this.#length + bytes.length > this.#bytesMax) this.#skip(bytes)
    else this.#store(bytes)
    this.#length += bytes.length
  }

  /** Throws away what is held of the line, and the rest of it when it comes. */
  skip(): void {
    if (this.#length === 0 || this.oversized) return
    this.#skip(nothing)
    this.#bytesMax = 0
  }

  #store(bytes: Uint8Array): void {
    if (bytes.length >= referencedBytesMin && bytes.length >= bytes.buffer.byteLength * referencedPartMin) {
      this.#closeSlab()
      this.#pieces.push(bytes)
      return
    }
    if (this.#slabLength + bytes.length > this.#slab.length) {
      this.#closeSlab()
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes.length))
    }
    this.#slab.set(bytes, this.#slabLength)
    this.#slabLength += bytes.length
  }

  #closeSlab(): void {
    if (this.#slabLength === 0) return
    this.#pieces.push(this.#slab.subarray(0, this.#slabLength))
    this.#slab = nothing
    this.#slabLength = 0
  }

  #skip(bytes: Uint8Array): void {
    if (!this.oversized) {
      this.#closeSlab()
      // Two pieces are enough: a short one stands next to a long one.
      const start = [...this.#pieces.slice(0, 2), bytes].map((piece) => piece.subarray(0, edgeBytes))
      this.#head = Buffer.concat(start).subarray(0, edgeBytes).toString('utf8')
      this.#tail = Buffer.concat(this.#pieces.slice(-2).map((piece) => piece.subarray(-edgeBytes)))
      this.#pieces = []
    }
    const end = Buffer.concat([this.#tail, bytes.subarray(-edgeBytes)])
    this.#tail = Buffer.from(end.subarray(-edgeBytes))
  }

  /** The line, valid until the next `add` or `clear`. Empty when it is oversized. */
  view(): Buffer {
    if (this.oversized) return nothing
    if (this.#pieces.length === 0) return this.#slab.subarray(0, this.#slabLength)
    this.#closeSlab()
    return Buffer.concat(this.#pieces)
  }

  /** The line as the pieces in which it came, which are the caller's from then on. Empty when it is oversized. */
  pieces(): Uint8Array[] {
    this.#closeSlab()
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  /** Starts the next line. */
  clear(): void {
    this.#length = 0
    this.#slabLength = 0
    if (this.#pieces.length > 0) this.#pieces = []
    if (this.#head !== '') {
      this.#head = ''
      this.#tail = nothing
    }
  }
}
