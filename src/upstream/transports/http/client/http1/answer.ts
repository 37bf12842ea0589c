/** One request on a connection of the gateway's own, and the answer to it. */
import { type GatewayError, noRoomError } from '../../../../../errors.ts'
import type { ResponseHead } from '../../../../../net/http1-head.ts'
import type { ResponseSink } from '../../../../../net/http1-response.ts'
import type { MessagePieces } from '../../../../../protocol/large-answer.ts'
import { heldBytesMin, type LedgerEntry } from '../../../../../runtime/byte-ledger.ts'
import { type AnswerRoom, brokenConnection, givenUp, type HttpAnswer } from '../answer/answer.ts'
import type { Cancellable, Cancellation } from '../answer/cancellation.ts'
import type { Http1Connection } from './connection.ts'

/** More bytes than this that are unread, or in the hands of a reader that has not come back, block the server. */
const unreadBytesMax = 128 * 1024
/** An answer that nobody wants is read on for the sake of its connection: so much of it, and so long. */
const discardedBytesMax = 64 * 1024
const discardedMs = 1_000

/** How an exchange tells that its answer has begun, or will not. One of the two is called, once. */
export interface Http1AnswerOwner {
  answered(answer: HttpAnswer): void
  failed(error: GatewayError): void
}

type Reading =
  | { readonly kind: 'none' | 'discarded' }
  | {
      readonly kind: 'next'
      resolve(piece: Uint8Array | null): void
      reject(error: GatewayError): void
    }
  | {
      readonly kind: 'all'
      readonly bytesMax: number
      readonly room: AnswerRoom | null
      readonly requestId: number
      resolve(pieces: MessagePieces | null): void
      reject(error: GatewayError): void
    }

/** Exchanges that something has come for in this turn of the event loop. */
let arrivals: Http1Answer[] = []

const noHeaders: ReadonlyMap<string, string> = new Map()
const none: Reading = { kind: 'none' }
const discarded: Reading = { kind: 'discarded' }

export class Http1Answer implements HttpAnswer, ResponseSink, Cancellable {
  readonly url: URL
  readonly #cancellation: Cancellation
  /** Null once the answer has begun, or will not. */
  #owner: Http1AnswerOwner | null
  /** Null when the exchange is over: what was read of it stays. */
  #connection: Http1Connection | null = null
  #head: ResponseHead | null = null
  #error: GatewayError | null = null
  readonly #unread = new PieceQueue()
  /** Size of the piece that the reader was given last. */
  #givenBytes = 0
  /** Of a large answer that arrives. */
  #entry: LedgerEntry | null = null
  #paused = false
  /** True from `stall` until `next` finds nothing. */
  #stalled = false
  #reading: Reading = none
  #timer: ReturnType<typeof setTimeout> | null = null
  /** True while it stands in `arrivals`. */
  #due = false

  constructor(url: URL, cancellation: Cancellation, owner: Http1AnswerOwner) {
    this.url = url
    this.#cancellation = cancellation
    this.#owner = owner
  }

  get status(): number {
    return this.#head?.status ?? 0
  }

  get mediaType(): string {
    return this.#head?.mediaType ?? ''
  }

  /** All headers, as `ResponseHead` has them; none before the answer has begun. */
  get headers(): ReadonlyMap<string, string> {
    return this.#head?.headers ?? noHeaders
  }

  header(name: string): string | null {
    return this.#head?.headers.get(name) ?? null
  }

  /** The request is about to be written. */
  begun(connection: Http1Connection): void {
    this.#connection = connection
    this.#cancellation.add(this)
  }

  head(head: ResponseHead): void {
    this.#head = head
  }

  piece(bytes: Uint8Array): void {
    this.#unread.push(bytes)
  }

  /** The answer has come to its end. `arrived` follows. */
  ended(): void {
    this.#leave()
  }

  /** The connection is lost. `why` is a code of the system, or a few words. */
  broke(why: string): void {
    // What came before is told before.
    this.#tell()
    this.#leave()
    this.#fail(brokenConnection(this.url, why))
  }

  cancelled(): void {
    this.#leave()?.destroy()
    this.#fail(brokenConnection(this.url, givenUp))
  }

  #leave(): Http1Connection | null {
    const connection = this.#connection
    this.#connection = null
    this.#cancellation.remove(this)
    if (this.#timer !== null) clearTimeout(this.#timer)
    return connection
  }

  #fail(error: GatewayError): void {
    this.#error = error
    this.#entry?.close()
    const [owner, reading] = [this.#owner, this.#reading]
    this.#owner = null
    this.#reading = none
    if (owner !== null) owner.failed(error)
    // What came before is still read; the error is what comes behind it.
    else if (reading.kind === 'next' || reading.kind === 'all') reading.reject(error)
  }

  /**
   * Everything that one chunk of the connection brought is here. Whoever waits for it is told at the end of the
   * turn, when the answers of other connections have come too: a client is then woken once for many of them.
   */
  arrived(): void {
    // At once: the kernel may have megabytes more for this turn.
    if (this.#unread.bytes > unreadBytesMax) this.#hold()
    if (this.#due) return
    this.#due = true
    if (arrivals.push(this) === 1) setImmediate(Http1Answer.#tellAll)
  }

  static readonly #tellAll = (): void => {
    const due = arrivals
    arrivals = []
    for (const exchange of due) exchange.#tell()
  }

  #tell(): void {
    if (!this.#due) return
    this.#due = false
    if (this.#head === null) return
    const [owner, reading] = [this.#owner, this.#reading]
    if (owner !== null) {
      this.#owner = null
      owner.answered(this)
    } else if (reading.kind === 'next') {
      if (this.#unread.bytes === 0 && this.#connection !== null) return
      this.#reading = none
      reading.resolve(this.#shift())
    } else if (reading.kind === 'all') this.#collect(reading)
    else if (reading.kind === 'discarded') {
      if (this.#unread.bytes > discardedBytesMax) this.#leave()?.destroy()
      return
    }
    this.#hold()
  }

  #collect(reading: Extract<Reading, { kind: 'all' }>): void {
    const { bytesMax, room, requestId, resolve, reject } = reading
    const tooLarge = this.#unread.bytes > bytesMax
    if (!tooLarge && this.#connection !== null) {
      if (this.#hasRoom(this.#unread.bytes, room, requestId)) return
      this.#reading = none
      this.#leave()?.destroy()
      this.#unread.clear()
      reject(noRoomError())
      return
    }
    this.#reading = none
    this.#entry?.close()
    if (tooLarge) this.#leave()?.destroy()
    const pieces = this.#unread.take()
    resolve(tooLarge ? null : pieces)
  }

  #shift(): Uint8Array | null {
    const piece = this.#unread.shift()
    this.#givenBytes = piece?.length ?? 0
    return piece
  }

  /** Lets the server block when nobody reads what it sends, and go on when somebody does. */
  #hold(): void {
    const given = this.#reading.kind === 'none' ? this.#givenBytes : 0
    const full =
      this.#stalled || (this.#unread.bytes + given > unreadBytesMax && this.#reading.kind !== 'all')
    if (full === this.#paused || this.#connection === null) return
    this.#paused = full
    if (full) this.#connection.pause()
    else this.#connection.resume()
  }

  /** Whether so many bytes of an answer that is still arriving may be held. */
  #hasRoom(bytes: number, room: AnswerRoom | null, requestId: number): boolean {
    if (bytes < heldBytesMin || room === null) return true
    this.#entry ??= room.openEntry(requestId)
    return this.#entry === null || bytes <= this.#entry.bytes || this.#entry.resize(bytes)
  }

  pieces(
    bytesMax: number,
    room: AnswerRoom | null = null,
    requestId = 0,
  ): MessagePieces | null | Promise<MessagePieces | null> {
    const announced = this.#head?.body
    if (this.#unread.bytes > bytesMax || (typeof announced === 'number' && announced > bytesMax)) {
      this.#leave()?.destroy()
      this.#unread.clear()
      return null
    }
    if (this.#error !== null) return Promise.reject(this.#error)
    if (this.#connection === null) return this.#unread.take()
    // Asked before it comes, so that of many answers at once some come whole.
    if (typeof announced === 'number' && !this.#hasRoom(announced, room, requestId)) {
      this.#leave()?.destroy()
      this.#unread.clear()
      return Promise.reject(noRoomError())
    }
    return new Promise((resolve, reject) => {
      this.#reading = { kind: 'all', bytesMax, room, requestId, resolve, reject }
      this.#hold()
    })
  }

  stall(): number {
    this.#stalled = true
    this.#hold()
    return this.#unread.bytes
  }

  next(): Uint8Array | null | Promise<Uint8Array | null> {
    const piece = this.#shift()
    if (piece !== null) {
      this.#hold()
      return piece
    }
    this.#stalled = false
    if (this.#error !== null) return Promise.reject(this.#error)
    if (this.#connection === null) return null
    return new Promise((resolve, reject) => {
      this.#reading = { kind: 'next', resolve, reject }
      if (this.#paused) this.#hold()
    })
  }

  discard(): void {
    const connection = this.#connection
    if (connection === null) {
      this.#unread.clear()
      return
    }
    this.#reading = discarded
    this.#stalled = false
    this.#hold()
    if (this.#unread.bytes > discardedBytesMax) {
      this.#leave()?.destroy()
      return
    }
    this.#timer = setTimeout(() => this.#leave()?.destroy(), discardedMs)
    this.#timer.unref()
  }
}

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
