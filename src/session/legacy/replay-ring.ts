/**
 * The events of one session that a client may still ask for again with `Last-Event-ID`.
 * Bounded by count and by bytes, and by what its client may hold in all; the oldest go first.
 */

export interface ReplayBounds {
  readonly replayEventsMax: number
  readonly replayBytesMax: number
}

/** An event as it goes over the wire, and its place in its stream. */
export interface StoredEvent {
  readonly stream: number
  readonly sequence: number
  readonly frame: string
}

/** Stands where an event has gone. */
const none: StoredEvent = { stream: -1, sequence: -1, frame: '' }

/** The client's bytes are asked for and given back in steps: most sessions keep less than one. */
const stepBytes = 64 * 1024

export class ReplayRing {
  readonly #bounds: ReplayBounds
  #events: StoredEvent[] = []
  /** Where the oldest event stands; what stood before it is gone. */
  #first = 0
  #bytes = 0
  readonly #keep: (bytes: number) => boolean
  /** Of those, what its client is charged with. */
  #keptBytes = 0

  /** `keep` charges its client with so many bytes more, or fewer; false when there is no room for them. */
  constructor(bounds: ReplayBounds, keep: (bytes: number) => boolean) {
    this.#bounds = bounds
    this.#keep = keep
  }

  push(stream: number, sequence: number, frame: string): void {
    this.#events.push({ stream, sequence, frame })
    this.#bytes += frame.length
    const { replayEventsMax, replayBytesMax } = this.#bounds
    while (
      this.#first < this.#events.length &&
      (this.#events.length - this.#first > replayEventsMax ||
        this.#bytes > replayBytesMax ||
        !this.#hasRoom())
    ) {
      this.#bytes -= (this.#events[this.#first] as StoredEvent).frame.length
      this.#events[this.#first++] = none
    }
    this.#hasRoom()
    // A copy for each event that goes would cost more than all the rest of its way.
    if (this.#first * 2 < this.#events.length) return
    this.#events = this.#events.slice(this.#first)
    this.#first = 0
  }

  /** The frames of one stream that follow this sequence number, in order. */
  after(stream: number, sequence: number): string[] {
    const frames: string[] = []
    for (let at = this.#first; at < this.#events.length; at++) {
      const event = this.#events[at] as StoredEvent
      if (event.stream === stream && event.sequence > sequence) frames.push(event.frame)
    }
    return frames
  }

  /** Every event that is kept, the oldest first. */
  list(): readonly StoredEvent[] {
    return this.#events.slice(this.#first)
  }

  clear(): void {
    this.#events = []
    this.#first = 0
    this.#bytes = 0
    this.#hasRoom()
  }

  #hasRoom(): boolean {
    const bytes = this.#bytes - (this.#bytes % stepBytes)
    if (bytes === this.#keptBytes) return true
    if (!this.#keep(bytes - this.#keptBytes)) return false
    this.#keptBytes = bytes
    return true
  }
}
