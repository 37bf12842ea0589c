/** A wire that carries texts between a connection and a test: what was sent is kept, the test says what comes. */
import { GatewayError } from '../../src/errors.ts'
import type {
  Outgoing,
  TransportReceiver,
  UpstreamTransport,
} from '../../src/upstream/transports/transport.ts'

export interface TextTransportOptions {
  /** Default null: HTTP. */
  readonly pid?: number | null
  /** Whether each request is answered on a response of its own. Default false. */
  readonly attributes?: boolean
  /** What comes back at once for a message that was sent; null for nothing. Default: nothing ever does. */
  readonly answerTo?: (outgoing: Outgoing) => string | null
  /** Rejects `open`. */
  readonly refuses?: boolean
}

export class TextTransport implements UpstreamTransport {
  readonly pid: number | null
  readonly attributes: boolean
  readonly sent: Outgoing[] = []
  /** Requests whose response was ended by the connection. */
  readonly aborted: number[] = []
  paused = false
  closeCount = 0
  receiver: TransportReceiver | null = null
  readonly #answerTo: (outgoing: Outgoing) => string | null
  readonly #refuses: boolean

  constructor(options: TextTransportOptions = {}) {
    this.pid = options.pid ?? null
    this.attributes = options.attributes ?? false
    this.#answerTo = options.answerTo ?? (() => null)
    this.#refuses = options.refuses ?? false
  }

  async open(receiver: TransportReceiver): Promise<void> {
    if (this.#refuses) throw new GatewayError('SERVER_UNAVAILABLE', 'nobody listens')
    this.receiver = receiver
  }

  send(outgoing: Outgoing): void {
    this.sent.push(outgoing)
    const text = this.#answerTo(outgoing)
    if (text !== null) queueMicrotask(() => this.receiver?.message(text, outgoing.requestId))
  }

  /** The texts sent so far, as they were written on the wire. */
  get texts(): string[] {
    return this.sent.map(({ text }) => text)
  }

  silence(): string {
    return ''
  }

  initialized(): void {}

  resetSession(): void {}

  abort(requestId: number): void {
    this.aborted.push(requestId)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  async close(): Promise<void> {
    this.closeCount++
  }
}

/** Answers `initialize`, `ping` and the gateway's other requests with what they need, and nothing else. */
export function legacyServer({ requestId, method }: Outgoing): string | null {
  if (requestId === null || method === 'tools/call') return null
  const hello = '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}'
  return `{"jsonrpc":"2.0","id":${requestId},"result":${method === 'initialize' ? hello : '{}'}}`
}
