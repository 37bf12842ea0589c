/** One upstream request that a bridge has sent: what comes back for it becomes events of the bridge. */
import { type GatewayError, rpcErrorObject, rpcErrorText } from '../../errors.ts'
import { type ListenFilter, listenFilter, stamped, wantsChange } from '../../protocol/bridge/listen.ts'
import { questionsOpenMax, questionsTotalMax } from '../../protocol/bridge/questions.ts'
import type { CallEvent, Outcome } from '../../protocol/bridge/types.ts'
import { clientRequests } from '../../protocol/eras.ts'
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

/** How a request of the server's ends that a call carries. */
export interface CarriedQuestion {
  /** True where the wire does not say that it is this call's, and others were in flight. */
  readonly guessed: boolean
  /** Takes the response with the server's own id. */
  answer(text: string): void
  /** The call has ended before its client has answered. */
  handBack(): void
}

export class BridgeCall extends UpstreamCall {
  readonly method: string
  readonly message: MessageText
  readonly client = null
  readonly idText = '0'
  readonly progressTokenText: string | null
  readonly #tell: (event: CallEvent) => void
  /** What the server has asked and nobody has answered yet, by its raw id. */
  readonly #questions = new Map<string, CarriedQuestion>()
  #askedCount = 0
  /** True once it has handed a question back: it is over, or is to be made again. */
  #ended = false
  #filter: ListenFilter | null = null
  /** True while its client has been asked and is not back: there is no response that a question could travel with. */
  parked = false

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

  /** Of a subscription: takes a change that names none when it is one that was asked for, and gives it the id. */
  offered(message: MessageText): void {
    const { text, paramsStart, paramsEnd } = this.message
    this.#filter ??= listenFilter(text.slice(paramsStart, paramsEnd))
    const params = memberOf(message.text, 'params')
    const method = message.method ?? ''
    if (wantsChange(this.#filter, method, params))
      this.#tell({ kind: 'notification', method, params: stamped(params, String(this.upstreamId)) })
  }

  answered(message: MessageText): void {
    if (!message.failed) {
      this.#tell({ kind: 'result', result: message.text.slice(message.resultStart, message.resultEnd) })
      return
    }
    const text = memberOf(message.text, 'error') ?? '{}'
    const error = parsed(text)
    const code = isObject(error) && typeof error['code'] === 'number' ? error['code'] : -32603
    this.#tell({ kind: 'failure', failure: { code, text, by: 'server' } })
  }

  answeredHere(resultText: string): void {
    this.#tell({ kind: 'result', result: resultText })
  }

  failed(error: GatewayError): void {
    const failure = { code: error.rpcCode, text: rpcErrorObject(error), by: error.code }
    this.#tell({ kind: 'failure', failure, lost: true })
  }

  dropped(): void {}

  /** Whether it can carry a question that names no call. */
  get mayCarry(): boolean {
    const asks = clientRequests.modern.get(this.method)?.mayAsk === true
    const room = this.#questions.size < questionsOpenMax && this.#askedCount < questionsTotalMax
    return asks && room && !this.#ended && this.cancelledAtMs === 0
  }

  /** True while its client owes the server an answer. */
  get waits(): boolean {
    return this.#questions.size > 0
  }

  /** The server asks something because of this request, or it is the one to carry the question. */
  asked(message: MessageText, question: CarriedQuestion): void {
    const id = idTextOf(message)
    this.#askedCount++
    this.#questions.set(id, question)
    this.#tell({
      kind: 'serverRequest',
      id,
      method: message.method ?? '',
      params: memberOf(message.text, 'params'),
      guessed: question.guessed,
    })
  }

  /** The server no longer wants to know. True when it was this request's question. */
  withdrawn(id: string): boolean {
    if (!this.#questions.delete(id)) return false
    this.#tell({ kind: 'serverWithdrew', id })
    return true
  }

  /** Gives the server the outcome of what it asked under this raw id. */
  respond(id: string, outcome: Outcome): void {
    const text =
      outcome.kind === 'result' ? rpcResult(id, outcome.result) : rpcError(id, outcome.failure.text)
    this.#take(id)?.answer(text)
  }

  /** The call ends with this question open. */
  handBack(id: string): void {
    this.#ended = true
    this.#take(id)?.handBack()
  }

  /** There is no way to bring what the server asks to the client, by this call or another. */
  refuseQuestions(error: GatewayError): void {
    this.#ended = true
    for (const id of [...this.#questions.keys()]) this.#take(id)?.answer(rpcErrorText(error, id))
  }

  #take(id: string): CarriedQuestion | undefined {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    return question
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
