/**
 * What a server says beside the protocol: its stderr, and lines on stdout that are not messages.
 *
 * Always read, so that a talkative server never blocks on a full pipe; passed on only up to a rate, so
 * that a flooding one cannot fill the log or the processor; the last words are kept for the error that
 * tells why it died. Secrets of the definition are masked in all of it.
 */
import { createLineSplitter, type LineSplitter } from '../../../protocol/line-frames.ts'
import { type Mask, maskStart } from '../../../telemetry/redaction.ts'

/** What one server may say per second before the rest of that second is dropped. */
const bytesPerSecondMax = 64 * 1024
const lineBytesMax = 16 * 1024
const lineCharsMax = 2_000
const newline = 0x0a
const tailBytesMax = 4 * 1024
const reasonCharsMax = 500

/**
 * The line in which a runtime says why it ends: `Error: …`, `TypeError [CODE]: …`, `java.lang.FooException: …`,
 * `panic: …`, `error: …`. Not the frames of its stack, nor the line of source that it quotes.
 */
const tellingLine =
  /^(?!\s+at )(?:.*[\s.:\]])?(?:\w*(?:Error|Exception)|error|fatal|FATAL|ERROR|panic)(?: \[\w+\])?: ?\S/

export interface ServerNoise {
  /** Bytes from stderr. */
  push(chunk: Buffer): void
  /**
   * A line that came another way (stdout), or its beginning; `remark` is the transport's own and stands behind it.
   */
  line(text: string, remark?: string): void
  /**
   * The one line of the last 4 KiB of stderr that explains most, masked, at most 500 characters; empty when there is
   * none. It goes to clients; an admin reads the others in the status.
   */
  reason(): string
}

export function createServerNoise(mask: Mask, emit: (line: string) => void): ServerNoise {
  let windowStartMs = 0
  let windowBytes = 0
  let droppedBytes = 0
  let lastBytes: Buffer = Buffer.alloc(0)

  let splitter = newSplitter()
  let resync = false

  function newSplitter(): LineSplitter {
    return createLineSplitter(lineBytesMax, {
      line: (text) => say(text),
      overflow: () => emit(`(a line of more than ${lineBytesMax} bytes)`),
      skipped() {},
    })
  }

  /** The remark comes last: the text may have been cut where it ends, which the mask must see. */
  function say(text: string, remark = ''): void {
    if (text.trim() === '' && remark === '') return
    const masked = maskStart(mask, text, lineCharsMax + 1)
    emit((masked.length > lineCharsMax ? `${masked.slice(0, lineCharsMax)}…` : masked) + remark)
  }

  /** True while the server is within its rate. */
  function admit(bytes: number): boolean {
    const nowMs = performance.now()
    if (nowMs - windowStartMs >= 1_000) {
      if (droppedBytes > 0) emit(`(${droppedBytes} bytes of output dropped: more than the log takes)`)
      windowStartMs = nowMs
      windowBytes = 0
      droppedBytes = 0
    }
    if (windowBytes >= bytesPerSecondMax) {
      droppedBytes += bytes
      return false
    }
    windowBytes += bytes
    return true
  }

  function push(chunk: Buffer): void {
    lastBytes =
      chunk.length >= tailBytesMax
        ? Buffer.from(chunk.subarray(-tailBytesMax))
        : Buffer.concat([lastBytes, chunk]).subarray(-tailBytesMax)
    if (admit(chunk.length)) splitter.push(resync ? afterFirstLine(chunk) : chunk)
    else if (!resync) {
      // Both ends of the gap are cut lines, which would read as one.
      resync = true
      splitter = newSplitter()
    }
  }

  function afterFirstLine(chunk: Buffer): Buffer {
    const at = chunk.indexOf(newline)
    resync = at < 0
    return at < 0 ? Buffer.alloc(0) : chunk.subarray(at + 1)
  }

  function line(text: string, remark?: string): void {
    if (admit(text.length)) say(text, remark)
  }

  function reason(): string {
    // Masked as a whole: a secret may go over several lines.
    const lines = mask(lastBytes.toString('utf8')).split(/\r?\n/)
    const spoken = lines.filter((text) => text.trim() !== '')
    const told = spoken.findLast((text) => tellingLine.test(text)) ?? spoken.at(-1) ?? ''
    return told.trim().slice(0, reasonCharsMax)
  }

  return { push, line, reason }
}
