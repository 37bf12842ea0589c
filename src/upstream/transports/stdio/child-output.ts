/** Reads the stdout of a child: messages a line each, and whatever else it prints there. */
import type { Readable } from 'node:stream'
import { type MessagePieces, requestIdOfAnswer } from '../../../protocol/large-answer.ts'
import { createLineSplitter } from '../../../protocol/line-frames.ts'
import { FloodGuard, type Pausable, ServerBudget } from '../flood-guard.ts'
import { looksLikeObject } from '../message-text.ts'

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
const sliceBytes = 4 * 1024
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
        if (looksLikeObject(head))
          sink.noise('', `(a line of more than ${lineBytesMax} bytes on stdout was skipped)`)
        else sink.noise(head, '… (the rest of a very long line was skipped)')
      },
      skipped: (tail) => {
        skipping = false
        sink.answerTooLarge(requestIdOfAnswer(skippedHead, tail))
      },
    },
    noiseLineBytesMax,
  )
  const rest = new FloodGuard(stream, new ServerBudget())
  /** Chunks that were not cut into lines yet: one, but for what was on its way when the stream was stopped. */
  let waiting: Buffer[] = []
  let paused = false
  let reading = false
  let awaitsRoom = false

  function slice(chunk: Buffer): Buffer {
    // The pieces of a large answer stay whole.
    const end = chunk.length <= sliceBytes ? -1 : chunk.indexOf(newline, sliceBytes)
    return end < 0 ? chunk : chunk.subarray(0, end + 1)
  }

  function cut(all: boolean): void {
    if (reading) return
    reading = true
    while (waiting[0] !== undefined && (all || !(paused || awaitsRoom))) {
      const chunk = waiting[0]
      const part = slice(chunk)
      if (part.length === chunk.length) waiting.shift()
      else waiting[0] = chunk.subarray(part.length)
      splitter.push(part)
      if (skipping) sink.unasked(part.length)
      if (!sink.unfinished(splitter.heldBytes())) awaitRoom()
    }
    reading = false
  }

  function awaitRoom(): void {
    awaitsRoom = true
    stream.pause()
    setTimeout(() => {
      awaitsRoom = false
      if (sink.unfinished(splitter.heldBytes())) readOn()
      else awaitRoom()
    }, roomMs).unref()
  }

  function readOn(): void {
    if (paused || awaitsRoom) return
    cut(false)
    if (!paused && !awaitsRoom) stream.resume()
  }

  stream.on('data', (chunk: Buffer) => {
    // While the server stops, what it says is read for its own sake alone: a full pipe could block its exit.
    if (!sink.listening()) {
      waiting = []
      rest.charge(chunk.length)
      return
    }
    waiting.push(chunk)
    cut(false)
  })
  stream.on('end', () => {
    cut(true)
    splitter.end()
  })
  stream.on('close', () => sink.unfinished(0))
  return {
    pause() {
      paused = true
      stream.pause()
    },
    resume() {
      paused = false
      readOn()
    },
  }
}
