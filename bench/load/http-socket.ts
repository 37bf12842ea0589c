/**
 * One kept-alive HTTP/1.1 connection, as thin as a load generator needs it: one request at a time, bodies
 * with a length or in chunks, and streams that are read as they come.
 */
import type { Socket } from 'bun'

export interface Answer {
  readonly status: number
  /** The header block as it came, without the status line. */
  readonly head: string
  readonly body: string
}

export interface Target {
  readonly host: string
  readonly port: number
}

type Piece = (text: string) => void

/** Opens a connection. Rejects when there is nobody. */
export async function openHttpSocket(target: Target): Promise<HttpSocket> {
  const connection = new HttpSocket()
  await Bun.connect({
    hostname: target.host,
    port: target.port,
    socket: {
      open: (socket) => connection.opened(socket),
      data: (_socket, bytes) => connection.received(bytes),
      drain: () => connection.drained(),
      close: () => connection.lost('the connection was closed'),
      error: (_socket, error) => connection.lost(error.message),
    },
  })
  return connection
}

export class HttpSocket {
  #socket: Socket<undefined> | null = null
  /** Request bytes that the kernel has not taken yet. */
  #unsent = ''
  #text = ''
  #answer: { resolve(answer: Answer): void; reject(error: Error): void } | null = null
  #status = 0
  #head: string | null = null
  #body = ''
  /** Characters of the body that are still to come; in chunked bodies, of the current chunk and its end. */
  #missing = 0
  #chunked = false
  #onPiece: Piece | null = null

  opened(socket: Socket<undefined>): void {
    this.#socket = socket
  }

  /** Sends one request, whose text is ready, and resolves with the whole answer. */
  request(text: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject }
      this.#send(text)
    })
  }

  /** Sends a GET whose answer does not end; resolves with its head, hands every piece of its body over. */
  stream(text: string, onPiece: Piece): Promise<Answer> {
    this.#onPiece = onPiece
    return this.request(text)
  }

  close(): void {
    this.#answer = null
    this.#socket?.end()
  }

  /** Breaks the connection off, whatever is under way. */
  destroy(): void {
    this.#answer = null
    this.#socket?.terminate()
  }

  lost(reason: string): void {
    const waiting = this.#answer
    this.#answer = null
    waiting?.reject(new Error(reason))
  }

  drained(): void {
    const text = this.#unsent
    this.#unsent = ''
    if (text !== '') this.#send(text)
  }

  #send(text: string): void {
    // The texts of this program are ASCII, so characters are bytes.
    const taken = this.#socket?.write(text) ?? 0
    if (taken < text.length) this.#unsent += text.slice(Math.max(0, taken))
  }

  received(bytes: Buffer): void {
    this.#text += bytes.toString('latin1')
    while (this.#text !== '' && this.#advance()) {
      // Every round takes one part of what has come.
    }
  }

  /** False when more bytes are needed. */
  #advance(): boolean {
    if (this.#head === null) return this.#takeHead()
    if (this.#chunked) return this.#takeChunk()
    const part = this.#text.slice(0, this.#missing)
    this.#text = this.#text.slice(part.length)
    this.#missing -= part.length
    this.#body += part
    if (this.#missing > 0) return false
    this.#finish()
    return true
  }

  #takeHead(): boolean {
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#text.slice(0, end)
    this.#text = this.#text.slice(end + 4)
    this.#head = head
    this.#status = Number(head.slice(9, 12))
    this.#chunked = /\r\ntransfer-encoding: *chunked/i.test(head)
    this.#missing = this.#chunked ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#onPiece && this.#status === 200) {
      this.#answer?.resolve({ status: this.#status, head, body: '' })
      this.#answer = null
    } else if (!this.#chunked && this.#missing === 0) this.#finish()
    return true
  }

  #takeChunk(): boolean {
    const line = this.#text.indexOf('\r\n')
    if (line < 0) return false
    const size = Number.parseInt(this.#text.slice(0, line), 16)
    if (this.#text.length < line + 2 + size + 2) return false
    const part = this.#text.slice(line + 2, line + 2 + size)
    this.#text = this.#text.slice(line + 2 + size + 2)
    if (size === 0) this.#finish()
    else if (this.#onPiece) this.#onPiece(part)
    else this.#body += part
    return true
  }

  #finish(): void {
    const waiting = this.#answer
    const answer = { status: this.#status, head: this.#head ?? '', body: this.#body }
    this.#answer = null
    this.#head = null
    this.#body = ''
    waiting?.resolve(answer)
  }
}
