/** One request on its way to an MCP server, and what comes back for it. */
import { GatewayError } from '../../errors.ts'
import { isObject } from '../../protocol/json.ts'
import { type MessageText, memberSpan, progressTokenSpan } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { jsonDepthMax, nestsTooDeep, parsed } from '../../protocol/spans.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import type { Listed } from '../../runtime/in-flight.ts'
import { type Mask, maskStart } from '../../telemetry/redaction.ts'
import type { CallTrace } from '../../telemetry/traces/trace.ts'
import type { LaneClient } from './client.ts'

/** What is repeated of an error that a server answers: it goes into log lines and states. */
const saidCharsMax = 2_000

/** Whoever holds bytes in the name of one client (runtime/byte-ledger.ts). */
export interface EntryOpener {
  openEntry(): LedgerEntry
}

/** What a client may name its progress by: the name travels back with every step. */
const progressTokenCharsMax = 16_384

/** Raw JSON text of the progress token, or null when the client asked for none. */
export function progressTokenTextOf(message: MessageText): string | null {
  const token = progressTokenSpan(message)
  return token && message.text.slice(token.start, token.end)
}

/** Throws PARAMS_REFUSED for a very long one. */
export function checkProgressToken(tokenText: string | null): void {
  if (tokenText === null || tokenText.length <= progressTokenCharsMax) return
  throw new GatewayError(
    'PARAMS_REFUSED',
    `params._meta.progressToken may have at most ${progressTokenCharsMax} characters.`,
  )
}

/**
 * What a connection keeps in its in-flight table. The connection fills in the fields below the line; the
 * methods are called synchronously by it and must not throw. After `answered` or `failed` nothing follows.
 */
export abstract class UpstreamCall implements Listed {
  /** Its place in the book of whoever asked (in-flight.ts). */
  place = 0
  abstract readonly method: string
  /** The request as the client wrote it; kept so that what is proved not to have run can be sent again. */
  abstract readonly message: MessageText
  /** Raw JSON text of the id that the answer must carry. */
  abstract readonly idText: string
  /** Raw JSON text of the client's progress token, or null when it asked for none. */
  abstract readonly progressTokenText: string | null
  /** The session that asked, or null for the gateway itself. */
  abstract readonly client: LaneClient | null
  /** True when the result is a handle to something that goes on reporting progress (2025-11-25 tasks). */
  readonly outlivesAnswer: boolean = false

  /** True for a subscription: it is silent for as long as nothing changes. */
  endless = false
  /** False when its client asked for no log messages, so that none can be its. */
  logs = true
  /** Whose request it is; null when it is the gateway's own. */
  principalId: string | null = null
  /** The session in which log messages may travel with any request; null where each has its own. */
  audience: LaneClient | null = null
  /** Of its span; null where nobody has asked for traces, and for the gateway's own. */
  trace: CallTrace | null = null
  /** Headers that travel with this one message over HTTP: forwarded ones and those of the modern era. */
  headers: Readonly<Record<string, string>> | undefined = undefined
  /** Who has an entry for the bytes of its answer; null for the gateway's own. */
  holder: EntryOpener | null = null
  upstreamId = 0
  startedAtMs = 0
  lastActivityMs = 0
  /** Set when the client cancelled; the entry is kept a moment longer for an answer that crossed it. */
  cancelledAtMs = 0
  /** Set once it was sent again because the upstream had lost its session; there is no third time. */
  resent = false

  /** A notification that belongs to this call, ids and tokens already those of the client. */
  abstract notified(message: MessageText, text: string): void
  /** The final response, with the client's id. */
  abstract answered(message: MessageText, text: string): void
  /** True for a request that does the same twice as once and may so be sent again. */
  get repeatable(): boolean {
    return false
  }
  /** True while `answeredLarge` may be called instead of `answered`. */
  get takesBytes(): boolean {
    return false
  }
  /** Whether a large answer must be read as text all the same, by what stands in its bytes. */
  mustRead(_pieces: MessagePieces): boolean {
    return false
  }
  /** The final response, with the client's id and not decoded. It is no error. */
  answeredLarge(_pieces: MessagePieces): void {}
  abstract failed(error: GatewayError): void
  /** The gateway answers in the server's place; `resultText` is the JSON text of the result. */
  abstract answeredHere(resultText: string): void
  /** The server cut its stream and will go on later: a client that can resume is given the same to do. */
  interrupted(): void {}
  /** The client cancelled and the server kept silent: end without an answer. */
  abstract dropped(): void
}

/** Whoever waits for a call of the gateway's own. */
export interface CallWatch {
  /** The JSON text of the `params` of one progress notification. */
  progress(paramsText: string): void
  /** Aborted when nobody waits any more: the server is then told to give the call up. */
  readonly signal: AbortSignal
}

/** The progress token of a watched call; a connection puts its own id in its place. */
export const watchedToken = 'watched'

/** A request of the gateway's own (handshake, health probe, tool listing). */
export class GatewayCall extends UpstreamCall {
  readonly method: string
  readonly message: MessageText
  readonly client = null
  readonly idText = '0'
  readonly progressTokenText: string | null
  readonly #progress: ((paramsText: string) => void) | null
  readonly answer: Promise<Record<string, unknown>>
  readonly #mask: Mask
  /** The whole response text as it came, and the text of its result. */
  responseText = ''
  resultText = ''
  #resolve: (result: Record<string, unknown>) => void = () => {}
  #reject: (error: GatewayError) => void = () => {}

  /**
   * `mask` takes the server's secrets out of an error that it answers; `progress` is told of each step, for a
   * message with the token above.
   */
  constructor(
    method: string,
    message: MessageText,
    mask: Mask,
    progress: ((paramsText: string) => void) | null = null,
  ) {
    super()
    this.#mask = mask
    this.#progress = progress
    this.progressTokenText = progress && JSON.stringify(watchedToken)
    this.method = method
    this.message = message
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  override get repeatable(): boolean {
    return this.method === 'ping' || this.method === 'server/discover'
  }

  notified(_message: MessageText, text: string): void {
    const params = memberSpan(text, 0, 'params')
    if (params) this.#progress?.(text.slice(params.start, params.end))
  }

  answered(message: MessageText, text: string): void {
    this.responseText = text
    if (nestsTooDeep(text)) {
      const details = `The answer to ${this.method} nests deeper than ${jsonDepthMax} levels.`
      this.#reject(new GatewayError('UPSTREAM_ERROR', details))
      return
    }
    const response = parseResponse(text)
    if (!message.failed && isObject(response.result)) {
      const span = memberSpan(text, 0, 'result')
      this.resultText = span ? text.slice(span.start, span.end) : '{}'
      this.#resolve(response.result)
      return
    }
    const { code, message: said, data } = isObject(response.error) ? response.error : {}
    const shown = typeof said === 'string' ? maskStart(this.#mask, said, saidCharsMax) : 'no result'
    this.#reject(new RpcAnswerError(this.method, Number(code ?? 0), shown, data))
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
    upstreamMessage: string,
    readonly upstreamData: unknown,
  ) {
    super('UPSTREAM_ERROR', `the server answered ${method} with error ${upstreamRpcCode}: ${upstreamMessage}`)
  }
}

/** The scanner has seen the structure, not every scalar; what does not parse has neither result nor error. */
function parseResponse(text: string): { result?: unknown; error?: unknown } {
  const response = parsed(text)
  return isObject(response) ? response : {}
}

const lingeringMax = 256
/** Characters of the requests that are kept with them. */
const lingeringCharsMax = 4 * 1024 * 1024

/** Answered calls whose task goes on and may still report progress (2025-11-25, basic/utilities/tasks). */
export class LingeringCalls {
  readonly #byId = new Map<number, UpstreamCall>()
  #chars = 0

  /** Keeps a call; the oldest go when there are too many, or too large ones. */
  add(id: number, call: UpstreamCall): void {
    this.#byId.set(id, call)
    this.#chars += call.message.text.length
    for (const [oldest, { message }] of this.#byId) {
      if (this.#byId.size <= lingeringMax && this.#chars <= lingeringCharsMax) break
      this.#byId.delete(oldest)
      this.#chars -= message.text.length
    }
  }

  get(id: number): UpstreamCall | undefined {
    return this.#byId.get(id)
  }

  clear(): void {
    this.#byId.clear()
    this.#chars = 0
  }
}
