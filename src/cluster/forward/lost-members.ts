/**
 * Which members are lost to this one while it waits for answers of theirs: dead ones, and those that live and are not
 * heard any more because something between the two drops what they say. Neither is ever told by a connection.
 */
import type { Log } from '../../telemetry/log.ts'
import type { InstanceId } from '../directory/directory.ts'
import type { Membership } from '../membership.ts'
import type { Forwarder } from './wire/forwarder.ts'
import type { PeerWire } from './wire/peer-wire.ts'

export interface LostMembersParts {
  readonly membership: Pick<Membership, 'leaseMs' | 'addressOf' | 'ping' | 'isLate' | 'isDead'>
  readonly forwarder: Pick<Forwarder, 'waitedFor' | 'gone'>
  readonly wire: Pick<PeerWire, 'isSilent'>
  readonly log: Log
}

interface Silence {
  /** When it was last asked whether it is there, or was first found silent. Monotonic. */
  askedAtMs: number
  /** Since when it does not answer that; null while it does. */
  missedSinceMs: number | null
}

export class LostMembers {
  readonly #parts: LostMembersParts
  readonly #silences = new Map<InstanceId, Silence>()

  constructor(parts: LostMembersParts) {
    this.#parts = parts
  }

  /** After each beat: what waits for a member that is lost does not wait any longer. */
  look(): void {
    const { membership, forwarder } = this.#parts
    const waitedFor = forwarder.waitedFor()
    for (const instance of this.#silences.keys())
      if (!waitedFor.has(instance)) this.#silences.delete(instance)
    for (const instance of waitedFor) {
      if (!membership.isLate(instance)) void this.#listen(instance)
      else
        void membership.isDead(instance).then((isDead) => {
          if (isDead) forwarder.gone(instance)
        })
    }
  }

  /** A call may take long, and says nothing meanwhile: its member is asked, once in a lease while it answers. */
  async #listen(instance: InstanceId): Promise<void> {
    const { membership, forwarder, wire, log } = this.#parts
    const address = membership.addressOf(instance)
    if (address === null || !wire.isSilent(address)) {
      this.#silences.delete(instance)
      return
    }
    const nowMs = performance.now()
    const silence = this.#silences.get(instance)
    if (silence === undefined) {
      this.#silences.set(instance, { askedAtMs: nowMs, missedSinceMs: null })
      return
    }
    const { leaseMs } = membership
    if (silence.missedSinceMs === null && nowMs - silence.askedAtMs < leaseMs) return
    silence.askedAtMs = nowMs
    const isThere = (await membership.ping(address)) === instance
    silence.missedSinceMs = isThere ? null : (silence.missedSinceMs ?? nowMs)
    if (silence.missedSinceMs === null || nowMs - silence.missedSinceMs < leaseMs) return
    this.#silences.delete(instance)
    log.warn(
      { replica: instance, address },
      'a replica that lives is not heard any more; giving up what it was asked',
    )
    forwarder.gone(instance)
  }
}
