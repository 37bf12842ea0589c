/**
 * Every request of a stateless client that is under way or parked: the owner of their state.
 * Bounded: what is under way by the server's in-flight bound, what is parked by `parkedCallsMax`, both in bytes by
 * the ledger.
 */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import type { Grants } from '../../access/reach.ts'
import { type ErrorCode, GatewayError, noRoomError } from '../../errors.ts'
import { type ByteLedger, heldBytesMin, type LedgerEntry, textBytes } from '../../runtime/byte-ledger.ts'
import { type Listed, Roster } from '../../runtime/in-flight.ts'
import { type StateBinding, StateSeal } from './request-state.ts'
import type { ModernResponseSettings } from './response.ts'

/** A subscription that ends for one of these ends well: its client is told so, and need not come back. */
export const endsWell: ReadonlySet<ErrorCode> = new Set(['DRAINING', 'SERVER_UNKNOWN'])

/** What the registry asks of a call, a subscription included. */
export interface OpenRequest extends Listed {
  /** True for a subscription, which is no call that could be waited for. */
  readonly endless: boolean
  readonly principalId: string
  /** What its client was granted; null for everything. */
  readonly grants: Grants | null
  /** Whose credentials it uses where each user has some of their own; left out by what is soon over. */
  readonly owner?: CredentialOwner | null
  /** What its client is counted under, wherever a bound is for one client. */
  readonly clientKey: string
  readonly serverName: string
  sweep(nowMs: number): void
  /** Begins to notice when its client is gone. */
  watchClient(): void
  /** Ends it: the client is told, upstream is told. */
  abort(error: GatewayError): void
}

export interface ModernRequestsSettings extends ModernResponseSettings {
  readonly parkedCallsMax: number
  /** Bounds the subscriptions, which hold a stream open as sessions do. */
  readonly sessionsMax: number
  /** The same of one client. */
  readonly sessionsPerClientMax: number
  readonly clientInputMs: number
}

/**
 * Watching a client costs more than relaying its call, and most calls are answered sooner than this, so a call is
 * watched from the second of these ticks on that it sees. Well below the 100 ms within which a cancel should
 * reach its server.
 */
const watchTickMs = 25

export class ModernRequests<Parked extends OpenRequest = OpenRequest> {
  readonly settings: ModernRequestsSettings
  readonly #work = new Roster<OpenRequest>()
  readonly #parked = new Map<string, Parked>()
  readonly #seal = new StateSeal()
  /** Stands before the states of parked calls, where others must see whose they are. */
  statePrefix = ''
  /** Work whose client is not watched yet: it has seen one tick, or none. */
  #young = new Roster<OpenRequest>()
  #newcomers = new Roster<OpenRequest>()
  #ticking = false
  #endless = 0
  readonly #endlessByClient = new Map<string, number>()
  readonly #ledger: ByteLedger

  constructor(settings: ModernRequestsSettings, ledger: ByteLedger) {
    this.settings = settings
    this.#ledger = ledger
  }

  /** An entry in the name of this client. */
  openEntry(clientKey: string, giveUp: (() => void) | null): LedgerEntry {
    return this.#ledger.open(clientKey, giveUp)
  }

  /**
   * Room for the text of a request, for as long as that is kept; null for a short one that is not kept for long.
   * Throws BYTES_EXHAUSTED when there is none.
   */
  hold(clientKey: string, text: string, longLived: boolean): LedgerEntry | null {
    if (text.length < heldBytesMin && !longLived) return null
    const entry = this.#ledger.hold(clientKey, textBytes(text))
    if (entry === null) throw noRoomError()
    return entry
  }

  /**
   * Takes work in; throws SESSIONS_EXHAUSTED when a subscription finds no room, IN_FLIGHT_EXHAUSTED at the bound of a
   * key.
   */
  add(work: OpenRequest): void {
    if (work.endless) this.#addEndless(work)
    else work.grants?.limits?.began()
    this.#newcomers.add(work)
    if (!this.#ticking) this.#tickLater()
  }

  #addEndless({ clientKey }: OpenRequest): void {
    const { sessionsMax, sessionsPerClientMax } = this.settings
    const ofClient = this.#endlessByClient.get(clientKey) ?? 0
    const full =
      this.#endless >= sessionsMax
        ? `The gateway has ${sessionsMax} subscriptions (limits.sessions_max).`
        : ofClient >= sessionsPerClientMax
          ? `This client has ${sessionsPerClientMax} subscriptions (limits.sessions_per_client_max); close some.`
          : null
    if (full !== null) throw new GatewayError('SESSIONS_EXHAUSTED', full, 30)
    this.#endless++
    this.#endlessByClient.set(clientKey, ofClient + 1)
  }

  #tickLater(): void {
    this.#ticking = true
    setTimeout(this.#tick, watchTickMs)
  }

  readonly #tick = (): void => {
    const due = this.#young.list()
    for (const work of due) this.#work.add(work)
    this.#young = this.#newcomers
    this.#newcomers = new Roster()
    this.#ticking = false
    if (this.#young.size > 0) this.#tickLater()
    // Watching one may end it, and others with it.
    for (const work of due) if (this.#work.has(work)) work.watchClient()
  }

  delete(work: OpenRequest): void {
    const stood = this.#newcomers.delete(work) || this.#young.delete(work) || this.#work.delete(work)
    if (!stood) return
    if (!work.endless) {
      work.grants?.limits?.ended()
      return
    }
    this.#endless--
    const left = (this.#endlessByClient.get(work.clientKey) ?? 1) - 1
    if (left > 0) this.#endlessByClient.set(work.clientKey, left)
    else this.#endlessByClient.delete(work.clientKey)
  }

  /**
   * Parks a call and answers the state that opens it once; null when there is no room, in all or for one client,
   * who must not keep all others from being asked.
   */
  park(call: Parked, binding: StateBinding): string | null {
    const { parkedCallsMax, clientInputMs } = this.settings
    if (this.#parked.size >= parkedCallsMax || this.#parkedOf(call) >= parkedCallsMax / 2) return null
    const { state, name } = this.#seal.seal(binding, Math.ceil(performance.now() + clientInputMs))
    this.#parked.set(name, call)
    return this.statePrefix + state
  }

  /** How many calls of the same client are parked. */
  #parkedOf({ clientKey }: Parked): number {
    let count = 0
    for (const parked of this.#parked.values()) if (parked.clientKey === clientKey) count++
    return count
  }

  /** How many calls are parked, by server. */
  parkedByServer(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { serverName } of this.#parked.values())
      counts.set(serverName, (counts.get(serverName) ?? 0) + 1)
    return counts
  }

  /** The call that a state was sealed for, once; null for every other state. */
  unpark(state: string, binding: StateBinding): Parked | null {
    const own = state.startsWith(this.statePrefix) ? state.slice(this.statePrefix.length) : state
    const name = this.#seal.open(own, binding, performance.now())
    const call = name === null ? undefined : this.#parked.get(name)
    if (name === null || !call) return null
    this.#parked.delete(name)
    return call
  }

  /** A parked call is over. */
  forget(call: Parked): void {
    for (const [name, parked] of this.#parked) if (parked === call) this.#parked.delete(name)
  }

  sweep(nowMs: number): void {
    for (const work of this.#all()) work.sweep(nowMs)
  }

  /** Ends what this test picks; what is parked has no response any more, and is given up at its server. */
  abortWhere(picks: (work: OpenRequest) => boolean, error: GatewayError): void {
    for (const work of [...this.#all(), ...this.#parked.values()]) if (picks(work)) work.abort(error)
  }

  #all(): OpenRequest[] {
    return [...this.#newcomers.list(), ...this.#young.list(), ...this.#work.list()]
  }
}
