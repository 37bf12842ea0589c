/**
 * Every downstream session: opened, found, expired and ended here and nowhere else. Bounded in number, in all
 * and per client.
 */
import { GatewayError } from '../../errors.ts'
import type { ByteLedger } from '../../runtime/byte-ledger.ts'
import { type Endpoint, Session, type SessionInit, type SessionSettings } from './session.ts'

export interface SessionsSettings extends SessionSettings {
  readonly sessionsMax: number
  readonly sessionsPerClientMax: number
  readonly sessionIdleMs: number
  /** 0: no session is too old. Many clients never initialise again, and would fail for good. */
  readonly sessionAbsoluteMs: number
}

export class Sessions {
  readonly #settings: SessionsSettings
  readonly #byId = new Map<string, Session>()
  readonly #countByClient = new Map<string, number>()
  readonly #countByServer = new Map<string, number>()
  /** How many have ended since the start. */
  ended = 0
  /**
   * Where bounds count over several gateways: has room for one more of a client until the function is called that it
   * gives. Null where this gateway counts for itself.
   */
  room: ((clientKey: string) => Promise<() => void>) | null = null
  /** False where other processes may have what is not here, and were asked. */
  isAlone = true
  /** Makes the ids; random ones where nobody else does. */
  newId: (init: Omit<SessionInit, 'id' | 'ledger'>) => string = () => crypto.randomUUID()

  readonly #ledger: ByteLedger

  constructor(settings: SessionsSettings, ledger: ByteLedger) {
    this.#settings = settings
    this.#ledger = ledger
  }

  get count(): number {
    return this.#byId.size
  }

  countOf(serverName: string): number {
    return this.#countByServer.get(serverName) ?? 0
  }

  countOfClient(clientKey: string): number {
    return this.#countByClient.get(clientKey) ?? 0
  }

  /**
   * Opens a session; `onLaneLost` sees to a new lane when it has lost its own. Throws SESSIONS_EXHAUSTED at a
   * bound.
   */
  open(init: Omit<SessionInit, 'id' | 'ledger'>, onLaneLost: (session: Session) => void): Session {
    const { sessionsMax, sessionsPerClientMax } = this.#settings
    if (this.#byId.size >= sessionsMax)
      throw new GatewayError(
        'SESSIONS_EXHAUSTED',
        `The gateway has ${sessionsMax} sessions (limits.sessions_max).`,
        30,
      )
    const ofClient = this.#countByClient.get(init.clientKey) ?? 0
    if (ofClient >= sessionsPerClientMax)
      throw new GatewayError(
        'SESSIONS_EXHAUSTED',
        `This client has ${sessionsPerClientMax} sessions (limits.sessions_per_client_max); end some with DELETE.`,
        30,
      )
    return this.enter(this.prepare({ ...init, id: this.newId(init) }, onLaneLost))
  }

  /** Takes in a session that another process has begun, under the id that it has; no bound refuses what was let in. */
  takeOver(init: Omit<SessionInit, 'ledger'>, onLaneLost: (session: Session) => void): Session {
    return this.#byId.get(init.id) ?? this.enter(this.prepare(init, onLaneLost))
  }

  /** A session that nobody finds: it is entered when it comes here. */
  prepare(init: Omit<SessionInit, 'ledger'>, onLaneLost: (session: Session) => void): Session {
    return new Session({ ...init, ledger: this.#ledger }, this.#settings, onLaneLost)
  }

  /** From here on it is one of them. */
  enter(session: Session): Session {
    const { id, clientKey, serverName } = session
    this.#byId.set(id, session)
    this.#countByClient.set(clientKey, (this.#countByClient.get(clientKey) ?? 0) + 1)
    this.#countByServer.set(serverName, this.countOf(serverName) + 1)
    return session
  }

  /** The session of this id, whoever asks; `find` is for what clients ask. */
  get(id: string): Session | undefined {
    return this.#byId.get(id)
  }

  /**
   * The session, if this principal opened it at this face of this server. Any other principal gets the same 404
   * as for nothing, and so does the other face, where an answer would go to a stream that nobody reads.
   */
  find(id: string, principalId: string, serverName: string, face: Endpoint): Session {
    const session = this.#byId.get(id)
    if (
      !session ||
      session.principalId !== principalId ||
      session.serverName !== serverName ||
      session.endpoint !== face
    )
      throw new GatewayError(
        'SESSION_UNKNOWN',
        `The session does not exist or has ended${this.isAlone ? ', or another replica has begun it: only mcp_proxy.cluster lets them share sessions' : ''}. Send initialize to begin a new one.`,
      )
    session.lastSeenMs = performance.now()
    return session
  }

  close(session: Session, error: GatewayError): void {
    if (!this.#byId.delete(session.id)) return
    this.ended++
    decrement(this.#countByClient, session.clientKey)
    decrement(this.#countByServer, session.serverName)
    session.close(error)
  }

  /** Ends the sessions that this test picks. */
  closeWhere(picks: (session: Session) => boolean, error: GatewayError): void {
    for (const session of [...this.#byId.values()]) if (picks(session)) this.close(session, error)
  }

  /** Ends the standing streams of those that this test picks; where that is all there is, the session with it. */
  endStreamsWhere(picks: (session: Session) => boolean, error: GatewayError): void {
    for (const session of this.#byId.values()) {
      if (!picks(session)) continue
      if (session.endpoint === 'sse') this.close(session, error)
      else session.streams.endStanding()
    }
  }

  sweep(nowMs: number): void {
    const { sessionIdleMs, sessionAbsoluteMs } = this.#settings
    for (const session of this.#byId.values()) {
      const idle = !session.busy && nowMs - session.lastSeenMs > sessionIdleMs
      const old = sessionAbsoluteMs > 0 && nowMs - session.createdAtMs > sessionAbsoluteMs
      if (idle || old)
        this.close(
          session,
          new GatewayError(
            'SESSION_UNKNOWN',
            idle ? 'the session was idle' : 'the session reached its age limit',
          ),
        )
      else session.sweep(nowMs)
    }
  }
}

function decrement(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 1) - 1
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
