/**
 * How a member goes without its clients noticing: it goes on serving while it hands its sessions over, those first that
 * nobody is busy with, and is gone when nothing is left or its time is up.
 *
 * A session is handed over in an order in which it always has one owner: whoever asks for it waits; its streams go to
 * the new owner; the directory is told; it ends here. Where that breaks off before the directory was told, it stays.
 */
import { reasonOf } from '../../errors.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Directory, InstanceId } from '../directory/directory.ts'
import type { LivingMember, Membership } from '../membership.ts'
import type { Seal } from '../seal.ts'
import type { OwnedLanes } from './owned-lanes.ts'
import type { OwnedSessions } from './owned-sessions.ts'
import type { Forwarder, Peer } from './wire/forwarder.ts'

export interface DrainParts {
  readonly membership: Membership
  readonly directory: Directory
  readonly seal: Seal
  readonly owned: OwnedSessions
  readonly lanes: OwnedLanes
  readonly forwarder: Forwarder
  readonly log: Log
  livesMs(): number
  /** When another member has brought a request last, monotonic. */
  lastAskedMs(): number
  /** Whether nobody goes on with a session that this member leaves (`onOwnerLoss: end`): it stays to the last. */
  endsHere(session: Session): boolean
  /** Gives the streams of a session to another member, as JSON text; false where it has not taken them. */
  give(peer: Peer, text: string): Promise<boolean>
}

/** The door stays open for so long at least: whoever keeps connections has been told on each of them by then. */
const servingMs = 2_000
const lookMs = 50
/** Other members know where everything is once they have asked here for nothing for so long. */
const quietMs = 300
/** How long nothing more is let in to a session before it goes: what its server has said is on its way. */
const settlingMs = 50
/** So many are handed over at a time. */
const handedAtOnce = 128

/** Hands over what can be, until `untilMs` (monotonic). Resolves when nothing here is needed any more. */
export async function drain(parts: DrainParts, untilMs: number): Promise<void> {
  const { membership, owned, lanes, forwarder, log, endsHere } = parts
  const stayMs = Math.min(untilMs, performance.now() + servingMs)
  await membership.drain().catch(() => {})
  await lanes.release()
  for (;;) {
    await handOverIdle(parts, untilMs)
    const isQuiet = performance.now() - parts.lastAskedMs() >= quietMs
    const idle = owned.idle()
    const isIdle = idle.length === owned.count && forwarder.callsUnderWay === 0
    const isHandedOver = idle.every(endsHere) || othersIn(membership).length === 0
    const isDone = isIdle && isHandedOver && isQuiet && performance.now() >= stayMs
    if (isDone || performance.now() >= untilMs) break
    await Bun.sleep(lookMs)
  }
  owned.leaves = true
  forwarder.leave()
  const unmoved = owned.count - owned.idle().filter(endsHere).length
  const left = { sessions: unmoved, forwarded: forwarder.callsUnderWay }
  if (unmoved > 0 || forwarder.callsUnderWay > 0) log.info(left, 'the time to hand over is up')
}

async function handOverIdle(parts: DrainParts, untilMs: number): Promise<void> {
  const waiting = parts.owned.idle().filter((session) => !parts.endsHere(session))
  const next = async (): Promise<void> => {
    for (let session = waiting.pop(); session !== undefined; session = waiting.pop()) {
      const peer = successorOf(session, parts.membership)
      if (peer === null || performance.now() >= untilMs) return
      await handOver(parts, session, peer)
    }
  }
  await Promise.all(Array.from({ length: handedAtOnce }, next))
}

/** Those that go on serving; the last one of all has nobody to hand over to. */
function othersIn(membership: Membership): LivingMember[] {
  return membership
    .members()
    .filter(({ instance, state }) => state === 'serving' && instance !== membership.self.instance)
}

/** The member that goes on with a session: the same for whoever works it out (rendezvous hashing). */
function successorOf({ id }: Session, membership: Membership): LivingMember | null {
  let best: { weight: bigint; member: LivingMember } | null = null
  for (const member of othersIn(membership)) {
    const weight = BigInt(Bun.hash(`${id} ${member.instance}`))
    if (best === null || weight > best.weight) best = { weight, member }
  }
  return best?.member ?? null
}

async function handOver(parts: DrainParts, session: Session, peer: Peer): Promise<void> {
  const { owned, directory, seal, membership, log, give, livesMs } = parts
  const { instance: self } = membership.self
  try {
    await owned.moveAway(session.id, async ({ key, epoch, record }): Promise<InstanceId | null> => {
      // What its server has said before the last answer may come a moment later, on another stream.
      await Bun.sleep(settlingMs)
      if (session.calls > 0) return null
      const streams = session.streams.handOver()
      if (!(await give(peer, JSON.stringify({ id: session.id, streams })))) return null
      // Its server has said something meanwhile, which the new owner would not know.
      if (session.calls > 0 || !Bun.deepEquals(session.streams.handOver(), streams)) return null
      const claim = { instance: peer.instance, record: seal.seal('owned', key, record), livesMs: livesMs() }
      const moved = await directory.adopt(key, { owner: self, epoch }, claim, true)
      if (moved?.owner === peer.instance && !Bun.deepEquals(session.streams.handOver(), streams))
        await give(peer, JSON.stringify({ id: session.id, streams: session.streams.handOver() }))
      return moved?.owner ?? null
    })
  } catch (thrown) {
    log.debug({ reason: reasonOf(thrown) }, 'a session could not be handed over yet')
  }
}
