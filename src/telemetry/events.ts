/**
 * What happens, told to whoever follows it: calls as they end, servers as they come and go.
 *
 * Nothing is kept for those who come later, and nothing is made while nobody follows.
 */
import { GatewayError } from '../errors.ts'
import { printableJson } from './printable.ts'

/** A new kind is a member here, a schema in `http/api/answers.ts`, and a row in the contract. */
export type EventKind = 'call' | 'state'

export interface EventFollower {
  /** `json` is the text of an object, on one line. Must not throw. */
  happened(kind: EventKind, json: string): void
}

/** More would cost each call more than it is worth. */
const followersMax = 16

export class Events {
  readonly #followers = new Set<EventFollower>()

  /** Asked before an event is made. */
  get followed(): boolean {
    return this.#followers.size > 0
  }

  /** Tells `follower` from now on, until the function that is returned is called. Throws IN_FLIGHT_EXHAUSTED at the bound. */
  follow(follower: EventFollower): () => void {
    if (this.#followers.size >= followersMax)
      throw new GatewayError(
        'IN_FLIGHT_EXHAUSTED',
        `${followersMax} others follow the events already; end one of them.`,
      )
    this.#followers.add(follower)
    return () => {
      this.#followers.delete(follower)
    }
  }

  /** Tells everybody who follows; `fields` are named values, as in the log. */
  tell(kind: EventKind, fields: object): void {
    if (!this.followed) return
    this.passOn(kind, printableJson(JSON.stringify({ time: new Date().toISOString(), ...fields })))
  }

  /** Tells them what has happened in another process of this gateway, in the words of that one. */
  passOn(kind: EventKind, json: string): void {
    for (const follower of this.#followers) follower.happened(kind, json)
  }
}
