/** Every lane of one server, those included that only finish what they have begun. */
import { GatewayError } from '../../errors.ts'
import type { LaneClient } from '../connection/client.ts'
import type { LaneHost } from './host.ts'
import { Lane } from './lane.ts'
import { type LaneRole, modernRole, type StatelessUse } from './roles.ts'

/** A lane that a stateless client's request may use until it is given back. */
export interface StatelessLease {
  readonly lane: Lane
  giveBack(): void
}

export class LanePool {
  readonly #host: LaneHost
  readonly #byKey = new Map<string, Lane>()
  readonly #leaving = new Set<Lane>()
  /** Lanes that one stateless call has to itself for now. */
  readonly #taken = new Set<Lane>()

  constructor(host: LaneHost) {
    this.#host = host
  }

  get count(): number {
    return this.#byKey.size + this.#leaving.size
  }

  /** The lane of this role, made when there is none that takes calls. It is not opened here. */
  get(role: LaneRole): Lane {
    const found = this.#byKey.get(role.key)
    if (found && !found.retired) return found
    if (found) this.#leaving.add(found)
    if (role.owner && !role.ownerAnnounces) this.#admit(role.owner)
    const lane = new Lane(this.#host, role)
    this.#byKey.set(role.key, lane)
    return lane
  }

  /** A client may call itself something else with every request; each name would be a connection of its own. */
  #admit({ principalId }: LaneClient): void {
    const { lanesPerClientMax } = this.#host.laneSettings
    let count = 0
    for (const { owner, ownerAnnounces } of this.#byKey.values())
      if (owner && !ownerAnnounces && owner.principalId === principalId) count++
    if (count >= lanesPerClientMax)
      throw new GatewayError(
        'SESSIONS_EXHAUSTED',
        `this client has ${count} sessions with the server (limits.sessions_per_client_max)`,
        30,
      )
  }

  /** The lane of all modern requests when it can take one right now, else null. */
  readyModern(): Lane | null {
    const lane = this.#byKey.get(modernRole.key)
    return lane?.ready ? lane : null
  }

  /**
   * The lane for a request on a wire without attribution. One during which the server may ask has it to itself
   * until it is given back, others run beside it; a subscription stands on the first. `role` is asked for the
   * role of the n-th such lane.
   */
  parted(use: StatelessUse, role: (position: number) => LaneRole): Lane {
    if (use === 'listen') return this.get(role(0))
    return use === 'ask' ? this.#take(role) : this.#first(role, (found) => !this.#taken.has(found))
  }

  #take(role: (position: number) => LaneRole): Lane {
    const lane = this.#first(role, (found) => !this.#taken.has(found) && found.inFlightCount === 0)
    this.#taken.add(lane)
    return lane
  }

  /** Every lane that speaks for this owner. */
  *ofOwner(ownerId: string): Iterable<Lane> {
    for (const lane of this.#byKey.values()) if (lane.owner?.id === ownerId) yield lane
  }

  giveBack(lane: Lane): void {
    this.#taken.delete(lane)
    lane.touch()
  }

  #first(role: (position: number) => LaneRole, fits: (lane: Lane) => boolean): Lane {
    for (let position = 0; ; position++) {
      const lane = this.get(role(position))
      if (fits(lane)) return lane
    }
  }

  forget(lane: Lane): void {
    this.#taken.delete(lane)
    this.#leaving.delete(lane)
    if (this.#byKey.get(lane.key) === lane) this.#byKey.delete(lane.key)
  }

  retireAll(): void {
    for (const lane of this.#byKey.values()) lane.retire()
  }

  async closeAll(error: GatewayError): Promise<void> {
    await Promise.all([...this.#byKey.values(), ...this.#leaving].map((lane) => lane.close(error)))
  }

  /** Expires calls, and answers the lanes that nobody has used for `idleMs`. */
  sweep(nowMs: number, idleMs: number): Lane[] {
    for (const lane of this.#leaving) lane.expire(nowMs)
    const idle: Lane[] = []
    for (const lane of this.#byKey.values()) {
      lane.expire(nowMs)
      if (!this.#taken.has(lane) && lane.idleFor(nowMs, idleMs)) idle.push(lane)
    }
    return idle
  }
}
