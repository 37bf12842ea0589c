/**
 * The events of one session that a client may still ask for again with `Last-Event-ID`.
 * Bounded by count and by bytes; the oldest go first.
 */

export interface ReplayBounds {
  readonly replayEventsMax: number
  readonly replayBytesMax: number
}

interface StoredEvent {
  readonly stream: number
  readonly sequence: number
  readonly frame: string
}

/** Stands where an event has gone. */
const none: StoredEvent = { stream: -1, sequence: -1, frame: '' }

export class ReplayRing {
  readonly #bounds: ReplayBounds
  #events: StoredEvent[] = []
  /** Where the oldest event stands; what stood before it is gone. */
  #first = 0
  #bytes = 0

  constructor(bounds: ReplayBounds) {
    this.#bounds = bounds
  }

  push(stream: number, sequence: number, frame: string): void {
    this.#events.push({ stream, sequence, frame })
    this.#bytes += frame.length
    const { replayEventsMax, replayBytesMax } = this.#bounds
    while (
      this.#first < this.#events.length &&
      (this.#events.length - this.#first > replayEventsMax || this.#bytes > replayBytesMax)
    ) {
      this.#bytes -= (this.#events[this.#first] as StoredEvent).frame.length
      this.#events[this.#first++] = none
    }
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

  clear(): void {
    this.#events = []
    this.#first = 0
    this.#bytes = 0
  }
}
