/**
 * Decides for each request whether it is served here, and passes it on to its owner where it is not.
 *
 * | request | owner |
 * | --- | --- |
 * | of a session | whoever its id names, or has it by the directory |
 * | `/message` of an older session | whoever its id names: it ends with that member |
 * | that comes back to a parked call | whoever its `requestState` names |
 * | of a stateless client, at a server with sessions | the member that has the lane of its principal there, unless the definition says `affinity: none` |
 * | anything else | this member |
 */

import type { Asked, Elsewhere } from '../../http/routes/elsewhere.ts'
import { definitionOf, isGroup, noteMessage, requestIdText, sessionKeyOf } from '../../http/routes/mcp.ts'
import { claimsModern } from '../../protocol/classify.ts'
import { isObject } from '../../protocol/json.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { Sessions } from '../../session/legacy/sessions.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { InstanceId, OwnedKey } from '../directory/directory.ts'
import type { Membership } from '../membership.ts'
import type { Seal } from '../seal.ts'
import type { Adoption } from './adoption.ts'
import type { MisplacedConnections } from './misplaced-connections.ts'
import type { OwnedLanes } from './owned-lanes.ts'
import { type OwnedSessions, sessionKey } from './owned-sessions.ts'
import type { OwnedThing, OwnerSearch } from './owner-search.ts'
import { instanceIn, isGenuine, mintSessionId, type SessionBinding } from './session-ids.ts'
import { ownerHeader } from './wire/forwarded-header.ts'
import { type Forwarded, type Forwarder, ownerLostError, type Peer } from './wire/forwarder.ts'
import { toWire } from './wire/principals.ts'

export interface ForwardingParts {
  readonly membership: Membership
  readonly seal: Seal
  readonly sessions: Sessions
  readonly owned: OwnedSessions
  readonly lanes: OwnedLanes
  readonly adoption: Adoption
  readonly search: OwnerSearch
  readonly forwarder: Forwarder
  /** Null where others than the kernel deal connections out, who would not do it better the next time. */
  readonly misplaced: MisplacedConnections | null
  /** Notes what became of a request that was passed on. */
  counted(address: string, outcome: ForwardOutcome): void
}

/** What became of a request that was passed on to another member. */
export type ForwardOutcome = Forwarded['kind']

/** What the state of a parked call begins with, before the name of its owner. */
const statePrefix = 'c1.'
const stateForm = /^c1\.([A-Za-z0-9_-]{1,64})\./

/** Of the ids of others, so many are remembered. */
const genuineMax = 10_000

/** What stands before the states of calls that are parked here. */
export function statePrefixOf(instance: InstanceId): string {
  return `${statePrefix}${instance}.`
}

export class Forwarding implements Elsewhere {
  readonly #parts: ForwardingParts
  readonly #self: InstanceId
  /** Ids whose codes were looked at, with what they are good for. */
  readonly #genuine = new Map<string, SessionBinding & { readonly key: OwnedKey }>()

  constructor(parts: ForwardingParts) {
    this.#parts = parts
    this.#self = parts.membership.self.instance
  }

  /** The id of a session that begins here. */
  newId(binding: SessionBinding): string {
    return mintSessionId(this.#self, binding, this.#idCodes)
  }

  opened(session: Session): Promise<void> {
    return session.endpoint === 'stream' ? this.#parts.owned.opened(session) : Promise.resolve()
  }

  answer(asked: Asked): Promise<Response | null> | null {
    const { request, context, sessionId, endpoint, inbound } = asked
    // An admin who tries a server out is known here alone.
    if (context.area !== 'mcp') return null
    if (endpoint === 'stream' && claimsModern(request.headers)) return this.#stateless(asked)
    // Of the older endpoint the session is there before its client says hello.
    if (endpoint === 'stream' && inbound?.message?.method === 'initialize') return this.#begun(asked)
    if (sessionId === null) return null
    // Nearly always: the session is here, and nothing is in doubt.
    const { sessions, membership, owned } = this.#parts
    if (
      sessions.get(sessionId) !== undefined &&
      membership.unsettled === null &&
      !owned.isMoving(sessionId, inbound?.message?.kind)
    ) {
      if (inbound?.message != null) owned.noted(sessionId, inbound.message)
      this.#parts.misplaced?.served(context)
      return null
    }
    const owner = instanceIn(sessionId)
    if (owner === null || !this.#isGenuine(sessionId, asked)) return null
    if (endpoint === 'sse') return this.#atOnly(owner, asked)
    return this.#atOwner(this.#sessionThing(sessionId, owner, asked), asked)
  }

  /** A new session: here, unless its server has one process for everybody, or this member is on its way out. */
  #begun(asked: Asked): Promise<Response | null> | null {
    const { membership, search, lanes } = this.#parts
    const { target } = asked
    // All of its clients share one process, wherever they come to.
    if (!isGroup(target) && target.definition.isolation === 'shared')
      return this.#atOwner(this.#laneThing(lanes.keyOf(target.name, null)), asked)
    if (membership.state !== 'draining') return null
    if (asked.context.forwardedBy !== undefined) return null
    const others = membership.members().filter(({ state }) => state === 'serving')
    return search.any(others, (peer) => this.#send(peer, asked))
  }

  #isGenuine(id: string, { context, target, endpoint }: Asked): boolean {
    if (this.#parts.sessions.get(id) !== undefined) return true
    const [principalId, serverName] = [context.principal.id, sessionKeyOf(target)]
    const known = this.#genuine.get(id)
    if (known?.principalId === principalId && known.serverName === serverName && known.endpoint === endpoint)
      return true
    const binding = { principalId, serverName, endpoint }
    if (!isGenuine(id, binding, this.#idCodes)) return false
    if (this.#genuine.size >= genuineMax) this.#genuine.clear()
    this.#genuine.set(id, { ...binding, key: sessionKey(id) })
    return true
  }

  readonly #idCodes = (text: string): readonly string[] => this.#parts.seal.macs('session id', text)

  #sessionThing(id: string, first: InstanceId, asked: Asked): OwnedThing {
    const { owned, adoption } = this.#parts
    return {
      key: this.#genuine.get(id)?.key ?? sessionKey(id),
      first,
      async here() {
        const isHere = await owned.mayServe(id)
        if (isHere && asked.inbound?.message != null) owned.noted(id, asked.inbound.message)
        return isHere
      },
      takeOver: (found) =>
        found === null || owned.hasEnded(id) ? Promise.resolve(null) : adoption.adopt(id, found, asked),
    }
  }

  #stateless(asked: Asked): Promise<Response | null> | null {
    const { target, context, inbound } = asked
    const parkedAt = parkingOwner(inbound?.body)
    if (parkedAt !== null) return parkedAt === this.#self ? null : this.#atOnly(parkedAt, asked)
    if (definitionOf(target).affinity === 'none' || (!isGroup(target) && standsAlone(target))) return null
    const isShared = !isGroup(target) && target.definition.isolation === 'shared'
    const { lanes, misplaced } = this.#parts
    const key = lanes.keyOf(sessionKeyOf(target), isShared ? null : context.principal.id)
    if (lanes.has(key)) {
      misplaced?.served(context)
      return null
    }
    return this.#atOwner(this.#laneThing(key), asked)
  }

  #laneThing(key: OwnedKey): OwnedThing {
    const { lanes } = this.#parts
    return {
      key,
      first: lanes.first(key),
      here: () => lanes.mayServe(key),
      takeOver: (found) => (found === null ? lanes.claim(key) : lanes.adopt(key, found)),
    }
  }

  async #atOwner(thing: OwnedThing, asked: Asked): Promise<Response | null> {
    const { search, misplaced } = this.#parts
    if (asked.context.forwardedBy !== undefined) {
      const owner = await search.ownerOf(thing)
      return owner === 'here' ? null : misdirected(owner)
    }
    const found = await search.find(thing, (peer) => this.#send(peer, asked))
    if (!(found instanceof Response)) {
      misplaced?.served(asked.context)
      return null
    }
    return this.#passedOn(asked, thing.key, found)
  }

  /** What only one member can serve; where that is gone, the refusal is this member's. */
  async #atOnly(owner: InstanceId, asked: Asked): Promise<Response | null> {
    if (owner === this.#self || asked.context.forwardedBy !== undefined) return null
    const answer = await this.#parts.search.only(owner, (peer) => this.#send(peer, asked))
    const { sessionId } = asked
    return answer === null || sessionId === null ? answer : this.#passedOn(asked, sessionId, answer)
  }

  /** Has the client come by another connection the next time, where this one is at the wrong worker for good. */
  #passedOn({ inbound, context }: Asked, owned: string, answer: Response): Response {
    if (inbound !== null && this.#parts.misplaced?.passedOn(context, owned) === true)
      answer.headers.set('connection', 'close')
    return answer
  }

  async #send(peer: Peer, asked: Asked): Promise<Forwarded> {
    const { forwarder, counted } = this.#parts
    const { request, context, sessionId, inbound } = asked
    const { principal, peer: from, client, externalBase: base, requestId } = context
    const { method } = request
    const target = request.url.slice(request.url.indexOf('/', 'http://'.length))
    const body = inbound?.text ?? null
    const bearer = { principal: toWire(principal), peer: from, client, base, requestId }
    const idText = inbound === null ? null : requestIdText(inbound)
    const { headers } = request
    const outgoing = { method, target, sessionId, headers, body, idText, client: request, bearer }
    const sent = await forwarder.send(peer, outgoing)
    counted(peer.address, sent.kind)
    // Its owner has the line that says the rest, under the same id.
    if (sent.kind === 'answered') context.log.pair = 'forwarded'
    if (sent.kind !== 'lost') return sent
    // Opening a stream and ending a session change nothing when they come twice.
    if (method !== 'POST') return { kind: 'unsent' }
    // What may have run is answered, not refused, and its owner writes no line any more.
    if (inbound !== null) {
      inbound.accepted = true
      noteMessage(context, inbound)
    }
    throw ownerLostError()
  }
}

/** Refuses what belongs to another member, before anything was done for it. */
function misdirected(owner: InstanceId | null): Response {
  return new Response(null, { status: 421, headers: { [ownerHeader]: owner ?? '' } })
}

/** Whether each request to this server says all that it needs, so that any member will do: but a task is where it began. */
function standsAlone({ facts, definition }: Server): boolean {
  return facts?.era === 'modern' && !(definition.transport === 'stdio' && 'tasks' in facts.capabilities)
}

function parkingOwner(body: unknown): InstanceId | null {
  const params = isObject(body) ? body['params'] : null
  const state = isObject(params) ? params['requestState'] : null
  return typeof state === 'string' ? (stateForm.exec(state)?.[1] ?? null) : null
}
