/**
 * Keeps messages back until the handshake that they depend on has reached the server.
 *
 * Every message is a POST of its own and two of them may overtake each other: a call that arrives before
 * `notifications/initialized`, or without the session id that `initialize` brought, is refused by strict
 * servers. Once the handshake is through, nothing is held and nothing is awaited.
 *
 * Spec: 2025-11-25, Lifecycle, Initialization.
 */
import type { Outgoing } from './transport.ts'

/** Longest wait for `notifications/initialized`, for an owner that never sends it. */
const announceWaitMs = 10_000

export class HandshakeGate {
  readonly #post: (outgoing: Outgoing) => void
  #state: 'open' | 'initializing' | 'announcing' = 'open'
  #held: Outgoing[] = []
  #timer: ReturnType<typeof setTimeout> | null = null

  /** `post` sends one message now. */
  constructor(post: (outgoing: Outgoing) => void) {
    this.#post = post
  }

  get heldCount(): number {
    return this.#held.length
  }

  send(outgoing: Outgoing): void {
    if (outgoing.method === 'initialize') this.#enter('initializing')
    else if (this.#holds(outgoing)) {
      this.#held.push(outgoing)
      return
    }
    this.#post(outgoing)
  }

  /** The answer to `initialize` has begun (its headers hold the session), or it has failed. */
  initializeSettled(accepted: boolean): void {
    if (this.#state !== 'initializing') return
    this.#enter(accepted ? 'announcing' : 'open')
    if (accepted) {
      this.#timer = setTimeout(() => this.announced(), announceWaitMs)
      this.#timer.unref()
    }
    this.#release()
  }

  /** The server has taken `notifications/initialized`, or refused it: either way it has seen it. */
  announced(): void {
    this.#enter('open')
    this.#release()
  }

  /** Takes a held request back. False when it is not held. */
  withdraw(requestId: number): boolean {
    const before = this.#held.length
    this.#held = this.#held.filter((outgoing) => outgoing.requestId !== requestId)
    return this.#held.length < before
  }

  close(): void {
    this.#enter('open')
    this.#held = []
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
