/**
 * Takes over the session of a member that is dead: the same id and the same `initialize`, on a new connection to the
 * server, as when a process dies beneath a session. What its client had asked for (log level, subscriptions) is asked
 * for again. What the server held in memory is lost, and so is what was under way: it is not run again.
 */
import { reasonOf, shownError } from '../../errors.ts'
import type { Asked } from '../../http/routes/elsewhere.ts'
import {
  answererOf,
  definitionOf,
  isGroup,
  type McpParts,
  ownerAt,
  sendTo,
  sessionKeyOf,
  waysOf,
} from '../../http/routes/mcp.ts'
import { type MessageText, rpcRequest, scanMessage } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import { Exchange } from '../../session/legacy/exchange.ts'
import { beginSession } from '../../session/legacy/initialize.ts'
import { keepLane } from '../../session/legacy/lane-lease.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { Directory, InstanceId, Ownership } from '../directory/directory.ts'
import type { Membership } from '../membership.ts'
import type { Seal } from '../seal.ts'
import type { ComingSessions } from './coming-sessions.ts'
import type { HandedSessions } from './handed-sessions.ts'
import { type OwnedSessions, sessionKey } from './owned-sessions.ts'
import { readRecord, type SessionRecord, SessionWishes } from './session-record.ts'

export interface AdoptionParts {
  readonly membership: Pick<Membership, 'self' | 'leaseGoesOn'>
  readonly directory: Directory
  readonly seal: Seal
  readonly owned: OwnedSessions
  readonly handed: HandedSessions
  readonly coming: ComingSessions
  readonly mcp: McpParts
  livesMs(): number
  /** Where it is counted what was taken over. */
  readonly counts: { takeovers: number }
}

export class Adoption {
  readonly #parts: AdoptionParts
  /** By id: whoever asks meanwhile waits for the same. */
  readonly #running = new Map<string, Promise<InstanceId | null>>()

  constructor(parts: AdoptionParts) {
    this.#parts = parts
  }

  /** Answers whose the session is then; null where nobody can go on with it. Rejects with a DirectoryDown. */
  adopt(id: string, found: Ownership, asked: Asked): Promise<InstanceId | null> {
    const running = this.#running.get(id)
    if (running !== undefined) return running
    const adopted = this.#adopt(id, found, asked).finally(() => this.#running.delete(id))
    this.#running.set(id, adopted)
    return adopted
  }

  async #adopt(id: string, found: Ownership, asked: Asked): Promise<InstanceId | null> {
    const { directory, membership, seal, livesMs, mcp, counts } = this.#parts
    const { instance } = membership.self
    // Somebody who asked at the same time was faster.
    if (mcp.sessions.get(id) !== undefined) return instance
    const key = sessionKey(id)
    const record = readRecord(seal.open('owned', key, found.record), id)
    const { principal } = asked.context
    // Its id has said so already; what stands in the directory is held to it.
    if (record === null || record.principalId !== principal.id) return null
    if (record.serverName !== sessionKeyOf(asked.target)) return null
    const given = found.owner === instance
    if (!given && definitionOf(asked.target).onOwnerLoss === 'end') {
      // What its server held in memory is lost, and its client is to know that.
      await directory.release(key, found)
      return null
    }
    const claim = { instance, record: found.record, livesMs: livesMs() }
    // Where its lease is the proof, the directory looks once more: it may be back.
    const proven = membership.leaseGoesOn(found.owner)
    const adopted = given ? { ...found, mine: true } : await directory.adopt(key, found, claim, proven)
    if (adopted === null || !adopted.mine) return adopted?.owner ?? null
    const session = this.#restored(record, adopted.epoch, asked)
    if (session === null) return null
    if (!given) counts.takeovers++
    mcp.log.info({ mcp: record.serverName, session: session.shortHash, given }, 'a session was taken over')
    return instance
  }

  #restored(record: SessionRecord, epoch: number, asked: Asked): Session | null {
    const { mcp, owned } = this.#parts
    const { target, request, context } = asked
    const { id, principalId, clientKey, serverName, headers } = record
    const message = scanMessage(record.initialize)
    if (message === null) return null
    const owner = ownerAt(target, context.principal)
    const init = { id, principalId, clientKey, serverName, owner, endpoint: 'stream' as const }
    const prepared = this.#parts.coming.take(id)
    const session =
      prepared === null
        ? mcp.sessions.takeOver(init, (lost) => void keepLane(mcp.servers, lost))
        : mcp.sessions.enter(prepared)
    session.grants = context.principal.grants
    session.headers = headers ?? undefined
    session.resumes = record.upstream ?? null
    const streams = this.#parts.handed.take(id)
    if (streams === null) session.streams.beginAnew(epoch)
    else session.streams.takeOver(streams)
    const body = parsed(record.initialize)
    try {
      if (isGroup(target)) target.initialize(session, message, body, waysOf(mcp, request, context))
      else if (prepared === null) {
        beginSession(session, message, body)
        session.state = 'open'
      }
    } catch (thrown) {
      mcp.sessions.close(session, shownError(thrown))
      mcp.log.warn({ mcp: serverName, reason: reasonOf(thrown) }, 'a session could not be taken over')
      return null
    }
    const wishes = new SessionWishes(record)
    owned.adopted(session, epoch, wishes)
    this.#ask(session, wishes, asked)
    return session
  }

  /** Asks again for what the client had asked for; the last of these has the server connected where there is nothing. */
  #ask(session: Session, { level, uris }: SessionWishes, { target, request, context }: Asked): void {
    const asks = [...uris].map((uri) => rpcRequest('resources/subscribe', JSON.stringify({ uri })))
    if (level !== null) asks.push(rpcRequest('logging/setLevel', JSON.stringify({ level })))
    if (asks.length === 0) asks.push(rpcRequest('ping', null))
    for (const text of asks) {
      const message = scanMessage(text)
      if (message === null) continue
      const exchange = new OwnExchange(session, target, message)
      sendTo(this.#parts.mcp, target, session, exchange, request, context)
    }
  }
}

/** No client has this id, so that none can cancel what it did not send. */
const ownIdText = 'null'

/** A request whose answer is for nobody. */
class OwnExchange extends Exchange {
  readonly carriesMessages = false

  constructor(session: Session, target: Asked['target'], message: MessageText) {
    super(session, answererOf(target), message, ownIdText)
  }

  deliver(text: string): void {
    this.client.streams.sendStanding(text)
  }

  protected finish(): void {}
}
