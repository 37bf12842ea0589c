/**
 * Keeps messages back until their turn of the event loop is over, and until the handshake that they depend on
 * has reached the server.
 *
 * All messages of one turn are sent at its end: a server is then woken once for many of them and not for each,
 * which costs more than the sending (measured: a quarter more calls a second at 64 connections).
 *
 * Every message is a POST of its own and two of them may overtake each other: a call that arrives before
 * `notifications/initialized`, or without the session id that `initialize` brought, is refused by strict
 * servers. Once the handshake is through, nothing is held for longer than the turn and nothing is awaited.
 *
 * Spec: 2025-11-25, Lifecycle, Initialization.
 */
import type { Outgoing } from '../transport.ts'

/** Longest wait for `notifications/initialized`, for an owner that never sends it. */
const announceWaitMs = 10_000
/** Longest wait for the answer to it, for a server that gives none. */
const announcedWaitMs = 2_000

export class SendGate {
  readonly #post: (outgoing: Outgoing) => void
  #state: 'open' | 'initializing' | 'announcing' = 'open'
  #held: Outgoing[] = []
  /** What goes at the end of this turn. */
  #due: Outgoing[] = []
  #dueNotifications = 0
  #timer: ReturnType<typeof setTimeout> | null = null

  /** `post` sends one message now. */
  constructor(post: (outgoing: Outgoing) => void) {
    this.#post = post
  }

  /** Messages that wait: all that the handshake holds, and the notifications of this turn. */
  get heldCount(): number {
    return this.#held.length + this.#dueNotifications
  }

  send(outgoing: Outgoing): void {
    if (outgoing.method === 'initialize') {
      this.#enter('initializing')
      // What was due belongs into the session that this opens; the one before it is gone.
      this.#held.push(...this.#takeDue())
    } else if (this.#state === 'announcing' && outgoing.method === 'notifications/initialized') {
      this.#announceWithin(announcedWaitMs)
    } else if (this.#holds(outgoing)) {
      this.#held.push(outgoing)
      return
    }
    if (outgoing.requestId === null) this.#dueNotifications++
    if (this.#due.push(outgoing) === 1) setImmediate(this.#postDue)
  }

  readonly #postDue = (): void => {
    for (const outgoing of this.#takeDue()) this.#post(outgoing)
  }

  #takeDue(): Outgoing[] {
    const due = this.#due
    this.#due = []
    this.#dueNotifications = 0
    return due
  }

  /** The answer to `initialize` has begun (its headers hold the session), or it has failed. */
  initializeSettled(accepted: boolean): void {
    if (this.#state !== 'initializing') return
    this.#enter(accepted ? 'announcing' : 'open')
    if (accepted) this.#announceWithin(announceWaitMs)
    this.#release()
  }

  /** The server has taken `notifications/initialized`, or refused it: either way it has seen it. */
  announced(): void {
    this.#enter('open')
    this.#release()
  }

  /** Takes a request back that waits here. False when it does not. */
  withdraw(requestId: number): boolean {
    const before = this.#held.length + this.#due.length
    if (before === 0) return false
    const others = (outgoing: Outgoing): boolean => outgoing.requestId !== requestId
    this.#held = this.#held.filter(others)
    this.#due = this.#due.filter(others)
    return this.#held.length + this.#due.length < before
  }

  /** Drops what the handshake holds; what was due goes now. */
  close(): void {
    this.#enter('open')
    this.#held = []
    this.#postDue()
  }

  #announceWithin(waitMs: number): void {
    this.#enter('announcing')
    this.#timer = setTimeout(() => this.announced(), waitMs)
    this.#timer.unref()
  }

  #enter(state: 'open' | 'initializing' | 'announcing'): void {
    this.#state = state
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #holds({ requestId, method }: Outgoing): boolean {
    if (this.#state === 'open') return false
    if (this.#state === 'initializing') return true
    // Answers to the server, pings and notifications may go before `initialized` (Lifecycle).
    return requestId !== null && method !== 'ping'
  }

  #release(): void {
    const held = this.#held
    this.#held = []
    for (const outgoing of held) this.send(outgoing)
  }
}
