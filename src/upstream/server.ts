/**
 * One registered MCP server: its lanes and its supervision (server-health.ts decides, this does).
 *
 * The primary lane is opened at once and kept: it proves that the server works, answers the admin API and the
 * health probe, and serves open clients. Other lanes are opened when a client needs one. When the primary
 * fails, calls are refused with the time until the next attempt.
 */
import { GatewayError, reasonOf } from '../errors.ts'
import type { MessageText } from '../protocol/jsonrpc.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import type { Log } from '../telemetry/log.ts'
import { CallCounters } from './call-counters.ts'
import type { Connection } from './connection.ts'
import type { ServerEntry, ServerStatus, ToolDescription } from './directory.ts'
import { Lane } from './lane.ts'
import type { LaneHost, LaneMember } from './lane-member.ts'
import { OutputTail } from './output-tail.ts'
import { ServerHealth } from './server-health.ts'
import type { ServerParts } from './server-parts.ts'
import { allowsTool, callTool, listTools } from './server-tools.ts'
import type { UpstreamTransport } from './transports/transport.ts'

export class Server implements ServerEntry, LaneHost {
  readonly definition: ServerDefinition
  readonly origin: 'file' | 'store'
  readonly log: Log
  readonly laneSettings
  readonly sharedInitialize: MessageText
  readonly #parts: ServerParts
  readonly #lanes = new Map<string, Lane>()
  /** Lanes that take no new calls but still finish old ones. */
  readonly #leaving = new Set<Lane>()
  readonly #health: ServerHealth
  #primary: Lane | null = null
  #stopped = false
  #nextProbeMs = 0
  #probing = false
  readonly #output: OutputTail
  readonly #counters: CallCounters

  constructor(definition: ServerDefinition, origin: 'file' | 'store', parts: ServerParts) {
    this.definition = definition
    this.origin = origin
    this.#parts = parts
    this.log = parts.log
    this.sharedInitialize = parts.sharedInitialize
    this.#counters = new CallCounters(definition.name, parts.inFlightMax)
    this.#output = new OutputTail(definition, parts.log)
    this.#health = new ServerHealth(definition, parts.log)
    this.laneSettings = {
      callIdleMs: definition.timeoutMs ?? parts.callIdleMs,
      callTotalMs: parts.callTotalMs,
      startTimeoutMs: definition.startTimeoutMs,
    }
  }

  get name(): string {
    return this.definition.name
  }

  get inFlight(): number {
    return this.#counters.inFlight
  }

  /** Child processes, those that are starting included. */
  get processes(): number {
    return this.definition.transport === 'stdio' ? this.#lanes.size + this.#leaving.size : 0
  }

  /** Begins connecting in the background. */
  start(): void {
    void this.#connectPrimary()
  }

  settled(): boolean {
    return this.#health.settled
  }

  /** True when this server was replaced or removed: whoever holds one of its lanes must lease anew. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** The lane that serves this session, opened. Rejects with a GatewayError. */
  async lease(member: LaneMember): Promise<Lane> {
    if (this.#stopped) throw new GatewayError('SERVER_UNKNOWN', `the server ${this.name} was removed`)
    await this.#untilReachable()
    const key = this.#laneKey(member)
    let lane = this.#lanes.get(key)
    if (!lane || lane.retired) lane = this.#newLane(key, key.startsWith('session ') ? member : null)
    lane.join(member)
    try {
      await lane.open()
    } catch (thrown) {
      lane.leave(member)
      throw thrown
    }
    return lane
  }

  callStarted(): void {
    this.#counters.started()
  }

  callEnded(durationMs: number, failed: boolean): void {
    this.#counters.ended(durationMs, failed)
  }

  status(): ServerStatus {
    const health = this.#health
    const handshake = this.#primary?.handshake ?? null
    return {
      name: this.name,
      status: health.state,
      lastConnected: health.lastConnected,
      lastError: health.lastError,
      lastErrorTime: health.lastErrorTime,
      reconnectAttempts: health.attempts,
      upTime: health.state === 'connected' ? (Date.now() - health.connectedAtMs) * 1_000_000 : 0,
      ...this.#counters.figures(),
      protocolVersion: handshake?.protocolVersion ?? null,
      era: handshake ? 'legacy' : null,
      serverInfo: handshake?.serverInfo ?? null,
      capabilities: handshake?.capabilities ?? null,
      processes: this.processes,
      sessions: this.#parts.sessionCount(this.name),
      stderrTail: this.#output.lines(),
    }
  }

  async listTools(): Promise<ToolDescription[]> {
    const tools = await listTools(await this.#primaryConnection(), this.laneSettings.callIdleMs)
    return tools.filter((tool) => allowsTool(this.definition.toolFilter, tool.name))
  }

  async callTool(
    toolName: string,
    args: Readonly<Record<string, unknown>>,
  ): Promise<Record<string, unknown>> {
    if (!allowsTool(this.definition.toolFilter, toolName))
      throw new GatewayError('NOT_FOUND', `${this.name} has no tool ${toolName}, or its toolFilter hides it`)
    const connection = await this.#primaryConnection()
    this.callStarted()
    const startedAtMs = Date.now()
    let failed = true
    try {
      const result = await callTool(connection, toolName, args, this.laneSettings.callIdleMs)
      failed = false
      return result
    } finally {
      this.callEnded(Date.now() - startedAtMs, failed)
    }
  }

  /** Resolves when no call is in flight, or at `untilMs`. */
  finishCalls(untilMs: number): Promise<void> {
    return this.#counters.untilIdle(untilMs)
  }

  /** Takes no new calls: this definition was replaced. */
  retire(): void {
    this.#stopped = true
    this.#health.disconnected()
    for (const lane of this.#lanes.values()) lane.retire()
  }

  /** Ends every lane at once; calls in flight fail with this error. */
  async stop(error: GatewayError): Promise<void> {
    this.#stopped = true
    this.#health.disconnected()
    const lanes = [...this.#lanes.values(), ...this.#leaving]
    await Promise.all(lanes.map((lane) => lane.close(error)))
  }

  /** Time's passing: expiry of calls and idle lanes, the next attempt, the next probe. */
  sweep(nowMs: number): void {
    for (const lane of this.#lanes.values()) {
      lane.expire(nowMs)
      if (lane !== this.#primary && lane.shared && lane.idleFor(nowMs, this.#parts.laneIdleMs))
        void lane.close(new GatewayError('UPSTREAM_CLOSED', 'the lane was idle'))
    }
    for (const lane of this.#leaving) lane.expire(nowMs)
    if (this.#stopped) return
    if (this.#health.retryAtMs > 0 && nowMs >= this.#health.retryAtMs) void this.#connectPrimary()
    const probe = this.definition.healthCheckEnabled && this.#primary?.ready && nowMs >= this.#nextProbeMs
    if (probe && !this.#probing) void this.#probe(this.#primary?.ready ?? null)
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

  laneClosed(lane: Lane, error: GatewayError): void {
    this.#leaving.delete(lane)
    if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
    if (lane !== this.#primary || this.#stopped) return
    this.#primary = null
    this.#health.failed(error, Date.now())
  }

  #newLane(key: string, owner: LaneMember | null): Lane {
    const before = this.#lanes.get(key)
    if (before) this.#leaving.add(before)
    const lane = new Lane(key, this, owner)
    this.#lanes.set(key, lane)
    return lane
  }

  #laneKey(member: LaneMember): string {
    const { isolation, transport } = this.definition
    if (isolation === 'shared') return 'all'
    const own = isolation === 'session' || transport !== 'stdio' || member.interactive
    return own ? `session ${member.id}` : `principal ${member.principalId}`
  }

  /** The primary lane is a lane that clients use too, where that gives nobody another one's state. */
  #primaryKey(): string {
    if (this.definition.isolation === 'shared') return 'all'
    const { isolation, transport } = this.definition
    return isolation === 'auto' && transport === 'stdio' && this.#parts.openAccess
      ? 'principal anonymous'
      : 'gateway'
  }

  async #untilReachable(): Promise<void> {
    const health = this.#health
    if (health.state === 'connected') return
    if (health.state === 'connecting') await health.untilSettled(this.#parts.startWaitMs)
    if (this.#stopped) throw new GatewayError('SERVER_UNKNOWN', `the server ${this.name} was removed`)
    if (this.#primary?.ready) return
    if (this.#health.state === 'connecting')
      throw new GatewayError('SERVER_STARTING', `${this.name} is still starting; try again`, 5)
    throw health.unavailable(Date.now())
  }

  async #primaryConnection(): Promise<Connection> {
    await this.#untilReachable()
    const connection = this.#primary?.ready
    if (!connection) throw this.#health.unavailable(Date.now())
    return connection
  }

  async #connectPrimary(): Promise<void> {
    this.#health.connecting()
    const key = this.#primaryKey()
    const existing = this.#lanes.get(key)
    const lane = existing && !existing.retired ? existing : this.#newLane(key, null)
    this.#primary = lane
    try {
      await lane.open()
    } catch {
      // The lane has told laneClosed why.
      return
    }
    if (this.#stopped) return
    const nowMs = Date.now()
    this.#nextProbeMs = nowMs + this.definition.healthCheckIntervalMs
    this.#health.connected(nowMs)
  }

  /** A real round trip on the connection that calls use: no process and no session per probe. */
  async #probe(connection: Connection | null): Promise<void> {
    if (!connection) return
    this.#probing = true
    try {
      await connection.ask('ping', undefined, this.#parts.healthProbeMs)
      this.#probed(connection, null)
    } catch (thrown) {
      const silent = thrown instanceof GatewayError && thrown.code === 'UPSTREAM_TIMEOUT'
      // Any answer is a round trip, also one that says it knows no ping.
      this.#probed(connection, silent ? `health probe failed: ${reasonOf(thrown)}` : null)
    } finally {
      this.#probing = false
      this.#nextProbeMs = Date.now() + this.definition.healthCheckIntervalMs
    }
  }

  #probed(connection: Connection, failure: string | null): void {
    if (this.#stopped || this.#primary?.ready !== connection) return
    if (failure === null) this.#health.awake()
    else this.#health.silent(failure)
  }
}
