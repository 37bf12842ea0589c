/** What has come of the body of an answer that is read as a whole. */
import { noRoomError } from '../../../../../errors.ts'
import { heldBytesMin, type LedgerEntry } from '../../../../../runtime/byte-ledger.ts'
import type { AnswerRoom } from './answer.ts'

/** Bytes of a large answer while it arrives, in the name of whoever waits for it. */
export class ArrivingBytes {
  readonly #room: AnswerRoom | null
  readonly #requestId: number
  #entry: LedgerEntry | null = null

  constructor(room: AnswerRoom | null, requestId: number) {
    this.#room = room
    this.#requestId = requestId
  }

  /** Throws BYTES_EXHAUSTED when so many cannot be held. */
  grow(bytes: number): void {
    if (bytes < heldBytesMin || this.#room === null) return
    this.#entry ??= this.#room.openEntry(this.#requestId)
    if (this.#entry?.resize(bytes) === false) throw noRoomError()
  }

  /** The answer is whole, or will not be. */
  close(): void {
    this.#entry?.close()
  }
}
