/**
 * Sessions that another member is about to hand over: they get their process of the server here, while their owner goes
 * on serving them. Then nobody waits for its start when they come. Bounded in number
 * and in time: what does not come is let go of, and a session that was not prepared comes all the same.
 */
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { GatewayError, reasonOf } from '../../errors.ts'
import type { McpParts } from '../../http/routes/mcp.ts'
import { jsonIn } from '../../protocol/json.ts'
import { scanMessage } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import { beginSession } from '../../session/legacy/initialize.ts'
import { keepLane, leaseLane } from '../../session/legacy/lane-lease.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { Seal } from '../seal.ts'
import { saidWire } from '../wire-version.ts'
import { sessionKey } from './owned-sessions.ts'
import { readRecord, type SessionRecord } from './session-record.ts'

/** A session, and its record as it stands in the directory. */
const coming = Type.Object({ wire: saidWire, id: Type.String(), record: Type.String() })

/** So many are prepared at a time, or are there and have not come yet. */
const comingMax = 500
/** One that has not come by then is let go of: its process would run for nobody. */
const waitedForMs = 60_000

interface Prepared {
  readonly session: Session
  readonly expiry: ReturnType<typeof setTimeout>
}

export class ComingSessions {
  readonly #mcp: McpParts
  readonly #seal: Seal
  readonly #byId = new Map<string, Prepared>()

  constructor(mcp: McpParts, seal: Seal) {
    this.#mcp = mcp
    this.#seal = seal
  }

  /** Prepares one; false where that cannot be done. Resolves when its connection is there. */
  async prepare(text: string): Promise<boolean> {
    const record = this.#recordIn(text)
    if (record === null || this.#byId.has(record.id) || this.#byId.size >= comingMax) return false
    const { servers, sessions, log } = this.#mcp
    const server = servers.get(record.serverName)
    const message = scanMessage(record.initialize)
    if (server === undefined || message === null || sessions.get(record.id) !== undefined) return false
    // An HTTP server goes on with the session that it has given, which its owner uses until it comes; and it shows with
    // the first request what a group, or a server for each user, connects to.
    if (server.definition.transport !== 'stdio' || server.perOwner) return false
    const { id, principalId, clientKey, serverName, headers } = record
    const init = { id, principalId, clientKey, serverName, owner: null, endpoint: 'stream' as const }
    const session = sessions.prepare(init, (lost) => void keepLane(servers, lost))
    const expiry = setTimeout(() => this.#letGo(id), waitedForMs)
    expiry.unref()
    this.#byId.set(id, { session, expiry })
    session.headers = headers ?? undefined
    try {
      beginSession(session, message, parsed(record.initialize))
      session.state = 'open'
      await leaseLane(servers, session, true)
      return true
    } catch (thrown) {
      log.debug({ mcp: serverName, reason: reasonOf(thrown) }, 'a session could not be prepared')
      this.#letGo(id)
      return false
    }
  }

  /** The prepared session, once; null where there is none. */
  take(id: string): Session | null {
    const prepared = this.#byId.get(id)
    if (prepared === undefined) return null
    this.#byId.delete(id)
    clearTimeout(prepared.expiry)
    return prepared.session.state === 'closed' ? null : prepared.session
  }

  close(): void {
    for (const id of [...this.#byId.keys()]) this.#letGo(id)
  }

  #letGo(id: string): void {
    this.take(id)?.close(new GatewayError('SESSION_UNKNOWN', 'The session did not come.'))
  }

  #recordIn(text: string): SessionRecord | null {
    const value = jsonIn(text)
    if (!Value.Check(coming, value)) return null
    return readRecord(this.#seal.open('owned', sessionKey(value.id), value.record), value.id)
  }
}
