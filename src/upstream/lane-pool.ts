/** Every lane of one server, those included that only finish what they have begun. */
import type { GatewayError } from '../errors.ts'
import { Lane, type LaneRole } from './lane.ts'
import type { LaneHost } from './lane-member.ts'

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
    const lane = new Lane(this.#host, role)
    this.#byKey.set(role.key, lane)
    return lane
  }

  /**
   * A lane that nobody else's calls run on until it is given back: what a wire without attribution needs
   * to tell whose question a server asks. `role` is asked for the role of the n-th such lane.
   */
  take(role: (position: number) => LaneRole): Lane {
    const lane = this.#first(role, (found) => !this.#taken.has(found) && found.inFlightCount === 0)
    this.#taken.add(lane)
    return lane
  }

  /** A lane that no call has to itself: for requests during which a server asks nothing. */
  besides(role: (position: number) => LaneRole): Lane {
    return this.#first(role, (found) => !this.#taken.has(found))
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
