/**
 * The lists of servers that were read and may be used again: until the server says that they have changed, until
 * their time is over, or until others need the room. Whoever asks for a list that is being read waits for that.
 */
import { declares } from '../../protocol/bridge/facts.ts'
import type { ServerFacts } from '../../protocol/bridge/types.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Server } from '../../upstream/server/server.ts'
import { type ListKind, listRows, type MemberList } from './member-list.ts'

/** Characters of all lists that are kept; equal ones count once. */
const keptCharsMax = 32 * 1024 * 1024
const placesMax = 20_000
/** A list is read again after this long whatever its server says: a notification may be lost with its stream. */
const keptMsMax = 300_000

/** Whose list, and by which of the server's answers: equal places have equal lists. */
export interface ListPlace {
  readonly server: Server
  readonly kind: ListKind
  /** Tells clients apart that the server may answer differently. */
  readonly key: string
  /** The lane on which it is asked for, where that is known; another one may lead to another process. */
  readonly lane: Lane | null
}

/** A list on its way. */
export interface PendingList {
  /** Monotonic milliseconds. */
  readonly sinceMs: number
  readonly list: Promise<MemberList>
}

export interface LoadedList {
  readonly list: MemberList
  /** How long it may be kept, at most; 0 for not at all. */
  readonly keepMs: number
}

interface Kept {
  readonly place: ListPlace
  readonly list: MemberList
  readonly version: number
  readonly untilMs: number
}

export class KeptLists {
  /** In the order of their last use. */
  readonly #kept = new Map<string, Kept>()
  readonly #pending = new Map<string, PendingList & { readonly place: ListPlace }>()
  /** Clients with a connection of their own mostly have the same list as all others: it stands here once. */
  readonly #shared = new Map<string, { readonly list: MemberList; uses: number }>()
  #chars = 0

  /** The list of this place, where it is kept and may still be used. */
  take(place: ListPlace, nowMs = performance.now()): MemberList | null {
    const key = keyOf(place)
    const kept = this.#kept.get(key)
    if (kept === undefined) return null
    if (!isCurrent(kept, place, nowMs)) {
      this.#drop(key, kept)
      return null
    }
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    return kept.list
  }

  /** Reads the list of this place, or joins those who wait for it. */
  read(place: ListPlace, load: () => Promise<LoadedList>): PendingList {
    const key = keyOf(place)
    const running = this.#pending.get(key)
    if (running && running.place.server === place.server && running.place.lane === place.lane) return running
    const sinceMs = performance.now()
    // What changes while it is read may or may not be in it.
    const version = versionOf(place)
    const list = load().then(
      (loaded) => {
        if (this.#pending.get(key) === pending) this.#pending.delete(key)
        return this.#keep(key, place, loaded, version)
      },
      (thrown: unknown) => {
        if (this.#pending.get(key) === pending) this.#pending.delete(key)
        throw thrown
      },
    )
    const pending = { place, sinceMs, list }
    this.#pending.set(key, pending)
    return pending
  }

  /** Lets go of what nobody may use any more. */
  sweep(nowMs: number): void {
    for (const [key, kept] of this.#kept) if (!isCurrent(kept, kept.place, nowMs)) this.#drop(key, kept)
  }

  #keep(key: string, place: ListPlace, { list, keepMs }: LoadedList, version: number): MemberList {
    const shared = this.#shared.get(list.digest) ?? { list, uses: 0 }
    if (keepMs <= 0) return shared.list
    const before = this.#kept.get(key)
    if (before) this.#drop(key, before)
    if (shared.uses++ === 0) {
      this.#shared.set(list.digest, shared)
      this.#chars += list.chars
    }
    const untilMs = performance.now() + Math.min(keepMs, keptMsMax)
    this.#kept.set(key, { place, list: shared.list, version, untilMs })
    for (const [oldest, kept] of this.#kept) {
      if (this.#chars <= keptCharsMax && this.#kept.size <= placesMax) break
      this.#drop(oldest, kept)
    }
    return shared.list
  }

  #drop(key: string, { list }: Kept): void {
    this.#kept.delete(key)
    const shared = this.#shared.get(list.digest)
    if (shared === undefined || --shared.uses > 0) return
    this.#shared.delete(list.digest)
    this.#chars -= list.chars
  }
}

function keyOf({ server, kind, key }: ListPlace): string {
  return `${kind} ${server.name} ${key}`
}

function versionOf({ server, kind }: ListPlace): number {
  return server.listVersions[listRows[kind].capability]
}

function isCurrent({ place, version, untilMs }: Kept, asked: ListPlace, nowMs: number): boolean {
  if (place.server !== asked.server || place.lane !== asked.lane || nowMs >= untilMs) return false
  return version === versionOf(place) && (place.lane === null || place.lane.established)
}

/** A list whose changes nobody announces is asked for again after this. */
const unannouncedMs = 1_000

/**
 * How long a list of a server's may be kept. A session-based server that announces changes tells them on the
 * connection; a stateless one only to those who `listen`, and says itself how long its answer holds.
 */
export function keepMsOf(
  facts: Pick<ServerFacts, 'era' | 'capabilities'>,
  kind: ListKind,
  ttlMs: number | null,
  listens: boolean,
): number {
  const announced = declares(facts, listRows[kind].capability, 'listChanged')
  if (facts.era === 'legacy') return announced ? keptMsMax : unannouncedMs
  return Math.max(ttlMs ?? 0, announced && listens ? unannouncedMs : 0)
}
