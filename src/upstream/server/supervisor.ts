/**
 * Keeps one server alive: opens its primary lane, probes it, opens it anew when it is lost, and knows which eras
 * the server speaks. What a failure means and when to try again is decided by server-health.ts.
 *
 * An HTTP server that cannot be reached loses nothing: lanes and their sessions stay, calls are refused with the
 * time of the next attempt, and an attempt is a probe of the connection that is there.
 */
import { type ErrorCode, GatewayError, gatewayErrorOf } from '../../errors.ts'
import type { Era } from '../../protocol/eras.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { maskUrl } from '../../registry/mask.ts'
import { EraMismatch } from '../connection/handshake.ts'
import type { Lane } from '../lane/lane.ts'
import { probeLane } from '../lane/probe.ts'
import { type LaneRole, modernRole, primaryRole, type RoleOf } from '../lane/roles.ts'
import { SessionForgotten } from '../lane/session-renewals.ts'
import { eraSilenceMs, FirstContact } from './first-contact.ts'
import { type HealthFigures, ServerHealth } from './health.ts'
import type { ServerParts } from './parts.ts'

/** Before a question is put again that got no usable answer. */
const repeatPauseMs = 250
/** A verdict that was drawn from no answer is looked at again when this has passed and it matters to a client. */
const lookAgainMs = 60_000
/** A request that finds the server down starts an attempt itself, but not sooner after the last one than this. */
const attemptGapMs = 1_000
/** Failures of a start for which there was never a process. */
const unstarted: ReadonlySet<ErrorCode> = new Set([
  'COMMAND_NOT_FOUND',
  'SERVER_UNAVAILABLE',
  'PROCESSES_EXHAUSTED',
])

/** After which a client may look again whether somebody has switched the server on. */
const disabledRetrySeconds = 60

/** The refusal of a server that an admin has switched off. */
export function disabledError(name: string): GatewayError {
  const details = `${name} is switched off by an admin; POST /admin/mcps/${name}/enable switches it on.`
  return new GatewayError('SERVER_DISABLED', details, disabledRetrySeconds)
}

export interface Supervised {
  readonly definition: ServerDefinition
  /** Why it is never started: an admin has switched it off, or there are no credentials for it. Null for all others. */
  readonly held: GatewayError | null
  /** True for one that is started when somebody asks for it first, and not before. */
  readonly onDemand: boolean
  readonly parts: Pick<ServerParts, 'log' | 'openAccess' | 'startWaitMs' | 'healthProbeMs'>
  /** The lane of this role, not opened yet. */
  laneOf(role: LaneRole): Lane
  /** Another lane that takes calls; null for none. */
  readyLane(): Lane | null
  /** The server is another one from here on, or may be. */
  lost(): void
  /** It is connected, or is so no longer, or fails for another reason. */
  stateChanged(): void
  /** Looks for the older transport where `initialize` was refused; true when the server goes on over that one. */
  overOlderTransport(refusal: GatewayError | null): Promise<boolean>
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
  /** When the last attempt began (`performance.now()`). */
  #attemptAtMs = 0
  /** When the modern era may be asked for again (`performance.now()`); 0 while its verdict is a clear one. */
  #lookAgainAtMs = 0
  /** False while an attempt is known to do no good before its time. */
  #hastens = true
  /** For whom it is started, where it is started for somebody: the first lane is theirs then. */
  #startedFor: RoleOf | null = null

  constructor(server: Supervised) {
    this.#server = server
    this.health = new ServerHealth(server.definition, server.parts.log, () => server.stateChanged())
  }

  /** The lane that proves that the server works; null while there is none. */
  get primary(): Lane | null {
    return this.#primary
  }

  /** True while nobody answers at the server's address. */
  get unreachable(): boolean {
    return this.#unreachable
  }

  /** True once it was connected or has failed for a known reason, or is not to be started at all. */
  get settled(): boolean {
    return this.#server.held !== null || this.health.settled
  }

  /** Begins connecting in the background once `after` has resolved, until when it counts as connecting already. */
  start(after: Promise<unknown> | null): void {
    if (this.#server.held !== null) return
    this.health.connecting()
    if (after === null) void this.#connect()
    else void after.then(() => (this.#stopped ? undefined : this.#connect()))
  }

  stop(): void {
    this.#stopped = true
    this.health.disconnected()
  }

  mayspeak(era: Era): boolean {
    if (era === 'modern' && this.#server.definition.transport === 'sse') return false
    if (era === 'modern' && this.#lookAgainAtMs > 0 && performance.now() >= this.#lookAgainAtMs)
      void this.#lookAgain()
    return this.#speaks.get(era) !== false
  }

  /** True when it was seen to speak this era. */
  speaks(era: Era): boolean {
    return this.#speaks.get(era) === true
  }

  /** Notes what an attempt to open a lane has shown. */
  spoke(era: Era, spoken: boolean): void {
    this.#speaks.set(era, spoken)
  }

  /** How it fares, for its status. */
  figures(): HealthFigures {
    return this.health.figures(performance.now(), this.#primary?.silence)
  }

  /** Why calls are refused now and when to try again. */
  unavailable(): GatewayError {
    return this.#server.held ?? this.health.unavailable(performance.now())
  }

  /**
   * Resolves when calls may be sent; waits at most `waitMs` for a server that is starting, and has one that is down
   * started: a server that ends after each answer, or is back in a moment, is there for whoever asks.
   */
  async untilReachable(
    waitMs = this.#server.parts.startWaitMs,
    hastens = true,
    startsFor: RoleOf | null = null,
  ): Promise<void> {
    const { health } = this
    const { name } = this.#server.definition
    if (health.state === 'connected') return
    if (this.#server.onDemand && health.state !== 'connecting') {
      this.#startedFor = startsFor
      if (health.state === 'disconnected' && !this.#stopped) this.start(null)
    }
    if (hastens) this.#hasten()
    if (health.state === 'connecting' || health.hastened) await health.untilSettled(waitMs)
    if (this.#stopped) throw new GatewayError('SERVER_UNKNOWN', `The server ${name} was removed.`)
    if (this.#primary?.ready) return
    if (this.health.state === 'connecting')
      throw new GatewayError('SERVER_STARTING', `${name} is still starting; try again`, 5)
    throw this.unavailable()
  }

  /** `hastens` is false for a look that should not have a server started that is down. */
  async primaryLane(hastens = true): Promise<Lane> {
    await this.untilReachable(undefined, hastens)
    if (!this.#primary?.ready) throw this.unavailable()
    return this.#primary
  }

  /** A lane is gone. */
  laneClosed(lane: Lane, error: GatewayError, wasReady: boolean): void {
    if (lane !== this.#primary || !wasReady || this.#stopped) return
    if (this.#server.onDemand && !lane.lost) this.#unused()
    else this.#failed(error)
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
      // Whoever asks for what is started on demand only has it tried at once.
      if (nowMs >= health.retryAtMs && (!this.#server.onDemand || health.hastened)) this.#attempt()
      return
    }
    const { healthCheckEnabled } = this.#server.definition
    const due = this.#doubted || (healthCheckEnabled && nowMs >= this.#nextProbeMs)
    if (lane && due && !this.#unreachable) void this.#probe(lane)
  }

  /** Brings the next attempt forward to where a request may have it, which waits for it. */
  #hasten(): void {
    const { health } = this
    if (health.retryAtMs === 0 || !this.#hastens || this.#probing) return
    const waitMs = this.#attemptAtMs + attemptGapMs - performance.now()
    // Nobody waits for what a person has to do first; their doing it is told of.
    if (health.lacksCredential && waitMs > 0) return
    health.hasten(performance.now() + waitMs)
    if (waitMs <= 0) this.#attempt()
  }

  #attempt(): void {
    const lane = this.#primary?.established ? this.#primary : null
    void (lane ? this.#reach(lane) : this.#connect())
  }

  async #connect(): Promise<void> {
    if (this.#stopped) return
    const startsFor = this.#startedFor
    this.#startedFor = null
    const { definition } = this.#server
    this.health.connecting()
    this.#attemptAtMs = performance.now()
    const deadlineMs = this.#attemptAtMs + definition.startTimeoutMs
    const contact = new FirstContact(definition)
    const { log } = this.#server.parts
    const { name, url } = definition
    if (log.debugging === true)
      log.debug(
        {
          mcp: name,
          attempt: this.health.attempts + 1,
          era: contact.next,
          url: url ? maskUrl(url) : undefined,
        },
        'connecting',
      )
    for (let era = contact.next; era !== null; era = contact.next) {
      if (contact.repeats) await Bun.sleep(repeatPauseMs)
      if (this.#stopped) return
      const failure = await this.#open(era, contact.boundMs(deadlineMs - performance.now()), startsFor)
      if (this.#stopped) return
      if (failure === null) {
        this.health.started()
        this.#lookAgainAtMs = contact.modernUnclear ? performance.now() + lookAgainMs : 0
        if (contact.modernUnclear && era === 'legacy') this.#speaks.set('modern', false)
        return
      }
      contact.failed(failure)
      const told = { mcp: name, era, reason: failure.details, next: contact.next }
      log.debug(told, 'the server was not reached in this era')
    }
    const { reason } = contact
    if (definition.transport === 'stdio' && !unstarted.has(reason.code)) this.health.started()
    if (!(await this.#server.overOlderTransport(contact.refusal)) && !this.#stopped) this.#failed(reason)
  }

  /** Tries the primary lane in this era; answers what kept it, or null when it is there (or was, and is lost again). */
  async #open(era: Era, boundMs: number, startsFor: RoleOf | null): Promise<GatewayError | null> {
    const { definition, parts } = this.#server
    try {
      const lane = this.#server.laneOf(startsFor?.(era) ?? primaryRole(definition, parts.openAccess, era))
      this.#primary = lane
      await lane.open(boundMs)
      // Lost again already: `laneClosed` has seen to it.
      if (this.#stopped || this.#primary !== lane) return null
      this.#speaks.set(era, true)
      this.#connected()
      return null
    } catch (thrown) {
      if (thrown instanceof EraMismatch) this.#speaks.set(era, false)
      return gatewayErrorOf(thrown)
    }
  }

  /** Asks a server in the modern era that gave no usable answer before, beside the connection that is there. */
  async #lookAgain(): Promise<void> {
    this.#lookAgainAtMs = performance.now() + lookAgainMs
    try {
      await this.#server.laneOf(modernRole).open(eraSilenceMs)
      this.#speaks.set('modern', true)
      this.#lookAgainAtMs = 0
    } catch (thrown) {
      if (thrown instanceof EraMismatch) this.#lookAgainAtMs = 0
    }
  }

  /** An attempt to get through to a server that was out of reach, on the connection that is there. */
  async #reach(lane: Lane): Promise<void> {
    this.health.connecting()
    this.#attemptAtMs = performance.now()
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

  /** Whose lane the first one was has left: another one takes its place, or nobody uses the server for now. */
  #unused(): void {
    this.#primary = this.#server.readyLane()
    if (this.#primary === null) this.health.disconnected()
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
    this.#lookAgainAtMs = 0
    this.#hastens = !(error instanceof SessionForgotten)
    this.#unreachable = this.#server.definition.transport !== 'stdio' && error.code === 'SERVER_UNAVAILABLE'
    this.#server.lost()
    this.health.failed(error, performance.now())
  }
}
