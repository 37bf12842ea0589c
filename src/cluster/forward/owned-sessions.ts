/**
 * The sessions that this member owns: entered into the directory when they begin, kept alive there, looked up again
 * after a lease was missed, and struck out when they end.
 */
import { createHash } from 'node:crypto'
import { GatewayError, reasonOf } from '../../errors.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { Sessions } from '../../session/legacy/sessions.ts'
import type { Log } from '../../telemetry/log.ts'
import {
  type Directory,
  DirectoryDown,
  type InstanceId,
  type OwnedKey,
  refreshBatchMax,
} from '../directory/directory.ts'
import type { Membership } from '../membership.ts'
import type { Seal } from '../seal.ts'
import { leaveUpstream, recordOf, SessionWishes } from './session-record.ts'

/** `initialize` waits so long for the directory at most: a session that it does not know works all the same. */
const openedMs = 500
/** Of sessions that have ended, so many are remembered. */
const endedMax = 10_000

/** What owning takes of the rest. */
export interface OwnedSessionsParts {
  readonly instance: InstanceId
  readonly membership: Pick<Membership, 'unsettled'>
  readonly directory: Directory
  readonly seal: Seal
  readonly sessions: Sessions
  readonly log: Log
  /** How long the directory remembers a session that nobody refreshes. */
  livesMs(): number
  /** It is known who has a session now. */
  moved(key: OwnedKey, owner: InstanceId): void
}

interface Held {
  readonly session: Session
  readonly key: OwnedKey
  epoch: number
  readonly wishes: SessionWishes
  /** Set while it is handed over: whoever asks for it waits. */
  moving: Promise<void> | null
  /** Writes of its record follow each other. */
  writing: Promise<void>
}

/** The key of a session: whoever reads the directory learns no id. */
export function sessionKey(id: string): OwnedKey {
  return `s:${createHash('sha256').update(id).digest('base64url')}`
}

export class OwnedSessions {
  readonly #parts: OwnedSessionsParts
  readonly #held = new Map<string, Held>()
  readonly #ended = new Set<string>()

  constructor(parts: OwnedSessionsParts) {
    this.#parts = parts
  }

  /** True once this member goes: what it still has is for others to take over. */
  leaves = false

  get count(): number {
    return this.#held.size
  }

  /** A session has begun here. Resolves once the directory knows it, or has not answered in time. */
  async opened(session: Session): Promise<void> {
    const held = this.#hold(session, 0, new SessionWishes(null))
    const claimed = this.#claim(held)
    await Promise.race([claimed, Bun.sleep(openedMs)])
  }

  /** A session was taken over: it is this member's from this epoch on. */
  adopted(session: Session, epoch: number, wishes: SessionWishes): void {
    this.#hold(session, epoch, wishes)
  }

  /** A client's request, of which some must be asked again by whoever takes its session over. */
  noted(id: string, message: MessageText): void {
    const held = this.#held.get(id)
    if (held?.wishes.note(message) === true) this.#write(held)
  }

  /** Whether a session is here and this member may do something for it now. */
  async mayServe(id: string): Promise<boolean> {
    const { membership, sessions } = this.#parts
    // After a standstill, until it is known what is still this member's (`refresh`).
    await membership.unsettled
    await this.#held.get(id)?.moving
    return sessions.get(id) !== undefined
  }

  /** Whether it is being handed over; what a call that still runs waits for gets through (`kind` is of a message). */
  isMoving(id: string, kind?: MessageText['kind']): boolean {
    const held = this.#held.get(id)
    if (held === undefined || held.moving === null) return false
    return held.session.calls === 0 || kind === undefined || kind === 'request'
  }

  /** Keeps all of them alive in the directory, and lets go of those that somebody else has. */
  async refresh(): Promise<void> {
    const { directory, instance } = this.#parts
    const held = [...this.#held.values()]
    for (let at = 0; at < held.length; at += refreshBatchMax) {
      const batch = new Map(held.slice(at, at + refreshBatchMax).map((one) => [one.key, one]))
      const { lost, missing } = await directory.refresh(instance, [...batch.keys()], this.#parts.livesMs())
      for (const key of missing) {
        const one = batch.get(key)
        if (one !== undefined && this.#isHeld(one)) void this.#claim(one)
      }
      for (const key of lost) {
        const one = batch.get(key)
        if (one === undefined || !this.#isHeld(one)) continue
        const found = await directory.find(key)
        if (found !== null && found.owner !== instance) this.#lost(one, found.owner)
      }
    }
  }

  /** The record of a session as another member may have it before it goes there; null for none. */
  sealedRecord(id: string): string | null {
    const held = this.#held.get(id)
    return held === undefined ? null : this.#sealed(held)
  }

  /** Those that are not on their way to another member. */
  staying(): readonly Session[] {
    return [...this.#held.values()].filter(({ moving }) => moving === null).map(({ session }) => session)
  }

  /**
   * Runs `move` with its sealed record while whoever asks for the session waits; it answers who has it then, null where
   * it stays. The session is closed here once it is another's.
   */
  async moveAway(
    id: string,
    move: (held: { key: OwnedKey; epoch: number; record: string }) => Promise<InstanceId | null>,
  ): Promise<void> {
    const held = this.#held.get(id)
    if (held === undefined || held.moving !== null) return
    const moved = Promise.withResolvers<void>()
    held.moving = moved.promise
    try {
      await held.writing
      const { key, epoch } = held
      const owner = await move({ key, epoch, record: this.#sealed(held) })
      if (owner !== null) this.#lost(held, owner)
    } finally {
      held.moving = null
      moved.resolve()
    }
  }

  #hold(session: Session, epoch: number, wishes: SessionWishes): Held {
    const writing = Promise.resolve()
    const held: Held = { session, key: sessionKey(session.id), epoch, wishes, moving: null, writing }
    this.#held.set(session.id, held)
    session.whenGone(() => this.#over(held))
    return held
  }

  #sealed({ key, session, wishes }: Held): string {
    return this.#parts.seal.seal('owned', key, recordOf(session, wishes))
  }

  #isHeld(held: Held): boolean {
    return this.#held.get(held.session.id) === held
  }

  /** Enters it. Somebody else can only have it after this member was taken for dead. */
  async #claim(held: Held): Promise<void> {
    const { directory, instance, livesMs, log } = this.#parts
    try {
      const record = this.#sealed(held)
      const claimed = await directory.claim(held.key, { instance, record, livesMs: livesMs() })
      held.epoch = claimed.epoch
      if (!claimed.mine) this.#lost(held, claimed.owner)
      // It has ended meanwhile.
      else if (!this.#isHeld(held)) await directory.release(held.key, { owner: instance, epoch: held.epoch })
    } catch (thrown) {
      if (!(thrown instanceof DirectoryDown))
        log.warn({ reason: reasonOf(thrown) }, 'a session could not be entered into the directory')
    }
  }

  #write(held: Held): void {
    const { directory, instance, livesMs, log } = this.#parts
    held.writing = held.writing.then(async () => {
      if (!this.#isHeld(held)) return
      const record = this.#sealed(held)
      const before = { owner: instance, epoch: held.epoch }
      await directory.update(held.key, before, record, livesMs()).catch((thrown: unknown) => {
        log.debug({ reason: reasonOf(thrown) }, 'a session could not be written to the directory')
      })
    })
  }

  /** Somebody else has it: what runs here ends, and nothing of it is taken back. */
  #lost(held: Held, owner: InstanceId): void {
    const { sessions, moved } = this.#parts
    moved(held.key, owner)
    // It has ended while that was found out.
    if (!this.#isHeld(held)) return
    this.#held.delete(held.session.id)
    leaveUpstream(held.session)
    sessions.close(
      held.session,
      new GatewayError(
        'UPSTREAM_CLOSED',
        'Another replica has taken this session over. This request may have run: look before you call again.',
      ),
    )
  }

  /** Whether a session has ended here: the directory may not have heard of it yet. */
  hasEnded(id: string): boolean {
    return this.#ended.has(id)
  }

  #over(held: Held): void {
    if (!this.#isHeld(held)) return
    this.#held.delete(held.session.id)
    if (this.#ended.size >= endedMax)
      for (const oldest of this.#ended) {
        this.#ended.delete(oldest)
        break
      }
    this.#ended.add(held.session.id)
    if (this.leaves) {
      leaveUpstream(held.session)
      return
    }
    const { directory, instance } = this.#parts
    const release = () => directory.release(held.key, { owner: instance, epoch: held.epoch })
    void held.writing.then(release).catch(() => {})
  }
}
