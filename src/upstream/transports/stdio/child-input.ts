/**
 * Writes lines to the stdin of a child: all lines of one turn of the event loop in one write, and no
 * more than a bound while the child does not read.
 */
import type { Writable } from 'node:stream'

export interface ChildInput {
  /** Queues one line. False when the queue is full: the line was not taken. */
  write(line: string): boolean
  /** Writes what is queued and closes the pipe. */
  end(): void
}

/**
 * `queueCharsMax` counts characters (up to three bytes each) that wait behind a blocked pipe. One
 * message is always taken, whatever its size.
 */
export function createChildInput(stream: Writable, queueCharsMax: number): ChildInput {
  let queued = ''
  let flushing = false
  let blocked = false

  stream.on('drain', () => {
    blocked = false
    flush()
  })

  function flush(): void {
    flushing = false
    if (blocked || queued === '') return
    const text = queued
    queued = ''
    blocked = !stream.write(text)
  }

  function end(): void {
    stream.end(queued)
    queued = ''
  }

  function write(line: string): boolean {
    if (queued !== '' && queued.length + line.length > queueCharsMax) return false
    queued += line
    queued += '\n'
    if (!flushing && !blocked) {
      flushing = true
      // A microtask would run after each request; this runs after all that have come in one turn.
      setImmediate(flush)
    }
    return true
  }

  return { write, end }
}
