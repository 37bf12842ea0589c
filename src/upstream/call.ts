/** One request on its way to an MCP server, and what comes back for it. */
import { GatewayError } from '../errors.ts'
import type { MessageText } from '../protocol/jsonrpc.ts'
import type { LaneMember } from './lane-member.ts'

/**
 * What a connection keeps in its in-flight table. The connection fills in the fields below the line; the
 * methods are called synchronously by it and must not throw. After `answered` or `failed` nothing follows.
 */
export abstract class Call {
  abstract readonly method: string
  /** The request as the client wrote it; kept so that what was not delivered can be sent again. */
  abstract readonly message: MessageText
  /** Raw JSON text of the id that the answer must carry. */
  abstract readonly idText: string
  /** Raw JSON text of the client's progress token, or null when it asked for none. */
  abstract readonly progressTokenText: string | null
  /** The session that asked, or null for the gateway itself. */
  abstract readonly member: LaneMember | null
  /** True when the result is a handle to something that goes on reporting progress (2025-11-25 tasks). */
  readonly outlivesAnswer: boolean = false

  upstreamId = 0
  startedAtMs = 0
  lastActivityMs = 0
  /** Set when the client cancelled; the entry is kept a moment longer for an answer that crossed it. */
  cancelledAtMs = 0
  /** Set once it was sent again after a 404 of the upstream's; there is no third time. */
  resent = false

  /** A notification that belongs to this call, ids and tokens already those of the client. */
  abstract notified(message: MessageText, text: string): void
  /** The final response, with the client's id. */
  abstract answered(message: MessageText, text: string): void
  abstract failed(error: GatewayError): void
  /** The gateway answers in the server's place; `resultText` is the JSON text of the result. */
  abstract answeredHere(resultText: string): void
  /** The server cut its stream and will go on later: a client that can resume is given the same to do. */
  interrupted(): void {}
  /** The client cancelled and the server kept silent: end without an answer. */
  abstract dropped(): void
}

/** A request of the gateway's own (handshake, health probe, tool listing). */
export class OwnCall extends Call {
  readonly method: string
  readonly message: MessageText
  readonly member = null
  readonly idText = '0'
  readonly progressTokenText = null
  readonly answer: Promise<Record<string, unknown>>
  /** The whole response text as it came. */
  responseText = ''
  #resolve: (result: Record<string, unknown>) => void = () => {}
  #reject: (error: GatewayError) => void = () => {}

  constructor(method: string, message: MessageText) {
    super()
    this.method = method
    this.message = message
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  notified(): void {}

  answered(message: MessageText, text: string): void {
    this.responseText = text
    const response = JSON.parse(text) as { result?: unknown; error?: { code?: unknown; message?: unknown } }
    if (!message.failed && isRecord(response.result)) {
      this.#resolve(response.result)
      return
    }
    const reason = typeof response.error?.message === 'string' ? response.error.message : 'no result'
    this.#reject(new RpcAnswerError(this.method, Number(response.error?.code ?? 0), reason))
  }

  answeredHere(): void {
    this.#resolve({})
  }

  failed(error: GatewayError): void {
    this.#reject(error)
  }

  dropped(): void {
    this.#reject(new GatewayError('UPSTREAM_TIMEOUT', `${this.method} was cancelled`))
  }
}

/** The server answered one of the gateway's own requests with a JSON-RPC error. */
export class RpcAnswerError extends GatewayError {
  constructor(
    method: string,
    readonly upstreamRpcCode: number,
    readonly upstreamMessage: string,
  ) {
    super('UPSTREAM_ERROR', `the server answered ${method} with error ${upstreamRpcCode}: ${upstreamMessage}`)
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
