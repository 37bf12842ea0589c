/**
 * What the messages of a server cost, and that their server pays for it.
 *
 * One that floods would otherwise keep the whole gateway busy: calls of other servers were seen to take seconds.
 * The answers to calls are free, however large. Everything else is charged for the bytes that are read and for the
 * work that they make, also on the response of a call: it is read at a bounded rate, and the server waits on its
 * pipe meanwhile, as on any reader that is slow. What waits behind it comes at that rate. However much a server
 * says at once, the loop turns in between.
 */

/**
 * What things cost. One unit is a byte that is read and kept; a unit of work takes about ten nanoseconds, so that
 * a server which says all that it may takes less than a tenth of one processor.
 */
export const costs = {
  /** A line of any kind, beside its bytes. */
  line: 32,
  /** A message that answers no call, the one receiver of most of them included. */
  message: 512,
  /** A request of the server's, for what its answer costs: over HTTP a request as well. */
  question: 32 * 1024,
  /** One more receiver, beside the bytes that it is given. */
  delivery: 512,
  /** A URI that a resource is compared with. */
  comparison: 16,
} as const

/** What may be said at once: a start-up in debug mode, a large list of changes. */
const burstUnits = 16 * 1024 * 1024
const unitsPerSecond = 8 * 1024 * 1024
/** Shorter pauses cost more than they slow down. */
const pauseMsMin = 20
/** Longest pause for what other streams of the same server have spent: each goes on, if slowly. */
const sharedPauseMsMax = 1_000
/** The same where hundreds of streams each bring much: none should wait for long once they say less. */
const crowdedPauseMsMax = 30_000
/** Answers to a server's questions that may be on their way to it at once without its streams waiting for them. */
const answersFreeMax = 32
/** Beyond it a stream waits so long for each that is on its way: they come to be about as many as streams. */
const pauseMsPerAnswer = 4
/** So much may be done for one server before everybody else has a turn: a few milliseconds. */
const turnUnitsMax = 256 * 1024
/** So much of all streams of a server together. */
const allBytesMax = 32 * 1024 * 1024
/** Less of one stream is not worth the counting: it is bounded by the number of streams. */
const countedBytesMin = 16 * 1024
/** What has been read of all streams of a server and waits to be looked at: a single read may bring half a megabyte. */
const inHandBytesMax = 8 * 1024 * 1024
/** Streams of one server that go on in the same turn. */
const resumedPerTurnMax = 32
/** The same of those that read, which cost at once, or bring half a megabyte. */
const readingPerTurnMax = 2
/** Bytes of a message that are read for as much as a unit costs: found, put together, and nothing else. */
const bytesPerUnit = 8

/** Earns at a steady rate, up to a bound, and may owe. */
class Allowance {
  readonly #debtUnitsMax: number
  #units = burstUnits
  #chargedAtMs = performance.now()

  constructor(debtUnitsMax: number) {
    this.#debtUnitsMax = debtUnitsMax
  }

  /** Whether something was owed after the last charge. */
  get owes(): boolean {
    return this.#units < 0
  }

  /** Answers how long it takes until nothing is owed, in milliseconds. */
  charge(units: number, nowMs: number): number {
    const earned = ((nowMs - this.#chargedAtMs) / 1000) * unitsPerSecond
    this.#chargedAtMs = nowMs
    this.#units = Math.max(Math.min(burstUnits, this.#units + earned) - units, -this.#debtUnitsMax)
    return this.#units >= 0 ? 0 : (-this.#units / unitsPerSecond) * 1000
  }
}

/**
 * What all streams of one server hold of messages that have not ended yet. Each stream is bounded by itself, but a
 * server has as many of them as it has clients. Beyond the bound for all only the largest goes on, so that one
 * message of the greatest size always comes through, whatever the others do.
 */
export class UnfinishedBytes {
  readonly #heldBy = new Map<object, number>()
  #bytes = 0

  /**
   * Notes what a stream holds from now on. False when it should take nothing more for now: ask again. What is not
   * `expected` has no right to more than the bound beside others.
   */
  hold(stream: object, bytes: number, expected = true): boolean {
    const before = this.#heldBy.get(stream)
    if (bytes < countedBytesMin) {
      if (before !== undefined && this.#heldBy.delete(stream)) this.#bytes -= before
      return true
    }
    this.#heldBy.set(stream, bytes)
    this.#bytes += bytes - (before ?? 0)
    return this.#bytes <= allBytesMax || (expected ? this.isLargest(stream) : this.#heldBy.size === 1)
  }

  /** True for the one that goes on whatever the others hold: of several that hold as much, the one that came first. */
  isLargest(stream: object): boolean {
    const bytes = this.#heldBy.get(stream)
    if (bytes === undefined) return false
    let first: object | null = null
    for (const [other, held] of this.#heldBy) {
      if (held > bytes) return false
      if (held === bytes) first ??= other
    }
    return first === stream
  }
}

/**
 * What the streams of one server that stand still have been read of and not looked at. Each has as much as one read
 * brings; beyond the bound for all none is read further until some have come on.
 */
export class BytesInHand {
  readonly #heldBy = new Map<object, number>()
  #bytes = 0

  /** Notes what a stream has in hand from now on. */
  hold(stream: object, bytes: number): void {
    this.#bytes += bytes - (this.#heldBy.get(stream) ?? 0)
    if (bytes === 0) this.#heldBy.delete(stream)
    else this.#heldBy.set(stream, bytes)
  }

  get full(): boolean {
    return this.#bytes > inHandBytesMax
  }
}

/** What all streams of one server share: many that say a little each cost as much as one that says a lot. */
export class ServerBudget {
  readonly unfinished = new UnfinishedBytes()
  readonly inHand = new BytesInHand()
  readonly #allowance = new Allowance((sharedPauseMsMax / 1000) * unitsPerSecond)
  /** Streams that wait for what they have cost. */
  pausedCount = 0
  /**
   * Answers to questions that are on their way over HTTP. A server that asks quicker than it takes them would have
   * thousands of connections, and a turn of the loop for all of them takes a second.
   */
  answersUnderWay = 0
  #turnUnits = 0
  /** Those that go on in a later turn; null while this one is not used up and nobody waits. */
  #waiting: (() => void)[] | null = null
  readonly #waitingToRead: (() => void)[] = []

  /** Answers for how long the stream that has made these costs should wait, in milliseconds. */
  charge(units: number, nowMs: number): number {
    this.#spend(units)
    return this.#allowance.charge(units, nowMs)
  }

  /** The same, and for how long the stream should wait for its share: the others that wait have as much. */
  pauseAfter(units: number, nowMs: number): number {
    const debtMs = Math.min(this.charge(units, nowMs), sharedPauseMsMax)
    const answersMs = this.answersUnderWay > answersFreeMax ? this.answersUnderWay * pauseMsPerAnswer : 0
    if (debtMs === 0) return answersMs
    const shareMs = ((units * this.pausedCount) / unitsPerSecond) * 1000
    return Math.min(Math.max(debtMs, shareMs, answersMs), crowdedPauseMsMax)
  }

  /** Notes what has been read, which is free but for the others who wait for their turn. */
  read(bytes: number): void {
    this.#spend(bytes / bytesPerUnit)
  }

  #spend(units: number): void {
    this.#turnUnits += units
    if (this.#turnUnits >= turnUnitsMax) this.#endTurn()
  }

  #endTurn(): void {
    if (this.#waiting !== null) return
    this.#waiting = []
    setImmediate(() => this.#turn())
  }

  /** True while the server has cost more than it may. */
  get indebted(): boolean {
    return this.#allowance.owes
  }

  /** True once this turn of the loop is used up. */
  get turnSpent(): boolean {
    return this.#waiting !== null
  }

  /** Calls back in a later turn; only while this one is used up. */
  nextTurn(resume: () => void): void {
    this.#waiting?.push(resume)
  }

  /** Resolves in a later turn, for one that will read at once, or be read. */
  turnToRead(): Promise<void> {
    this.#endTurn()
    return new Promise((resolve) => void this.#waitingToRead.push(resolve))
  }

  #turn(): void {
    const waiting = this.#waiting ?? []
    this.#turnUnits = 0
    const due = waiting.splice(0, resumedPerTurnMax)
    due.push(...this.#waitingToRead.splice(0, readingPerTurnMax))
    const more = waiting.length > 0 || this.#waitingToRead.length > 0
    this.#waiting = more ? waiting : null
    if (more) setImmediate(() => this.#turn())
    for (const resume of due) resume()
  }
}

/** A stream that can be stopped for a while. */
export interface Pausable {
  pause(): void
  resume(): void
}

export class FloodGuard {
  readonly #stream: Pausable
  readonly #budget: ServerBudget
  #onSlowed: (() => void) | null
  /** Its own: a server pays in full, but not with the streams of other clients. */
  readonly #allowance = new Allowance(Number.POSITIVE_INFINITY)
  #resume: ReturnType<typeof setTimeout> | null = null
  #awaitsTurn = false
  /** Reasons for which the stream stands still. */
  #holds = 0
  #stopped = false

  /** `onSlowed` is called the first time that the stream has to wait for what it has cost. */
  constructor(stream: Pausable, budget: ServerBudget, onSlowed: (() => void) | null = null) {
    this.#stream = stream
    this.#budget = budget
    this.#onSlowed = onSlowed
  }

  /** Notes what something has cost that answers no call: bytes, and `costs` for the work. */
  charge(units: number): void {
    const nowMs = performance.now()
    const sharedMs = this.#budget.pauseAfter(units, nowMs)
    const debtMs = Math.max(this.#allowance.charge(units, nowMs), sharedMs)
    if (this.#stopped) return
    if (debtMs > 0) this.#wait(debtMs)
    if (this.#awaitsTurn || !this.#budget.turnSpent) return
    this.#awaitsTurn = true
    this.hold()
    this.#budget.nextTurn(() => {
      this.#awaitsTurn = false
      this.release()
    })
  }

  #wait(debtMs: number): void {
    if (this.#resume !== null) return
    this.hold()
    this.#budget.pausedCount++
    this.#onSlowed?.()
    this.#onSlowed = null
    this.#resume = setTimeout(
      () => {
        this.#resume = null
        this.#budget.pausedCount--
        this.release()
      },
      Math.max(pauseMsMin, debtMs),
    )
    this.#resume.unref()
  }

  /** Stops the stream until as many calls of `release`. */
  hold(): void {
    if (this.#stopped) return
    this.#holds++
    if (this.#holds === 1) this.#stream.pause()
  }

  release(): void {
    if (this.#stopped) return
    this.#holds--
    if (this.#holds === 0) this.#stream.resume()
  }

  /** The stream has ended, or what it still holds is wanted. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    if (this.#resume !== null) {
      clearTimeout(this.#resume)
      this.#budget.pausedCount--
    }
    this.#resume = null
    if (this.#holds > 0) this.#stream.resume()
  }
}
