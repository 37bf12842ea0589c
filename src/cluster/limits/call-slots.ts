/**
 * Calls in flight at each server, of which all replicas together have so many. Each replica leases as many as it uses,
 * and half of its share besides, so that a call waits for nothing. Where that is used up a call waits a moment for more:
 * this replica asks again, and the others are told to keep less in hand.
 */
import type { Directory } from '../directory/directory.ts'
import type { Membership } from '../membership.ts'

export interface CallSlotsParts {
  readonly directory: Directory
  readonly membership: Pick<Membership, 'members' | 'self' | 'state'>
  readonly leaseMs: number
  /** The bound in force, and the part of it that each replica keeps to while the directory is away. */
  bound(): { readonly max: number; readonly share: number }
  readonly servers: CountedServers
}

/** What is in flight here, and who holds it to a bound. */
export interface CountedServers {
  list(): readonly { readonly name: string; readonly counters: CountedCalls }[]
  callsInFlight(): ReadonlyMap<string, number>
}

/** The calls of one server. */
export interface CountedCalls {
  readonly inFlight: number
  /** How many all replicas together leave to this one; infinity where it is alone. */
  sharedMax: number
  /** Resolves when there may be room for a call; it is counted in, or refused, then. Null where nobody can wait. */
  waitForRoom: (() => Promise<void>) | null
  /** Others wait already: whoever comes waits behind them. */
  isQueued: boolean
}

/** What is leased for one server, and who waits for more. */
interface Calls {
  readonly name: string
  counters: CountedCalls
  granted: number
  /** Monotonic. */
  askedAtMs: number
  asking: boolean
  readonly waiting: Waiting[]
}

interface Waiting {
  readonly untilMs: number
  readonly wake: () => void
}

/** Somebody needs room: those that keep some in hand give back most of it. */
const roomHint = 'room'

/** Slots are told again so often, well within the time for which they are known. */
export const tellAgainMs = 15_000
/** A bound that a replica meets is asked for again after this long; while calls wait, after that. */
const askAgainMs = 200
const askForWaitingMs = 20
/** So long a call waits for room at most. */
const waitMsMax = 500
/** So many wait at one server; more are refused at once. */
const waitingMax = 1_000
/** While calls wait it is looked for room so often. */
const lookMs = 5
/** Between two hints; what is kept in hand is quartered by each of them, until there was none for so long. */
const hintEveryMs = 80
const leanMs = 1_000
/** A replica on its way out keeps so many in hand. */
const spareOfLeaving = 8

export class CallSlots {
  readonly #parts: CallSlotsParts
  readonly #byName = new Map<string, Calls>()
  /** Monotonic: when the directory was last seen to answer. */
  #upAtMs = Number.NEGATIVE_INFINITY
  #begun = false
  #closed = false
  #looking: ReturnType<typeof setTimeout> | null = null
  #hintedAtMs = Number.NEGATIVE_INFINITY
  /** How often in a row others have asked for room, and when last. */
  #leanness = 0
  #leanAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: CallSlotsParts) {
    this.#parts = parts
    parts.directory.onHint((text) => {
      if (text === roomHint) this.#giveRoom()
    })
    this.sweep(performance.now())
  }

  /** From here on this replica is a member, whose slots count: resolves when it has its first ones of each server. */
  async begin(): Promise<void> {
    this.#begun = true
    await Promise.all(this.#look(performance.now()))
  }

  /** Refuses nobody any more who waits: what becomes of them is decided elsewhere. */
  close(): void {
    this.#closed = true
    if (this.#looking !== null) clearTimeout(this.#looking)
    for (const calls of this.#byName.values()) wakeAll(calls)
  }

  /** Asks for what is missing, and gives back what is not used. */
  sweep(nowMs: number): void {
    void Promise.all(this.#look(nowMs))
  }

  #look(nowMs: number): Promise<void>[] {
    const { directory, servers } = this.#parts
    if (directory.isUp) this.#upAtMs = nowMs
    const inFlight = servers.callsInFlight()
    const names = new Set<string>()
    const asked: Promise<void>[] = []
    for (const { name, counters } of servers.list()) {
      names.add(name)
      const calls = this.#callsOf(name, counters)
      const used = inFlight.get(name) ?? 0
      const asking = this.#adjust(calls, used, nowMs)
      if (asking !== null) asked.push(asking)
    }
    for (const [name, calls] of this.#byName) {
      if (names.has(name)) continue
      this.#byName.delete(name)
      wakeAll(calls)
    }
    return asked
  }

  #callsOf(name: string, counters: CountedCalls): Calls {
    let calls = this.#byName.get(name)
    if (calls === undefined) {
      // Nothing, for the moment until that is known: others may have all of it.
      const askedAtMs = Number.NEGATIVE_INFINITY
      calls = { name, counters, granted: 0, askedAtMs, asking: false, waiting: [] }
      this.#byName.set(name, calls)
    }
    if (calls.counters !== counters || counters.waitForRoom === null) {
      // It is in the place of another one, at which calls may wait.
      wakeAll(calls)
      calls.counters = counters
      const known = calls
      counters.waitForRoom = () => this.#wait(known)
    }
    return calls
  }

  #adjust(calls: Calls, used: number, nowMs: number): Promise<void> | null {
    const { max } = this.#parts.bound()
    const spare = this.#spareOf(used, nowMs)
    const wanted = Math.min(max, used + calls.waiting.length + spare)
    const isLong = !calls.asking && wanted < calls.granted - spare
    // What is given back is used no more before others have it.
    if (isLong) calls.granted = wanted
    this.#bind(calls, used)
    const sinceMs = nowMs - calls.askedAtMs
    const pauseMs = calls.waiting.length > 0 ? askForWaitingMs : askAgainMs
    const isShort = wanted > calls.granted && sinceMs >= pauseMs
    if (!this.#begun || calls.asking || !(isShort || isLong || sinceMs >= tellAgainMs)) return null
    return this.#ask(calls, wanted, max)
  }

  /** As much room for a rush that half of the bound lies ready at all replicas together; less while others need it. */
  #spareOf(used: number, nowMs: number): number {
    const { membership, bound } = this.#parts
    const whole = Math.max(1, Math.ceil(bound().share / 2))
    if (nowMs - this.#leanAtMs > leanMs) this.#leanness = 0
    const lean = this.#leanness === 0 ? whole : Math.floor(whole / 4 ** this.#leanness)
    return membership.state === 'draining' ? Math.min(lean, used + spareOfLeaving) : lean
  }

  /** Of `used`, a server that was replaced may have some: they count as well. */
  #bind(calls: Calls, used: number): void {
    const { counters } = calls
    counters.sharedMax = Math.max(0, this.#allowed(calls) - (used - counters.inFlight))
  }

  /** What may be used: while the directory is away, and leases of others end, no more than the share. */
  #allowed({ granted }: Calls): number {
    const { directory, leaseMs, bound } = this.#parts
    if (directory.isUp) return granted
    const { share } = bound()
    return performance.now() - this.#upAtMs < leaseMs ? Math.min(granted, share) : share
  }

  async #ask(calls: Calls, wanted: number, max: number): Promise<void> {
    const { directory, membership, servers } = this.#parts
    calls.askedAtMs = performance.now()
    if (!directory.isUp) return
    calls.asking = true
    try {
      const { instance } = membership.self
      calls.granted = await directory.slots(`calls ${calls.name}`, { instance, wanted, max })
    } catch {
      // Its share (`#allowed`), once it is known that nobody answers.
    } finally {
      calls.asking = false
    }
    const used = servers.callsInFlight().get(calls.name) ?? 0
    this.#bind(calls, used)
    if (calls.waiting.length > 0 && calls.granted < used + calls.waiting.length) this.#askOthers()
  }

  /** One more call that finds no room here. */
  #wait(calls: Calls): Promise<void> {
    // Without the directory there is the share and no more.
    if (this.#closed || !this.#parts.directory.isUp || calls.waiting.length >= waitingMax)
      return Promise.resolve()
    return new Promise((resolve) => {
      calls.waiting.push({ untilMs: performance.now() + waitMsMax, wake: resolve })
      calls.counters.isQueued = true
      this.#lookForRoom(0)
    })
  }

  #lookForRoom(afterMs: number): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = null
      const nowMs = performance.now()
      const inFlight = this.#parts.servers.callsInFlight()
      for (const calls of this.#byName.values()) {
        if (calls.waiting.length === 0) continue
        // First, while those that are let in are still counted: nothing that they begin with is given back.
        void this.#adjust(calls, inFlight.get(calls.name) ?? 0, nowMs)
        letIn(calls, nowMs)
        if (calls.waiting.length > 0) this.#lookForRoom(lookMs)
      }
    }, afterMs)
  }

  #askOthers(): void {
    const nowMs = performance.now()
    if (nowMs - this.#hintedAtMs < hintEveryMs) return
    this.#hintedAtMs = nowMs
    this.#parts.directory.hint(roomHint)
  }

  #giveRoom(): void {
    const nowMs = performance.now()
    if (nowMs - this.#leanAtMs > leanMs) this.#leanness = 0
    this.#leanness = Math.min(16, this.#leanness + 1)
    this.#leanAtMs = nowMs
    this.sweep(nowMs)
  }
}

/** As many as there is room for, in their order, and those that have waited long enough to be refused. */
function letIn(calls: Calls, nowMs: number): void {
  const { counters, waiting } = calls
  const room = Math.max(0, counters.sharedMax - counters.inFlight)
  let count = Math.min(room, waiting.length)
  while (count < waiting.length && (waiting[count]?.untilMs ?? nowMs + 1) <= nowMs) count++
  for (const { wake } of waiting.splice(0, count)) wake()
  counters.isQueued = waiting.length > 0
}

function wakeAll({ counters, waiting }: Calls): void {
  for (const { wake } of waiting.splice(0)) wake()
  counters.isQueued = false
}
