/**
 * The shared records as this member knows them: read from memory, written to the directory, brought up to date by what
 * the others write. A change counts here at once, and is taken back when the directory does not take it; who has asked
 * for it is answered only then.
 *
 * Of each record the higher version counts. It stands in its seal, so that nobody who can write to the directory brings
 * an older state back to a member that knows a newer one.
 */
import { randomInt } from 'node:crypto'
import { reasonOf } from '../../errors.ts'
import { StoreError } from '../../registry/storage/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Directory, type SharedRecord, tombstoneMs } from '../directory/directory.ts'
import type { Seal } from '../seal.ts'

/** A record as it is known; without a text it was removed. */
export interface KnownRecord {
  readonly version: number
  readonly text: string | null
}

/** What is kept of the book for the next start. */
export interface BookSnapshot {
  readonly records: ReadonlyMap<string, KnownRecord>
  /** When it was up to date last, by the directory's clock; null for never. */
  readonly syncedMs: number | null
}

export interface RecordBookParts {
  readonly directory: Directory
  readonly seal: Seal
  readonly log: Log
  readonly start: BookSnapshot
  /** What is there is compared with what is known so often, whatever is told; every minute when absent. */
  readonly compareMs?: number
  /** The directory's clock. */
  nowMs(): number
  /** What is known under these keys is another, and is to be kept; `foreign` where this member did not write it. */
  changed(keys: ReadonlySet<string>, foreign: boolean): void
}

/** What was confirmed of a record that is being written. */
interface Pending {
  count: number
  confirmed: KnownRecord
}

/** Somebody has written records. */
const recordsHint = 'records'
/** A state older than this may have missed that a record was removed, which is known for a little longer. */
const staleMs = tombstoneMs - 60 * 60_000
/** Is there as long as a directory is; of no kind that a store knows. */
const begunKey = 'cluster/begun'
const lookAgainMs = 100
const minuteMs = 60_000
/** Microseconds by which a version may be ahead of the clock. */
const versionsAside = 1_024
const none: KnownRecord = { version: 0, text: null }

export class RecordBook {
  readonly #parts: RecordBookParts
  readonly #known: Map<string, KnownRecord>
  readonly #pending = new Map<string, Pending>()
  #syncedMs: number | null
  /** The same by the clock of this machine. */
  #syncedLocalMs: number | null
  #era: string | null = null
  #sequence = 0
  /** Monotonic: when everything was compared last. */
  #comparedAtMs = performance.now()
  /** The write that was made last. */
  #tail: Promise<unknown> = Promise.resolve()
  /** The last question about records. */
  #reading: Promise<void> = Promise.resolve()
  #pulling: Promise<void> | null = null
  #pullAgain = false
  #lastWarning = ''

  constructor(parts: RecordBookParts) {
    this.#parts = parts
    this.#known = new Map(parts.start.records)
    this.#syncedMs = parts.start.syncedMs
    this.#syncedLocalMs = parts.start.syncedMs
    const { directory } = parts
    directory.onHint((text) => {
      if (text === recordsHint) this.#pullSoon()
    })
  }

  get(key: string): string | null {
    return this.#known.get(key)?.text ?? null
  }

  /** Every record, those that were removed among them. */
  get records(): ReadonlyMap<string, KnownRecord> {
    return this.#known
  }

  /** Whether a cluster has begun there that has other secrets. */
  isForeign = false

  /** When it was up to date last, by the directory's clock; null for never. */
  get syncedMs(): number | null {
    return this.#syncedMs
  }

  /**
   * Makes these changes together, null for none. They count at once; the promise says whether the directory has them.
   * Throws a StoreError, and changes nothing, where the directory is known not to answer.
   */
  write(changes: ReadonlyMap<string, string | null>): Promise<void> {
    const { directory, seal } = this.#parts
    if (!directory.isUp) throw unavailable()
    const floor = Math.floor(this.#parts.nowMs() * 1_000)
    const writes = [...changes].map(([key, text]) => {
      const before = this.#known.get(key) ?? none
      // Two members may make another state of the same one, where a failover has lost the first: no two are the same.
      const version = Math.max(before.version + 1, floor) + randomInt(versionsAside)
      const pending = this.#pending.get(key) ?? { count: 0, confirmed: before }
      pending.count++
      this.#pending.set(key, pending)
      this.#known.set(key, { version, text })
      return { record: sealedRecord(seal, key, { version, text }), expected: before.version }
    })
    this.#parts.changed(new Set(changes.keys()), false)
    const written = this.#tail.then(async () => {
      const outcome = await directory.put(writes)
      if (outcome.conflict === null) return
      throw new StoreError(
        'STORE_UNAVAILABLE',
        'Another replica has changed the same at the same moment. Look at it again, and repeat the change if it is still meant.',
      )
    })
    this.#tail = written.catch(() => {})
    const versions = new Map(writes.map(({ record }) => [record.key, record.version]))
    return written.then(
      () => {
        this.#confirm(changes, versions)
        directory.hint(recordsHint)
      },
      (thrown: unknown) => {
        this.#takeBack(changes.keys())
        this.#pullSoon()
        throw thrown instanceof StoreError ? thrown : unavailable()
      },
    )
  }

  /**
   * Resolves when it is known that a directory is none that was just emptied: somebody has noted there that a cluster
   * has begun, or nobody has in `waitMs`, and this member does. Whoever knew nothing to begin with would otherwise serve
   * without what the others bring back in a moment: the doors that keys have closed.
   */
  async untilBegun(waitMs: number): Promise<void> {
    const endsMs = performance.now() + waitMs
    while (this.get(begunKey) === null && !this.isForeign && performance.now() < endsMs) {
      await Bun.sleep(lookAgainMs)
      await this.reconcile().catch(() => {})
    }
    if (this.get(begunKey) !== null || this.isForeign) return
    try {
      await this.write(new Map([[begunKey, 'begun']]))
    } catch {
      // Somebody else came first, or the directory has gone again.
    }
  }

  /** The directory has come so far, in this era: looks what is new. */
  noticed(era: string, sequence: number): void {
    if (era !== this.#era || sequence > this.#sequence) this.#pullSoon()
    else if (performance.now() - this.#comparedAtMs > (this.#parts.compareMs ?? minuteMs)) {
      this.#comparedAtMs = performance.now()
      // A store that lacks memory may drop some of it without a word.
      this.reconcile().catch(() => {})
    }
  }

  /**
   * Compares everything with the directory: takes what is newer there, brings what it has lost. Rejects with a
   * DirectoryDown.
   */
  reconcile(): Promise<void> {
    return this.#inTurn(() => this.#reconcile())
  }

  async #reconcile(): Promise<void> {
    const { directory, seal, log } = this.#parts
    const { era, sequence, records } = await directory.changesSince(0)
    this.#take(records)
    const theirs = new Map(records.map((record) => [record.key, record.version]))
    const isStale = this.#isStale() && theirs.size > 0
    const ours = [...this.#known].filter(
      ([key, { version }]) => !this.#pending.has(key) && version > (theirs.get(key) ?? 0),
    )
    const [dropped, lost] = isStale ? [ours.filter(([key]) => !theirs.has(key)), []] : [[], ours]
    if (dropped.length > 0) {
      log.info(
        { records: dropped.length },
        'what is kept here is older than a day, and what nobody else has is forgotten',
      )
      for (const [key] of dropped) this.#known.delete(key)
      this.#parts.changed(new Set(dropped.map(([key]) => key)), true)
    }
    if (lost.length > 0) {
      await directory.restore(lost.map(([key, known]) => sealedRecord(seal, key, known)))
      if (this.#era !== null)
        log.info({ records: lost.length }, 'records were brought back that the directory had lost')
      directory.hint(recordsHint)
    }
    this.#era = era
    this.#sequence = sequence
    this.#noteSynced()
    this.#comparedAtMs = performance.now()
    await this.#sealAnew(records)
  }

  #noteSynced(): void {
    this.#syncedMs = this.#parts.nowMs()
    this.#syncedLocalMs = Date.now()
  }

  /** By both clocks: one that was set, or lies, would have members forget keys and the doors that these have closed. */
  #isStale(): boolean {
    const [syncedMs, localMs] = [this.#syncedMs, this.#syncedLocalMs]
    if (syncedMs === null || localMs === null) return false
    return this.#parts.nowMs() - syncedMs > staleMs && Date.now() - localMs > staleMs
  }

  /** Once a secret has another one before it, what it has sealed is sealed with that one: it may be taken away then. */
  async #sealAnew(records: readonly SharedRecord[]): Promise<void> {
    const { directory, seal } = this.#parts
    for (const { key, version, sealed } of records) {
      const known = this.#known.get(key)
      if (known?.version !== version || this.#pending.has(key)) continue
      if (seal.isCurrent('record', `${version} ${key}`, sealed)) continue
      // Another member may be about the same; one of them is enough.
      await directory.put([
        { record: sealedRecord(seal, key, { ...known, version: version + 1 }), expected: version },
      ])
    }
  }

  /** Where the directory stands is asked for once at a time: an older answer must not count after a newer one. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#reading.then(work)
    this.#reading = mine.catch(() => {})
    return mine
  }

  #pullSoon(): void {
    if (this.#pulling !== null) {
      this.#pullAgain = true
      return
    }
    this.#pulling = this.#inTurn(() => this.#pull()).finally(() => {
      this.#pulling = null
      if (this.#pullAgain) this.#pullSoon()
    })
  }

  async #pull(): Promise<void> {
    this.#pullAgain = false
    try {
      const changes = await this.#parts.directory.changesSince(this.#sequence)
      if (changes.era !== this.#era) {
        await this.#reconcile()
        return
      }
      this.#take(changes.records)
      this.#sequence = changes.sequence
      this.#noteSynced()
    } catch (thrown) {
      // The next beat asks again.
      this.#parts.log.debug({ reason: reasonOf(thrown) }, 'shared records could not be read')
    }
  }

  #take(records: readonly SharedRecord[]): void {
    const changed = new Set<string>()
    for (const record of records) {
      const { key, version } = record
      const pending = this.#pending.get(key)
      const known = pending?.confirmed ?? this.#known.get(key) ?? none
      if (version <= known.version) continue
      const text = openedRecord(this.#parts.seal, record)
      if (text === undefined) {
        if (key === begunKey) this.isForeign = true
        this.#warnOnce(`no replica with this secret has written the record ${key.slice(0, 80)}`)
        continue
      }
      if (pending === undefined) {
        this.#known.set(key, { version, text })
        changed.add(key)
      } else pending.confirmed = { version, text }
    }
    if (changed.size > 0) this.#parts.changed(changed, true)
  }

  #confirm(changes: ReadonlyMap<string, string | null>, versions: ReadonlyMap<string, number>): void {
    for (const [key, text] of changes) {
      const pending = this.#pending.get(key)
      if (pending === undefined) continue
      const version = versions.get(key) ?? 0
      if (version > pending.confirmed.version) pending.confirmed = { version, text }
      pending.count--
      if (pending.count === 0) this.#settle(key, pending)
    }
  }

  #takeBack(keys: Iterable<string>): void {
    for (const key of keys) {
      const pending = this.#pending.get(key)
      if (pending === undefined) continue
      pending.count--
      if (pending.count === 0) this.#settle(key, pending)
    }
  }

  /** Nothing is under way for it any more: what is confirmed is what counts. */
  #settle(key: string, { confirmed }: Pending): void {
    this.#pending.delete(key)
    const known = this.#known.get(key) ?? none
    if (known.version === confirmed.version) return
    if (confirmed.version === 0) this.#known.delete(key)
    else this.#known.set(key, confirmed)
    this.#parts.changed(new Set([key]), true)
  }

  #warnOnce(reason: string): void {
    if (reason === this.#lastWarning) return
    this.#lastWarning = reason
    this.#parts.log.warn({ reason }, 'a shared record is passed over')
  }
}

function unavailable(): StoreError {
  return new StoreError(
    'STORE_UNAVAILABLE',
    'The store that all replicas share does not answer, and nothing can be changed meanwhile; what is registered goes on. Try again.',
  )
}

function sealedRecord(seal: Seal, key: string, { version, text }: KnownRecord): SharedRecord {
  const sealed = seal.seal('record', `${version} ${key}`, JSON.stringify({ text }))
  return { key, version, sealed, removed: text === null }
}

/** Undefined for what no member has written under this key with this version. */
function openedRecord(seal: Seal, record: SharedRecord): string | null | undefined {
  const { key, version, sealed, removed } = record
  const opened = seal.open('record', `${version} ${key}`, sealed)
  if (opened === null) return undefined
  // Sealed by `sealedRecord`.
  const { text } = JSON.parse(opened) as { text: string | null }
  return (text === null) === removed ? text : undefined
}
