/**
 * Who belongs to the cluster and lives, this process among them: it renews its own lease, and knows the others.
 *
 * A process that stood still has lost its lease without knowing: before it executes anything it asks whether what it
 * holds is still its own (`unsettled`).
 */
import { reasonOf } from '../errors.ts'
import { bucketOf } from '../telemetry/call-durations.ts'
import type { Log } from '../telemetry/log.ts'
import { directoryBuckets } from '../telemetry/metrics.ts'
import { Deaths } from './deaths.ts'
import type { BeatAnswer, Directory, InstanceId } from './directory/directory.ts'
import { type LivingMember, type MemberState, openMember, sealMember } from './member-record.ts'
import type { Seal } from './seal.ts'

/**
 * Who has proven to be at the address of a member: an instance; `stranger` where somebody answers like a member and has
 * proven nothing; `refused` where it takes no connections; null when nobody answers in time.
 */
export type PingAnswer = InstanceId | 'stranger' | 'refused' | null

export interface MembershipParts {
  readonly directory: Directory
  readonly seal: Seal
  readonly self: { readonly instance: InstanceId; readonly address: string; readonly version: string }
  readonly leaseMs: number
  readonly log: Log
  /** Asks an address who is there, within a second at most. */
  ping(address: string): Promise<PingAnswer>
}

/**
 * Told of what happens to this member. What it returns is waited for, and asked for again when it rejects; it must not
 * wait for the membership itself.
 */
export interface MembershipListener {
  /** Its lease was over, or may have been: what it holds may be somebody else's by now. */
  lapsed?(): Promise<void>
  /** The directory has lost everything: what it holds is to be registered again. */
  forgotten?(): Promise<void>
  /** Renewed. */
  beaten?(answer: BeatAnswer): void
}

/** A lease is renewed so often within its time, which also brings what a lost hint has told: of 4 s, within a second. */
const beatsPerLease = 5
/** What is remembered of members that are told no more. */
const addressesMax = 1_000
const roundTripsKept = 512
/** No clock drifts so far between two beats: somebody has set it. */
const clockSetMs = 5_000

export class Membership {
  readonly #parts: MembershipParts
  readonly #listeners: MembershipListener[] = []
  readonly #addresses = new Map<InstanceId, string>()
  readonly #deaths: Deaths
  #members: ReadonlyMap<InstanceId, LivingMember> = new Map()
  #state: MemberState = 'serving'
  #era: string | null = null
  /** Monotonic. */
  #eraSinceMs = 0
  /** Monotonic: until then nobody takes anything from this member. */
  #leaseEndsMs = Number.NEGATIVE_INFINITY
  /** Monotonic: when the loop was last seen to run. */
  #seenAtMs = performance.now()
  #clockOffsetMs = performance.timeOrigin
  #timer: ReturnType<typeof setTimeout> | null = null
  #beating: Promise<boolean> | null = null
  #settling: Promise<void> | null = null
  #lapsed = false
  #forgotten = false
  #started = false
  #closed = false
  readonly #roundTripsMs: number[] = []
  /** How often the lease of this member was over. */
  lapses = 0
  /** Questions that the directory did not answer. */
  missedBeats = 0
  /** By `directoryBuckets`. */
  readonly roundTripCounts = new Array<number>(directoryBuckets.length + 1).fill(0)
  roundTripsSumMs = 0

  constructor(parts: MembershipParts) {
    this.#parts = parts
    this.#deaths = new Deaths(this, parts.leaseMs)
    const { directory } = parts
    directory.onUp((isUp) => {
      if (isUp) void this.#beat()
    })
    directory.onHint((text) => {
      if (text === memberHint) void this.#beat()
    })
  }

  /** What this member tells of its keys with the next beat. */
  keys: readonly string[] = []

  get self(): MembershipParts['self'] {
    return this.#parts.self
  }

  get leaseMs(): number {
    return this.#parts.leaseMs
  }

  /** Of the directory, by which leases and signatures are told: all members have nearly the same. */
  nowMs(): number {
    return this.#clockOffsetMs + performance.now()
  }

  /** Those whose lease went on when the directory was last asked, this one among them. */
  members(): LivingMember[] {
    return [...this.#members.values()].filter(({ leaseMs }) => leaseMs > 0)
  }

  /** All that are told of, also those whose lease is over; this one first. */
  known(): LivingMember[] {
    const own = this.self.instance
    return [...this.#members.values()].sort((one, other) =>
      one.instance === own ? -1 : other.instance === own ? 1 : one.address < other.address ? -1 : 1,
    )
  }

  /** As it was told last, also shortly after its lease was over. */
  member(instance: InstanceId): LivingMember | null {
    return this.#members.get(instance) ?? null
  }

  /** The last address that was known of it. */
  addressOf(instance: InstanceId): string | null {
    return this.#addresses.get(instance) ?? null
  }

  /** Whether something can be sent to a member; true of one that nobody has told of. */
  isUnderstood(instance: InstanceId): boolean {
    return this.#members.get(instance)?.isUnderstood !== false
  }

  /** Whether it was found to be dead, and has not been told of as one that lives since. */
  isKnownDead(instance: InstanceId): boolean {
    return this.#deaths.isKnown(instance)
  }

  /** Whether the directory said that its lease goes on when it was last asked, true or not. */
  leaseGoesOn(instance: InstanceId): boolean {
    return (this.#members.get(instance)?.heldMs ?? 0) > 0
  }

  /** Whether it has let two times pass at which it would have renewed its lease. */
  isLate(instance: InstanceId): boolean {
    return (this.#members.get(instance)?.leaseMs ?? 0) < this.#parts.leaseMs * (1 - 2 / beatsPerLease)
  }

  listen(listener: MembershipListener): void {
    this.#listeners.push(listener)
  }

  /** Who lives, without joining: asked in a name that no member takes for one. Rejects with a DirectoryDown. */
  async look(): Promise<LivingMember[]> {
    const { directory } = this.#parts
    const instance = crypto.randomUUID()
    const startedMs = performance.now()
    const answer = await directory.beat({ instance, record: '' }, 1)
    // What it tells of itself when it joins is told by the directory's clock.
    this.#clockOffsetMs = answer.nowMs - (startedMs + performance.now()) / 2
    return this.#membersIn(answer).filter(({ leaseMs }) => leaseMs > 0)
  }

  /** Joins. True when the directory has answered; otherwise it is asked again and again. */
  async start(): Promise<boolean> {
    this.#started = true
    const joined = await this.#beat()
    if (joined) this.#parts.directory.hint(memberHint)
    this.#seenAtMs = performance.now()
    this.#schedule()
    return joined
  }

  /**
   * Null, nearly always. A promise where this process stood still for as long as its lease: it resolves when it is
   * known again what it owns, and nothing may be executed before.
   */
  get unsettled(): Promise<void> | null {
    if (!this.#lapsed && performance.now() - this.#seenAtMs < this.#standstillMs) return null
    return this.#closed || !this.#started ? null : this.#noticeStandstill()
  }

  /** Says it to all: requests for new things go to others from now on. */
  async drain(): Promise<void> {
    this.#state = 'draining'
    await this.#beat()
    this.#parts.directory.hint(memberHint)
  }

  /** For how long the directory has held what it holds, as far as this member has seen. */
  get eraAgeMs(): number {
    return performance.now() - this.#eraSinceMs
  }

  get state(): MemberState {
    return this.#state
  }

  /** Renews the lease now, and looks who lives. False when the directory does not answer. */
  refresh(): Promise<boolean> {
    return this.#beat()
  }

  /** Who answers at an address. */
  async ping(address: string): Promise<PingAnswer> {
    const answer = await this.#parts.ping(address)
    if (answer !== null && answer !== 'refused' && this.#addresses.get(answer) === address)
      this.#deaths.seen(answer)
    return answer
  }

  /**
   * Whether a member is dead for certain: nothing answers and its lease is over; or it was seen at its address, which
   * refuses twice, or where somebody else is now. What is not known is not dead. Of one that is silent it is known when
   * its lease is over, or renewed.
   */
  isDead(instance: InstanceId): Promise<boolean> {
    return this.#deaths.isDead(instance)
  }

  /** Milliseconds that the last beats took, the middle one and the slowest. */
  get roundTrip(): { readonly p50Ms: number; readonly maxMs: number } {
    const sorted = this.#roundTripsMs.toSorted((a, b) => a - b)
    return { p50Ms: sorted[sorted.length >> 1] ?? 0, maxMs: sorted.at(-1) ?? 0 }
  }

  /** Leaves: its lease ends at once. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (!this.#started) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    const { directory, self, log } = this.#parts
    try {
      await this.#beating
      await directory.leave(self.instance)
      directory.hint(memberHint)
    } catch (thrown) {
      log.debug({ reason: reasonOf(thrown) }, 'the directory was not told that this member leaves')
    }
  }

  get #standstillMs(): number {
    return this.#parts.leaseMs * (1 - 1 / beatsPerLease)
  }

  #schedule(): void {
    // Where nobody brings hints, beats alone tell what has changed.
    const beatMs = this.#parts.leaseMs / beatsPerLease / (this.#parts.directory.isMute === true ? 2 : 1)
    this.#timer = setTimeout(() => {
      if (performance.now() - this.#seenAtMs >= this.#standstillMs) void this.#noticeStandstill()
      this.#seenAtMs = performance.now()
      void this.#beat()
      if (!this.#closed) this.#schedule()
    }, beatMs)
  }

  #noticeStandstill(): Promise<void> {
    this.#lapsed = true
    this.#seenAtMs = performance.now()
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = null
    })
    return this.#settling
  }

  /** Until the directory has said what is still this member's. */
  async #settle(): Promise<void> {
    const retryMs = this.#parts.leaseMs / beatsPerLease / 2
    while (this.#lapsed && !this.#closed) {
      // One that was under way may have been answered before the standstill.
      await this.#beating
      if (!(await this.#beat())) await Bun.sleep(retryMs)
    }
  }

  #beat(): Promise<boolean> {
    if (!this.#started || this.#closed) return Promise.resolve(false)
    this.#beating ??= this.#ask().finally(() => {
      this.#beating = null
    })
    return this.#beating
  }

  async #ask(): Promise<boolean> {
    const { directory, seal, self, leaseMs, log } = this.#parts
    const startedMs = performance.now()
    const { address, version } = self
    const atMs = Math.round(this.nowMs())
    const told = { address, state: this.#state, version, keys: this.keys, atMs, leaseMs }
    const record = sealMember(seal, self.instance, told)
    try {
      const answer = await directory.beat({ instance: self.instance, record }, leaseMs)
      this.#noteRoundTrip(performance.now() - startedMs)
      await this.#take(answer, startedMs)
      return true
    } catch (thrown) {
      this.missedBeats++
      log.debug({ reason: reasonOf(thrown) }, 'the lease could not be renewed')
      return false
    }
  }

  async #take(answer: BeatAnswer, startedMs: number): Promise<void> {
    const { leaseMs, log, self } = this.#parts
    this.#lapsed ||= this.#era !== null && startedMs > this.#leaseEndsMs
    this.#forgotten ||= this.#era !== null && this.#era !== answer.era
    const [lapsed, forgotten] = [this.#lapsed, this.#forgotten]
    const before = this.#era
    if (before !== answer.era) this.#eraSinceMs = startedMs
    this.#era = answer.era
    // Half the way is the best guess of when the directory looked at its clock.
    const offsetMs = answer.nowMs - (startedMs + performance.now()) / 2
    const isSet = Math.abs(offsetMs - this.#clockOffsetMs) > clockSetMs
    this.#clockOffsetMs = offsetMs
    // The others tell signatures by it as well, and have to register again what they own.
    if (before !== null && (isSet || before !== answer.era)) this.#parts.directory.hint(memberHint)
    this.#members = new Map(this.#membersIn(answer).map((member) => [member.instance, member]))
    this.#deaths.told()
    this.#remember()
    if (lapsed) {
      this.lapses++
      log.warn({ instance: self.instance }, 'the lease was over; asking what is still held here')
    }
    if (forgotten) log.warn({}, 'the directory has lost what it held; registering everything again')
    if (forgotten) await this.#tell((listener) => listener.forgotten?.())
    if (lapsed) await this.#tell((listener) => listener.lapsed?.())
    this.#forgotten = false
    this.#lapsed = false
    this.#leaseEndsMs = startedMs + leaseMs
    for (const listener of this.#listeners) listener.beaten?.(answer)
  }

  async #tell(tell: (listener: MembershipListener) => Promise<void> | undefined): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => tell(listener)))
  }

  #noteRoundTrip(ms: number): void {
    const at = bucketOf(ms / 1_000, directoryBuckets)
    this.roundTripCounts[at] = (this.roundTripCounts[at] ?? 0) + 1
    this.roundTripsSumMs += ms
    this.#roundTripsMs.push(ms)
    if (this.#roundTripsMs.length > roundTripsKept) this.#roundTripsMs.shift()
  }

  #membersIn({ members, nowMs }: BeatAnswer): LivingMember[] {
    const { seal, self } = this.#parts
    return members.flatMap((member) => {
      const known = openMember(seal, member, nowMs)
      // It has told it just now, by another clock where that was set since.
      return known?.instance === self.instance ? { ...known, leaseMs: member.leaseMs } : (known ?? [])
    })
  }

  #remember(): void {
    for (const { instance, address, version, isUnderstood } of this.#members.values()) {
      if (!isUnderstood && !this.#addresses.has(instance))
        this.#parts.log.warn(
          { replica: instance, address, version },
          'a replica of another version, which this one does not talk to: replace one of the two',
        )
      this.#addresses.delete(instance)
      this.#addresses.set(instance, address)
    }
    for (const instance of this.#addresses.keys()) {
      if (this.#addresses.size <= addressesMax) break
      this.#addresses.delete(instance)
      this.#deaths.forget(instance)
    }
  }
}

/** Somebody has come, leaves, or goes. */
export const memberHint = 'members'
