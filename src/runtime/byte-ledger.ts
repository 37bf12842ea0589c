/**
 * Who holds how much of the gateway's memory: the one rule by which clients share it.
 *
 * Counts bound no bytes: forty answers of 40 MiB that nobody reads are 1.6 GiB. Whoever keeps something large or
 * long-lived for a client enters its bytes here first, and strikes them out when it has let go. What its client
 * leaves lying, an answer of which it has read nothing for seconds, gives way to what comes after it: the client's
 * own first, then those of the clients that hold most. Everything else stays, and what finds no room is refused.
 */
import { largeGarbage } from './large-garbage.ts'

/** A text or an answer of less than this is not entered for as long as a call takes: small calls pay nothing. */
export const heldBytesMin = 64 * 1024

export interface LedgerBounds {
  /** Bytes of all clients together. */
  readonly heldBytesMax: number
  /** Bytes of one client. */
  readonly heldBytesPerClientMax: number
}

/** So long an answer may stand still before it is given up: whoever reads, however slowly, keeps its own. */
const stalledMs = 5_000

/** What one client holds. */
interface Account {
  bytes: number
  /** The entries that may be given up; the one that has moved last stands last. */
  readonly yielding: Set<LedgerEntry>
}

export class ByteLedger {
  readonly #bounds: LedgerBounds
  readonly #accounts = new Map<string, Account>()
  readonly #discarded: (bytes: number) => void
  readonly #nowMs: () => number
  #bytes = 0

  /** `discarded` hears of the bytes that were refused or given up; `nowMs` is monotonic. */
  constructor(
    bounds: LedgerBounds,
    discarded = (bytes: number): void => largeGarbage.discarded(bytes),
    nowMs = (): number => performance.now(),
  ) {
    this.#bounds = bounds
    this.#discarded = discarded
    this.#nowMs = nowMs
  }

  /** Bytes of all clients together. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of this client. */
  bytesOf(client: string): number {
    return this.#accounts.get(client)?.bytes ?? 0
  }

  /**
   * An entry for this client, of no bytes yet. `giveUp` marks what may be given up: it is called once when that
   * has happened, and the entry is closed by then.
   */
  open(client: string, giveUp: (() => void) | null = null): LedgerEntry {
    return new LedgerEntry((entry, bytes) => this.#change(entry, bytes), client, giveUp)
  }

  /** An entry of so many bytes that stays until it is closed; null when there is no room. */
  hold(client: string, bytes: number): LedgerEntry | null {
    const entry = this.open(client)
    return entry.resize(bytes) ? entry : null
  }

  #change(entry: LedgerEntry, bytes: number): boolean {
    const more = bytes - entry.bytes
    const account = this.#accounts.get(entry.client) ?? { bytes: 0, yielding: new Set() }
    const nowMs = this.#nowMs()
    if (more > 0) {
      const going = this.#wouldGoFor(account, more, nowMs)
      // What was refused more is thrown away whole.
      if (going === null) this.#discarded(entry.bytes + more)
      else if (going.length > 0) this.#discarded(more)
      if (going === null) return false
      for (const given of going) {
        given.close()
        given.giveUp?.()
      }
    }
    account.bytes += more
    this.#bytes += more
    if (entry.giveUp !== null) {
      // Growing is no sign of a reader.
      if (more < 0 || entry.bytes === 0) {
        entry.movedAtMs = nowMs
        account.yielding.delete(entry)
      }
      if (bytes > 0) account.yielding.add(entry)
    }
    if (account.bytes > 0) this.#accounts.set(entry.client, account)
    else this.#accounts.delete(entry.client)
    return true
  }

  /** What would be given up so that an account may have so many bytes more; null when that would not do. */
  #wouldGoFor(account: Account, more: number, nowMs: number): LedgerEntry[] | null {
    const { heldBytesMax, heldBytesPerClientMax } = this.#bounds
    const going: LedgerEntry[] = []
    const gain = (from: Account, neededBytes: number): number => {
      let gained = 0
      for (const entry of from.yielding) {
        if (gained >= neededBytes || nowMs - entry.movedAtMs < stalledMs) break
        gained += entry.bytes
        going.push(entry)
      }
      return gained
    }
    const excess = account.bytes + more - heldBytesPerClientMax
    const own = gain(account, excess)
    if (own < excess) return null
    let excessInAll = this.#bytes + more - own - heldBytesMax
    if (excessInAll <= 0) return going
    // Only who holds more than the one who asks gives way to it.
    const greedier = [...this.#accounts.values()].filter(({ bytes }) => bytes > account.bytes + more)
    for (const other of greedier.sort((one, another) => another.bytes - one.bytes)) {
      if (excessInAll <= 0) break
      excessInAll -= gain(other, excessInAll)
    }
    return excessInAll <= 0 ? going : null
  }
}

/** Bytes that one thing holds in the name of one client. */
export class LedgerEntry {
  readonly client: string
  readonly giveUp: (() => void) | null
  /** Monotonic milliseconds of its last change; kept by the ledger for what may be given up. */
  movedAtMs = 0
  readonly #change: (entry: LedgerEntry, bytes: number) => boolean
  #bytes = 0

  /** Made by `ByteLedger.open`. */
  constructor(
    change: (entry: LedgerEntry, bytes: number) => boolean,
    client: string,
    giveUp: (() => void) | null,
  ) {
    this.#change = change
    this.client = client
    this.giveUp = giveUp
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Holds so many bytes from here on. False when there is no room for more of them: then nothing has changed. */
  resize(bytes: number): boolean {
    if (bytes === this.#bytes) return true
    if (!this.#change(this, bytes)) return false
    this.#bytes = bytes
    return true
  }

  /** Holds nothing from here on. */
  close(): void {
    this.resize(0)
  }
}

/** What a text takes in memory: one byte a character, two when one of them needs more. */
export function textBytes(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length
}
