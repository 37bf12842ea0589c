/** Reads the stdout of a child: messages a line each, and whatever else it prints there. */
import type { Readable } from 'node:stream'
import { type MessagePieces, requestIdOfAnswer } from '../../../protocol/large-answer.ts'
import { createLineSplitter } from '../../../protocol/line-frames.ts'
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
}

/** Bytes between two looks at whether to go on: a chunk may hold tens of thousands of messages. */
const sliceBytes = 2 * 1024
const newline = 0x0a
/** A line that found no room asks again after this. */
const roomMs = 100

/** Reads until the stream ends. The answer stops that for a while, also within a chunk. */
export function readChildOutput(stream: Readable, lineBytesMax: number, sink: OutputSink): Pausable {
  let skippedHead = ''
  let skipping = false
  const splitter = createLineSplitter(
    lineBytesMax,
    {
      line: (text) => sink.line(text),
      large: (pieces) => sink.large(pieces),
      overflow: (head) => {
        skippedHead = head
        skipping = true
        if (beginsObject(head)) {
          largeGarbage.discarded(lineBytesMax)
          sink.noise('', `(a line of more than ${lineBytesMax} bytes on stdout was skipped)`)
        } else sink.noise(head, '… (the rest of a very long line was skipped)')
      },
      skipped: (tail) => {
        skipping = false
        sink.answerTooLarge(requestIdOfAnswer(skippedHead, tail))
      },
    },
    noiseLineBytesMax,
  )
  const rest = new FloodGuard(stream, new ServerBudget())
  const reading = new SlicedReading(stream, (part) => {
    splitter.push(part)
    if (skipping) sink.unasked(part.length)
    return sink.unfinished(splitter.heldBytes())
  })
  stream.on('data', (chunk: Buffer) => {
    // While the server stops, what it says is read for its own sake alone: a full pipe could block its exit.
    if (sink.listening()) reading.push(chunk)
    else {
      reading.drop()
      rest.charge(chunk.length)
    }
  })
  stream.on('end', () => {
    reading.end()
    splitter.end()
  })
  stream.on('close', () => sink.unfinished(0))
  return reading
}

const nothing = Buffer.alloc(0)

/** Hands chunks on in slices, and none while it is paused. */
class SlicedReading implements Pausable {
  readonly #stream: Readable
  readonly #take: (part: Buffer) => boolean
  /** Chunks that were not handed on: one, but for what was on its way when the stream was paused. */
  #waiting: Buffer[] = []
  #paused = false
  #handing = false
  #awaitsRoom = false

  /** `take` answers false when there is no room for more; it is asked again with nothing. */
  constructor(stream: Readable, take: (part: Buffer) => boolean) {
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
