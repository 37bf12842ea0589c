/**
 * The owners' end of channels: takes requests that members bring, has them answered, and sends the answers back, all
 * those of one turn of the event loop in one write. Of an answer that comes in pieces no more is on its way than its
 * reader has asked for.
 */
import type { ServerWebSocket, WebSocketHandler } from 'bun'
import { isStreamed } from '../../../../http/reply.ts'
import { ByNumber } from '../../../../runtime/in-flight.ts'
import { isEventStream } from '../../../../session/event-stream.ts'
import type { BroughtRequest } from './brought-request.ts'
import {
  type Frame,
  type FrameKind,
  frameText,
  pieceBytes,
  readFrames,
  textBytesMax,
  textCharsMax,
  windowBytes,
} from './frames.ts'

/** What is known of a channel at its owner's end. */
export interface ChannelData {
  end: OwnerChannel | null
}

/** Reads a request, and what it says of whose it is. */
export interface BroughtCall {
  readonly request: BroughtRequest
  /** Rejects where it may have run, and nobody knows what became of it. */
  answer(): Promise<Response>
}

/** A message of a front. */
export interface OpenedMessage {
  readonly frames: string
  /** A request in it; the answer where it counts for nothing. Never throws. */
  brought(head: string, body: string): BroughtCall | Response
}

export interface OwnerChannelParts {
  /** Null for what is no message. */
  opened(text: string): OpenedMessage | null
}

/** Silent for so long, the other end is asked for a sign of life, and given up where none comes. */
const idleSeconds = 120
/** Windows bound what waits; beyond this the runtime would drop messages. */
const backpressureBytesMax = 1024 * 1024 * 1024

export function channelHandler(parts: OwnerChannelParts): WebSocketHandler<ChannelData> {
  return {
    maxPayloadLength: textBytesMax,
    idleTimeout: idleSeconds,
    backpressureLimit: backpressureBytesMax,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    open(socket) {
      socket.data.end = new OwnerChannel(socket)
    },
    message(socket, message) {
      const opened = typeof message === 'string' ? parts.opened(message) : null
      const frames = opened && readFrames(opened.frames)
      if (opened === null || frames === null) socket.terminate()
      else for (const frame of frames) socket.data.end?.take(frame, opened)
    },
    close: (socket) => socket.data.end?.closed(),
  }
}

type BodyReader = Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>

interface Running {
  readonly request: BroughtRequest
  /** How much its reader may still be sent. */
  roomBytes: number
  reader: BodyReader | null
  /** Set while there is no room. */
  roomMade: (() => void) | null
}

class OwnerChannel {
  readonly #socket: ServerWebSocket<ChannelData>
  readonly #running = new ByNumber<Running>()
  #texts = ''
  #due = false
  #closed = false

  constructor(socket: ServerWebSocket<ChannelData>) {
    this.#socket = socket
  }

  take({ kind, id, value, head, body }: Frame, message: OpenedMessage): void {
    if (kind === 'R') this.#begin(id, message.brought(head, body))
    else {
      const running = this.#running.get(id)
      if (running === undefined) return
      if (kind === 'W') {
        running.roomBytes += value
        running.roomMade?.()
      } else if (kind === 'C') this.#giveUp(id, running)
    }
  }

  /** Nobody waits any more for what runs. */
  closed(): void {
    this.#closed = true
    this.#texts = ''
    for (const running of this.#running.list()) giveUp(running)
    this.#running.clear()
  }

  #begin(id: number, brought: BroughtCall | Response): void {
    if (brought instanceof Response) {
      void this.#whole(id, brought).catch(() => this.#send('X', id))
      return
    }
    const running: Running = {
      request: brought.request,
      roomBytes: windowBytes,
      reader: null,
      roomMade: null,
    }
    this.#running.set(id, running)
    void this.#answered(id, running, brought)
  }

  async #answered(id: number, running: Running, brought: BroughtCall): Promise<void> {
    try {
      await this.#answer(id, running, await brought.answer())
    } catch {
      // It may have run.
      this.#running.delete(id)
      this.#send('X', id)
    }
  }

  async #answer(id: number, running: Running, response: Response): Promise<void> {
    const { body } = isEventStream(response) || isStreamed(response) ? response : noBody
    if (this.#running.get(id) !== running) {
      // It was given up: what it holds is let go.
      await body?.cancel().catch(() => {})
      return
    }
    if (body === null) {
      this.#running.delete(id)
      await this.#whole(id, response)
      return
    }
    this.#send('H', id, response.status, headersText(response))
    const reader = body.getReader()
    running.reader = reader
    const isAll = await this.#pieces(id, running, reader)
    if (this.#running.get(id) !== running) return
    this.#running.delete(id)
    this.#send(isAll ? 'E' : 'X', id)
  }

  /** An answer of one text. */
  async #whole(id: number, response: Response): Promise<void> {
    const text = await response.text()
    this.#send('A', id, response.status, headersText(response), text)
  }

  /** True when it has come to its end; false where it broke off, or nobody reads it. */
  async #pieces(id: number, running: Running, reader: BodyReader): Promise<boolean> {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (this.#running.get(id) !== running) return false
        if (done) return true
        for (let at = 0; at < value.length; at += windowBytes) {
          const piece = value.subarray(at, at + windowBytes)
          if (!(await this.#room(running, piece.length)) || this.#running.get(id) !== running) return false
          this.#piece(id, piece)
        }
      }
    } catch {
      return false
    }
  }

  /** Resolves once there is room; false where the request is given up. */
  async #room(running: Running, bytes: number): Promise<boolean> {
    while (running.roomBytes <= 0 && !running.request.isGivenUp)
      await new Promise<void>((resolve) => {
        running.roomMade = resolve
      })
    running.roomMade = null
    running.roomBytes -= bytes
    return !running.request.isGivenUp
  }

  #piece(id: number, piece: Uint8Array): void {
    if (piece.length === 0) return
    // What was said before goes before.
    this.#sendAll()
    if (!this.#closed && this.#socket.sendBinary(pieceBytes(id, piece)) === 0) this.#socket.terminate()
  }

  #giveUp(id: number, running: Running): void {
    this.#running.delete(id)
    giveUp(running)
  }

  #send(kind: FrameKind, id: number, value = 0, head = '', body = ''): void {
    if (this.#closed) return
    this.#texts += frameText(kind, id, value, head, body)
    if (this.#texts.length >= textCharsMax) this.#sendAll()
    else if (!this.#due) {
      this.#due = true
      setImmediate(this.#turnEnded)
    }
  }

  readonly #turnEnded = (): void => {
    this.#due = false
    this.#sendAll()
  }

  #sendAll(): void {
    const texts = this.#texts
    if (texts === '' || this.#closed) return
    this.#texts = ''
    if (this.#socket.sendText(texts) === 0) this.#socket.terminate()
  }
}

function giveUp({ request, reader, roomMade }: Running): void {
  request.giveUp()
  roomMade?.()
  reader?.cancel().catch(() => {})
}

const noBody = { body: null } as const

function headersText({ headers }: Response): string {
  return JSON.stringify(headers.toJSON())
}
