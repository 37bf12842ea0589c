import { errorCode } from '../../../../../errors.ts'
/**
 * A TCP connection that carries one HTTP/1.1 exchange at a time, on the thread of the event loop: no other
 * way to send a small request costs as little.
 *
 * A request is written once and never again. A connection on which anything happened while nobody had
 * asked, or that is in doubt for any other reason, is closed and not used any more.
 */
import { Http1Responses } from '../../../../../net/http1-response.ts'
import type { Http1Answer } from './answer.ts'

/** Where a connection leads. */
export type ConnectionTarget =
  | {
      /** A name or an address, the latter without brackets. */
      readonly hostname: string
      readonly port: number
    }
  | {
      /** The path of a socket of this machine. */
      readonly unix: string
    }

/** Where a connection goes when its exchange is over. */
export interface Http1ConnectionOwner {
  /** It may carry another exchange. */
  free(connection: Http1Connection): void
  /** It is closed. Told of every connection, idle or not. */
  gone(connection: Http1Connection): void
}

/** The head of a request as it goes over the wire, up to the value of `content-length`. */
export interface RequestHead {
  readonly text: string
  /** False when there are characters that take two bytes as text, and one in a header. */
  readonly isAscii: boolean
}

/** From this size on a text is encoded before it is written, so that what is left over need not be. */
const encodedCharsMin = 64 * 1024

/**
 * Between two portions of a response that is cut into tiny chunks; for each such connection, so that many of them
 * together take no more of the processor than one.
 */
const portionPauseMs = 10
let portioned = 0

type Socket = Bun.Socket<Http1Connection>

export class Http1Connection {
  readonly target: ConnectionTarget
  /** Idle, it is not used any more at this time (`performance.now()`). */
  expiresAtMs = 0
  readonly #owner: Http1ConnectionOwner
  readonly #responses = new Http1Responses()
  #socket: Socket | null = null
  #exchange: Http1Answer | null = null
  #keepAliveSeconds: number | null = null
  /** What of the request the system has not taken yet. */
  #unsent: Uint8Array | null = null
  /** Bytes that are read in later turns, and the end of the connection if it came meanwhile. */
  #rest: Buffer | null = null
  #endOfRest: { readonly thrown: unknown } | null = null
  #paused = false
  #closed = false

  private constructor(target: ConnectionTarget, owner: Http1ConnectionOwner) {
    this.target = target
    this.#owner = owner
  }

  /** Rejects with the error of the system. */
  static async open(target: ConnectionTarget, owner: Http1ConnectionOwner): Promise<Http1Connection> {
    const connection = new Http1Connection(target, owner)
    const common = { data: connection, socket: handlers }
    if ('unix' in target) await Bun.connect<Http1Connection>({ unix: target.unix, ...common })
    else await Bun.connect<Http1Connection>({ hostname: target.hostname, port: target.port, ...common })
    return connection
  }

  get closed(): boolean {
    return this.#closed
  }

  /** How long the server keeps the connection idle, as it said with the last answer. */
  get keepAliveSeconds(): number | null {
    return this.#keepAliveSeconds
  }

  /**
   * Writes a request, its head and body at once; `content-length` is added when there is a body. False when
   * nothing was written, as the connection is closed.
   */
  begin(exchange: Http1Answer, head: RequestHead, body: string | null): boolean {
    const socket = this.#socket
    if (socket === null || this.#closed || this.#exchange !== null) return false
    this.#exchange = exchange
    this.#responses.begin(exchange)
    socket.ref()
    if (!this.#write(socket, head, body)) {
      this.#exchange = null
      this.destroy()
      return false
    }
    exchange.begun(this)
    return true
  }

  #write(socket: Socket, { text, isAscii }: RequestHead, body: string | null): boolean {
    const bodyBytes = body === null ? 0 : Buffer.byteLength(body)
    const head = body === null ? text : `${text}content-length: ${bodyBytes}\r\n\r\n`
    if (!isAscii || bodyBytes > encodedCharsMin) {
      return this.#writeBytes(socket, Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body ?? '')]))
    }
    const whole = body === null ? head : head + body
    const bytes = head.length + bodyBytes
    const written = socket.write(whole)
    if (written < 0) return false
    if (written < bytes) this.#unsent = Buffer.from(whole).subarray(written)
    return true
  }

  #writeBytes(socket: Socket, bytes: Uint8Array): boolean {
    const written = socket.write(bytes)
    this.#unsent = written < bytes.length ? bytes.subarray(Math.max(0, written)) : null
    return written >= 0
  }

  /** Reads no more, so that the server blocks. */
  pause(): void {
    if (this.#closed || this.#paused) return
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    if (this.#closed || !this.#paused) return
    this.#paused = false
    if (this.#rest === null) this.#socket?.resume()
  }

  /** Closes it at once. Its exchange hears nothing. */
  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#exchange = null
    this.#unsent = null
    this.#socket?.terminate()
    this.#owner.gone(this)
  }

  /** Nobody waits on it: it must not keep the process alive. */
  rest(): void {
    this.#socket?.unref()
  }

  opened(socket: Socket): void {
    this.#socket = socket
    socket.setNoDelay(true)
  }

  received(chunk: Buffer): void {
    const exchange = this.#exchange
    if (exchange === null) {
      this.destroy()
      return
    }
    if (this.#rest === null) this.#take(exchange, chunk)
    else this.#rest = Buffer.concat([this.#rest, chunk])
  }

  #take(exchange: Http1Answer, chunk: Buffer): void {
    const fault = this.#responses.push(chunk)
    const { leftBytes } = this.#responses
    if (fault !== null) this.breakOff(`InvalidHTTPResponse, ${fault}`)
    else {
      if (leftBytes > 0) this.#takeLater(chunk.subarray(-leftBytes))
      if (this.#responses.done) this.#finish(exchange)
      exchange.arrived()
    }
  }

  #takeLater(rest: Buffer): void {
    this.#rest = rest
    this.#socket?.pause()
    portioned++
    setTimeout(() => {
      portioned--
      this.#takeRest()
    }, portionPauseMs * portioned)
  }

  #takeRest(): void {
    const [rest, exchange, end] = [this.#rest, this.#exchange, this.#endOfRest]
    this.#rest = null
    if (this.#closed || rest === null) return
    if (exchange === null) {
      this.destroy()
      return
    }
    this.#take(exchange, rest)
    if (this.#rest !== null || this.#closed) return
    if (end !== null) this.ended(end.thrown)
    else if (!this.#paused) this.#socket?.resume()
  }

  #finish(exchange: Http1Answer): void {
    this.#exchange = null
    this.resume()
    this.#keepAliveSeconds = this.#responses.keepAliveSeconds
    exchange.ended()
    // The server has answered before it read everything: what is left of the request would be its next one.
    if (this.#responses.reusable && this.#unsent === null) this.#owner.free(this)
    else this.destroy()
  }

  /** Closes it at once and tells its exchange: a code of the system, or a few words. */
  breakOff(why: string): void {
    const exchange = this.#exchange
    this.destroy()
    exchange?.broke(why)
  }

  drained(socket: Socket): void {
    if (this.#unsent !== null && !this.#writeBytes(socket, this.#unsent)) this.breakOff('ECONNRESET')
  }

  /** The connection was closed, by the server or by a fault. */
  ended(thrown: unknown): void {
    if (this.#closed) return
    if (this.#rest !== null) {
      this.#endOfRest = { thrown }
      return
    }
    const exchange = this.#exchange
    const code = errorCode(thrown)
    if (exchange === null || code !== undefined || this.#responses.close() !== null) {
      this.breakOff(code ?? 'ECONNRESET')
      return
    }
    // A body that lasts until the connection is closed.
    this.#finish(exchange)
    exchange.arrived()
  }
}

const handlers: Bun.SocketHandler<Http1Connection> = {
  open: (socket) => socket.data.opened(socket),
  data: (socket, chunk) => socket.data.received(chunk),
  drain: (socket) => socket.data.drained(socket),
  close: (socket, thrown) => socket.data.ended(thrown),
  error: (socket, thrown) => socket.data.ended(thrown),
  // Without it the failure would be reported twice; the promise of the connection rejects.
  connectError() {},
}
