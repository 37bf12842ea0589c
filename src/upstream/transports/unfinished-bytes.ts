/**
 * What all streams of one server hold of messages that have not ended yet.
 *
 * Each stream is bounded by itself, but a server has as many of them as it has clients. Beyond the bound for all
 * only the largest goes on, so that one message of the greatest size always comes through, whatever the others do.
 */

/** So much of all streams of a server together. */
const allBytesMax = 32 * 1024 * 1024
/** Less of one stream is not worth the counting: it is bounded by the number of streams. */
const countedBytesMin = 64 * 1024

export class UnfinishedBytes {
  readonly #heldBy = new Map<object, number>()
  #bytes = 0

  /** Notes what a stream holds from now on. False when it should take nothing more for now: ask again. */
  hold(stream: object, bytes: number): boolean {
    const before = this.#heldBy.get(stream)
    if (bytes < countedBytesMin) {
      if (before !== undefined && this.#heldBy.delete(stream)) this.#bytes -= before
      return true
    }
    this.#heldBy.set(stream, bytes)
    this.#bytes += bytes - (before ?? 0)
    if (this.#bytes <= allBytesMax) return true
    for (const other of this.#heldBy.values()) if (other > bytes) return false
    return true
  }
}
