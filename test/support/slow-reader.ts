/** A client that takes its response one byte a second, so that everything else of it has to wait somewhere. */
import { connect } from 'node:net'

const everyMs = 1_000

export class SlowReader {
  /** Bytes taken since it became slow. */
  taken = 0
  /** Resolves when the other end has cut the connection. */
  readonly cut: Promise<void>
  readonly #socket
  #text = ''
  #timer: ReturnType<typeof setInterval> | null = null

  /** Sends one request, whose text is ready. It reads as fast as it can until `slowDown`. */
  constructor(url: URL, requestText: string) {
    const socket = connect(Number(url.port), url.hostname)
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', this.#onData)
    this.cut = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.write(requestText)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#text += chunk.toString('latin1')
  }

  /** What has come so far, once the pattern is in it. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const [found] = pattern.exec(this.#text) ?? []
      if (found !== undefined) return found
      await new Promise((resolve) => this.#socket.once('data', resolve))
    }
  }

  slowDown(): this {
    this.#socket.off('data', this.#onData)
    this.#socket.pause()
    this.#timer = setInterval(() => {
      this.taken += (this.#socket.read(1) as Buffer | null)?.length ?? 0
    }, everyMs)
    return this
  }

  destroy(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#socket.destroy()
  }
}

/** One request as text. */
export function requestText(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string | null,
): string {
  const lines = Object.entries({
    host: url.host,
    accept: 'application/json, text/event-stream',
    ...(body !== null && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${body === null ? 'GET' : 'POST'} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`
}
