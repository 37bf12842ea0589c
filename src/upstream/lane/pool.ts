/** Every lane of one server, those included that only finish what they have begun. */
import { GatewayError } from '../../errors.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import type { LaneClient } from '../connection/client.ts'
import type { LaneHost } from './host.ts'
import { Lane } from './lane.ts'
import { type LaneRole, modernRole } from './roles.ts'

export class LanePool {
  readonly #host: LaneHost
  readonly #byKey = new Map<string, Lane>()
  readonly #leaving = new Set<Lane>()
  #spare: Lane | null = null

  constructor(host: LaneHost) {
    this.#host = host
  }

  get count(): number {
    return this.#byKey.size + this.#leaving.size
  }

  /** Lanes of which a client of this name is the owner. */
  countOwnedBy(clientKey: string): number {
    let count = 0
    for (const { owner } of this.#byKey.values()) if (owner?.clientKey === clientKey) count++
    for (const { owner } of this.#leaving) if (owner?.clientKey === clientKey) count++
    return count
  }

  /** The lane of this role, made when there is none that takes calls. It is not opened here. */
  get(role: LaneRole): Lane {
    const found = this.#byKey.get(role.key)
    if (found && !found.retired) return this.#chosen(found, role, 'there already')
    const spare = this.#spare
    if (spare && !found && role.era === 'legacy' && role.owner === null)
      return this.#chosen(this.#handOver(spare, role), role, 'handed over by the gateway')
    if (found) this.#leaving.add(found)
    if (role.owner && !role.ownerAnnounces) this.#admit(role.owner)
    const lane = new Lane(this.#host, role)
    this.#byKey.set(role.key, lane)
    return this.#chosen(lane, role, 'new')
  }

  #chosen(lane: Lane, role: LaneRole, how: string): Lane {
    lane.log.chosen(role, how, lane.clients.size)
    return lane
  }

  /**
   * Names a lane that nobody has used: the first client whose lane would begin in the same words gets it, instead
   * of waiting for a second process while this one stands by. Null takes that back.
   */
  spare(lane: Lane | null): void {
    this.#spare = lane
  }

  #handOver(lane: Lane, { key }: LaneRole): Lane {
    this.#spare = null
    this.#byKey.delete(lane.key)
    lane.key = key
    this.#byKey.set(key, lane)
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
        `This client has ${count} sessions with the server (limits.sessions_per_client_max).`,
        30,
      )
  }

  /** The lane of all modern requests when it can take one right now, else null. */
  readyModern(): Lane | null {
    const lane = this.#byKey.get(modernRole.key)
    return lane?.ready ? lane : null
  }

  forget(lane: Lane): void {
    if (this.#spare === lane) this.#spare = null
    this.#leaving.delete(lane)
    if (this.#byKey.get(lane.key) === lane) this.#byKey.delete(lane.key)
  }

  /** Brings every lane this notification, as if the server had sent it. */
  announce(message: MessageText): void {
    for (const lane of [...this.#byKey.values(), ...this.#leaving]) lane.announce(message)
  }

  retireAll(): void {
    for (const lane of this.#byKey.values()) lane.retire()
  }

  async closeAll(error: GatewayError): Promise<void> {
    await Promise.all([...this.#byKey.values(), ...this.#leaving].map((lane) => lane.close(error)))
  }

  /** One that takes calls right now; null for none. */
  anyReady(): Lane | null {
    return [...this.#byKey.values()].find((lane) => lane.ready !== null) ?? null
  }

  /** Whether nobody has used any lane for so long. */
  isIdle(nowMs: number, idleMs: number): boolean {
    return this.#leaving.size === 0 && [...this.#byKey.values()].every((lane) => lane.idleFor(nowMs, idleMs))
  }

  /** Expires calls, and answers the lanes that nobody has used for `idleMs`. */
  sweep(nowMs: number, idleMs: number): Lane[] {
    for (const lane of this.#leaving) lane.expire(nowMs)
    const idle: Lane[] = []
    for (const lane of this.#byKey.values()) {
      lane.expire(nowMs)
      if (lane.idleFor(nowMs, idleMs)) idle.push(lane)
    }
    return idle
  }
}
