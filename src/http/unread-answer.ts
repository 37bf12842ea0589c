/**
 * A large answer on its way to its client, which may take it as slowly as it likes, or not at all.
 *
 * The runtime keeps a whole body until the last byte of it was read. Here it is handed over a part at a time, as
 * the client takes it, so that what waits is known (runtime/byte-ledger.ts) and can be given up: the response is
 * then cut, which a client sees as a broken connection and not as a shorter answer.
 */
import { noRoomError } from '../errors.ts'
import { lengthOf, type MessagePieces } from '../protocol/large-answer.ts'
import type { ByteLedger, LedgerEntry } from '../runtime/byte-ledger.ts'

/** How much is handed over at once; smaller parts cost more turns of the event loop than they save memory. */
const partBytes = 1024 * 1024

const nothing = new Uint8Array(0)

/** Whoever is to read it. */
export interface AnswerReader {
  readonly ledger: ByteLedger
  /** What it is counted under. */
  readonly clientKey: string
  /** Aborted when its connection is closed. */
  readonly signal: AbortSignal
}

/** The body of a response with this answer. Throws BYTES_EXHAUSTED when there is no room for it. */
export function unreadAnswer(pieces: MessagePieces, reader: AnswerReader): ReadableStream<Uint8Array> | null {
  // Nobody will ever read it, and so nobody would say that it is no longer held.
  if (reader.signal.aborted) return null
  return new UnreadAnswer(pieces, reader).body
}

class UnreadAnswer {
  readonly body: ReadableStream<Uint8Array>
  readonly #pieces: Uint8Array[]
  readonly #entry: LedgerEntry
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null
  #at = 0
  /** Handed over, and perhaps not read yet. */
  #partBytes = 0

  constructor(pieces: MessagePieces, { ledger, clientKey }: AnswerReader) {
    this.#pieces = [...pieces]
    this.#entry = ledger.open(clientKey, () => this.#cut())
    if (!this.#entry.resize(lengthOf(pieces))) throw noRoomError()
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: (controller) => this.#handOver(controller),
        cancel: () => this.#letGo(),
      },
      { highWaterMark: 0 },
    )
  }

  #handOver(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#entry.resize(Math.max(0, this.#entry.bytes - this.#partBytes))
    this.#partBytes = 0
    if (this.#at === this.#pieces.length) {
      this.#letGo()
      controller.close()
      return
    }
    while (this.#at < this.#pieces.length && this.#partBytes < partBytes) {
      const piece = this.#pieces[this.#at] ?? nothing
      this.#pieces[this.#at++] = nothing
      this.#partBytes += piece.length
      if (piece.length > 0) controller.enqueue(piece)
    }
  }

  #cut(): void {
    const controller = this.#controller
    this.#letGo()
    controller?.error(new Error('the client does not read its answers'))
  }

  #letGo(): void {
    this.#controller = null
    this.#pieces.length = 0
    this.#at = 0
    this.#entry.close()
  }
}
