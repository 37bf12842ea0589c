/**
 * A lane: one connection and the clients that use it.
 *
 * An owned lane speaks for one client with that client's own `initialize`, so that sampling, elicitation and
 * roots can be attributed. A shared lane declares no capability at all: a conforming server then asks nothing
 * but `ping`. A modern lane has no client of its own; every request on it says whose it is.
 *
 * States: idle → opening → ready → closed. A lane never reopens by itself; the next lease makes a new one.
 */
import { GatewayError, reasonOf } from '../../errors.ts'
import { type Era, latestLegacyVersion, latestModernVersion, listChanges } from '../../protocol/eras.ts'
import { type MessageText, paramString } from '../../protocol/jsonrpc.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { CallWatch, GatewayCall, UpstreamCall } from '../connection/calls.ts'
import type { LaneClient } from '../connection/client.ts'
import { Connection, type ConnectionOwner } from '../connection/connection.ts'
import {
  askModern,
  discoverServer,
  type Handshake,
  initializedText,
  initializeRequest,
  initializeServer,
  modernRequest,
  resumeServer,
} from '../connection/handshake.ts'
import { ask, askWatched } from '../connection/own-requests.ts'
import type { ServerBudget } from '../transports/flood-guard.ts'
import { FanOut } from './fan-out.ts'
import type { LaneHost } from './host.ts'
import { LaneLog } from './lane-log.ts'
import { LaneOpening, ownRequestMs, restoreSession, sessionIsKnown } from './opening.ts'
import type { LaneRole } from './roles.ts'
import { routeNotification, routeServerRequest } from './routing.ts'
import { SessionForgotten, SessionLostAgain, SessionRenewals } from './session-renewals.ts'
import { LaneSubscriptions } from './subscriptions.ts'

function sessionEnded(): GatewayError {
  return new GatewayError('UPSTREAM_CLOSED', 'The session has ended.')
}

export class Lane implements ConnectionOwner {
  /** Its place in the pool; another one once it was handed over to a client. */
  key: string
  readonly era: Era
  readonly owner: LaneClient | null
  readonly clients = new Set<LaneClient>()
  readonly subscriptions = new LaneSubscriptions((method, params) => this.#background(method, params))
  readonly fanOut = new FanOut()
  readonly budget: ServerBudget
  readonly log: LaneLog
  readonly #host: LaneHost
  readonly ownerAnnounces: boolean
  #connection: Connection | null = null
  #opening: Promise<Connection> | null = null
  #attempt: LaneOpening | null = null
  #handshake: Handshake | null = null
  #announced = false
  #restoring: Promise<void> | null = null
  readonly #renewals = new SessionRenewals()
  #asking = false
  /** How many requests of clients there were when the session was renewed last. */
  #renewedAtCount = 0
  #retired = false
  /** True once its connection has ended by itself. */
  lost = false
  #usedAtMs = performance.now()
  #holders = 0

  constructor(host: LaneHost, role: LaneRole) {
    this.#host = host
    this.budget = host.budget
    this.key = role.key
    this.era = role.era
    this.owner = role.owner
    this.ownerAnnounces = role.ownerAnnounces
    this.log = new LaneLog(host, this)
  }

  /** That of its server. */
  get definition(): ServerDefinition {
    return this.#host.definition
  }

  get name(): string {
    return this.#host.name
  }

  /** The connection when it can take a call right now, else null. */
  get ready(): Connection | null {
    return this.#retired || this.#restoring || this.#host.unreachable ? null : this.#connection
  }

  /** True from the end of the handshake to the end of the connection, whether or not calls can be sent now. */
  get established(): boolean {
    return this.#connection !== null
  }

  /** What the beginning of the connection settled; null before. */
  get handshake(): Handshake | null {
    return this.#handshake
  }

  /** What the server does instead of answering while the lane is opened, as a phrase; empty where nothing is known. */
  get silence(): string {
    return this.#attempt?.silence ?? ''
  }

  get retired(): boolean {
    return this.#retired
  }

  get inFlightCount(): number {
    return this.#connection?.inFlightCount ?? 0
  }

  /** Opens the lane once, within `boundMs`; later callers share the attempt. Rejects with a GatewayError and leaves nothing behind. */
  open(boundMs = this.#host.laneSettings.startTimeoutMs): Promise<Connection> {
    if (this.#restoring) return this.#restoring.then(() => this.open())
    if (this.#connection) return Promise.resolve(this.#connection)
    if (this.#retired && !this.#opening)
      return Promise.reject(new GatewayError('UPSTREAM_CLOSED', 'the connection was closed'))
    this.#opening ??= this.#connect(boundMs)
    return this.#opening
  }

  /** Takes a client on. A server may greet and die before anybody could join: who does then hears so at once. */
  join(client: LaneClient): void {
    this.clients.add(client)
    if (this.#connection === null) client.laneLost()
  }

  /**
   * Takes a client off. A lane that its owner leaves has no purpose and ends; with calls still in flight, on
   * a server that was replaced, it is that server's to end once they have finished.
   */
  leave(client: LaneClient): void {
    if (!this.clients.delete(client)) return
    this.touch()
    this.subscriptions.drop(client, this.#connection !== null)
    if (this.owner === client && this.inFlightCount === 0) void this.close(sessionEnded())
  }

  /** Notes that somebody used the lane without joining it. */
  touch(): void {
    this.#usedAtMs = performance.now()
  }

  /** A stateless call needs the lane until it lets go, also while it is parked and nothing of it runs. */
  hold(): void {
    this.#holders++
  }

  letGo(): void {
    this.#holders--
    this.touch()
  }

  /** True when nobody has used it for that long. */
  idleFor(nowMs: number, idleMs: number): boolean {
    const waitedFor =
      this.#attempt !== null || this.clients.size > 0 || this.inFlightCount > 0 || this.#holders > 0
    return !waitedFor && nowMs - this.#usedAtMs > idleMs
  }

  /** Takes no new calls; those in flight go on. */
  retire(): void {
    this.#retired = true
  }

  expire(nowMs: number): void {
    this.#connection?.expire(nowMs)
  }

  async close(error: GatewayError): Promise<void> {
    this.#retired = true
    this.fanOut.clear()
    const connection = this.#connection
    this.#connection = null
    if (connection) {
      await connection.close(error)
      this.#host.laneClosed(this, error, true)
      return
    }
    // Still opening, which may take minutes: the attempt takes down what it has built.
    this.#attempt?.giveUp(error)
    await this.#opening?.catch(() => {})
  }

  /** A request of the gateway's own, in the words of the lane's era. Rejects with a GatewayError. */
  async ask(
    method: string,
    params: Record<string, unknown> | undefined,
    timeoutMs: number,
  ): Promise<GatewayCall> {
    const connection = await this.open()
    if (this.era === 'legacy') return ask(connection, method, params, timeoutMs)
    const version = this.#handshake?.facts.version ?? ''
    return askModern(connection, this.#host.identity, version, method, params ?? {}, timeoutMs)
  }

  /** The same, for somebody who wants to hear of progress and may leave. */
  async askWatched(
    method: string,
    params: Readonly<Record<string, unknown>>,
    watch: CallWatch,
  ): Promise<GatewayCall> {
    const connection = await this.open()
    const { laneSettings, identity } = this.#host
    if (this.era === 'legacy') return askWatched(connection, method, params, watch, laneSettings)
    const own = modernRequest(identity, this.#handshake?.facts.version ?? '', method, params)
    return askWatched(connection, method, own.params, watch, laneSettings, own.headers)
  }

  /** One round trip that proves that the server answers. Rejects with a GatewayError when it does not. */
  async probe(timeoutMs: number): Promise<void> {
    if (this.era === 'legacy') await this.ask('ping', undefined, timeoutMs)
    else this.#handshake = await discoverServer(await this.open(), this.#host.identity, timeoutMs)
  }

  /** Sends one of a client's requests, keeping the books that sharing needs. */
  request(connection: Connection, client: LaneClient, call: UpstreamCall): void {
    if (!this.#announced) this.#announce(connection, initializedText)
    // What the server need not hear of, because others on this lane want more, is answered here.
    const noted = this.subscriptions.note(client, call.message, this.owner !== null)
    if (noted instanceof GatewayError) call.failed(noted)
    else if (noted) connection.request(call)
    else call.answeredHere('{}')
  }

  /** Passes a client's notification on, except those that a shared lane speaks for itself. */
  tell(client: LaneClient, message: MessageText): void {
    const { method, text } = message
    const connection = this.#connection
    if (!connection) return
    const own = this.owner === client
    if (method === 'notifications/initialized') this.#announce(connection, own ? text : initializedText)
    else if (own) connection.send(text, method)
    // Progress and roots belong to requests that a shared lane never lets through.
    else if (method !== 'notifications/progress' && method !== 'notifications/roots/list_changed')
      connection.send(text, method)
  }

  serverRequest(connection: Connection, message: MessageText, call: UpstreamCall | null): void {
    routeServerRequest(this, connection, message, call)
  }

  notification(connection: Connection, message: MessageText, call: UpstreamCall | null): void {
    const change = message.method === null ? undefined : listChanges.get(message.method)
    if (change) this.#host.listChanged(change.capability)
    routeNotification(this, connection, message, call)
  }

  /** Tells its clients what the gateway says in the server's place. */
  announce(message: MessageText): void {
    if (this.#connection) routeNotification(this, this.#connection, message, null)
  }

  sessionLost(connection: Connection, call: UpstreamCall | null): void {
    if (this.#connection === connection) {
      this.#restoring ??= this.#restore(connection).finally(() => {
        this.#restoring = null
      })
    }
    if (!call) return
    if (!this.#restoring || call.resent) {
      connection.requestFailed(call.upstreamId, new SessionLostAgain())
      return
    }
    call.resent = true
    void this.#restoring.then(() => connection.resend(call))
  }

  sessionDoubted(connection: Connection): void {
    if (this.#connection !== connection || this.#restoring || this.#asking) return
    this.#asking = true
    void sessionIsKnown(connection).then((known) => {
      // Once is enough: whatever the server means by it, the session is there.
      this.#asking = known
      if (known)
        this.noise('(the server refuses a message as if its session were lost, and knows the session)')
    })
  }

  requestLost(): void {
    this.#host.doubt()
  }

  closed(connection: Connection, error: GatewayError): void {
    if (this.#connection !== connection) return
    this.#retired = true
    this.lost = true
    this.#connection = null
    this.fanOut.clear()
    void connection.close(error)
    this.#host.laneClosed(this, error, true)
    for (const client of this.clients) client.laneLost()
  }

  noise(line: string): void {
    this.#host.noise(line)
  }

  mask(text: string): string {
    return this.#host.mask(text)
  }

  async #connect(boundMs: number): Promise<Connection> {
    const { laneSettings, log } = this.#host
    const attempt = new LaneOpening()
    this.#attempt = attempt
    const forgetOwner = this.owner?.whenGone?.(() => attempt.giveUp(sessionEnded()))
    const error = await attempt.run(
      boundMs,
      async () => new Connection(await this.#host.createTransport(this.owner), this, laneSettings, log),
      (connection, timeoutMs) => this.#shakeHands(connection, timeoutMs),
      (connection) => {
        this.#connection = connection
      },
    )
    this.#attempt = null
    this.touch()
    forgetOwner?.()
    if (error === null && this.#connection) return this.#connection
    this.#retired = true
    const reason = error ?? new GatewayError('UPSTREAM_CLOSED', 'the connection was closed')
    this.log.handshakeFailed(reason.details)
    this.#host.laneClosed(this, reason, false)
    throw reason
  }

  async #shakeHands(connection: Connection, timeoutMs: number): Promise<void> {
    if (this.era === 'modern') {
      this.#handshake = await discoverServer(connection, this.#host.identity, timeoutMs)
      connection.cancelsByClosing = connection.transport.pid === null
      this.#announced = true
      this.log.handshake(connection.transport.pid, latestModernVersion, this.#handshake)
      return
    }
    const resumed = await resumeServer(connection, this.owner, this.definition.url)
    if (resumed !== null) {
      this.#handshake = resumed
      this.#announced = resumed.announced
      return
    }
    const initialize =
      this.owner?.initialize ?? initializeRequest(latestLegacyVersion, this.#host.identity, {})
    this.#handshake = await initializeServer(connection, initialize, this.owner?.headers, timeoutMs)
    const asked = paramString(initialize, 'protocolVersion')
    this.log.handshake(connection.transport.pid, asked, this.#handshake)
    // A client's own lane waits for the client's word; a lane that comes back has heard it already.
    if (this.ownerAnnounces && !this.#announced) return
    this.#announced = false
    this.#announce(connection, initializedText)
  }

  #announce(connection: Connection, text: string): void {
    if (this.#announced) return
    this.#announced = true
    connection.send(text, 'notifications/initialized')
  }

  async #restore(connection: Connection): Promise<void> {
    const { name, log, laneSettings } = this.#host
    let error: GatewayError | null
    do {
      connection.transport.resetSession()
      const { clientRequestCount } = connection
      const pauseMs = this.#renewals.pauseMs(performance.now(), clientRequestCount > this.#renewedAtCount)
      this.#renewedAtCount = clientRequestCount
      if (pauseMs === null) {
        error = new SessionForgotten()
        log.warn({ mcp: name, reason: error.details }, 'session lost')
        break
      }
      log.info({ mcp: name, pauseMs }, 'session lost, it is renewed')
      if (pauseMs > 0) await Bun.sleep(pauseMs)
      // Closed meanwhile.
      if (this.#connection !== connection) return
      error = await restoreSession(connection, this.subscriptions, () =>
        this.#shakeHands(connection, laneSettings.startTimeoutMs),
      )
      this.#renewals.renewed(performance.now())
    } while (error instanceof SessionLostAgain)
    this.#asking = false
    if (error) this.closed(connection, error)
    // Who has forgotten a session may have been started anew.
    else this.#host.listChanged(null)
  }

  /** A request whose answer changes nothing for anybody; that it failed is worth a line at most. */
  async #background(method: string, params: Record<string, unknown>): Promise<void> {
    try {
      await this.ask(method, params, ownRequestMs)
    } catch (thrown) {
      const fields = { mcp: this.#host.name, method, reason: reasonOf(thrown) }
      this.#host.log.debug(fields, 'request of the gateway failed')
    }
  }
}
