/** Debug lines about messages on one wire: what each is, and nothing of what it says. */
import { idTextOf, type MessageText } from '../../protocol/jsonrpc.ts'
import { shownText } from '../../telemetry/callers.ts'
import type { Log } from '../../telemetry/log.ts'

/** Ids of servers are theirs to choose. */
const idCharsMax = 64
const methodCharsMax = 128

export class MessageLog {
  readonly #log: Log
  readonly #mcp: string
  readonly #wire: { readonly pid: number | null }

  constructor(log: Log, mcp: string, wire: { readonly pid: number | null }) {
    this.#log = log
    this.#mcp = mcp
    this.#wire = wire
  }

  /** Asked before each message, so that there is nothing to do for most. */
  get on(): boolean {
    return this.#log.debugging === true
  }

  /** One that goes to the server; a method of null is an answer. */
  sent(method: string | null, requestId: number | null, text: string): void {
    const kind = requestId !== null ? 'request' : method === null ? 'response' : 'notification'
    this.#write('to server', kind, method, requestId ?? undefined, Buffer.byteLength(text))
  }

  /** One that comes from it. */
  received(message: MessageText): void {
    const { kind, method, text } = message
    const id = kind === 'notification' ? undefined : idOf(message)
    this.#write('from server', kind, method, id, Buffer.byteLength(text))
  }

  /** An answer that is kept as bytes. */
  receivedLarge(id: number, bytes: number): void {
    this.#write('from server', 'response', null, id, bytes)
  }

  #write(
    direction: 'to server' | 'from server',
    kind: MessageText['kind'],
    method: string | null,
    id: string | number | undefined,
    bytes: number,
  ): void {
    const rpcMethod = method === null ? undefined : shownText(method, methodCharsMax)
    const pid = this.#wire.pid ?? undefined
    this.#log.debug({ mcp: this.#mcp, pid, direction, kind, rpcMethod, id, bytes }, 'message')
  }
}

function idOf(message: MessageText): number | string {
  const text = idTextOf(message)
  const number = Number(text)
  return text !== '' && Number.isSafeInteger(number) ? number : shownText(text, idCharsMax)
}
