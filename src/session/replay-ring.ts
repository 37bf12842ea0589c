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

export class ReplayRing {
  readonly #bounds: ReplayBounds
  #events: StoredEvent[] = []
  #bytes = 0

  constructor(bounds: ReplayBounds) {
    this.#bounds = bounds
  }

  push(stream: number, sequence: number, frame: string): void {
    this.#events.push({ stream, sequence, frame })
    this.#bytes += frame.length
    let drop = 0
    while (
      drop < this.#events.length &&
      (this.#events.length - drop > this.#bounds.replayEventsMax || this.#bytes > this.#bounds.replayBytesMax)
    ) {
      this.#bytes -= (this.#events[drop] as StoredEvent).frame.length
      drop++
    }
    if (drop > 0) this.#events = this.#events.slice(drop)
  }

  /** The frames of one stream that follow this sequence number, in order. */
  after(stream: number, sequence: number): string[] {
    const frames: string[] = []
    for (const event of this.#events)
      if (event.stream === stream && event.sequence > sequence) frames.push(event.frame)
    return frames
  }

  clear(): void {
    this.#events = []
    this.#bytes = 0
  }
}
