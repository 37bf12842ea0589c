/** One request on a channel at its front's end, and the answer to it. */

import { mediaTypeOf } from '../../../../net/http1-head.ts'
import type {
  Cancellable,
  Cancellation,
} from '../../../../upstream/transports/http/client/answer/cancellation.ts'
import { PieceQueue } from '../../../../upstream/transports/http/client/http1/answer.ts'
import { ownerHeader, refusedHeader } from '../forwarded-header.ts'
import { windowBytes } from './frames.ts'

/** What became of a request on a channel. */
export type ChannelSent =
  | {
      readonly kind: 'whole'
      readonly status: number
      /** JSON text of the headers. */
      readonly head: string
      readonly text: string
    }
  | {
      readonly kind: 'pieces'
      readonly status: number
      readonly head: string
      readonly pieces: SentRequest
    }
  | { readonly kind: 'unsent' }
  | { readonly kind: 'lost' }

/** What a request tells its channel. */
export interface RequestChannel {
  /** Nobody waits for it any more. */
  givenUp(request: SentRequest): void
  /** Its reader has taken so much. */
  taken(request: SentRequest, bytes: number): void
}

/** The owner is told that there is room again once a part of the window was read. */
const toldBytes = windowBytes / 4

export class SentRequest implements Cancellable {
  readonly id: number
  /** Of the request; what has begun to be written may run. */
  written = false
  readonly #channel: RequestChannel
  readonly #cancellation: Cancellation
  readonly #settle: (sent: ChannelSent) => void
  readonly #unread = new PieceQueue()
  #takenBytes = 0
  #over = false
  #error: Error | null = null
  #reader: { resolve(piece: Uint8Array | null): void; reject(error: Error): void } | null = null

  constructor(
    id: number,
    channel: RequestChannel,
    cancellation: Cancellation,
    settle: (sent: ChannelSent) => void,
  ) {
    this.id = id
    this.#channel = channel
    this.#cancellation = cancellation
    this.#settle = settle
    cancellation.add(this)
  }

  /** True once nothing more comes of it. */
  get over(): boolean {
    return this.#over
  }

  whole(status: number, head: string, text: string): void {
    this.#end()
    this.#settle({ kind: 'whole', status, head, text })
  }

  begun(status: number, head: string): void {
    this.#settle({ kind: 'pieces', status, head, pieces: this })
  }

  piece(bytes: Uint8Array): void {
    this.#unread.push(bytes)
    this.#tell()
  }

  ended(): void {
    this.#end()
    this.#tell()
  }

  /** Nothing more comes, and it was not all. */
  broke(): void {
    this.#end()
    this.#error ??= new Error('another member broke off its answer')
    // Settled before, that says nothing.
    this.#settle({ kind: this.written ? 'lost' : 'unsent' })
    this.#tell()
  }

  cancelled(): void {
    if (this.#over) return
    this.#channel.givenUp(this)
    this.broke()
  }

  /** The next piece of the answer, null behind the last one. Rejects where it broke off. */
  next(): Uint8Array | null | Promise<Uint8Array | null> {
    const piece = this.#shift()
    if (piece !== null) return piece
    if (this.#error !== null) return Promise.reject(this.#error)
    if (this.#over) return null
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  #shift(): Uint8Array | null {
    const piece = this.#unread.shift()
    if (piece === null) return null
    this.#takenBytes += piece.length
    if (this.#takenBytes >= toldBytes && !this.#over) {
      this.#channel.taken(this, this.#takenBytes)
      this.#takenBytes = 0
    }
    return piece
  }

  #tell(): void {
    const reader = this.#reader
    if (reader === null) return
    const piece = this.#shift()
    if (piece === null && !this.#over) return
    this.#reader = null
    if (piece !== null) reader.resolve(piece)
    else if (this.#error !== null) reader.reject(this.#error)
    else reader.resolve(null)
  }

  #end(): void {
    this.#over = true
    this.#cancellation.remove(this)
  }
}

export interface AnswerHead {
  readonly headers: Headers
  /** Who has what was asked for, in an answer 421; empty where nobody knows. */
  readonly owner: string | null
  /** Whether the other member refuses the request itself. */
  readonly isRefusal: boolean
  readonly mediaType: string
}

const keptMax = 64
const keptCharsMax = 1_024

/** The headers of answers on channels, read once for all answers that have the same: nearly all of them do. */
export class AnswerHeads {
  readonly #known = new Map<string, AnswerHead>()

  /** Of the JSON text of the headers. */
  read(text: string): AnswerHead {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const headers = new Headers(JSON.parse(text) as Record<string, string>)
    const head = {
      headers,
      owner: headers.get(ownerHeader),
      isRefusal: headers.get(refusedHeader) !== null,
      mediaType: mediaTypeOf(headers.get('content-type') ?? ''),
    }
    if (text.length > keptCharsMax) return head
    if (this.#known.size >= keptMax) this.#known.clear()
    this.#known.set(text, head)
    return head
  }
}
