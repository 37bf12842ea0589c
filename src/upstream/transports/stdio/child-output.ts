/** Reads the stdout of a child: messages a line each, and whatever else it prints there. */
import type { Socket, SocketHandler } from 'bun'
import { type MessagePieces, requestIdOfAnswer } from '../../../protocol/large-answer.ts'
import { createLineSplitter, type LineSplitter } from '../../../protocol/line-frames.ts'
import { largeGarbage } from '../../../runtime/large-garbage.ts'
import { FloodGuard, type Pausable, ServerBudget } from '../flood-guard.ts'
import { beginsObject } from '../message-text.ts'

/** What is kept of a line that is no message. */
const noiseLineBytesMax = 64 * 1024

export interface OutputSink {
  /** False once nobody wants to hear of it any more. */
  listening(): boolean
  line(text: string): void
  large(pieces: MessagePieces): void
  /** The beginning of a line that is no message, and a remark about it for people. */
  noise(text: string, remark: string): void
  /** So many bytes of a line that is being skipped. */
  unasked(bytes: number): void
  /** So many bytes are held of a line that has not ended. False when nothing more should be read for now. */
  unfinished(bytes: number): boolean
  /** The answer to this request was over the cap; null when the skipped line was no answer. */
  answerTooLarge(requestId: number | null): void
  /** Everything was said that there is. */
  ended(): void
}

/** Bytes between two looks at whether to go on: a chunk may hold tens of thousands of messages. */
const sliceBytes = 2 * 1024
const newline = 0x0a
/** A line that found no room asks again after this. */
const roomMs = 100

/** Of a socket, what is used here. */
export type OutputSocket = Pick<Socket, 'pause' | 'resume' | 'terminate'>

/** Reads until the child has closed it. It can be stopped for a while, also within a chunk. */
export class ChildOutput implements Pausable {
  /** Of the socket that is attached. */
  readonly handlers: SocketHandler = {
    data: (_socket, chunk) => this.#read(chunk),
    close: () => this.#closed(),
  }
  /** Resolves once everything is read. */
  readonly ended: Promise<void>
  readonly #end: () => void
  readonly #sink: OutputSink
  readonly #lineBytesMax: number
  readonly #splitter: LineSplitter
  readonly #reading: SlicedReading
  readonly #rest: FloodGuard
  #socket: OutputSocket | null = null
  #skippedHead = ''
  #skipping = false

  constructor(lineBytesMax: number, sink: OutputSink) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
    this.#sink = sink
    this.#lineBytesMax = lineBytesMax
    this.#splitter = createLineSplitter(
      lineBytesMax,
      {
        line: (text) => sink.line(text),
        large: (pieces) => sink.large(pieces),
        overflow: (head) => this.#overflow(head),
        skipped: (tail) => {
          this.#skipping = false
          sink.answerTooLarge(requestIdOfAnswer(this.#skippedHead, tail))
        },
      },
      noiseLineBytesMax,
    )
    const stream: Pausable = {
      pause: () => void this.#socket?.pause(),
      resume: () => void this.#socket?.resume(),
    }
    this.#rest = new FloodGuard(stream, new ServerBudget())
    this.#reading = new SlicedReading(stream, (part) => {
      this.#splitter.push(part)
      if (this.#skipping) sink.unasked(part.length)
      return sink.unfinished(this.#splitter.heldBytes())
    })
  }

  attach(socket: OutputSocket): void {
    this.#socket = socket
  }

  pause(): void {
    this.#reading.pause()
  }

  resume(): void {
    this.#reading.resume()
  }

  /** Reads no more. */
  destroy(): void {
    this.#socket?.terminate()
  }

  #read(chunk: Buffer): void {
    // While the server stops, what it says is read for its own sake alone: a full pipe could block its exit.
    if (this.#sink.listening()) this.#reading.push(chunk)
    else {
      this.#reading.drop()
      this.#rest.charge(chunk.length)
    }
  }

  #closed(): void {
    this.#socket = null
    this.#reading.end()
    this.#splitter.end()
    this.#sink.unfinished(0)
    this.#end()
    this.#sink.ended()
  }

  #overflow(head: string): void {
    this.#skippedHead = head
    this.#skipping = true
    if (beginsObject(head)) {
      largeGarbage.discarded(this.#lineBytesMax)
      this.#sink.noise('', `(a line of more than ${this.#lineBytesMax} bytes on stdout was skipped)`)
    } else this.#sink.noise(head, '… (the rest of a very long line was skipped)')
  }
}

const nothing = Buffer.alloc(0)

/** Hands chunks on in slices, and none while it is paused. */
class SlicedReading implements Pausable {
  readonly #stream: Pausable
  readonly #take: (part: Buffer) => boolean
  /** Chunks that were not handed on: one, but for what was on its way when the stream was paused. */
  #waiting: Buffer[] = []
  #paused = false
  #handing = false
  #awaitsRoom = false

  /** `take` answers false when there is no room for more; it is asked again with nothing. */
  constructor(stream: Pausable, take: (part: Buffer) => boolean) {
    this.#stream = stream
    this.#take = take
  }

  push(chunk: Buffer): void {
    this.#waiting.push(chunk)
    this.#handOn(false)
  }

  /** Hands on what is left, paused or not. */
  end(): void {
    this.#handOn(true)
  }

  drop(): void {
    this.#waiting = []
  }

  pause(): void {
    this.#paused = true
    this.#stream.pause()
  }

  resume(): void {
    this.#paused = false
    this.#readOn()
  }

  #readOn(): void {
    if (!this.#paused && !this.#awaitsRoom) this.#handOn(false)
    if (!this.#paused && !this.#awaitsRoom) this.#stream.resume()
  }

  #handOn(all: boolean): void {
    if (this.#handing) return
    this.#handing = true
    for (let part = this.#next(all); part !== null; part = this.#next(all))
      if (!this.#take(part)) this.#awaitRoom()
    this.#handing = false
  }

  #next(all: boolean): Buffer | null {
    const chunk = this.#waiting[0]
    if (chunk === undefined || (!all && (this.#paused || this.#awaitsRoom))) return null
    // The pieces of a large answer stay whole.
    const end = chunk.length <= sliceBytes ? -1 : chunk.indexOf(newline, sliceBytes)
    if (end < 0 || end + 1 === chunk.length) {
      this.#waiting.shift()
      return chunk
    }
    this.#waiting[0] = chunk.subarray(end + 1)
    return chunk.subarray(0, end + 1)
  }

  #awaitRoom(): void {
    this.#awaitsRoom = true
    this.#stream.pause()
    setTimeout(() => {
      this.#awaitsRoom = false
      if (this.#take(nothing)) this.#readOn()
      else this.#awaitRoom()
    }, roomMs).unref()
  }
}
