/** The last calls, kept within bounds, and those of them that somebody wants to see. */
import type { CallEvent } from '../../../../http/api/answers.ts'
import { endedWell } from '../../live/outcomes.ts'

/** Names of keys by principal. */
type KeyNames = ReadonlyMap<string, string>

export interface Wanted {
  /** A part of each; empty for any. */
  readonly caller: string
  readonly server: string
  readonly tool: string
  /** One of the outcomes, `bad` for all that did not end well, or empty for any. */
  readonly outcome: string
}

export const anyCall: Wanted = { caller: '', server: '', tool: '', outcome: '' }

/** A call with a number of its own, by which a list knows it. */
export interface Logged {
  readonly id: number
  readonly call: CallEvent
}

export const keptMax = 5_000

export class CallLog {
  #lastId = 0
  #kept: Logged[] = []
  #shown: Logged[] = []
  #wanted: Wanted = anyCall
  #missed = 0
  #letGo = 0
  #names: KeyNames = new Map()
  /** How many came while it was paused, and wait. */
  #waiting: Logged[] = []
  #paused = false

  /** Newest first. */
  get shown(): readonly Logged[] {
    return this.#shown
  }

  get kept(): number {
    return this.#kept.length
  }

  /** How many were not told, because there were too many at once. */
  get missed(): number {
    return this.#missed
  }

  /** How many older ones are no longer kept. */
  get letGo(): number {
    return this.#letGo
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get paused(): boolean {
    return this.#paused
  }

  get wanted(): Wanted {
    return this.#wanted
  }

  /** `missed` were not told, `letGo` came before these and are kept by nobody. */
  add(calls: readonly CallEvent[], missed = 0, letGo = 0): void {
    this.#missed += missed
    this.#letGo += letGo
    const logged = calls.map((call) => ({ id: ++this.#lastId, call })).reverse()
    if (this.#paused) this.#waiting = this.#bounded([...logged, ...this.#waiting])
    else this.#take(logged)
  }

  want(wanted: Wanted): void {
    this.#wanted = wanted
    this.#shown = this.#kept.filter(({ call }) => isWanted(call, wanted, this.#names))
  }

  /** Callers are found by these names as well. */
  name(names: KeyNames): void {
    if (names === this.#names) return
    this.#names = names
    this.want(this.#wanted)
  }

  /** What comes from here on waits, so that what is read stays where it is. */
  pause(paused: boolean): void {
    this.#paused = paused
    if (paused) return
    this.#take(this.#waiting)
    this.#waiting = []
  }

  clear(): void {
    this.#kept = []
    this.#shown = []
    this.#waiting = []
    this.#missed = 0
    this.#letGo = 0
  }

  #bounded(calls: Logged[]): Logged[] {
    this.#letGo += Math.max(0, calls.length - keptMax)
    return calls.slice(0, keptMax)
  }

  #take(newest: readonly Logged[]): void {
    if (newest.length === 0) return
    this.#kept = this.#bounded([...newest, ...this.#kept])
    const oldest = this.#kept.at(-1)?.id ?? 0
    const wanted = newest.filter(({ call }) => isWanted(call, this.#wanted, this.#names))
    const shown = wanted.length === 0 ? this.#shown : [...wanted, ...this.#shown]
    // What is no longer kept is no longer shown.
    const end = shown.findLastIndex(({ id }) => id >= oldest) + 1
    this.#shown = shown === this.#shown && end === shown.length ? shown : shown.slice(0, end)
  }
}

/** Whether somebody wants to see it; `names` are those of callers. */
export function isWanted(
  call: CallEvent,
  { caller, server, tool, outcome }: Wanted,
  names: KeyNames = new Map(),
): boolean {
  if (outcome === 'bad' ? endedWell(call) : outcome !== '' && call.outcome !== outcome) return false
  return (
    holds(`${names.get(call.caller ?? '') ?? ''} ${call.caller ?? ''} ${call.client ?? ''}`, caller) &&
    holds(`${call.mcp ?? ''} ${call.group ?? ''}`, server) &&
    holds(`${call.tool ?? ''} ${call.rpcMethod ?? ''}`, tool)
  )
}

function holds(text: string, part: string): boolean {
  return part === '' || text.toLowerCase().includes(part.toLowerCase())
}
