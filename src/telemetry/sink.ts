/**
 * Where log lines go: a file descriptor, written behind the event loop's back.
 *
 * A log must never stop the service. Writes are asynchronous, one at a time; lines that come
 * meanwhile wait in memory up to a bound, and past the bound they are dropped and counted. (A
 * synchronous write to a pipe whose reader stalls was measured to freeze the process.)
 */
import { write } from 'node:fs'

/** Lines gather for this long, so that a busy second is a few writes and a quiet line is seen at once. */
const gatherMs = 20
/** A descriptor that is full is tried again after this long. */
const retryMs = 50
/** Bytes (as UTF-16 units) that may wait for a slow reader. */
const pendingMax = 4 * 1024 * 1024
/** Bytes handed to one write: enough to be cheap, little enough to be torn rarely. */
const flushSize = 64 * 1024

export interface LineSink {
  /** Takes one or more whole lines, each with its line break. */
  write(lines: string): void
  readonly linesDropped: number
  /** Resolves true once everything is written, false when `deadlineMs` pass first. */
  flush(deadlineMs: number): Promise<boolean>
}

/** Opens a sink on a descriptor that somebody else owns; it is never closed here. */
export function openSink(fd: number): LineSink {
  return new DescriptorSink(fd)
}

class DescriptorSink implements LineSink {
  linesDropped = 0
  #pending = ''
  #linesPending = 0
  #inWrite: Buffer | null = null
  #linesInWrite = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  #droppedUnreported = 0
  #idle: (() => void)[] = []

  constructor(readonly fd: number) {}

  write(lines: string): void {
    if (this.#pending.length + lines.length > pendingMax) {
      this.linesDropped++
      this.#droppedUnreported++
      return
    }
    this.#pending += lines
    this.#linesPending++
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

  /** Writing at every chance would cost more than the lines themselves: a write wakes another thread. */
  #schedule(): void {
    if (this.#pending === '' && this.#idle.length === 0) return
    if (this.#pending.length >= flushSize || this.#idle.length > 0) this.#start()
    else this.#timer ??= setTimeout(() => this.#start(), gatherMs)
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#pending === '') {
      for (const resolve of this.#idle.splice(0)) resolve()
      return
    }
    if (this.#droppedUnreported > 0) {
      this.#pending += droppedLine(this.#droppedUnreported)
      this.#droppedUnreported = 0
    }
    this.#linesInWrite = this.#linesPending
    this.#inWrite = Buffer.from(this.#pending)
    this.#pending = ''
    this.#linesPending = 0
    this.#continue()
  }

  #continue(): void {
    const buffer = this.#inWrite
    if (buffer === null) return
    write(this.fd, buffer, 0, buffer.byteLength, null, (error, written) => {
      if (error === null) {
        this.#inWrite = written < buffer.byteLength ? buffer.subarray(written) : null
      } else if (error.code === 'EAGAIN' || error.code === 'EINTR') {
        setTimeout(() => this.#continue(), retryMs)
        return
      } else {
        // The reader has gone (EPIPE) or the disk is full: the service goes on without its log.
        this.linesDropped += this.#linesInWrite
        this.#inWrite = null
      }
      if (this.#inWrite !== null) this.#continue()
      else this.#schedule()
    })
  }
}

function droppedLine(count: number): string {
  const time = new Date().toISOString()
  return `{"level":"warn","time":"${time}","dropped":${count},"msg":"log lines were dropped because nobody read them"}\n`
}
