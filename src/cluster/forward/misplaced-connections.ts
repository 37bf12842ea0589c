/**
 * Connections of clients that have come to the wrong worker. Workers share a port, and the kernel deals connections out
 * without knowing whose they are: a client that has met another worker than the one that has its session would have
 * each of its requests passed on, for as long as it keeps the connection. So the answer to such a request ends the
 * connection (`Connection: close`), and the next one is dealt anew; until it is at the right worker, there are about as
 * many tries as there are workers.
 *
 * A connection that several sessions use in turn is at the wrong worker for some of them wherever it is, and stays.
 */
import type { RequestContext } from '../../http/context.ts'

/** How a request came: its connection is known by the address and the port of its other end. */
export type OnConnection = Pick<RequestContext, 'peer' | 'peerPort'>

/** So many requests for the same thing, one after the other, and none for anything that is here. */
const inARow = 4
/** What somebody makes worse who begins a connection for each few requests: so many are ended at once, and a second. */
const burst = 256
const perSecond = 16
/** Connections that are remembered. */
const suspectsMax = 4_096

interface Suspect {
  /** What its last request was for. */
  owned: string
  times: number
}

export class MisplacedConnections {
  readonly #suspects = new Map<string, Suspect>()
  readonly #nowMs: () => number
  #left = burst
  #filledAtMs: number

  /** `nowMs` is monotonic. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    this.#filledAtMs = nowMs()
  }

  /** A request was for something that is here. */
  served(by: OnConnection): void {
    if (this.#suspects.size > 0 && by.peerPort !== undefined) this.#suspects.delete(nameOf(by))
  }

  /** A request was passed on, for something that another worker has; answers whether its connection should end. */
  passedOn(by: OnConnection, owned: string): boolean {
    if (by.peerPort === undefined) return false
    const name = nameOf(by)
    const suspect = this.#suspects.get(name)
    if (suspect?.owned !== owned) {
      this.#remember(name, { owned, times: 1 })
      return false
    }
    suspect.times++
    if (suspect.times < inARow || !this.#mayEnd()) return false
    this.#suspects.delete(name)
    return true
  }

  #remember(name: string, suspect: Suspect): void {
    this.#suspects.delete(name)
    if (this.#suspects.size >= suspectsMax)
      for (const oldest of this.#suspects.keys()) {
        this.#suspects.delete(oldest)
        break
      }
    this.#suspects.set(name, suspect)
  }

  #mayEnd(): boolean {
    const nowMs = this.#nowMs()
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#filledAtMs) / 1_000) * perSecond)
    this.#filledAtMs = nowMs
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}

function nameOf({ peer, peerPort }: OnConnection): string {
  return `${peer} ${peerPort}`
}
