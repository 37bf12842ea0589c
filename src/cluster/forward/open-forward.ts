/**
 * The door of forwarding: sessions and lanes of stateless clients get owners, requests go to them, and what a dead
 * member has owned is taken over. Loaded only where there is more than one process.
 */
import { errorCode, systemReason } from '../../errors.ts'
import { type Readmission, requireAdmitted } from '../../http/context.ts'
import type { Access } from '../../http/hooks/access.ts'
import type { AccessRecorder } from '../../http/hooks/access-log.ts'
import type { Asked, Elsewhere } from '../../http/routes/elsewhere.ts'
import { isGroup, type McpParts } from '../../http/routes/mcp.ts'
import { messageHandler, sseHandler } from '../../http/routes/sse.ts'
import { streamHandler } from '../../http/routes/stream.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { Directory } from '../directory/directory.ts'
import type { Membership, PingAnswer } from '../membership.ts'
import type { Seal } from '../seal.ts'
import { Adoption } from './adoption.ts'
import { ComingSessions } from './coming-sessions.ts'
import { drain } from './drain.ts'
import { Forwarding, statePrefixOf } from './forwarding.ts'
import { HandedSessions } from './handed-sessions.ts'
import { LostMembers } from './lost-members.ts'
import { MisplacedConnections } from './misplaced-connections.ts'
import { OwnedLanes } from './owned-lanes.ts'
import { OwnedSessions } from './owned-sessions.ts'
import { OwnerSearch } from './owner-search.ts'
import { Forwarder, type Peer } from './wire/forwarder.ts'
import {
  comingTarget,
  handedTarget,
  InternalListener,
  type InternalListenerParts,
} from './wire/internal-listener.ts'
import { PeerWire } from './wire/peer-wire.ts'
import { type Identities, Principals } from './wire/principals.ts'
import { ownBearer, Signer } from './wire/signer.ts'

/** What forwarding takes of the cluster. */
export interface ForwardCore {
  readonly membership: Membership
  readonly directory: Directory
  readonly seal: Seal
  /** For `/metrics`. */
  readonly counts: { takeovers: number; forwarded(address: string, outcome: string): void }
}

/** What forwarding takes of the gateway. */
export interface ForwardParts {
  readonly mcp: McpParts
  readonly access: Pick<Access, 'version' | 'identity'> & Readmission
  readonly recorder: AccessRecorder
  readonly identities: Identities
  /** Those in force. */
  readonly bounds: { readonly sessionIdleMs: number; readonly laneIdleMs: number }
}

export interface Forward {
  /** Who listens at the address of a member. */
  ping(address: string): Promise<PingAnswer>
  /** Hands over what can be, while it goes on serving; until `untilMs` (monotonic) at most. */
  drain(untilMs: number): Promise<void>
  close(): Promise<void>
}

/** How much longer the directory remembers a session than its owner keeps it. */
const rememberedMs = 60_000
/** How often what is owned is told to the directory. */
const refreshMs = 10_000

/** Throws an Error of one clear sentence when the address of this member cannot be listened at. */
export function openForward(core: ForwardCore, parts: ForwardParts): Forward {
  const { membership, directory, seal, counts } = core
  const { mcp, bounds } = parts
  const wire = new PeerWire(seal)
  const { instance } = membership.self
  const livesMs = (): number => bounds.sessionIdleMs + rememberedMs
  const search = new OwnerSearch(membership, directory)
  const owned = new OwnedSessions({
    ...{ instance, membership, directory, seal, livesMs },
    sessions: mcp.sessions,
    log: mcp.log,
    moved: (key, owner) => search.moved(key, owner),
  })
  // Workers: one machine, one port.
  const areWorkers = membership.self.address.startsWith('unix:')
  const idleMs = (): number => bounds.laneIdleMs
  const lanes = new OwnedLanes({ membership, directory, seal, spreads: areWorkers, idleMs })
  const handed = new HandedSessions()
  const coming = new ComingSessions(mcp, seal)
  const adoption = new Adoption({ membership, directory, seal, owned, handed, coming, mcp, livesMs, counts })
  const forwarder = new Forwarder(wire, new Signer(membership, seal))
  const elsewhere = new Forwarding({
    ...{ membership, seal, owned, lanes, adoption, search, forwarder },
    sessions: mcp.sessions,
    misplaced: areWorkers ? new MisplacedConnections() : null,
    counted: (peer, outcome) => counts.forwarded(peer, outcome),
  })
  mcp.sessions.isAlone = false
  mcp.sessions.newId = (init) => elsewhere.newId(init)
  mcp.requests.statePrefix = statePrefixOf(instance)
  mcp.elsewhere = awaitingRoom(elsewhere)
  const { address } = membership.self
  const listener = listening({
    address,
    ...{ instance, seal },
    nowMs: () => membership.nowMs(),
    principals: new Principals(parts.identities),
    handlers: { stream: streamHandler(mcp), sse: sseHandler(mcp), message: messageHandler(mcp) },
    access: parts.access,
    recorder: parts.recorder,
    log: mcp.log,
    bodyBytesMax: () => mcp.bodyBytesMax,
    takeHanded: (text) => handed.put(text),
    prepareComing: (text) => coming.prepare(text),
  })
  const refresh = async (): Promise<void> => {
    await Promise.all([owned.refresh(), lanes.refresh()])
  }
  const lost = new LostMembers({ membership, forwarder, wire, log: mcp.log })
  membership.listen({
    lapsed: refresh,
    forgotten: refresh,
    beaten: () => lost.look(),
  })
  const timer = setInterval(() => void refresh().catch(() => {}), refreshMs)
  timer.unref()
  return {
    ping: (address) => wire.ping(address),
    drain(untilMs) {
      const give = (peer: Peer, text: string) => tellPeer(peer, handedTarget, text, forwarder)
      const prepare = (peer: Peer, text: string) => tellPeer(peer, comingTarget, text, forwarder)
      const lastAskedMs = () => listener.lastServedMs
      const held = { membership, directory, owned, lanes, forwarder }
      const endsHere = ({ serverName }: Session): boolean =>
        (mcp.servers.get(serverName) ?? mcp.groups.group(serverName))?.definition.onOwnerLoss === 'end'
      return drain({ ...held, log: mcp.log, livesMs, endsHere, give, prepare, lastAskedMs }, untilMs)
    },
    async close() {
      clearInterval(timer)
      coming.close()
      await listener.close()
      wire.close()
    },
  }
}

function listening(parts: InternalListenerParts): InternalListener {
  try {
    return new InternalListener(parts)
  } catch (thrown) {
    const { address } = parts
    if (address.startsWith('unix:')) throw thrown
    throw new Error(
      `cluster.advertise is ${address}, ${faults.get(errorCode(thrown)) ?? `where this replica cannot listen (${systemReason(thrown)}): it must be a name or an address of this machine`}`,
    )
  }
}

/** What a person can do, by the code of the system. */
const faults: ReadonlyMap<string | undefined, string> = new Map([
  ['EADDRINUSE', 'and its port is taken there: by another gateway, or another program; choose another port'],
  [
    'EADDRNOTAVAIL',
    'which is no address of this machine; it must be that of this replica, such as ${POD_IP}:6002',
  ],
  ['EINPROGRESS', 'a name that this machine cannot find: correct it, or how names are found here'],
  ['EACCES', 'where it is not allowed to listen: ports below 1024 need a privilege'],
])

/** How long another member may take: to keep what it is told, or to prepare for it. */
const toldMs = { [handedTarget]: 5_000, [comingTarget]: 10_000 } as const

async function tellPeer(
  peer: Peer,
  target: keyof typeof toldMs,
  text: string,
  forwarder: Forwarder,
): Promise<boolean> {
  const request = { method: 'POST', target, sessionId: null, headers: new Headers() }
  const client = { signal: AbortSignal.timeout(toldMs[target]) }
  const outgoing = { ...request, body: text, idText: null, client, bearer: ownBearer }
  const sent = await forwarder.send(peer, outgoing)
  if (sent.kind !== 'answered') return false
  await sent.response.body?.cancel()
  return sent.response.status === 204
}

/**
 * The same as `inner`, which decides where a request is served; what is served here waits while all members together
 * have room for it and this one has not yet. Whoever has waited goes on only when still let in.
 */
export function awaitingRoom(inner: Elsewhere): Elsewhere {
  return {
    opened: (session) => inner.opened(session),
    answer(asked) {
      const answering = inner.answer(asked)
      const room = answering === null ? roomFor(asked) : null
      return answering === null && room === null ? null : waited(asked, answering, room)
    },
  }
}

async function waited(
  asked: Asked,
  answering: Promise<Response | null> | null,
  room: Promise<void> | null,
): Promise<Response | null> {
  const answer = answering && (await answering)
  if (answer !== null) return answer
  await (room ?? roomFor(asked))
  requireAdmitted(asked.context)
  return null
}

/** Null, nearly always. Which member of a group is asked is not known here: its session waits by itself. */
function roomFor({ inbound, target }: Asked): Promise<void> | null {
  return inbound?.message?.kind !== 'request' || isGroup(target) ? null : target.counters.room
}
