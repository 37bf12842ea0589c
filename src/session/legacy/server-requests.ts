/** What a server has asked of one client and the client has not answered yet. Bounded in number and in time. */
import {
  idTextOf,
  type MessageText,
  paramSpan,
  progressTokenSpan,
  replaceSpan,
  rpcCancel,
  withId,
  withParam,
} from '../../protocol/jsonrpc.ts'
import { integerAt } from '../../protocol/response.ts'
import { refuseServerRequest } from '../../upstream/connection/client.ts'

interface Waiting {
  readonly message: MessageText
  readonly answer: (text: string) => void
  /** Whose server asks: ids are told apart only within one. */
  readonly asker: object
  /** The client knows its progress under the id of the question. */
  readonly renamesToken: boolean
  readonly askedAtMs: number
}

/** Requests that may wait for one client at a time. */
const waitingMax = 1_024

export class ServerRequests {
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  /**
   * Takes a request in and answers it under an id of this session's; null when it was refused at the bound. Where
   * several servers ask (`renamesToken`), a progress token is that id too: two of them may use the same.
   */
  add(
    message: MessageText,
    answer: (text: string) => void,
    asker: object,
    renamesToken: boolean,
  ): { id: number; text: string } | null {
    if (this.#waiting.size >= waitingMax) {
      refuseServerRequest(message, answer, 'too many requests wait for the client')
      return null
    }
    const id = this.#nextId++
    this.#waiting.set(id, { message, answer, asker, renamesToken, askedAtMs: performance.now() })
    const token = renamesToken ? progressTokenSpan(message) : null
    return { id, text: withId(token ? withParam(message, token, String(id)) : message, String(id)) }
  }

  /** Hands the client's response to the server under its own id; one to nothing that was asked changes nothing. */
  respond(response: MessageText): void {
    const id = integerAt(response.text, response.idStart, response.idEnd)
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    this.#waiting.delete(id)
    waiting.answer(withId(response, idTextOf(waiting.message)))
  }

  /** Whoever asked what this progress is of, and the progress under the asker's own token; null for that of nothing. */
  progressOf(progress: MessageText): { readonly asker: object; readonly message: MessageText } | null {
    const span = paramSpan(progress, 'progressToken')
    const waiting = span && this.#waiting.get(integerAt(progress.text, span.start, span.end))
    const token = waiting?.renamesToken === true ? progressTokenSpan(waiting.message) : null
    if (!span || !waiting || !token) return null
    const own = waiting.message.text.slice(token.start, token.end)
    return { asker: waiting.asker, message: withParam(progress, span, own) }
  }

  /** The server withdrew a request: the cancel as the client must hear it, or null when there is none. */
  withdraw(cancel: MessageText, requestIdText: string, asker: object): string | null {
    const span = paramSpan(cancel, 'requestId')
    for (const [id, waiting] of this.#waiting) {
      if (!span || waiting.asker !== asker || idTextOf(waiting.message) !== requestIdText) continue
      this.#waiting.delete(id)
      return replaceSpan(cancel.text, span, String(id))
    }
    return null
  }

  /** The gateway withdraws a question that it asked itself: the cancel for the client, or null when it is answered. */
  takeBack(id: number): string | null {
    if (!this.#waiting.delete(id)) return null
    return rpcCancel(id)
  }

  /** Refuses what has waited too long. */
  sweep(nowMs: number, clientInputMs: number): void {
    for (const [id, { message, answer, askedAtMs }] of this.#waiting) {
      if (nowMs - askedAtMs < clientInputMs) continue
      this.#waiting.delete(id)
      refuseServerRequest(message, answer, `the client gave no answer within ${clientInputMs} ms`)
    }
  }

  /** Refuses all that this asker has asked. */
  refuseAll(reason: string, asker: object): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.asker !== asker) continue
      this.#waiting.delete(id)
      refuseServerRequest(waiting.message, waiting.answer, reason)
    }
  }
}
