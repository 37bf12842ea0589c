/**
 * Lanes of stateless clients at servers with sessions: what a tool has left behind must be there for the next call, so
 * that all calls of one principal at one server run at one member. Which one that is everybody works out alike from
 * who lives, or the directory says it; whoever has it keeps it for as long as it is used.
 */
import { createHash } from 'node:crypto'
import {
  type Directory,
  DirectoryDown,
  type InstanceId,
  type OwnedKey,
  refreshBatchMax,
} from '../directory/directory.ts'
import type { Membership } from '../membership.ts'
import type { Seal } from '../seal.ts'
import { rendezvous } from './rendezvous.ts'

export interface OwnedLanesParts {
  readonly membership: Pick<Membership, 'unsettled' | 'members' | 'self' | 'state' | 'leaseGoesOn'>
  readonly directory: Directory
  readonly seal: Seal
  /** Whether the directory deals lanes out: it is asked first then. */
  readonly spreads: boolean
  /** A lane that nobody uses for so long is anybody's again. */
  idleMs(): number
}

/** Keys that are remembered: each costs a digest. */
const keysMax = 10_000

function laneKey(serverName: string, principalId: string | null): OwnedKey {
  const text = JSON.stringify([serverName, principalId])
  return `l:${createHash('sha256').update(text).digest('base64url')}`
}

export class OwnedLanes {
  readonly #parts: OwnedLanesParts
  /** When each was used last, monotonic, and its epoch. */
  readonly #held = new Map<OwnedKey, { usedAtMs: number; epoch: number }>()

  /** By server and principal. */
  readonly #keys = new Map<string, Map<string | null, OwnedKey>>()
  #keyCount = 0

  constructor(parts: OwnedLanesParts) {
    this.#parts = parts
  }

  /** The key of a principal's lane at a server; null for that of all who share the server's only process. */
  keyOf(serverName: string, principalId: string | null): OwnedKey {
    const known = this.#keys.get(serverName)?.get(principalId)
    if (known !== undefined) return known
    if (this.#keyCount >= keysMax) {
      this.#keys.clear()
      this.#keyCount = 0
    }
    const key = laneKey(serverName, principalId)
    const ofServer = this.#keys.get(serverName) ?? new Map<string | null, OwnedKey>()
    this.#keys.set(serverName, ofServer.set(principalId, key))
    this.#keyCount++
    return key
  }

  /** Whether it is here for certain: nearly always, for a call that has come to the right member. */
  has(key: OwnedKey): boolean {
    const held = this.#held.get(key)
    if (held === undefined || this.#parts.membership.unsettled !== null) return false
    held.usedAtMs = performance.now()
    return true
  }

  /** Who is asked for it first by whoever does not know who has it. */
  first(key: OwnedKey): InstanceId {
    return this.#parts.spreads ? this.#parts.membership.self.instance : this.#preferred(key)
  }

  /** Whether it is this member's; it takes it where it is nobody's. */
  async mayServe(key: OwnedKey): Promise<boolean> {
    await this.#parts.membership.unsettled
    const held = this.#held.get(key)
    if (held !== undefined) {
      held.usedAtMs = performance.now()
      return true
    }
    try {
      return (await this.claim(key, this.#parts.spreads)) === this.#parts.membership.self.instance
    } catch (thrown) {
      // Without the directory all of them work out the same one.
      if (thrown instanceof DirectoryDown) return true
      throw thrown
    }
  }

  /**
   * Takes it where it is nobody's, or has it dealt out (`spread`); answers whose it is. On its way out this member
   * takes nothing that others can have.
   */
  async claim(key: OwnedKey, spread = false): Promise<InstanceId> {
    const { directory, membership } = this.#parts
    if (membership.state === 'draining') {
      const other = this.#preferred(key)
      if (other !== membership.self.instance) return other
    }
    const claimed = await directory.claim(key, { ...this.#claimOf(key), spread })
    if (claimed.mine) this.#note(key, claimed.epoch)
    return claimed.owner
  }

  /** Takes it from an owner that is dead; answers whose it is, null where it is nobody's. */
  async adopt(key: OwnedKey, before: { owner: InstanceId; epoch: number }): Promise<InstanceId | null> {
    const { directory, membership } = this.#parts
    // Where its lease is the proof, the directory looks once more: it may be back.
    const proven = membership.leaseGoesOn(before.owner)
    const adopted = await directory.adopt(key, before, this.#claimOf(key), proven)
    if (adopted === null) return await this.claim(key)
    if (adopted.mine) this.#note(key, adopted.epoch)
    return adopted.owner
  }

  /** Keeps those alive that are used, and lets go of the others. */
  async refresh(): Promise<void> {
    const { directory, membership, idleMs } = this.#parts
    const oldest = performance.now() - idleMs()
    for (const [key, { usedAtMs }] of this.#held) if (usedAtMs < oldest) this.#held.delete(key)
    const keys = [...this.#held.keys()]
    for (let at = 0; at < keys.length; at += refreshBatchMax) {
      const batch = keys.slice(at, at + refreshBatchMax)
      const { lost, missing } = await directory.refresh(membership.self.instance, batch, 2 * idleMs())
      for (const key of lost) this.#held.delete(key)
      for (const key of missing)
        if ((await this.claim(key)) !== membership.self.instance) this.#held.delete(key)
    }
  }

  /** Lets go of all of them: others take them when the next call comes. */
  async release(): Promise<void> {
    const { directory, membership } = this.#parts
    const { instance: owner } = membership.self
    const held = [...this.#held]
    this.#held.clear()
    await Promise.allSettled(held.map(([key, { epoch }]) => directory.release(key, { owner, epoch })))
  }

  /** Who should have it where nobody has. */
  #preferred(key: OwnedKey): InstanceId {
    const { membership } = this.#parts
    return (rendezvous(key, membership.members()) ?? membership.self).instance
  }

  #claimOf(key: OwnedKey) {
    const { seal, membership, idleMs } = this.#parts
    return {
      instance: membership.self.instance,
      record: seal.seal('owned', key, ''),
      livesMs: 2 * idleMs(),
    }
  }

  #note(key: OwnedKey, epoch: number): void {
    this.#held.set(key, { usedAtMs: performance.now(), epoch })
  }
}
