/**
 * The front's end of a channel: one connection to a member that carries many small requests at a time. All that is
 * asked in one turn of the event loop is one write, and so are the answers to it.
 */
import { randomBytes } from 'node:crypto'
import { ByNumber } from '../../../../runtime/in-flight.ts'
import type { Cancellation } from '../../../../upstream/transports/http/client/answer/cancellation.ts'
import type { InstanceId } from '../../../directory/directory.ts'
import { forwardedHeader } from '../forwarded-header.ts'
import { type Challenge, challengeHeader, proofHeader } from '../member-proof.ts'
import { type Frame, frameText, readFrames, readPiece, textCharsMax } from './frames.ts'
import { type ChannelSent, type RequestChannel, SentRequest } from './sent-request.ts'
import { pongMessage, textMessage, WebSocketReader } from './websocket-bytes.ts'

/** Where it leads. */
export type ChannelAddress =
  | { readonly hostname: string; readonly port: number }
  /** The path of a socket of this machine. */
  | { readonly unix: string }

/** The path at which a channel is asked for; its last part is the version of what is said there. */
export const channelTarget = '/channel/3'

/** How a member is known at the other end. */
export interface ChannelSigning {
  /** The header of a request to open one. */
  opening(to: InstanceId): string
  /** A message with these frames. */
  message(to: InstanceId, frames: string): string
}

/** How the other end proves who it is, before it is sent a request. */
export type ChannelChallenge = Pick<Challenge, 'nonce' | 'provenBy'>

/** Who is told of a channel. */
export interface ChannelOwner {
  /** Something has come from the other end. */
  heard(): void
  /** It is closed. */
  gone(channel: FrontChannel): void
}

/** While more than this waits for the other end, requests go another way. */
const waitingBytesMax = 1024 * 1024
/** Of what an owner sends: a text that it has put together is smaller. */
const messageBytesMax = 16 * 1024 * 1024
const answerHeadBytesMax = 16 * 1024

type Socket = Bun.Socket<FrontChannel>

export class FrontChannel implements RequestChannel {
  readonly #instance: InstanceId
  readonly #signing: ChannelSigning
  readonly #owner: ChannelOwner
  readonly #sent = new ByNumber<SentRequest>()
  readonly #reader = new WebSocketReader(messageBytesMax)
  #socket: Socket | null = null
  /** Until the other end has agreed: what it has said so far. */
  #greeting: {
    text: string
    readonly challenge: ChannelChallenge
    agreed(yes: boolean): void
  } | null = null
  #lastId = 0
  /** What is written at the end of this turn, and by which request. */
  #texts: { readonly text: string; readonly request: SentRequest | null }[] = []
  #textChars = 0
  #due = false
  /** What the system has not taken yet. */
  #unsent: Uint8Array | null = null
  #closed = false
  /** When something was asked or answered last, monotonic. */
  usedAtMs = performance.now()

  private constructor(instance: InstanceId, signing: ChannelSigning, owner: ChannelOwner) {
    this.#instance = instance
    this.#signing = signing
    this.#owner = owner
  }

  /**
   * Opens one to a member. Null where the other end has none, does not believe this one, or has not proven that it is
   * the one that is meant. Rejects with the error of the system.
   */
  static async open(
    instance: InstanceId,
    address: ChannelAddress,
    signing: ChannelSigning,
    owner: ChannelOwner,
    challenge: ChannelChallenge,
  ): Promise<FrontChannel | null> {
    const channel = new FrontChannel(instance, signing, owner)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    channel.#greeting = { text: '', challenge, agreed: resolve }
    const common = { data: channel, socket: handlers }
    if ('unix' in address) await Bun.connect<FrontChannel>({ ...address, ...common })
    else await Bun.connect<FrontChannel>({ ...address, ...common })
    channel.#socket?.write(upgradeText(signing.opening(instance), challenge.nonce))
    if (await promise) return channel
    channel.close()
    return null
  }

  get closed(): boolean {
    return this.#closed
  }

  /** How many requests wait for their answers. */
  get busy(): number {
    return this.#sent.size
  }

  /** Whether the other end does not take what it is sent. */
  get full(): boolean {
    return this.#closed || (this.#unsent?.length ?? 0) + this.#textChars > waitingBytesMax
  }

  /** Sends a request, once. */
  send(head: string, body: string, cancellation: Cancellation): Promise<ChannelSent> {
    return new Promise((resolve) => {
      if (this.#closed || cancellation.happened) {
        resolve({ kind: 'unsent' })
        return
      }
      const request = new SentRequest(++this.#lastId, this, cancellation, resolve)
      this.#sent.set(request.id, request)
      this.usedAtMs = performance.now()
      this.#write(frameText('R', request.id, 0, head, body), request)
    })
  }

  givenUp(request: SentRequest): void {
    this.#sent.delete(request.id)
    if (request.written) this.#write(frameText('C', request.id), null)
  }

  taken(request: SentRequest, bytes: number): void {
    this.#write(frameText('W', request.id, bytes), null)
  }

  #write(text: string, request: SentRequest | null): void {
    if (this.#closed) return
    this.#texts.push({ text, request })
    this.#textChars += text.length
    if (this.#due || this.#unsent !== null) return
    this.#due = true
    setImmediate(this.#writeAll)
  }

  readonly #writeAll = (): void => {
    this.#due = false
    const socket = this.#socket
    if (this.#closed || socket === null) return
    const texts = this.#texts
    this.#texts = []
    this.#textChars = 0
    let all = ''
    for (const { text, request } of texts) {
      // Given up before it was written: it has never been asked.
      if (request?.over === true) continue
      if (request !== null) request.written = true
      all += text
      if (all.length < textCharsMax) continue
      this.#writeMessage(socket, all)
      all = ''
    }
    if (all !== '') this.#writeMessage(socket, all)
  }

  #writeMessage(socket: Socket, frames: string): void {
    this.#writeBytes(socket, textMessage(this.#signing.message(this.#instance, frames)))
  }

  #writeBytes(socket: Socket, bytes: Uint8Array): void {
    if (this.#closed) return
    if (this.#unsent !== null) {
      this.#unsent = Buffer.concat([this.#unsent, bytes])
      return
    }
    const written = socket.write(bytes)
    if (written < 0) this.close()
    else if (written < bytes.length) this.#unsent = bytes.subarray(written)
  }

  drained(socket: Socket): void {
    const unsent = this.#unsent
    if (unsent === null) return
    this.#unsent = null
    this.#writeBytes(socket, unsent)
    if (this.#unsent === null && this.#texts.length > 0) this.#writeAll()
  }

  opened(socket: Socket): void {
    this.#socket = socket
    socket.setNoDelay(true)
  }

  received(chunk: Buffer): void {
    const rest = this.#greeting === null ? chunk : this.#greeted(chunk)
    if (rest === null || rest.length === 0) return
    this.usedAtMs = performance.now()
    this.#owner.heard()
    const messages = this.#reader.push(rest)
    if (messages === null) {
      this.close()
      return
    }
    for (const message of messages) {
      if (this.#closed) return
      if (message.kind === 'text') this.#frames(message.text)
      else if (message.kind === 'binary') this.#piece(message.bytes)
      else if (message.kind === 'close') this.close()
      else if (this.#socket !== null) this.#writeBytes(this.#socket, pongMessage(message.bytes))
    }
  }

  /** What has come behind the answer to the question for a channel; null while there is no answer. */
  #greeted(chunk: Buffer): Buffer | null {
    const greeting = this.#greeting
    if (greeting === null) return chunk
    greeting.text += chunk.toString('latin1')
    const end = greeting.text.indexOf('\r\n\r\n')
    if (end < 0 && greeting.text.length < answerHeadBytesMax) return null
    this.#greeting = null
    const head = greeting.text.slice(0, Math.max(0, end))
    const isMeant =
      head.startsWith('HTTP/1.1 101 ') && greeting.challenge.provenBy(proofIn(head)) === this.#instance
    greeting.agreed(isMeant)
    if (isMeant) return Buffer.from(greeting.text.slice(end + 4), 'latin1')
    this.close()
    return null
  }

  #frames(text: string): void {
    const frames = readFrames(text)
    if (frames === null) this.close()
    else for (const frame of frames) this.#frame(frame)
  }

  #frame({ kind, id, value, head, body }: Frame): void {
    const request = this.#sent.get(id)
    // Whoever has asked is gone.
    if (request === undefined) return
    if (kind === 'H') {
      request.begun(value, head)
      return
    }
    this.#sent.delete(id)
    if (kind === 'A') request.whole(value, head, body)
    else if (kind === 'E') request.ended()
    else request.broke()
  }

  #piece(bytes: Buffer): void {
    const read = readPiece(bytes)
    if (read === null) this.close()
    else this.#sent.get(read.id)?.piece(read.piece)
  }

  /** Closes it; what was asked may have run, and what was not written has not. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#greeting?.agreed(false)
    this.#socket?.terminate()
    this.#texts = []
    this.#unsent = null
    const unanswered = this.#sent.list()
    this.#sent.clear()
    for (const request of unanswered) request.broke()
    this.#owner.gone(this)
  }
}

/** The proof in the head of an answer; null where there is none. */
function proofIn(head: string): string | null {
  return proofLine.exec(head)?.[1] ?? null
}

const proofLine = new RegExp(`\\r\\n${proofHeader}: *([^\\r\\n]*)`, 'i')

function upgradeText(signed: string, challenge: string): string {
  return [
    `GET ${channelTarget} HTTP/1.1`,
    'host: peer',
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${randomBytes(16).toString('base64')}`,
    `${challengeHeader}: ${challenge}`,
    `${forwardedHeader}: ${signed}`,
    '\r\n',
  ].join('\r\n')
}

const handlers: Bun.SocketHandler<FrontChannel> = {
  open: (socket) => socket.data.opened(socket),
  data: (socket, chunk) => socket.data.received(chunk),
  drain: (socket) => socket.data.drained(socket),
  close: (socket) => socket.data.close(),
  error: (socket) => socket.data.close(),
  // Without it the failure would be reported twice; the promise of the connection rejects.
  connectError() {},
}
