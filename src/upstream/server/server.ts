/**
 * One registered MCP server: its lanes, and who may use which. supervisor.ts keeps it alive.
 *
 * The primary lane is opened at once and kept: it proves that the server works, answers the admin API and the
 * health probe, and serves open clients. Other lanes are opened when a client needs one, in the era that the
 * client speaks wherever the server speaks it too. When the primary fails, calls are refused with the time
 * until the next attempt.
 */
import { GatewayError } from '../../errors.ts'
import type { Era } from '../../protocol/eras.ts'
import { memberText, parsed } from '../../protocol/spans.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Mask } from '../../telemetry/redaction.ts'
import type { LaneClient } from '../connection/client.ts'
import { EraMismatch, type GatewayIdentity } from '../connection/handshake.ts'
import type { LaneHost } from '../lane/host.ts'
import type { Lane } from '../lane/lane.ts'
import { LanePool } from '../lane/pool.ts'
import { sessionRole, statelessRole } from '../lane/roles.ts'
import type { UpstreamTransport } from '../transports/transport.ts'
import { CallCounters } from './counters.ts'
import type { ServerEntry, ServerStatus, ToolDescription } from './directory.ts'
import { OutputTail } from './output-tail.ts'
import type { ServerParts } from './parts.ts'
import { Supervisor } from './supervisor.ts'
import { allowsTool, callTool, listTools, ToolTable } from './tools.ts'

/** Longest wait for a tool list that a call's headers are held to. */
const toolsListMs = 10_000

export class Server implements ServerEntry, LaneHost {
  readonly definition: ServerDefinition
  readonly origin: 'file' | 'store'
  readonly log: Log
  readonly identity: GatewayIdentity
  readonly laneSettings
  readonly mask: Mask
  readonly tools = new ToolTable(async (params) =>
    (await this.#supervisor.primaryLane()).ask('tools/list', params, toolsListMs),
  )
  readonly #parts: ServerParts
  readonly #pool: LanePool
  readonly #supervisor: Supervisor
  readonly #output: OutputTail
  /** Every call of a client's is counted in and out here. */
  readonly counters: CallCounters

  constructor(definition: ServerDefinition, origin: 'file' | 'store', parts: ServerParts) {
    this.definition = definition
    this.origin = origin
    this.#parts = parts
    this.log = parts.log
    this.identity = parts.identity
    this.mask = parts.maskOf(definition)
    this.laneSettings = {
      callIdleMs: definition.timeoutMs ?? parts.callIdleMs,
      callTotalMs: parts.callTotalMs,
      startTimeoutMs: definition.startTimeoutMs,
      lanesPerClientMax: parts.lanesPerClientMax,
    }
    this.#pool = new LanePool(this)
    this.counters = new CallCounters(definition.name, parts.inFlightMax, parts.metrics)
    this.#output = new OutputTail(definition, this.mask, parts.log)
    this.#supervisor = new Supervisor({
      definition,
      parts,
      laneOf: (role) => this.#pool.get(role),
      lost: () => this.tools.forget(),
    })
  }

  get name(): string {
    return this.definition.name
  }

  /** Child processes, those that are starting included. */
  get processes(): number {
    return this.definition.transport === 'stdio' ? this.#pool.count : 0
  }

  /** Begins connecting in the background. */
  start(): void {
    this.#supervisor.start()
  }

  settled(): boolean {
    return this.#supervisor.health.settled
  }

  /** The lane that serves this session, opened. Rejects with a GatewayError. */
  async lease(client: LaneClient): Promise<Lane> {
    const lane = await this.#openInEra('legacy', (era) =>
      this.#pool.get(sessionRole(this.definition, client, era)),
    )
    lane.join(client)
    return lane
  }

  /**
   * The lane of a stateless client's requests, opened. `client` speaks for clients that can be asked something or
   * that forward headers, or is null for all others. Rejects with a GatewayError.
   */
  async leaseStateless(principalId: string, client: LaneClient | null): Promise<Lane> {
    const lane = await this.#openInEra('modern', (era) =>
      this.#pool.get(statelessRole(this.definition, principalId, client, era)),
    )
    lane.touch()
    return lane
  }

  /** The lane that takes a stateless client's request without a wait, or null where one must be leased. */
  modernLane(): Lane | null {
    return this.#pool.readyModern()
  }

  status(): ServerStatus {
    const facts = this.#supervisor.primary?.handshake?.facts ?? null
    return {
      name: this.name,
      ...this.#supervisor.health.figures(performance.now()),
      ...this.counters.figures(),
      protocolVersion: facts?.version ?? null,
      era: facts?.era ?? null,
      serverInfo: facts && parsed(memberText(facts.resultText, 'serverInfo') ?? facts.identity ?? 'null'),
      capabilities: facts?.capabilities ?? null,
      processes: this.processes,
      sessions: this.#parts.sessionCount(this.name),
      stderrTail: this.#output.lines(),
    }
  }

  async listTools(): Promise<ToolDescription[]> {
    const tools = await listTools(await this.#supervisor.primaryLane(), this.laneSettings.callIdleMs)
    return tools.filter((tool) => allowsTool(this.definition.toolFilter, tool.name))
  }

  async callTool(
    toolName: string,
    args: Readonly<Record<string, unknown>>,
  ): Promise<Record<string, unknown>> {
    if (!allowsTool(this.definition.toolFilter, toolName))
      throw new GatewayError('NOT_FOUND', `${this.name} has no tool ${toolName}, or its toolFilter hides it`)
    const lane = await this.#supervisor.primaryLane()
    this.counters.started()
    const startedAtMs = performance.now()
    let failed = true
    try {
      const result = await callTool(lane, toolName, args, this.laneSettings.callIdleMs)
      failed = false
      return result
    } finally {
      this.counters.ended(performance.now() - startedAtMs, failed)
    }
  }

  /** Resolves when no call is in flight, or at `untilMs`. */
  finishCalls(untilMs: number): Promise<void> {
    return this.counters.untilIdle(untilMs)
  }

  /** Takes no new calls: this definition was replaced. */
  retire(): void {
    this.#supervisor.stop()
    this.#pool.retireAll()
  }

  /** Ends every lane at once; calls in flight fail with this error. */
  async stop(error: GatewayError): Promise<void> {
    this.#supervisor.stop()
    await this.#pool.closeAll(error)
  }

  /** Time's passing: expiry of calls and idle lanes, the next attempt, the next probe. */
  sweep(nowMs: number): void {
    for (const lane of this.#pool.sweep(nowMs, this.#parts.laneIdleMs))
      if (lane !== this.#supervisor.primary)
        void lane.close(new GatewayError('UPSTREAM_CLOSED', 'the lane was idle'))
    this.#supervisor.sweep(nowMs)
  }

  // For the lanes.

  createTransport(): UpstreamTransport {
    // The lane that asks is counted already.
    if (this.definition.transport === 'stdio' && this.#parts.processesInUse() > this.#parts.processesMax)
      throw new GatewayError(
        'PROCESSES_EXHAUSTED',
        `all ${this.#parts.processesMax} child processes are in use (limits.processes_max)`,
        5,
      )
    return this.#parts.createTransport(this.definition)
  }

  noise(line: string): void {
    this.#output.add(line)
  }

  toolsChanged(): void {
    this.tools.forget()
  }

  laneClosed(lane: Lane, error: GatewayError, wasReady: boolean): void {
    this.#pool.forget(lane)
    this.#supervisor.laneClosed(lane, error, wasReady)
  }

  get unreachable(): boolean {
    return this.#supervisor.unreachable
  }

  doubt(): void {
    this.#supervisor.doubt()
  }

  /** Opens a lane in the wanted era, or in the other one when the server does not speak it. */
  async #openInEra(wanted: Era, laneOf: (era: Era) => Lane): Promise<Lane> {
    await this.#supervisor.untilReachable()
    const other: Era = wanted === 'legacy' ? 'modern' : 'legacy'
    const order = this.#supervisor.mayspeak(wanted) ? [wanted, other] : [other]
    for (const era of order) {
      const lane = laneOf(era)
      try {
        await lane.open()
        this.#supervisor.spoke(era, true)
        return lane
      } catch (thrown) {
        if (!(thrown instanceof EraMismatch) || era === other) throw thrown
        this.#supervisor.spoke(era, false)
      }
    }
    throw this.#supervisor.unavailable()
  }
}
