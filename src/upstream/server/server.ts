/**
 * One registered MCP server: its lanes, and who may use which. supervisor.ts keeps it alive.
 *
 * The primary lane is opened at once and kept: it proves that the server works, answers the admin API and the
 * health probe, and serves open clients. Other lanes are opened when a client needs one, in the era that the
 * client speaks wherever the server speaks it too. When the primary fails, calls are refused with the time
 * until the next attempt.
 */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { pinsOf } from '../../access/pins.ts'
import { reachOf } from '../../access/reach.ts'
import { GatewayError, gatewayErrorOf } from '../../errors.ts'
import type { ServerFacts } from '../../protocol/bridge/types.ts'
import { type Era, type ListChangeRow, listChanges } from '../../protocol/eras.ts'
import { rpcNotification, scanMessage } from '../../protocol/jsonrpc.ts'
import { memberText, parsed } from '../../protocol/spans.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { CallOutcome } from '../../telemetry/call-ending.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Mask } from '../../telemetry/redaction.ts'
import type { CallWatch } from '../connection/calls.ts'
import type { LaneClient } from '../connection/client.ts'
import { EraMismatch, type GatewayIdentity, olderTransportStatuses } from '../connection/handshake.ts'
import type { LaneHost, LaneSettings } from '../lane/host.ts'
import type { Lane } from '../lane/lane.ts'
import { LanePool } from '../lane/pool.ts'
import { gatewayRole, laneName, primaryRole, type RoleOf, sessionRole, statelessRole } from '../lane/roles.ts'
import { ServerBudget } from '../transports/flood-guard.ts'
import type { MadeTransport } from '../transports/transport.ts'
import { CallCounters } from './counters.ts'
import type {
  ServerEntry,
  ServerOrigin,
  ServerState,
  ServerStatus,
  ToolAnswer,
  ToolDescription,
} from './directory.ts'
import { refusedBesideAnother } from './first-contact.ts'
import { opensStream } from './open-transport.ts'
import type { OutputTail } from './output-tail.ts'
import { checkProcesses, laneSettingsOf, type ServerParts, type ServerStanding } from './parts.ts'
import { disabledError, Supervisor } from './supervisor.ts'
import { askingForTools, callTool, listTools, requireTool, ToolTable } from './tools.ts'

/**
 * How many times as long as another request `initialize` waits for a server that is starting. With the usual
 * `timeouts.start_wait` that is a little less than the minute after which most clients give up by themselves.
 */
const initializePatience = 2.5
/** Lines of its output that stand in a status; its log has more. */
const statusLinesMax = 50
/** Longest wait for a tool list that a call's headers are held to. */
const toolsListMs = 10_000
/** The words in which a server tells of it. */
const toolsChanged = scanMessage(rpcNotification('notifications/tools/list_changed', null))

export class Server implements ServerEntry, LaneHost {
  readonly definition: ServerDefinition
  readonly origin: ServerOrigin
  readonly log: Log
  readonly identity: GatewayIdentity
  readonly laneSettings: LaneSettings
  readonly budget = new ServerBudget()
  readonly mask: Mask
  readonly tools = new ToolTable((params) =>
    askingForTools(this.definition, () => this.#supervisor.primaryLane(), toolsListMs)(params),
  )
  /** Counts up whenever one of its lists may have become another one, so that what was read can be kept until then. */
  readonly listVersions: Record<ListChangeRow['capability'], number> = { tools: 0, prompts: 0, resources: 0 }
  readonly #parts: ServerParts
  readonly #pool: LanePool
  readonly #supervisor: Supervisor
  readonly #standing: ServerStanding
  readonly #note: (line: string) => void
  /** Every call of a client's is counted in and out here. */
  readonly counters: CallCounters
  /** Whose it is, where each user has one of their own; null for everybody's. */
  readonly owner: CredentialOwner | null
  /** True for one that is nobody's: who uses it has another one (`as`). */
  readonly perOwner: boolean = false

  constructor(
    definition: ServerDefinition,
    origin: ServerOrigin,
    parts: ServerParts,
    standing: ServerStanding,
  ) {
    this.definition = definition
    this.origin = origin
    this.#parts = parts
    parts.pin(definition)
    this.#standing = standing
    const { owner = null, held = null, counters = null } = standing.ofUser ?? {}
    this.owner = owner
    this.log = parts.log
    this.identity = parts.identity
    this.mask = parts.maskOf(definition)
    this.laneSettings = laneSettingsOf(definition, parts)
    this.#pool = new LanePool(this)
    this.counters = counters ?? new CallCounters(definition.name, parts.inFlightMax, parts.metrics)
    this.#note = standing.output.writerOf(definition, this.mask)
    this.#supervisor = new Supervisor({
      definition,
      held: standing.disabledAt === null ? held : disabledError(definition.name),
      onDemand: owner !== null,
      parts,
      laneOf: (role) => {
        const lane = this.#pool.get(role)
        if (role === gatewayRole) this.#pool.spare(lane)
        return lane
      },
      readyLane: () => this.#pool.anyReady(),
      stateChanged: () => parts.stateChanged(this),
      lost: () => this.listChanged(null),
      overOlderTransport: (refusal) => this.#overOlderTransport(refusal),
    })
  }

  get name(): string {
    return this.definition.name
  }

  /** Lanes that are open or opening. */
  get lanes(): number {
    return this.#pool.count
  }

  /** Child processes, those that are starting included. */
  get processes(): number {
    return this.definition.transport === 'stdio' ? this.#pool.count : 0
  }

  /** What this user has of it; itself where it is everybody's, and for nobody in particular. */
  as(_owner: CredentialOwner | null): Server {
    return this
  }

  /** Child processes that are this user's alone. */
  processesOfOwner(owner: CredentialOwner): number {
    return this.owner === owner ? this.processes : 0
  }

  /** Whether nobody has used any of its connections for so long. */
  isIdle(nowMs: number, idleMs: number): boolean {
    return this.counters.inFlight === 0 && this.#pool.isIdle(nowMs, idleMs)
  }

  /** Those of them that only a client of this name uses. */
  processesOwnedBy(clientKey: string): number {
    return this.definition.transport === 'stdio' ? this.#pool.countOwnedBy(clientKey) : 0
  }

  get disabledAt(): string | null {
    return this.#standing.disabledAt
  }

  get output(): OutputTail {
    return this.#standing.output
  }

  /** Goes on with the settings as they are from here on. */
  settingsChanged(): void {
    Object.assign(this.laneSettings, laneSettingsOf(this.definition, this.#parts))
    this.counters.inFlightMax = this.#parts.inFlightMax
  }

  /** Begins connecting in the background, once `after` has resolved; does nothing while it is switched off. */
  start(after: Promise<unknown> | null): void {
    this.#supervisor.start(after)
  }

  settled(): boolean {
    return this.#standing.settledBefore || this.#supervisor.settled
  }

  async untilSettled(waitMs: number): Promise<void> {
    if (!this.#supervisor.settled) await this.#supervisor.health.untilSettled(waitMs)
  }

  get state(): ServerState {
    return this.#supervisor.health.state
  }

  /** The connection that was made first, where it can take a request right now. */
  get firstLane(): Lane | null {
    const { primary } = this.#supervisor
    return primary?.ready ? primary : null
  }

  /** What the server said of itself when it was reached; null while it is not there. */
  get facts(): ServerFacts | null {
    return this.#supervisor.primary?.handshake?.facts ?? null
  }

  /**
   * The lane that serves this session, opened. Rejects with a GatewayError. An `initialize` waits longer for a
   * server that is starting than other requests do: most clients give up for good when it fails.
   */
  async lease(client: LaneClient, initializes = false): Promise<Lane> {
    const { startWaitMs } = this.#parts
    const waitMs = initializes ? startWaitMs * initializePatience : startWaitMs
    const lane = await this.#openInEra('legacy', (era) => sessionRole(this.definition, client, era), waitMs)
    lane.join(client)
    return lane
  }

  /**
   * The lane of a stateless client's requests, opened. `client` speaks for clients that can be asked something or
   * that forward headers, or is null for all others. Rejects with a GatewayError.
   */
  async leaseStateless(principalId: string, client: LaneClient | null): Promise<Lane> {
    const lane = await this.#openInEra('modern', (era) =>
      statelessRole(this.definition, principalId, client, era),
    )
    lane.touch()
    return lane
  }

  /** The lane that takes a stateless client's request without a wait, or null where one must be leased. */
  modernLane(): Lane | null {
    return this.#pool.readyModern()
  }

  status(): ServerStatus {
    const { facts } = this
    return {
      name: this.name,
      ...this.#supervisor.figures(),
      ...this.counters.figures(),
      protocolVersion: facts?.version ?? null,
      era: facts?.era ?? null,
      serverInfo: facts && parsed(memberText(facts.resultText, 'serverInfo') ?? facts.identity ?? 'null'),
      capabilities: facts?.capabilities ?? null,
      processes: this.processes,
      sessions: this.#parts.sessionCount(this.name),
      stderrTail: this.output.texts(statusLinesMax),
      disabledAt: this.disabledAt,
    }
  }

  async listTools(): Promise<ToolDescription[]> {
    const { callIdleMs } = this.laneSettings
    const laneOf = () => this.#supervisor.primaryLane(false)
    const tools = await listTools(askingForTools(this.definition, laneOf, callIdleMs))
    const reach = reachOf(null, this.definition)
    return tools.filter(({ name }) => reach.allows('tool', name))
  }

  async callTool(
    toolName: string,
    args: Readonly<Record<string, unknown>>,
    watch: CallWatch,
  ): Promise<ToolAnswer> {
    await requireTool(this.definition, this.tools, toolName)
    const lane = await this.#ownLane()
    this.counters.started()
    const startedAtMs = performance.now()
    let outcome: CallOutcome = 'failed'
    try {
      const answer = await callTool(lane, toolName, args, watch)
      outcome = answer.result['isError'] === true ? 'tool_error' : 'ok'
      return answer
    } finally {
      this.counters.ended(performance.now() - startedAtMs, outcome)
    }
  }

  /** Its tools are others for clients than before: tells all who hear of that from the server. */
  announceTools(): void {
    this.listChanged('tools')
    if (toolsChanged) this.#pool.announce(toolsChanged)
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

  createTransport(owner: LaneClient | null): MadeTransport {
    if (this.definition.transport === 'stdio') checkProcesses(this.#parts, owner, this.owner)
    return this.#parts.createTransport(this.definition, this.owner)
  }

  noise(line: string): void {
    this.#note(line)
  }

  listChanged(kind: ListChangeRow['capability'] | null): void {
    for (const { capability } of listChanges.values())
      if (kind === null || kind === capability) this.listVersions[capability]++
    if (kind !== null && kind !== 'tools') return
    this.tools.forget()
    pinsOf(this.definition)?.forget()
  }

  laneClosed(lane: Lane, error: GatewayError, wasReady: boolean): void {
    this.#pool.forget(lane)
    // What serves its clients next may be another process; the lists of a session go with its lane.
    if (wasReady && !lane.ownerAnnounces) this.listChanged(null)
    // Of the primary one the state of the server tells.
    if (lane.lost && lane !== this.#supervisor.primary)
      this.log.warn({ mcp: this.name, lane: laneName(lane), reason: error.details }, 'connection lost')
    this.#supervisor.laneClosed(lane, error, wasReady)
  }

  get unreachable(): boolean {
    return this.#supervisor.unreachable
  }

  doubt(): void {
    this.#supervisor.doubt()
  }

  /**
   * The lane of calls that an admin makes: the primary one, unless a client has been given it. From the first such
   * call on it is given to nobody, because it may hold what the call has left.
   */
  async #ownLane(): Promise<Lane> {
    const primary = await this.#supervisor.primaryLane()
    this.#pool.spare(null)
    const role = primaryRole(this.definition, this.#parts.openAccess, primary.era)
    if (primary.key === role.key) return primary
    const own = this.#pool.get(role)
    await own.open()
    own.touch()
    return own
  }

  /** Opens a lane in the wanted era, or in the other one when the server does not speak it. */
  async #openInEra(wanted: Era, roleOf: RoleOf, waitMs = this.#parts.startWaitMs): Promise<Lane> {
    const supervisor = this.#supervisor
    await supervisor.untilReachable(waitMs, true, roleOf)
    const other: Era = wanted === 'legacy' ? 'modern' : 'legacy'
    const order = supervisor.mayspeak(wanted) ? [wanted, other] : [other]
    let refused: GatewayError | null = null
    for (const era of order) {
      const lane = this.#pool.get(roleOf(era))
      try {
        await lane.open()
        supervisor.spoke(era, true)
        return lane
      } catch (thrown) {
        const error = gatewayErrorOf(thrown)
        const mismatch = error instanceof EraMismatch
        // It has taken another `initialize`, so it speaks the era and refuses this one for a reason of its own.
        if (era === 'legacy' && supervisor.speaks('legacy') && !(mismatch && error.certain))
          throw refusedBesideAnother(error, this.definition)
        if (!mismatch) throw error
        // What the wanted era was refused with says more than that the other one is not spoken either.
        refused ??= error
        supervisor.spoke(era, false)
      }
    }
    throw refused ?? supervisor.unavailable()
  }

  /** A definition that names no transport means the newer one where it answers, else the older one (2025-11-25, Transports, Backwards Compatibility). */
  async #overOlderTransport(refusal: GatewayError | null): Promise<boolean> {
    const { definition } = this
    const asked = definition.transportGuessed === true && refusal instanceof EraMismatch
    if (!asked || !olderTransportStatuses.includes(refusal.upstreamStatus ?? 0)) return false
    const older: ServerDefinition = { ...definition, transport: 'sse', transportGuessed: false }
    const wire = await this.#parts.createTransport(older, this.owner)
    if (!(await opensStream(wire, definition.startTimeoutMs))) return false
    this.log.info({ mcp: this.name }, 'the server speaks HTTP+SSE: it goes on with transport sse')
    return this.#parts.goesOnAs(this, older)
  }
}
