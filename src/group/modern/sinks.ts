/** Where answers of members go that a group reads, or changes on their way to its client. */

import { scanMessage } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'
import type { AnswerSink, ModernReply, ModernResponse, WaitingClient } from '../../session/modern/response.ts'
import type { CallEnding, LiveCall } from '../../telemetry/call-ending.ts'
import { shownNotification } from '../shown.ts'
import { mayName, type UriShowing } from '../view/shown-uris.ts'

/** A call that has ended like this. */
export function endedCall(ending: CallEnding): LiveCall {
  return { ending, whenEnded: (listener) => listener(ending) }
}

/** The answer to a request of the group's own. */
export class InnerSink implements AnswerSink {
  readonly reply: Promise<ModernReply>
  readonly takesBytes = false
  /** What comes before the answer. */
  readonly #notified: (text: string) => void
  #resolve: (reply: ModernReply) => void = () => {}

  constructor(notified: (text: string) => void) {
    this.#notified = notified
    this.reply = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  mustRead(): boolean {
    return true
  }

  /** It is the group that waits, whoever has made it ask. */
  watch(): void {}

  notify(text: string): void {
    this.#notified(text)
  }

  finish(text: string | null, status: number, ending: CallEnding): void {
    this.#resolve({ kind: 'text', status, text: text ?? '', call: endedCall(ending) })
  }

  finishLarge(): void {}
  sweep(): void {}
}

/** Whoever asked a member through a group. */
export interface ShownClient {
  readonly uriShowing: UriShowing
  /** The member has answered a request to this method. */
  answered(server: string, method: string, text: string): void
}

/** The answer of a member to the group's client, as the group shows it. */
export class ShownSink implements AnswerSink {
  readonly #response: ModernResponse
  readonly #server: string
  readonly #method: string
  readonly #client: ShownClient

  constructor(response: ModernResponse, server: string, method: string, client: ShownClient) {
    this.#response = response
    this.#server = server
    this.#method = method
    this.#client = client
  }

  get reply(): Promise<ModernReply> {
    return this.#response.reply
  }

  get takesBytes(): boolean {
    return this.#response.takesBytes
  }

  mustRead(pieces: MessagePieces): boolean {
    return this.#client.uriShowing.mayChange(pieces)
  }

  watch(client: WaitingClient): void {
    this.#response.watch(client)
  }

  notify(text: string): void {
    const method = scanMessage(text)?.method ?? ''
    this.#response.notify(
      shownNotification(method, text, this.#server, (uri) =>
        this.#client.uriShowing.known(this.#server, uri),
      ),
    )
  }

  finish(text: string | null, status: number, ending: CallEnding): void {
    if (text !== null) this.#client.answered(this.#server, this.#method, text)
    if (text === null || !mayName(this.#method, text)) {
      this.#response.finish(text, status, ending)
      return
    }
    const shown = this.#client.uriShowing.answer(this.#server, this.#method, text)
    if (!(shown instanceof Promise)) this.#response.finish(shown, status, ending)
    else void shown.then((later) => this.#response.finish(later, status, ending))
  }

  finishLarge(pieces: MessagePieces, ending: CallEnding): void {
    this.#response.finishLarge(pieces, ending)
  }

  sweep(nowMs: number): void {
    this.#response.sweep(nowMs)
  }
}
