/**
 * Requests that were passed on and are under way: which of them end when a member is dead, when their client is gone,
 * or when this member goes.
 */
import { type Listed, Roster } from '../../../runtime/in-flight.ts'
import { Cancellation } from '../../../upstream/transports/http/client/answer/cancellation.ts'
import type { InstanceId } from '../../directory/directory.ts'

/** Whoever waits for an answer. */
export interface WaitingClient {
  /** Aborted when it is gone. Costly to ask for. */
  readonly signal: AbortSignal
}

/**
 * Watching a client costs as much as all the rest of passing a small call on, and most are answered sooner than this:
 * a client is watched from the second of these ticks on that its request sees.
 */
const watchTickMs = 25

export class Flight implements Listed {
  place = 0
  readonly instance: InstanceId
  /** False for a stream of a client that only listens. */
  readonly isCall: boolean
  readonly cancellation = new Cancellation()
  readonly #client: WaitingClient
  #signal: AbortSignal | null = null

  constructor(instance: InstanceId, isCall: boolean, client: WaitingClient) {
    this.instance = instance
    this.isCall = isCall
    this.#client = client
  }

  watch(): void {
    const { signal } = this.#client
    if (signal.aborted) this.cancellation.cancel()
    else {
      this.#signal = signal
      signal.addEventListener('abort', this.#gone, { once: true })
    }
  }

  ended(): void {
    this.#signal?.removeEventListener('abort', this.#gone)
  }

  readonly #gone = (): void => this.cancellation.cancel()
}

export class Flights {
  /** Those that are watched, those that have seen one tick, and those that have seen none. */
  readonly #watched = new Roster<Flight>()
  #young = new Roster<Flight>()
  #newcomers = new Roster<Flight>()
  #ticking = false
  /** How many of them are calls. */
  calls = 0

  add(flight: Flight): void {
    if (flight.isCall) this.calls++
    this.#newcomers.add(flight)
    if (this.#ticking) return
    this.#ticking = true
    setTimeout(this.#tick, watchTickMs)
  }

  delete(flight: Flight): void {
    const stood = this.#newcomers.delete(flight) || this.#young.delete(flight) || this.#watched.delete(flight)
    if (!stood) return
    if (flight.isCall) this.calls--
    flight.ended()
  }

  /** Ends those at this member, or all of them. */
  cancel(instance: InstanceId | null): void {
    for (const flight of this.#all())
      if (instance === null || flight.instance === instance) flight.cancellation.cancel()
  }

  /** The members at which requests are under way. */
  instances(): ReadonlySet<InstanceId> {
    return new Set(this.#all().map(({ instance }) => instance))
  }

  #all(): Flight[] {
    return [...this.#newcomers.list(), ...this.#young.list(), ...this.#watched.list()]
  }

  readonly #tick = (): void => {
    const due = this.#young.list()
    for (const flight of due) this.#watched.add(flight)
    this.#young = this.#newcomers
    this.#newcomers = new Roster()
    this.#ticking = this.#young.size > 0
    if (this.#ticking) setTimeout(this.#tick, watchTickMs)
    // Watching one may end it.
    for (const flight of due) if (this.#watched.has(flight)) flight.watch()
  }
}
