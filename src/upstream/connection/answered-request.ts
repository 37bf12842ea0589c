/**
 * Which request a response of a server is for.
 *
 * Its id says so, however it is spelled. A server that refuses a message before it has read the id leaves it out
 * or sends null: such an error is for the request on whose own response it came or, on a wire that does not tell,
 * for the only one in flight. It is never guessed beyond that: some servers refuse notifications in this way too.
 *
 * Spec: JSON-RPC 2.0, Response object. Cases: test/upstream/connection/answered-request.test.ts
 */
import type { MessageText } from '../../protocol/jsonrpc.ts'
import { errorCodeOf, integerAt, isUnnamed } from '../../protocol/response.ts'

/** What a server says that does not know a method, or misses an id. */
const refusals: ReadonlySet<number> = new Set([-32600, -32601])

export class AnsweredRequest {
  /** The first id given out after the last notification, until a request from then on was answered; else 0. */
  #notifiedAtId = 0

  /** A notification goes out, and the request after it will have this id. */
  notified(nextId: number): void {
    this.#notifiedAtId = nextId
  }

  /** A request was answered: whatever was sent before it has been read. */
  answered(id: number): void {
    if (id >= this.#notifiedAtId) this.#notifiedAtId = 0
  }

  /**
   * The id, or -1 when it is for none that can be told. `arrivedFor` is the request on whose own response it came,
   * `attributes` whether the wire has such, and `inFlight` gives the ids that wait for an answer.
   */
  idOf(
    message: MessageText,
    arrivedFor: number | null,
    attributes: boolean,
    inFlight: Iterable<{ readonly upstreamId: number }>,
  ): number {
    if (!isUnnamed(message)) return integerAt(message.text, message.idStart, message.idEnd)
    if (!message.failed) return -1
    if (arrivedFor !== null || attributes) return arrivedFor ?? -1
    if (this.#notifiedAtId > 0 && refusals.has(errorCodeOf(message) ?? 0)) return -1
    const [first, second] = inFlight
    return first && !second ? first.upstreamId : -1
  }
}
