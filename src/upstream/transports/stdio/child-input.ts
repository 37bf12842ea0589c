/**
 * Writes lines to the stdin of a child: all lines of one turn of the event loop in one write, and no
 * more than a bound while the child does not read.
 */
import type { Socket, SocketHandler } from 'bun'

/** Of a socket, what is used here. */
export type InputSocket = Pick<Socket, 'write' | 'end' | 'pause' | 'terminate'>

export class ChildInput {
  /** Of the socket that is attached. */
  readonly handlers: SocketHandler = {
    data() {},
    drain: () => this.#writeRest(),
    close: () => {
      this.#closed = true
    },
  }
  readonly #queueCharsMax: number
  readonly #onBroken: () => void
  #socket: InputSocket | null = null
  #queued = ''
  #flushing = false
  /** What the child has not taken yet. */
  #rest: Buffer | null = null
  #ending = false
  #closed = false

  /**
   * `queueCharsMax` counts characters (up to three bytes each) that wait behind what the child does not read. One
   * message is always taken, whatever its size. `onBroken` is called when there is nobody to write to any more.
   */
  constructor(queueCharsMax: number, onBroken: () => void) {
    this.#queueCharsMax = queueCharsMax
    this.#onBroken = onBroken
  }

  attach(socket: InputSocket): void {
    this.#socket = socket
    // A child may write to what is its input as well; nobody reads that, so that it waits.
    socket.pause()
  }

  /** Queues one line. False when the queue is full: the line was not taken. */
  write(line: string): boolean {
    if (this.#queued !== '' && this.#queued.length + line.length > this.#queueCharsMax) return false
    this.#queued += line
    this.#queued += '\n'
    if (!this.#flushing && this.#rest === null) {
      this.#flushing = true
      // A microtask would run after each request; this runs after all that have come in one turn.
      setImmediate(this.#flush)
    }
    return true
  }

  /** Writes what is queued and closes the pipe. */
  end(): void {
    this.#ending = true
    this.#flush()
  }

  /** Closes it, whatever is queued. */
  destroy(): void {
    this.#socket?.terminate()
  }

  readonly #flush = (): void => {
    this.#flushing = false
    if (this.#rest !== null) return
    const text = this.#queued
    this.#queued = ''
    if (text !== '') this.#rest = Buffer.from(text)
    this.#writeRest()
  }

  #writeRest(): void {
    const [socket, rest] = [this.#socket, this.#rest]
    if (socket === null) return
    if (rest !== null) {
      const written = this.#closed ? -1 : socket.write(rest)
      if (written < 0) {
        this.#rest = null
        this.#onBroken()
        return
      }
      this.#rest = written < rest.length ? rest.subarray(written) : null
      if (this.#rest !== null) return
    }
    if (this.#queued !== '') this.#flush()
    else if (this.#ending) {
      this.#ending = false
      socket.end()
    }
  }
}
