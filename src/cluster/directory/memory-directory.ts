/** A directory in the memory of one process, for members in it: those of a supervisor, and those of tests. */
import {
  type BeatAnswer,
  type Claim,
  type ClaimOutcome,
  type Directory,
  goneMemberMs,
  type InstanceId,
  type Member,
  type OwnedBefore,
  type OwnedKey,
  type Ownership,
  type PutOutcome,
  type RecordChanges,
  type RecordWrite,
  type Refreshed,
  type SharedRate,
  type SharedRecord,
  tombstoneMs,
} from './directory.ts'

interface HeldMember {
  readonly record: string
  /** By the clock. */
  readonly leaseEndsMs: number
}

interface Held extends Ownership {
  readonly endsMs: number
}

interface HeldRecord extends SharedRecord {
  readonly sequence: number
  /** When a removed one is forgotten. */
  readonly endsMs: number
}

/** How often what has ended is looked for. */
const sweepMs = 1_000

export class MemoryDirectory {
  readonly #clock: () => number
  readonly #members = new Map<InstanceId, HeldMember>()
  readonly #owned = new Map<OwnedKey, Held>()
  readonly #records = new Map<string, HeldRecord>()
  readonly #slots = new Map<string, Map<InstanceId, number>>()
  /** When the next request of each is due, as GCRA has it. */
  readonly #rates = new Map<string, number>()
  readonly #listeners = new Map<object, Set<(text: string) => void>>()
  #era = crypto.randomUUID()
  #sequence = 0
  #sweptMs = 0

  /** `clock` is monotonic; its zero does not matter. */
  constructor(clock: () => number = () => performance.timeOrigin + performance.now()) {
    this.#clock = clock
  }

  /** The directory as one member uses it. */
  open(): Directory {
    const handle = {}
    const listeners = new Set<(text: string) => void>()
    this.#listeners.set(handle, listeners)
    const settled = async <T>(answer: () => T): Promise<T> => {
      this.#sweep()
      return answer()
    }
    return {
      isUp: true,
      onUp() {},
      beat: (self, leaseMs) => settled(() => this.#beat(self, leaseMs)),
      leave: (instance) => settled(() => this.end(instance)),
      claim: (key, claim) => settled(() => this.#claim(key, claim)),
      find: (key) => settled(() => this.#find(key)),
      adopt: (key, before, claim, proven) => settled(() => this.#adopt(key, before, claim, proven)),
      update: (key, before, record, livesMs) =>
        settled(() => {
          const held = this.#heldAs(key, before)
          if (held !== null) this.#owned.set(key, { ...held, record, endsMs: this.#clock() + livesMs })
          return held !== null
        }),
      release: (key, before) => settled(() => this.#heldAs(key, before) !== null && this.#owned.delete(key)),
      refresh: (instance, keys, livesMs) => settled(() => this.#refresh(instance, keys, livesMs)),
      put: (writes) => settled(() => this.#put(writes)),
      changesSince: (sequence) => settled(() => this.#changesSince(sequence)),
      restore: (records) => settled(() => this.#restore(records)),
      slots: (name, ask) => settled(() => this.#lease(name, ask.instance, ask.wanted, ask.max)),
      take: (name, rate, count) => settled(() => this.#take(name, rate, count)),
      hint: (text) => this.#tell(handle, text),
      onHint: (listener) => void listeners.add(listener),
      close: async () => void this.#listeners.delete(handle),
    }
  }

  /** A member is dead, or has gone: its lease ends at once. */
  end(instance: InstanceId): void {
    const member = this.#members.get(instance)
    if (member !== undefined && member.leaseEndsMs > this.#clock())
      this.#members.set(instance, { ...member, leaseEndsMs: this.#clock() })
  }

  /** Which of these has the fewest things of a kind, by how their keys begin; the first of those that have as few. */
  fewest(kind: string, members: readonly InstanceId[]): InstanceId | null {
    const counts = new Map(members.map((instance) => [instance, 0]))
    for (const [key, { owner, endsMs }] of this.#owned) {
      const count = counts.get(owner)
      if (count !== undefined && key.startsWith(kind) && endsMs > this.#clock()) counts.set(owner, count + 1)
    }
    let best: InstanceId | null = null
    for (const [instance, count] of counts)
      if (best === null || count < (counts.get(best) ?? 0)) best = instance
    return best
  }

  /** Forgets everything, as a store does that keeps nothing on disk. */
  clear(): void {
    for (const table of [this.#members, this.#owned, this.#records, this.#slots, this.#rates]) table.clear()
    this.#era = crypto.randomUUID()
    this.#sequence = 0
  }

  #beat({ instance, record }: Omit<Member, 'leaseMs'>, leaseMs: number): BeatAnswer {
    const nowMs = this.#clock()
    this.#members.set(instance, { record, leaseEndsMs: nowMs + leaseMs })
    const members = [...this.#members].map(([id, member]) => ({
      instance: id,
      record: member.record,
      leaseMs: member.leaseEndsMs - nowMs,
    }))
    return { members, nowMs, era: this.#era, sequence: this.#sequence }
  }

  #lives(instance: InstanceId): boolean {
    return (this.#members.get(instance)?.leaseEndsMs ?? 0) > this.#clock()
  }

  #find(key: OwnedKey): Ownership | null {
    const held = this.#owned.get(key)
    if (held === undefined || held.endsMs <= this.#clock()) return null
    const { owner, epoch, record } = held
    return { owner, epoch, record }
  }

  #claim(key: OwnedKey, { instance, record, livesMs }: Claim): ClaimOutcome {
    const found = this.#find(key)
    if (found !== null) return { ...found, mine: found.owner === instance }
    return this.#own(key, { owner: instance, epoch: 1, record }, livesMs)
  }

  #adopt(key: OwnedKey, before: OwnedBefore, claim: Claim, proven: boolean): ClaimOutcome | null {
    const found = this.#find(key)
    if (found === null) return null
    const { owner, epoch } = found
    const free = owner === before.owner && epoch === before.epoch && (proven || !this.#lives(owner))
    if (!free) return { ...found, mine: owner === claim.instance }
    return this.#own(key, { owner: claim.instance, epoch: epoch + 1, record: claim.record }, claim.livesMs)
  }

  #own(key: OwnedKey, ownership: Ownership, livesMs: number): ClaimOutcome {
    this.#owned.set(key, { ...ownership, endsMs: this.#clock() + livesMs })
    return { ...ownership, mine: true }
  }

  #heldAs(key: OwnedKey, { owner, epoch }: OwnedBefore): Held | null {
    const held = this.#find(key) === null ? undefined : this.#owned.get(key)
    return held !== undefined && held.owner === owner && held.epoch === epoch ? held : null
  }

  #refresh(instance: InstanceId, keys: readonly OwnedKey[], livesMs: number): Refreshed {
    const lost: OwnedKey[] = []
    const missing: OwnedKey[] = []
    for (const key of keys) {
      const found = this.#find(key)
      if (found === null) missing.push(key)
      else if (found.owner !== instance) lost.push(key)
      else this.#own(key, found, livesMs)
    }
    return { lost, missing }
  }

  #put(writes: readonly RecordWrite[]): PutOutcome {
    for (const { record, expected } of writes) {
      const version = this.#records.get(record.key)?.version ?? 0
      if (version !== expected || record.version <= version) return { conflict: record.key }
    }
    for (const { record } of writes) this.#write(record)
    return { conflict: null, sequence: this.#sequence }
  }

  #write(record: SharedRecord): void {
    const endsMs = record.removed ? this.#clock() + tombstoneMs : Number.POSITIVE_INFINITY
    this.#records.set(record.key, { ...record, sequence: ++this.#sequence, endsMs })
  }

  #restore(records: readonly SharedRecord[]): void {
    for (const record of records)
      if (record.version > (this.#records.get(record.key)?.version ?? 0)) this.#write(record)
  }

  #changesSince(from: number): RecordChanges {
    const records = [...this.#records.values()]
      .filter(({ sequence }) => sequence > from)
      .sort((one, other) => one.sequence - other.sequence)
      .map(({ key, version, sealed, removed }) => ({ key, version, sealed, removed }))
    return { era: this.#era, sequence: this.#sequence, records }
  }

  #lease(name: string, instance: InstanceId, wanted: number, max: number): number {
    const held = this.#slots.get(name) ?? new Map<InstanceId, number>()
    let others = 0
    for (const [other, count] of held) {
      if (!this.#lives(other)) held.delete(other)
      else if (other !== instance) others += count
    }
    const granted = Math.max(0, Math.min(wanted, max - others))
    if (granted === 0) held.delete(instance)
    else held.set(instance, granted)
    if (held.size === 0) this.#slots.delete(name)
    else this.#slots.set(name, held)
    return granted
  }

  /** The generic cell rate algorithm: one instant for each name says all. */
  #take(name: string, { perSecond, burst }: SharedRate, count: number): number | null {
    const nowMs = this.#clock()
    const eachMs = 1_000 / perSecond
    const dueMs = Math.max(nowMs, this.#rates.get(name) ?? 0)
    const nextMs = dueMs + count * eachMs
    const waitMs = nextMs - burst * eachMs - nowMs
    // Below a microsecond it is the rounding of the division.
    if (waitMs > 0.001) return waitMs
    this.#rates.set(name, nextMs)
    return null
  }

  #tell(from: object, text: string): void {
    for (const [handle, listeners] of this.#listeners)
      if (handle !== from) for (const listener of listeners) queueMicrotask(() => listener(text))
  }

  #sweep(): void {
    const nowMs = this.#clock()
    if (nowMs - this.#sweptMs < sweepMs) return
    this.#sweptMs = nowMs
    for (const [instance, { leaseEndsMs }] of this.#members)
      if (leaseEndsMs + goneMemberMs <= nowMs) this.#members.delete(instance)
    for (const [key, { endsMs }] of this.#owned) if (endsMs <= nowMs) this.#owned.delete(key)
    for (const [key, { endsMs }] of this.#records) if (endsMs <= nowMs) this.#records.delete(key)
    for (const [name, dueMs] of this.#rates) if (dueMs <= nowMs) this.#rates.delete(name)
    for (const [name, held] of this.#slots)
      if (![...held.keys()].some((instance) => this.#lives(instance))) this.#slots.delete(name)
  }
}
