/**
 * What a server says beside the protocol: its stderr, and lines on stdout that are not messages.
 *
 * Always read, so that a talkative server never blocks on a full pipe; passed on only up to a rate, so
 * that a flooding one cannot fill the log or the processor; the last words are kept for the error that
 * tells why it died. Secrets of the definition are masked in all of it.
 */
import { createLineSplitter, type LineSplitter } from '../../../protocol/line-frames.ts'
import { type Mask, maskStart } from '../../../telemetry/redaction.ts'
import { lastLine, tellingLine, tellsError } from './last-words.ts'

/** What one server may say per second before the rest of that second is dropped. */
const bytesPerSecondMax = 64 * 1024
const lineBytesMax = 16 * 1024
const lineCharsMax = 2_000
const newline = 0x0a
const nothing = Buffer.alloc(0)
/** What is kept of stderr for the line that explains an end: a stack of Java or Python may have as much. */
const tailBytesMax = 16 * 1024
/** The same of what is no message on stdout: lines, and of each its beginning. */
const stdoutLinesMax = 32
const stdoutLineCharsMax = 2_000
const reasonCharsMax = 500
/** What is quoted of a server that has not answered yet. */
const quotedCharsMax = 200

export class ServerNoise {
  readonly #mask: Mask
  readonly #emit: (line: string) => void
  #windowStartMs = 0
  #windowBytes = 0
  #droppedBytes = 0
  #lastBytes: Buffer = nothing
  readonly #stdoutLines: string[] = []
  #splitter: LineSplitter
  #resync = false

  /** `emit` is given each line for people, masked and cut. */
  constructor(mask: Mask, emit: (line: string) => void) {
    this.#mask = mask
    this.#emit = emit
    this.#splitter = this.#newSplitter()
  }

  /** Bytes from stderr. */
  push(chunk: Buffer): void {
    this.#lastBytes =
      chunk.length >= tailBytesMax
        ? Buffer.from(chunk.subarray(-tailBytesMax))
        : Buffer.concat([this.#lastBytes, chunk]).subarray(-tailBytesMax)
    if (this.#admit(chunk.length)) this.#splitter.push(this.#resync ? this.#afterFirstLine(chunk) : chunk)
    else if (!this.#resync) {
      // Both ends of the gap are cut lines, which would read as one.
      this.#resync = true
      this.#splitter = this.#newSplitter()
    }
  }

  /** A line of stdout that is no message, or its beginning; `remark` is the transport's own and stands behind it. */
  stdout(text: string, remark?: string): void {
    if (!this.#admit(text.length)) return
    const lines = this.#stdoutLines
    if (lines.push(text.slice(0, stdoutLineCharsMax)) > stdoutLinesMax) lines.shift()
    this.#say(text, remark)
  }

  /** A remark of the transport's own. */
  remark(text: string): void {
    if (this.#admit(text.length)) this.#say(text)
  }

  /**
   * The one line of the last output that explains most, masked, at most 500 characters; empty when there is none. It
   * goes to clients; an admin reads the others in the status. `errorsOnly` takes no line that is about something else:
   * what was killed had no last words.
   */
  reason(errorsOnly = false): string {
    const { stdout, stderr } = this.#written()
    if (errorsOnly && !tellsError(stderr) && !tellsError(stdout)) return ''
    const told = stderr === '' || (!tellsError(stderr) && tellsError(stdout)) ? stdout : stderr
    // Masked once more: what stood around the line, or in it, may have parted a secret.
    return this.#mask(tellingLine(told)).slice(0, reasonCharsMax)
  }

  /** What it last wrote on each pipe, masked and cut, as far as it is no message; empty where it wrote nothing. */
  lastLines(): { readonly stdout: string; readonly stderr: string } {
    const { stdout, stderr } = this.#written()
    const shown = (text: string): string => this.#mask(lastLine(text)).slice(0, quotedCharsMax)
    return { stdout: shown(stdout), stderr: shown(stderr) }
  }

  /** Masked as a whole: a secret may go over several lines. */
  #written(): { readonly stdout: string; readonly stderr: string } {
    return {
      stdout: this.#mask(this.#stdoutLines.join('\n')),
      stderr: this.#mask(this.#lastBytes.toString('utf8')),
    }
  }

  #newSplitter(): LineSplitter {
    return createLineSplitter(lineBytesMax, {
      line: (text) => this.#say(text),
      overflow: () => this.#emit(`(a line of more than ${lineBytesMax} bytes)`),
      skipped() {},
    })
  }

  /** The remark comes last: the text may have been cut where it ends, which the mask must see. */
  #say(text: string, remark = ''): void {
    if (text.trim() === '' && remark === '') return
    const masked = maskStart(this.#mask, text, lineCharsMax + 1)
    this.#emit((masked.length > lineCharsMax ? `${masked.slice(0, lineCharsMax)}…` : masked) + remark)
  }

  /** True while the server is within its rate. */
  #admit(bytes: number): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#windowStartMs >= 1_000) {
      const dropped = this.#droppedBytes
      if (dropped > 0) this.#emit(`(${dropped} bytes of output dropped: more than the log takes)`)
      this.#windowStartMs = nowMs
      this.#windowBytes = 0
      this.#droppedBytes = 0
    }
    if (this.#windowBytes >= bytesPerSecondMax) {
      this.#droppedBytes += bytes
      return false
    }
    this.#windowBytes += bytes
    return true
  }

  #afterFirstLine(chunk: Buffer): Buffer {
    const at = chunk.indexOf(newline)
    this.#resync = at < 0
    return at < 0 ? nothing : chunk.subarray(at + 1)
  }
}
