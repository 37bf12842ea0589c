/**
 * A lane: one connection and the sessions that use it.
 *
 * A session lane belongs to one client and speaks with that client's own `initialize`, so that sampling,
 * elicitation and roots can be attributed. A shared lane declares no capability at all: a conforming server
 * then asks nothing but `ping`, and whatever it asks all the same is refused at once instead of hanging.
 *
 * States: idle → opening → ready → closed. A lane never reopens by itself; the next lease makes a new one.
 */
import { GatewayError, reasonOf, rpcErrorText } from '../errors.ts'
import { type MessageText, paramSpan, paramString } from '../protocol/jsonrpc.ts'
import type { Call } from './call.ts'
import { Connection, type ConnectionOwner } from './connection.ts'
import { type Handshake, INITIALIZED, shakeHands } from './handshake.ts'
import type { LaneHost, LaneMember } from './lane-member.ts'
import { Subscriptions } from './subscriptions.ts'

const RESTORE_TIMEOUT_MS = 30_000

export class Lane implements ConnectionOwner {
  readonly key: string
  readonly members = new Set<LaneMember>()
  readonly subscriptions = new Subscriptions()
  readonly #host: LaneHost
  /** The one client that this lane speaks for, or null when it is shared. */
  readonly #owner: LaneMember | null
  #connection: Connection | null = null
  #opening: Promise<Connection> | null = null
  #handshake: Handshake | null = null
  #announced = false
  #restoring: Promise<void> | null = null
  #retired = false
  #emptySinceMs = Date.now()

  constructor(key: string, host: LaneHost, owner: LaneMember | null) {
    this.key = key
    this.#host = host
    this.#owner = owner
  }

  /** The connection when it can take a call right now, else null: the hot path asks this first. */
  get ready(): Connection | null {
    return this.#retired || this.#restoring ? null : this.#connection
  }

  get handshake(): Handshake | null {
    return this.#handshake
  }

  get shared(): boolean {
    return this.#owner === null
  }

  get retired(): boolean {
    return this.#retired
  }

  get inFlightCount(): number {
    return this.#connection?.inFlightCount ?? 0
  }

  get pid(): number | null {
    return this.#connection?.transport.pid ?? null
  }

  /** Opens the lane once; later callers share the attempt. Rejects with a GatewayError and leaves nothing behind. */
  open(): Promise<Connection> {
    if (this.#restoring) return this.#restoring.then(() => this.open())
    if (this.#connection) return Promise.resolve(this.#connection)
    this.#opening ??= this.#connect()
    return this.#opening
  }

  join(member: LaneMember): void {
    this.members.add(member)
  }

  /** Takes a client off; a session lane then has no purpose and ends. */
  leave(member: LaneMember): void {
    if (!this.members.delete(member)) return
    this.#emptySinceMs = Date.now()
    const connection = this.#connection
    if (connection) for (const uri of this.subscriptions.drop(member)) this.#unsubscribe(connection, uri)
    if (this.#owner === member) void this.close(new GatewayError('UPSTREAM_CLOSED', 'the session has ended'))
  }

  /** True when nobody has used it for that long. */
  idleFor(nowMs: number, idleMs: number): boolean {
    return this.members.size === 0 && this.inFlightCount === 0 && nowMs - this.#emptySinceMs > idleMs
  }

  /** Takes no new calls; those in flight go on. */
  retire(): void {
    this.#retired = true
  }

  /** The client said `notifications/initialized`: the server hears it from its own client, not before. */
  announce(text: string): void {
    if (this.#announced || !this.#connection) return
    this.#announced = true
    this.#connection.send(text, 'notifications/initialized')
  }

  expire(nowMs: number): void {
    this.#connection?.expire(nowMs)
  }

  async close(error: GatewayError): Promise<void> {
    this.#retired = true
    const connection = this.#connection
    this.#connection = null
    if (connection) {
      await connection.close(error)
      this.#host.laneClosed(this, error)
      return
    }
    // Still opening: the attempt sees that it is retired and takes down what it has built.
    await this.#opening?.then(
      () => {},
      () => {},
    )
  }

  async #connect(): Promise<Connection> {
    let connection: Connection | null = null
    try {
      const transport = this.#host.createTransport()
      const { callIdleMs, callTotalMs, startTimeoutMs } = this.#host.laneSettings
      connection = new Connection(transport, this, { callIdleMs, callTotalMs }, this.#host.log)
      const deadlineMs = Date.now() + startTimeoutMs
      await transport.open(connection, AbortSignal.timeout(startTimeoutMs))
      await this.#shakeHands(connection, Math.max(1, deadlineMs - Date.now()))
      if (this.#retired) throw new GatewayError('UPSTREAM_CLOSED', 'the server was removed while it started')
      if (connection.closedBy) throw connection.closedBy
      this.#connection = connection
      return connection
    } catch (thrown) {
      const error =
        thrown instanceof GatewayError ? thrown : new GatewayError('SERVER_UNAVAILABLE', reasonOf(thrown))
      this.#retired = true
      await connection?.close(error)
      this.#host.laneClosed(this, error)
      throw error
    }
  }

  async #shakeHands(connection: Connection, timeoutMs: number): Promise<void> {
    const initialize = this.#owner?.initialize ?? this.#host.sharedInitialize
    this.#handshake = await shakeHands(connection, initialize, timeoutMs)
    // A client's own lane waits for the client's word; a lane that comes back has heard it already.
    if (this.shared || this.#announced) {
      this.#announced = true
      connection.send(INITIALIZED, 'notifications/initialized')
    }
  }

  /** Sends one of a member's requests, keeping the books that sharing needs. */
  request(
    connection: Connection,
    member: LaneMember,
    call: Call,
    headers?: Readonly<Record<string, string>>,
  ): void {
    if (!this.#announced) this.announce(INITIALIZED)
    const { method, message } = call
    if (method === 'logging/setLevel') {
      const level = paramString(message, 'level')
      const wanted = level && this.subscriptions.setLevel(member, level)
      if (wanted && wanted !== level && this.shared) {
        // The server keeps the most verbose level that anyone asked for; each session is filtered to its own.
        call.answeredHere('{}')
        return
      }
    } else if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
      const uri = paramString(message, 'uri')
      if (uri !== null && method === 'resources/subscribe') this.subscriptions.add(member, uri)
      else if (uri !== null && !this.subscriptions.remove(member, uri)) {
        call.answeredHere('{}')
        return
      }
    }
    connection.request(call, headers)
  }

  /** Passes a client's notification on, except those that a shared lane speaks for itself. */
  tell(member: LaneMember, message: MessageText): void {
    const { method, text } = message
    if (method === 'notifications/initialized') this.announce(this.#owner === member ? text : INITIALIZED)
    else if (this.#owner === member) this.#connection?.send(text, method)
    // Progress and roots belong to requests that a shared lane never lets through.
    else if (method !== 'notifications/progress' && method !== 'notifications/roots/list_changed')
      this.#connection?.send(text, method)
  }

  // What the connection reports.

  serverRequest(connection: Connection, message: MessageText, call: Call | null): void {
    const answer = (text: string) => connection.send(text, null)
    const idText = message.text.slice(message.idStart, message.idEnd)
    if (message.method === 'ping') answer(`{"jsonrpc":"2.0","id":${idText},"result":{}}`)
    else if (this.#owner) this.#owner.ask(message, call ?? connection.soleCall(), answer)
    else {
      const refusal = new GatewayError('NO_CAPABLE_CLIENT', 'this connection speaks for no single client')
      answer(rpcErrorText(refusal, idText))
    }
  }

  notification(connection: Connection, message: MessageText, call: Call | null): void {
    const { method, text } = message
    if (this.#owner) {
      if (method === 'notifications/cancelled') {
        const span = paramSpan(message, 'requestId')
        if (span) this.#owner.withdraw(message, text.slice(span.start, span.end))
        return
      }
      this.#owner.notify(text, call ?? (method === 'notifications/message' ? connection.soleCall() : null))
      return
    }
    if (method === 'notifications/cancelled') return
    if (method === 'notifications/message') {
      const source = call ?? connection.soleCall()
      const caller = source?.member ?? null
      if (caller) {
        if (this.subscriptions.wants(caller, message)) caller.notify(text, source)
        return
      }
    }
    // What names no one goes to all only where all are the same principal, or where it holds no one's data.
    const open = method?.endsWith('/list_changed') || method === 'notifications/resources/updated'
    if (!open && !this.#onePrincipal()) return
    for (const member of this.members)
      if (this.subscriptions.wants(member, message)) member.notify(text, null)
  }

  sessionLost(connection: Connection, call: Call | null): void {
    if (this.#connection !== connection) return
    if (!this.#restoring) {
      connection.transport.resetSession()
      this.#restoring = this.#restore(connection).finally(() => {
        this.#restoring = null
      })
    }
    if (!call) return
    if (call.resent) {
      connection.requestFailed(
        call.upstreamId,
        new GatewayError('UPSTREAM_CLOSED', 'the server forgot its session twice in a row'),
      )
      return
    }
    call.resent = true
    void this.#restoring.then(() => connection.resend(call))
  }

  closed(connection: Connection, error: GatewayError): void {
    if (this.#connection !== connection) return
    this.#retired = true
    this.#connection = null
    void connection.close(error)
    this.#host.laneClosed(this, error)
  }

  noise(line: string): void {
    this.#host.noise(line)
  }

  /** Initialises again after the upstream lost its session, and puts back what the session had set. */
  async #restore(connection: Connection): Promise<void> {
    try {
      await this.#shakeHands(connection, this.#host.laneSettings.startTimeoutMs)
      await this.#putBack(connection)
    } catch (thrown) {
      const error =
        thrown instanceof GatewayError ? thrown : new GatewayError('UPSTREAM_CLOSED', reasonOf(thrown))
      this.closed(connection, error)
    }
  }

  async #putBack(connection: Connection): Promise<void> {
    const level = this.subscriptions.level
    if (level) await connection.ask('logging/setLevel', { level }, RESTORE_TIMEOUT_MS)
    for (const uri of this.subscriptions.uris())
      await connection.ask('resources/subscribe', { uri }, RESTORE_TIMEOUT_MS)
  }

  #unsubscribe(connection: Connection, uri: string): void {
    connection.ask('resources/unsubscribe', { uri }, RESTORE_TIMEOUT_MS).catch((error: unknown) => {
      this.#host.log.debug({ mcp: this.#host.name, reason: reasonOf(error) }, 'unsubscribe failed')
    })
  }

  #onePrincipal(): boolean {
    let principal: string | null = null
    for (const member of this.members) {
      if (principal !== null && principal !== member.principalId) return false
      principal = member.principalId
    }
    return true
  }
}
