/**
 * Where log lines go: a file descriptor, written behind the event loop's back. It may change for another one.
 *
 * A log must never stop the service. Writes are asynchronous, one at a time; lines that come
 * meanwhile wait in memory up to a bound, and past the bound they are dropped and counted. (A
 * synchronous write to a pipe whose reader stalls was measured to freeze the process.)
 *
 * Lines are kept as bytes in buffers that are used again: half a megabyte of new strings a second would be work
 * for the collector and leave the processor's caches before they are written.
 */
import { write } from 'node:fs'

/** Lines gather for this long, so that a busy second is a few writes and a quiet line is seen at once. */
const gatherMs = 20
/** A descriptor that is full is tried again after this long. */
const retryMs = 50
/** What may wait for a slow reader. */
const pendingBytesMax = 4 * 1024 * 1024
/** Bytes handed to one write: enough to be cheap, little enough to be torn rarely. */
const flushBytes = 64 * 1024
/** Room for the line that passes that mark. */
const bufferBytes = 2 * flushBytes

export interface LineSink {
  /** Takes one or more whole lines, each with its line break. */
  write(lines: string): void
  /** Where a line of at most `bytesMax` bytes may be written down and then handed over; null when it is dropped. */
  room(bytesMax: number): Room | null
  readonly linesDropped: number
  /** Resolves true once everything is written, false when `deadlineMs` pass first. */
  flush(deadlineMs: number): Promise<boolean>
  /** Writes to this descriptor from the next write on; `left` is called once the one before is not used any more. */
  redirect(fd: number, left: () => void): void
}

/** Good until the next call of the sink. */
export interface Room {
  readonly buffer: Buffer
  readonly start: number
  /** The line is written down and ends here. */
  filled(end: number): void
}

/** Told of what became of a write: why it failed, or null once one has succeeded after that. */
export type WriteWatcher = (error: NodeJS.ErrnoException | null) => void

/** Opens a sink on a descriptor that somebody else owns; it is never closed here. `gapLine` tells of lines that are missing. */
export function openSink(
  fd: number,
  watcher: WriteWatcher = () => {},
  gapLine: (lines: number) => string = droppedLine,
): LineSink {
  return new DescriptorSink(fd, watcher, gapLine)
}

/** For what cannot stand in the log because it is about the log: a line on stderr, which is not waited for either. */
export function complain(text: string): void {
  openSink(2).write(`compozy: ${text}\n`)
}

/** Says on stderr that the log cannot be written, and that it can be again. */
export function reportWrites(error: NodeJS.ErrnoException | null): void {
  const reason = error?.code === 'ENOSPC' ? 'the disk is full' : error?.message
  complain(
    error === null
      ? 'the log can be written again'
      : `the log cannot be written: ${reason}; its lines are dropped until it can`,
  )
}

/** Lines in the order in which they came. */
interface Lines {
  readonly buffer: Buffer
  bytes: number
  count: number
  /** Lines given up before, of which a line among these tells. */
  reported: number
}

class DescriptorSink implements LineSink, Room {
  linesDropped = 0
  #filling: Lines = emptyLines(bufferBytes)
  #waiting: Lines[] = []
  #waitingBytes = 0
  #inWrite: Lines | null = null
  #written = 0
  /** What was written last, to be filled again. */
  #spare: Lines | null = null
  #timer: ReturnType<typeof setTimeout> | null = null
  #droppedUnreported = 0
  #idle: (() => void)[] = []
  #fd: number
  /** Called when the write that is under way has ended. */
  #left: (() => void)[] = []
  readonly #watcher: WriteWatcher
  readonly #gapLine: (lines: number) => string
  #failed = false
  /** A write has ended in the middle of a line. */
  #torn = false

  constructor(fd: number, watcher: WriteWatcher, gapLine: (lines: number) => string) {
    this.#fd = fd
    this.#watcher = watcher
    this.#gapLine = gapLine
  }

  redirect(fd: number, left: () => void): void {
    this.#fd = fd
    this.#torn = false
    if (this.#inWrite === null) left()
    else this.#left.push(left)
  }

  write(lines: string): void {
    if (this.room(Buffer.byteLength(lines)) === null) return
    this.filled(this.start + this.buffer.write(lines, this.start))
  }

  room(bytesMax: number): Room | null {
    const { bytes, buffer } = this.#filling
    if (this.#waitingBytes + bytes + bytesMax > pendingBytesMax) {
      this.linesDropped++
      this.#droppedUnreported++
      return null
    }
    if (bytes + bytesMax > buffer.length) {
      this.#waiting.push(this.#filling)
      this.#waitingBytes += bytes
      this.#fillAnother(bytesMax)
    }
    return this
  }

  get buffer(): Buffer {
    return this.#filling.buffer
  }

  get start(): number {
    return this.#filling.bytes
  }

  filled(end: number): void {
    this.#filling.bytes = end
    this.#filling.count++
    if (this.#inWrite === null) this.#schedule()
  }

  async flush(deadlineMs: number): Promise<boolean> {
    if (this.#inWrite === null) this.#start()
    if (this.#inWrite === null) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const deadline = setTimeout(() => resolve(false), deadlineMs)
    this.#idle.push(() => {
      clearTimeout(deadline)
      resolve(true)
    })
    return await promise
  }

  #fillAnother(bytesMin: number): void {
    const fits = this.#spare !== null && this.#spare.buffer.length >= bytesMin
    this.#filling = fits && this.#spare !== null ? this.#spare : emptyLines(Math.max(bufferBytes, bytesMin))
    this.#spare = null
  }

  /** Writing at every chance would cost more than the lines themselves: a write wakes another thread. */
  #schedule(): void {
    const full = this.#waiting.length > 0 || this.#filling.bytes >= flushBytes
    if (full || this.#idle.length > 0) this.#start()
    else if (this.#filling.bytes > 0) this.#timer ??= setTimeout(() => this.#start(), gatherMs)
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    // Not by itself: what cannot be written would be tried again for ever.
    if (this.#droppedUnreported > 0 && (this.#filling.bytes > 0 || this.#waiting.length > 0))
      this.#reportDropped()
    const lines = this.#next()
    if (lines === null) {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    this.#inWrite = lines
    this.#written = 0
    this.#continue(lines, this.#fd)
  }

  #next(): Lines | null {
    if (this.#torn) {
      this.#torn = false
      return lineBreak()
    }
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      this.#waitingBytes -= waiting.bytes
      return waiting
    }
    const lines = this.#filling
    if (lines.bytes === 0) return null
    this.#fillAnother(bufferBytes)
    return lines
  }

  /** Behind the last line that found room. */
  #reportDropped(): void {
    const { buffer, bytes } = this.#filling
    const text = this.#gapLine(this.#droppedUnreported)
    if (bytes + text.length > buffer.length) return
    this.#filling.bytes += buffer.write(text, bytes)
    this.#filling.reported += this.#droppedUnreported
    this.#droppedUnreported = 0
  }

  /** A batch is written to one descriptor, so that no line begins in one file and ends in the next. */
  #continue(lines: Lines, fd: number): void {
    const rest = lines.bytes - this.#written
    write(fd, lines.buffer, this.#written, rest, null, (error, written) => {
      if (error === null && written < rest) {
        this.#written += written
        this.#continue(lines, fd)
      } else if (error?.code === 'EAGAIN' || error?.code === 'EINTR') {
        setTimeout(() => this.#continue(lines, fd), retryMs)
      } else {
        if (error !== null) this.#lost(lines, error, fd)
        else if (this.#failed) {
          this.#failed = false
          this.#watcher(null)
        }
        lines.bytes = 0
        lines.count = 0
        lines.reported = 0
        if (lines.buffer.length === bufferBytes) this.#spare = lines
        this.#inWrite = null
        for (const left of this.#left.splice(0)) left()
        this.#schedule()
      }
    })
  }

  /** The reader has gone (EPIPE) or the disk is full: the service goes on without its log, and tries again. */
  #lost(lines: Lines, error: NodeJS.ErrnoException, fd: number): void {
    this.linesDropped += lines.count
    if (error.code === 'EPIPE') return
    this.#droppedUnreported += lines.count + lines.reported
    this.#torn = fd === this.#fd && this.#written > 0 && lines.buffer[this.#written - 1] !== lineFeed
    if (this.#failed) return
    this.#failed = true
    this.#watcher(error)
  }
}

const lineFeed = 10

/** Ends the line of which only a part was written. */
function lineBreak(): Lines {
  return { buffer: Buffer.from('\n'), bytes: 1, count: 0, reported: 0 }
}

function emptyLines(bytesMax: number): Lines {
  return { buffer: Buffer.allocUnsafeSlow(bytesMax), bytes: 0, count: 0, reported: 0 }
}

function droppedLine(count: number): string {
  const time = new Date().toISOString()
  return `{"level":"warn","time":"${time}","dropped":${count},"msg":"log lines were dropped because nobody read them, or they could not be written"}\n`
}
