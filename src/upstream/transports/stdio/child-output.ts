/** Reads the stdout of a child: messages a line each, and whatever else it prints there. */
import type { Readable } from 'node:stream'
import { type MessagePieces, requestIdOfAnswer } from '../../../protocol/large-answer.ts'
import { createLineSplitter } from '../../../protocol/line-frames.ts'
import { FloodGuard } from '../flood-guard.ts'
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
  /** The answer to this request was over the cap; null when the skipped line was no answer. */
  answerTooLarge(requestId: number | null): void
}

/** Reads until the stream ends. */
export function readChildOutput(stream: Readable, lineBytesMax: number, sink: OutputSink): void {
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
  const rest = new FloodGuard(stream)
  stream.on('data', (chunk: Buffer) => {
    // While the server stops, what it says is read for its own sake alone: a full pipe could block its exit.
    if (sink.listening()) splitter.push(chunk)
    else rest.charge(chunk.length)
    if (skipping) sink.unasked(chunk.length)
  })
  stream.on('end', () => splitter.end())
}
