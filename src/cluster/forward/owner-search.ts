/**
 * Finds the member that holds something in memory and brings a request there. A request waits while its owner is not
 * known, for as long as a takeover can take, and is refused only then.
 *
 * The order: where it was last, without asking anybody; what the directory says; and where that member is dead, here.
 */
import { GatewayError } from '../../errors.ts'
import type { Directory, InstanceId, OwnedKey, Ownership } from '../directory/directory.ts'
import { type Forwarded, ownerLostError, type Peer } from './wire/forwarder.ts'

/** Something that one member holds in memory, and a request for it. */
export interface OwnedThing {
  readonly key: OwnedKey
  /** Who has it as far as is known without asking. */
  readonly first: InstanceId
  /** Whether it is here and may be used now. */
  here(): Promise<boolean>
  /**
   * Makes it this member's, from an owner that is dead or from nobody; answers whose it is then, null where it is gone
   * for good. Rejects with a DirectoryDown.
   */
  takeOver(found: Ownership | null): Promise<InstanceId | null>
}

/** What the search takes of membership. */
export interface KnownMembers {
  readonly self: { readonly instance: InstanceId }
  /** Where a member was last; null where nobody has heard of it. */
  addressOf(instance: InstanceId): string | null
  /** Whether it is certain that a member does nothing any more. */
  isDead(instance: InstanceId): Promise<boolean>
  /** True of one that nothing need be sent to. */
  isKnownDead(instance: InstanceId): boolean
  /** False of one of another version, to which nothing can be sent. */
  isUnderstood(instance: InstanceId): boolean
  /** Looks who lives. */
  refresh(): Promise<unknown>
  /** For how long the directory has held what it holds. */
  readonly eraAgeMs: number
}

/** How long a request waits for its owner to be known: longer than a lease. */
const heldMs = 10_000
const firstPauseMs = 40
const pauseMsMax = 200
const triesAtOnce = 3
/** After this long all members have registered again what a directory has lost. */
const registeredAgainMs = 2_000
/** So long members take to look at a clock that was set, once one of them has noticed. */
const agreedMs = 100
/** Of things that are not where their ids say, so many are remembered. */
const movedMax = 20_000

export class OwnerSearch {
  readonly #members: KnownMembers
  readonly #directory: Pick<Directory, 'find'>
  readonly #moved = new Map<OwnedKey, InstanceId>()

  constructor(members: KnownMembers, directory: Pick<Directory, 'find'>) {
    this.#members = members
    this.#directory = directory
  }

  /** Notes who has something from now on. */
  moved(key: OwnedKey, owner: InstanceId): void {
    this.#moved.delete(key)
    if (this.#moved.size >= movedMax)
      for (const oldest of this.#moved.keys()) {
        this.#moved.delete(oldest)
        break
      }
    this.#moved.set(key, owner)
  }

  /** For a request that another member has brought: `here`, or who has it; null where nobody knows. */
  async ownerOf(thing: OwnedThing): Promise<'here' | InstanceId | null> {
    if (await thing.here()) return 'here'
    const { instance } = this.#members.self
    const found = await this.#directory.find(thing.key).catch(() => null)
    // It was given to this member, which does not have it yet.
    if (found?.owner === instance && (await thing.takeOver(found)) === instance) return 'here'
    const owner = found?.owner ?? this.#moved.get(thing.key) ?? null
    return owner === instance ? null : owner
  }

  /**
   * The answer of the owner; `here` where that is this member, `gone` where there is none any more. Rejects with a
   * GatewayError.
   */
  async find(
    thing: OwnedThing,
    send: (peer: Peer) => Promise<Forwarded>,
  ): Promise<Response | 'here' | 'gone'> {
    const { instance: self } = this.#members.self
    const untilMs = performance.now() + heldMs
    let owner = this.#moved.get(thing.key) ?? thing.first
    let pauseMs = firstPauseMs
    for (let tries = 1; ; tries++) {
      const named = owner === self ? await ifHere(thing) : await this.#sent(owner, send)
      if (typeof named === 'object' && named !== null) return named
      if (named === 'here') return named
      const next = named ?? (await this.#next(thing, owner))
      if (next === 'gone') return next
      if (performance.now() >= untilMs || (next === owner && !this.#members.isUnderstood(next)))
        throw unreachedError()
      // Two that name each other are no more asked without a pause than one that is silent.
      if (next === owner || tries > triesAtOnce) {
        await Bun.sleep(pauseMs)
        pauseMs = Math.min(pauseMsMax, pauseMs * 2)
      }
      if (next !== owner) this.moved(thing.key, next)
      owner = next
    }
  }

  /** The answer of any of these; null where none of them was reached. */
  async any(peers: readonly Peer[], send: (peer: Peer) => Promise<Forwarded>): Promise<Response | null> {
    const waiting = [...peers]
    while (waiting.length > 0) {
      const [peer] = waiting.splice(Math.floor(Math.random() * waiting.length), 1)
      const sent = peer && (await send(peer))
      if (sent?.kind === 'answered') return sent.response
    }
    return null
  }

  /** The answer of the only member that can give one; null where it is dead, or has nothing to do with it. */
  async only(owner: InstanceId, send: (peer: Peer) => Promise<Forwarded>): Promise<Response | null> {
    const untilMs = performance.now() + heldMs
    // One that has just come may have begun things before anybody has heard of it.
    if (this.#members.addressOf(owner) === null) await this.#members.refresh()
    for (;;) {
      const named = await this.#sent(owner, send)
      if (typeof named === 'object' && named !== null) return named
      if (named !== null || this.#members.addressOf(owner) === null) return null
      if (await this.#members.isDead(owner)) return null
      if (performance.now() >= untilMs || !this.#members.isUnderstood(owner)) throw unreachedError()
      await Bun.sleep(pauseMsMax)
    }
  }

  /** The answer of this member, or who it says has it; null where it was not reached, or does not know. */
  async #sent(
    owner: InstanceId,
    send: (peer: Peer) => Promise<Forwarded>,
  ): Promise<Response | InstanceId | null> {
    const address = this.#members.addressOf(owner)
    if (address === null || this.#members.isKnownDead(owner) || !this.#members.isUnderstood(owner))
      return null
    const peer = { instance: owner, address }
    let forwarded = await send(peer)
    if (forwarded.kind === 'refused') {
      // The clock by which signatures are told may have been set, and one of the two has not looked at it since.
      await this.#members.refresh()
      await Bun.sleep(agreedMs)
      forwarded = await send(peer)
    }
    switch (forwarded.kind) {
      case 'answered':
        return forwarded.response
      case 'lost':
        throw ownerLostError()
      case 'misdirected':
        return forwarded.owner
      case 'refused':
        throw unreachedError()
      case 'unsent':
        return null
    }
  }

  /** Who has it, by the directory; where that is the one that was just tried and it is dead, this member takes it. */
  async #next(thing: OwnedThing, tried: InstanceId): Promise<InstanceId | 'gone'> {
    try {
      const found = await this.#directory.find(thing.key)
      if (found !== null && found.owner !== tried) return found.owner
      const isOwn = found?.owner === this.#members.self.instance
      if (found !== null && !isOwn && !(await this.#members.isDead(found.owner))) return found.owner
      const taken = await thing.takeOver(found)
      if (taken !== null) return taken
      return found === null && (await this.#isDirectoryNew()) ? tried : 'gone'
    } catch (thrown) {
      throw thrown instanceof GatewayError ? thrown : unreachedError()
    }
  }

  /** Whether it was emptied so lately that an owner may not have registered again what it has. */
  async #isDirectoryNew(): Promise<boolean> {
    await this.#members.refresh()
    return this.#members.eraAgeMs < registeredAgainMs
  }
}

async function ifHere(thing: OwnedThing): Promise<'here' | null> {
  return (await thing.here()) ? 'here' : null
}

function unreachedError(): GatewayError {
  return new GatewayError(
    'SERVER_UNAVAILABLE',
    'The replica that holds this cannot be reached, and nobody could take its place yet; try again.',
    1,
  )
}
