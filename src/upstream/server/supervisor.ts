/**
 * Keeps one server alive: opens its primary lane, probes it, opens it anew when it is lost, and knows which eras
 * the server speaks. What a failure means and when to try again is decided by server-health.ts.
 *
 * An HTTP server that cannot be reached loses nothing: lanes and their sessions stay, calls are refused with the
 * time of the next attempt, and an attempt is a probe of the connection that is there.
 */
import { GatewayError, reasonOf } from '../../errors.ts'
import type { Era } from '../../protocol/eras.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { EraMismatch } from '../connection/handshake.ts'
import type { Lane } from '../lane/lane.ts'
import { probeLane } from '../lane/probe.ts'
import { type LaneRole, primaryOrder, primaryRole } from '../lane/roles.ts'
import { ServerHealth } from './health.ts'
import type { ServerParts } from './parts.ts'

export interface Supervised {
  readonly definition: ServerDefinition
  readonly parts: Pick<ServerParts, 'log' | 'openAccess' | 'startWaitMs' | 'healthProbeMs'>
  /** The lane of this role, not opened yet. */
  laneOf(role: LaneRole): Lane
  /** The server is another one from here on, or may be. */
  lost(): void
}

export class Supervisor {
  readonly health: ServerHealth
  readonly #server: Supervised
  /** Which eras the server has been seen to speak, or to refuse. Forgotten when it fails. */
  readonly #speaks = new Map<Era, boolean>()
  #primary: Lane | null = null
  #stopped = false
  #nextProbeMs = 0
  #probing = false
  #doubted = false
  #unreachable = false

  constructor(server: Supervised) {
    this.#server = server
    this.health = new ServerHealth(server.definition, server.parts.log)
  }

  /** The lane that proves that the server works; null while there is none. */
  get primary(): Lane | null {
    return this.#primary
  }

  /** True while nobody answers at the server's address. */
  get unreachable(): boolean {
    return this.#unreachable
  }

  /** Begins connecting in the background. */
  start(): void {
    void this.#connect()
  }

  stop(): void {
    this.#stopped = true
    this.health.disconnected()
  }

  mayspeak(era: Era): boolean {
    if (era === 'modern' && this.#server.definition.transport === 'sse') return false
    return this.#speaks.get(era) !== false
  }

  /** Notes what an attempt to open a lane has shown. */
  spoke(era: Era, spoken: boolean): void {
    this.#speaks.set(era, spoken)
  }

  /** Why calls are refused now and when to try again. */
  unavailable(): GatewayError {
    return this.health.unavailable(performance.now())
  }

  /** Resolves when calls may be sent; waits, within its bound, for a server that is starting. */
  async untilReachable(): Promise<void> {
    const { health } = this
    const { name } = this.#server.definition
    if (health.state === 'connected') return
    if (health.state === 'connecting') await health.untilSettled(this.#server.parts.startWaitMs)
    if (this.#stopped) throw new GatewayError('SERVER_UNKNOWN', `the server ${name} was removed`)
    if (this.#primary?.ready) return
    if (this.health.state === 'connecting')
      throw new GatewayError('SERVER_STARTING', `${name} is still starting; try again`, 5)
    throw this.unavailable()
  }

  async primaryLane(): Promise<Lane> {
    await this.untilReachable()
    if (!this.#primary?.ready) throw this.unavailable()
    return this.#primary
  }

  /** A lane is gone. */
  laneClosed(lane: Lane, error: GatewayError, wasReady: boolean): void {
    if (lane === this.#primary && wasReady && !this.#stopped) this.#failed(error)
  }

  /** A request could not be brought to the server: the next sweep looks whether anybody is there. */
  doubt(): void {
    this.#doubted = true
  }

  /** Time's passing: the next attempt, the next probe. */
  sweep(nowMs: number): void {
    if (this.#stopped || this.#probing) return
    const { health } = this
    const lane = this.#primary?.established ? this.#primary : null
    if (health.retryAtMs > 0) {
      if (nowMs >= health.retryAtMs) void (lane ? this.#reach(lane) : this.#connect())
      return
    }
    const { healthCheckEnabled } = this.#server.definition
    const due = this.#doubted || (healthCheckEnabled && nowMs >= this.#nextProbeMs)
    if (lane && due && !this.#unreachable) void this.#probe(lane)
  }

  async #connect(): Promise<void> {
    const { definition, parts } = this.#server
    this.health.connecting()
    let failure: unknown = null
    for (const era of primaryOrder(definition)) {
      const lane = this.#server.laneOf(primaryRole(definition, parts.openAccess, era))
      this.#primary = lane
      try {
        await lane.open()
        // Lost again already: `laneClosed` has seen to it.
        if (this.#stopped || this.#primary !== lane) return
        this.#speaks.set(era, true)
        this.#connected()
        return
      } catch (thrown) {
        // `initialize` is what nearly every server knows, so its refusal says most.
        if (failure === null || era === 'legacy') failure = thrown
        if (!(thrown instanceof EraMismatch)) break
        this.#speaks.set(era, false)
      }
    }
    if (this.#stopped) return
    this.#failed(failure instanceof GatewayError ? failure : new GatewayError('INTERNAL', reasonOf(failure)))
  }

  /** An attempt to get through to a server that was out of reach, on the connection that is there. */
  async #reach(lane: Lane): Promise<void> {
    this.health.connecting()
    await this.#probe(lane)
  }

  async #probe(lane: Lane): Promise<void> {
    this.#probing = true
    const failure = await probeLane(lane, this.#server.parts.healthProbeMs)
    this.#probing = false
    this.#doubted = false
    this.#nextProbeMs = performance.now() + this.#server.definition.healthCheckIntervalMs
    if (this.#stopped || this.#primary !== lane || !lane.established) return
    if (failure === null) this.#answered()
    else if (failure.kind === 'changed') void lane.close(failure.error)
    else if (failure.kind === 'silent' && !this.#unreachable) this.health.silent(failure.error)
    else this.#outOfReach(failure.error)
  }

  #answered(): void {
    if (this.#unreachable) this.#connected()
    else this.health.awake()
  }

  #connected(): void {
    const nowMs = performance.now()
    this.#unreachable = false
    this.#doubted = false
    this.#nextProbeMs = nowMs + this.#server.definition.healthCheckIntervalMs
    this.health.connected(nowMs)
  }

  /** Nothing is torn down: sessions at the server may well outlive this. */
  #outOfReach(error: GatewayError): void {
    this.#unreachable = true
    this.#server.lost()
    this.health.failed(error, performance.now())
  }

  #failed(error: GatewayError): void {
    this.#primary = null
    this.#speaks.clear()
    this.#unreachable = this.#server.definition.transport !== 'stdio' && error.code === 'SERVER_UNAVAILABLE'
    this.#server.lost()
    this.health.failed(error, performance.now())
  }
}
