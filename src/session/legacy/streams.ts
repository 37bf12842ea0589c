/**
 * The event streams of one session: its standing stream, those of single requests, and the ring that keeps
 * their events for a reader that comes back.
 */
import { onOneLine } from '../../protocol/jsonrpc.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { ByNumber, Roster } from '../../runtime/in-flight.ts'
import { EventStream, eventFrame, eventStreamHeaders, type OpenEntry } from '../event-stream.ts'
import { type ReplayBounds, ReplayRing, type StoredEvent } from './replay-ring.ts'

/** Standing streams that one client may hold; a reconnect must not have to wait for its half-open predecessor. */
const standingReadersMax = 4
const standingKey = 0
const retryMs = 1_000
/** Numbers of event ids have nine digits (`parseEventId`): a thousand processes, and a million numbers for each. */
const turnsMax = 1_000
const numbersPerTurn = 1_000_000

/** The session whose streams these are. */
export interface StreamOwner {
  readonly id: string
  readonly endpoint: 'stream' | 'sse'
  /** True when the client is told an event id before anything else. */
  readonly resumable: boolean
  /** An entry for what waits for a reader of its. */
  openEntry(giveUp: () => void): LedgerEntry
  /** Keeps so many bytes more for its client, or fewer; false when there is no room for them. */
  keep(bytes: number): boolean
  /** The client listens from now on to what belongs to no request. */
  listens(): void
  /** A stream has lost its reader; `standing` is false when that was the last one for what belongs to no request. */
  readerLeft(standing: boolean): void
}

/** The streams of a session on their way to another process. */
export interface HandedStreams {
  readonly nextChannel: number
  /** Null where nothing was sent on the standing stream. */
  readonly standing: ChannelPlace | null
  readonly events: readonly StoredEvent[]
}

interface ChannelPlace {
  readonly sequence: number
  readonly handedOut: number
}

export interface StreamSettings extends ReplayBounds {
  readonly streamBufferBytesMax: number
}

export class SessionStreams {
  readonly #session: StreamOwner
  readonly #settings: StreamSettings
  readonly #ring: ReplayRing
  readonly #channels = new ByNumber<Channel>()
  readonly #standingReaders: EventStream[] = []
  readonly #readers = new Roster<EventStream>()
  #firstNumber = 0
  #nextChannel = standingKey + 1

  constructor(session: StreamOwner, settings: StreamSettings) {
    this.#session = session
    this.#settings = settings
    this.#ring = new ReplayRing(settings, (bytes) => session.keep(bytes))
  }

  /**
   * Goes on where another process has left off that is gone: what is numbered from here on was never numbered before,
   * so that a client which asks for an event of then gets none in its place. `turn` counts the processes.
   */
  beginAnew(turn: number): void {
    this.#firstNumber = (turn % turnsMax) * numbersPerTurn
    this.#nextChannel = this.#firstNumber + standingKey + 1
  }

  /** What another process needs to go on with these streams for the same client. */
  handOver(): HandedStreams {
    const standing = this.#channels.get(standingKey)
    return { nextChannel: this.#nextChannel, standing: standing?.place ?? null, events: this.#ring.list() }
  }

  /** Goes on with the streams of another process, where it has left off. */
  takeOver({ nextChannel, standing, events }: HandedStreams): void {
    this.#nextChannel = nextChannel
    if (standing !== null)
      this.#channels.set(
        standingKey,
        new Channel(standingKey, this.#ring, standing.sequence, standing.handedOut),
      )
    for (const { stream, sequence, frame } of events) this.#ring.push(stream, sequence, frame)
  }

  /** True while any stream has a reader. */
  get open(): boolean {
    return this.#readers.size > 0
  }

  /** True while the client has a stream for what belongs to no request. */
  get standing(): boolean {
    return this.#standingReaders.length > 0
  }

  newChannel(): Channel {
    const channel = new Channel(this.#nextChannel++, this.#ring)
    this.#channels.set(channel.key, channel)
    return channel
  }

  finishChannel(channel: Channel): void {
    channel.finish()
    this.#channels.delete(channel.key)
  }

  /** A response that reads a channel from behind the event with this sequence number. */
  openReader(channel: Channel, afterSequence: number | null): EventStream {
    const primes = this.#session.resumable
    const stream = this.#openStream(
      primes ? `id: ${channel.primingId()}\nretry: ${retryMs}\ndata: \n\n` : null,
    )
    channel.attach(stream, afterSequence)
    return stream
  }

  /** The client's GET: its standing stream, or, with `Last-Event-ID`, the stream that was cut. */
  openStanding(lastEvent: { key: number; sequence: number } | null): EventStream {
    if (lastEvent && lastEvent.key !== standingKey) return this.#resume(lastEvent.key, lastEvent.sequence)
    const stream = this.openReader(this.#standing(), lastEvent?.sequence ?? null)
    this.#standingReaders.push(stream)
    if (this.#standingReaders.length > standingReadersMax) this.#standingReaders.shift()?.close()
    this.#session.listens()
    return stream
  }

  /** The one stream of the 2024-11-05 face; it begins with the `endpoint` event and its end is the session's. */
  openSse(endpoint: string, onEnd: () => void): EventStream {
    const stream = this.#openStream(eventFrame(endpoint, null, 'endpoint'), onEnd)
    this.#standingReaders.push(stream)
    return stream
  }

  /** Sends on the standing stream, or keeps it until there is one. */
  sendStanding(text: string): void {
    if (this.#session.endpoint === 'stream') this.#standing().send(text)
    else this.#standingReaders[0]?.write(eventFrame(text, null, 'message'))
  }

  heartbeat(nowMs: number, heartbeatMs: number): void {
    for (const stream of this.#readers.list()) stream.heartbeat(nowMs, heartbeatMs)
  }

  /** Ends what belongs to no request; the client may come back for it. */
  endStanding(): void {
    for (const stream of [...this.#standingReaders]) stream.close()
  }

  close(): void {
    for (const stream of this.#readers.list()) stream.close()
    this.#channels.clear()
    this.#ring.clear()
  }

  #standing(): Channel {
    let channel = this.#channels.get(standingKey)
    if (!channel) {
      channel = new Channel(standingKey, this.#ring, this.#firstNumber)
      this.#channels.set(standingKey, channel)
    }
    return channel
  }

  /** Goes on with a request's stream where the client lost it; what is over is replayed and ended. */
  #resume(key: number, sequence: number): EventStream {
    const running = this.#channels.get(key)
    if (running) {
      // Its predecessor is of no more use, and half-open ones would pile up.
      running.reader?.close()
      return this.openReader(running, sequence)
    }
    const stream = this.#openStream(null)
    for (const frame of this.#ring.after(key, sequence)) stream.write(frame)
    stream.close()
    return stream
  }

  #openStream(first: string | null, onEnd?: () => void): EventStream {
    const { endpoint, id } = this.#session
    const headers =
      endpoint === 'stream' ? { ...eventStreamHeaders, 'mcp-session-id': id } : eventStreamHeaders
    const openEntry: OpenEntry = (giveUp) => this.#session.openEntry(giveUp)
    const stream = new EventStream(
      this.#settings.streamBufferBytesMax,
      first,
      headers,
      openEntry,
      (ended) => {
        this.#readers.delete(ended)
        const at = this.#standingReaders.indexOf(ended)
        if (at >= 0) this.#standingReaders.splice(at, 1)
        this.#session.readerLeft(at < 0 || this.standing)
        onEnd?.()
      },
    )
    this.#readers.add(stream)
    return stream
  }
}

/**
 * One logical event stream of a session: the standing one, or that of a single request. It outlives the
 * connection that carries it: events wait in the session's ring until a reader comes back.
 */
export class Channel {
  readonly key: number
  readonly #ring: ReplayRing
  #sequence: number
  /** The last event that some reader was given; later ones still wait for their first reader. */
  #handedOut: number
  #reader: EventStream | null = null
  finished = false

  constructor(key: number, ring: ReplayRing, sequence = 0, handedOut = sequence) {
    this.key = key
    this.#ring = ring
    this.#sequence = sequence
    this.#handedOut = handedOut
  }

  get reader(): EventStream | null {
    return this.#reader?.open ? this.#reader : null
  }

  get place(): ChannelPlace {
    return { sequence: this.#sequence, handedOut: this.#handedOut }
  }

  /** The id of the event that a fresh reader starts behind. */
  primingId(): string {
    return `${this.key}-${this.#handedOut}`
  }

  send(text: string): void {
    const sequence = ++this.#sequence
    const frame = eventFrame(onOneLine(text), `${this.key}-${sequence}`)
    this.#ring.push(this.key, sequence, frame)
    if (this.reader?.write(frame)) this.#handedOut = sequence
  }

  /** Gives the channel a reader: first what it has not seen since `afterSequence`, then what comes. */
  attach(stream: EventStream, afterSequence: number | null): void {
    const from = afterSequence ?? this.#handedOut
    this.#reader = stream
    for (const frame of this.#ring.after(this.key, from)) if (!stream.write(frame)) return
    this.#handedOut = this.#sequence
    if (this.finished) stream.close()
  }

  /** Nothing more will come; the reader gets what is queued and the end. */
  finish(): void {
    this.finished = true
    this.#reader?.close()
  }
}

/** Reads an event id of ours; null when it is none. */
export function parseEventId(text: string): { key: number; sequence: number } | null {
  const parts = /^(\d{1,9})-(\d{1,9})$/.exec(text)
  return parts ? { key: Number(parts[1]), sequence: Number(parts[2]) } : null
}
