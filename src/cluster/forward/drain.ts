/**
 * How a member goes without its clients noticing: it goes on serving while it hands its sessions over, each when it is at
 * rest, and is gone when nothing is left or its time is up.
 *
 * First the other member gets what the session needs, which may take the start of a process: it is served here
 * meanwhile. Then it is handed over in an order in which it always has one owner: whoever asks for it waits; its streams go to
 * the new owner; the directory is told; it ends here. Where that breaks off before the directory was told, it stays.
 */
import { reasonOf } from '../../errors.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { HandedStreams } from '../../session/legacy/streams.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Directory, InstanceId } from '../directory/directory.ts'
import type { LivingMember } from '../member-record.ts'
import type { Membership } from '../membership.ts'
import { wireVersion } from '../wire-version.ts'
import type { OwnedLanes } from './owned-lanes.ts'
import type { OwnedSessions } from './owned-sessions.ts'
import { rendezvous } from './rendezvous.ts'
import type { Forwarder, Peer } from './wire/forwarder.ts'

export interface DrainParts {
  readonly membership: Membership
  readonly directory: Directory
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
  /** Has another member prepare a session, as JSON text; false where it has not. */
  prepare(peer: Peer, text: string): Promise<boolean>
}

/** The door stays open for so long at least: whoever keeps connections has been told on each of them by then. */
const servingMs = 2_000
const lookMs = 50
/** Other members know where everything is once they have asked here for nothing for so long. */
const quietMs = 300
/**
 * What its server has said before the last answer may come later, on another stream: a session goes when so long
 * nothing was asked. One that never rests by itself is given a rest, so long after its last call, while whoever asks
 * waits: no longer than that takes, or until it is tried again.
 */
const restingMs = 200
const restWaitedForMs = 1_000
const settlingMs = 50
const lastCallMs = 300
const lastCallLookMs = 5
/** So many are handed over at a time. */
const handedAtOnce = 128
/** So many are prepared at a time: processes that start at once take longer, and calls wait for a processor with them. */
const preparedAtOnce = 4
/** Of the time there is, the part in which sessions are prepared; what is left then goes as it is. */
const preparingShare = 0.6

/** Hands over what can be, until `untilMs` (monotonic). Resolves when nothing here is needed any more. */
export async function drain(parts: DrainParts, untilMs: number): Promise<void> {
  const { membership, owned, lanes, forwarder, log, endsHere } = parts
  const stayMs = Math.min(untilMs, performance.now() + servingMs)
  const preparing = new Preparing(parts, untilMs)
  await membership.drain().catch(() => {})
  await lanes.release()
  for (;;) {
    await handOverAll(parts, preparing, untilMs)
    const isQuiet = performance.now() - parts.lastAskedMs() >= quietMs
    const staying = owned.staying()
    const isIdle = staying.every(({ calls }) => calls === 0) && forwarder.callsUnderWay === 0
    const isHandedOver = staying.every(endsHere) || othersIn(membership).length === 0
    const isDone = isIdle && isHandedOver && isQuiet && performance.now() >= stayMs
    if (isDone || performance.now() >= untilMs) break
    await Bun.sleep(lookMs)
  }
  owned.leaves = true
  forwarder.leave()
  const ended = owned.staying().filter((session) => session.calls === 0 && endsHere(session))
  const unmoved = owned.count - ended.length
  const left = { sessions: unmoved, forwarded: forwarder.callsUnderWay }
  if (unmoved > 0 || forwarder.callsUnderWay > 0) log.info(left, 'the time to hand over is up')
}

async function handOverAll(parts: DrainParts, preparing: Preparing, untilMs: number): Promise<void> {
  const waiting = parts.owned.staying().filter((session) => !parts.endsHere(session))
  const next = async (): Promise<void> => {
    for (let session = waiting.pop(); session !== undefined; session = waiting.pop()) {
      const peer = rendezvous(session.id, othersIn(parts.membership))
      if (peer === null || performance.now() >= untilMs) return
      await preparing.prepare(session, peer)
      await handOver(parts, session, peer)
    }
  }
  await Promise.all(Array.from({ length: handedAtOnce }, next))
}

/** Has others prepare sessions, each once, and few at a time. */
class Preparing {
  readonly #parts: DrainParts
  readonly #untilMs: number
  readonly #seen = new WeakSet<Session>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(parts: DrainParts, untilMs: number) {
    this.#parts = parts
    const nowMs = performance.now()
    this.#untilMs = nowMs + (untilMs - nowMs) * preparingShare
  }

  /** Resolves when it is prepared, or need not be any more. Never rejects. */
  async prepare(session: Session, peer: Peer): Promise<void> {
    if (this.#seen.has(session) || performance.now() >= this.#untilMs) return
    this.#seen.add(session)
    if (this.#running >= preparedAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
    try {
      const record = performance.now() < this.#untilMs ? this.#parts.owned.sealedRecord(session.id) : null
      if (record !== null)
        await this.#parts.prepare(peer, JSON.stringify({ wire: wireVersion, id: session.id, record }))
    } catch (thrown) {
      this.#parts.log.debug({ reason: reasonOf(thrown) }, 'a session could not be prepared elsewhere')
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }
}

/** Those that go on serving; the last one of all has nobody to hand over to. */
function othersIn(membership: Membership): LivingMember[] {
  return membership
    .members()
    .filter(({ instance, state }) => state === 'serving' && instance !== membership.self.instance)
}

async function handOver(parts: DrainParts, session: Session, peer: Peer): Promise<void> {
  const { owned, directory, membership, log, give, livesMs } = parts
  const { instance: self } = membership.self
  try {
    const rests = await untilItRests(session)
    await owned.moveAway(session.id, async ({ key, epoch, record }): Promise<InstanceId | null> => {
      if (!rests && !(await isBroughtToRest(session))) return null
      if (session.calls > 0) return null
      const streams = session.streams.handOver()
      const giveStreams = (now: HandedStreams) =>
        give(peer, JSON.stringify({ wire: wireVersion, id: session.id, streams: now }))
      if (!(await giveStreams(streams))) return null
      // Its server has said something meanwhile, which the new owner would not know.
      if (session.calls > 0 || !Bun.deepEquals(session.streams.handOver(), streams)) return null
      const claim = { instance: peer.instance, record, livesMs: livesMs() }
      const moved = await directory.adopt(key, { owner: self, epoch }, claim, true)
      const later = session.streams.handOver()
      if (moved?.owner === peer.instance && !Bun.deepEquals(later, streams)) await giveStreams(later)
      return moved?.owner ?? null
    })
  } catch (thrown) {
    log.debug({ reason: reasonOf(thrown) }, 'a session could not be handed over yet')
  }
}

/** Whether it came to rest in time, while it goes on serving. */
async function untilItRests(session: Session): Promise<boolean> {
  const untilMs = performance.now() + restWaitedForMs
  for (;;) {
    const nowMs = performance.now()
    const restsMs = session.calls > 0 ? 0 : nowMs - session.lastSeenMs
    if (restsMs >= restingMs) return true
    if (nowMs >= untilMs) return false
    await Bun.sleep(Math.min(restingMs - restsMs, untilMs - nowMs))
  }
}

/** Whether its last call came to an end while no other one was let in. */
async function isBroughtToRest(session: Session): Promise<boolean> {
  const untilMs = performance.now() + lastCallMs
  while (session.calls > 0) {
    if (performance.now() >= untilMs) return false
    await Bun.sleep(lastCallLookMs)
  }
  await Bun.sleep(settlingMs)
  return true
}
