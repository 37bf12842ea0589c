/** What can be told that nobody waits for it any more. */
export interface Cancellable {
  /** Called at most once for each `add`; must not throw. */
  cancelled(): void
}

/**
 * Ends what is done on somebody's behalf. Lighter than an AbortController, of which every call would need
 * one: no events, and most often exactly one that listens.
 *
 * Whoever adds itself takes itself out again when it is done: some of these live as long as a session.
 */
export class Cancellation {
  #happened = false
  #first: Cancellable | null = null
  #others: Set<Cancellable> | null = null

  /** One that happens by itself after a while, which keeps no process alive. */
  static after(waitMs: number): Cancellation {
    const cancellation = new Cancellation()
    setTimeout(() => cancellation.cancel(), waitMs).unref()
    return cancellation
  }

  /** True once `cancel` was called. */
  get happened(): boolean {
    return this.#happened
  }

  /** How many would be told. */
  get listenerCount(): number {
    return (this.#first === null ? 0 : 1) + (this.#others?.size ?? 0)
  }

  /** Tells everybody that was added, once and for all. */
  cancel(): void {
    if (this.#happened) return
    this.#happened = true
    const [first, others] = [this.#first, this.#others]
    this.#first = null
    this.#others = null
    first?.cancelled()
    for (const other of others ?? []) other.cancelled()
  }

  /** Tells `listener` at once when it has happened already. */
  add(listener: Cancellable): void {
    if (this.#happened) listener.cancelled()
    else if (this.#first === null) this.#first = listener
    else {
      this.#others ??= new Set()
      this.#others.add(listener)
    }
  }

  remove(listener: Cancellable): void {
    if (this.#first === listener) this.#first = null
    else this.#others?.delete(listener)
  }
}

/** Waits; false, and at once, when it is cancelled. */
export function wait(waitMs: number, cancellation: Cancellation): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      cancellation.remove(listener)
      resolve(true)
    }, waitMs)
    const listener = {
      cancelled(): void {
        clearTimeout(timer)
        resolve(false)
      },
    }
    cancellation.add(listener)
  })
}
