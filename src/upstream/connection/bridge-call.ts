/** One upstream request that a bridge has sent: what comes back for it becomes events of the bridge. */
import { type GatewayError, rpcErrorObject } from '../../errors.ts'
import type { CallEvent, Outcome } from '../../protocol/bridge/types.ts'
import { isObject } from '../../protocol/json.ts'
import {
  idTextOf,
  type MessageText,
  memberSpan,
  progressTokenSpan,
  rpcError,
  rpcRequest,
  rpcResult,
  scanMessage,
} from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import { UpstreamCall } from './calls.ts'

export class BridgeCall extends UpstreamCall {
  readonly method: string
  readonly message: MessageText
  readonly client = null
  readonly idText = '0'
  readonly progressTokenText: string | null
  readonly #tell: (event: CallEvent) => void
  /** How to answer what the server has asked, by its raw id. */
  readonly #answers = new Map<string, (text: string) => void>()

  /** `tell` takes what comes back, in order; nothing follows a result or a failure. */
  constructor(message: MessageText, tell: (event: CallEvent) => void) {
    super()
    this.method = message.method ?? ''
    this.message = message
    this.#tell = tell
    const token = progressTokenSpan(message)
    this.progressTokenText = token && message.text.slice(token.start, token.end)
  }

  notified(message: MessageText, text: string): void {
    this.#tell({ kind: 'notification', method: message.method ?? '', params: memberOf(text, 'params') })
  }

  answered(message: MessageText): void {
    if (!message.failed) {
      this.#tell({ kind: 'result', result: message.text.slice(message.resultStart, message.resultEnd) })
      return
    }
    const text = memberOf(message.text, 'error') ?? '{}'
    const error = parsed(text)
    const code = isObject(error) && typeof error['code'] === 'number' ? error['code'] : -32603
    this.#tell({ kind: 'failure', failure: { code, text } })
  }

  answeredHere(resultText: string): void {
    this.#tell({ kind: 'result', result: resultText })
  }

  failed(error: GatewayError): void {
    const failure = { code: error.rpcCode, text: rpcErrorObject(error) }
    this.#tell({ kind: 'failure', failure, lost: true })
  }

  dropped(): void {}

  /** The server asks something because of this request. */
  asked(message: MessageText, answer: (text: string) => void): void {
    const id = idTextOf(message)
    this.#answers.set(id, answer)
    this.#tell({
      kind: 'serverRequest',
      id,
      method: message.method ?? '',
      params: memberOf(message.text, 'params'),
    })
  }

  /** The server no longer wants to know. True when it was this request's question. */
  withdrawn(id: string): boolean {
    if (!this.#answers.delete(id)) return false
    this.#tell({ kind: 'serverWithdrew', id })
    return true
  }

  /** Gives the server the outcome of what it asked under this raw id. */
  respond(id: string, outcome: Outcome): void {
    const answer = this.#answers.get(id)
    this.#answers.delete(id)
    answer?.(outcome.kind === 'result' ? rpcResult(id, outcome.result) : rpcError(id, outcome.failure.text))
  }
}

/** The request that a bridge wants sent, as a message. Null when its parameters are no JSON value. */
export function requestMessage(method: string, params: string): MessageText | null {
  return scanMessage(rpcRequest(method, params))
}

function memberOf(text: string, key: string): string | null {
  const span = memberSpan(text, 0, key)
  return span && text.slice(span.start, span.end)
}
