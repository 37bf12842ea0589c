/** Those around a lane or a connection, which write down what reaches them: clients, calls, the server's side. */

import type { GatewayError } from '../../src/errors.ts'
import { idTextOf, type MessageText, progressTokenSpan, scanMessage } from '../../src/protocol/jsonrpc.ts'
import type { MessagePieces } from '../../src/protocol/large-answer.ts'
import { textOf } from '../../src/protocol/large-answer.ts'
import type { Log } from '../../src/telemetry/log.ts'
import { BridgeCall } from '../../src/upstream/connection/bridge-call.ts'
import { UpstreamCall } from '../../src/upstream/connection/calls.ts'
import type { LaneClient } from '../../src/upstream/connection/client.ts'
import { initializeRequest } from '../../src/upstream/connection/handshake.ts'
import type { LaneHost } from '../../src/upstream/lane/host.ts'
import type { Lane } from '../../src/upstream/lane/lane.ts'
import { ServerBudget } from '../../src/upstream/transports/flood-guard.ts'
import type { UpstreamTransport } from '../../src/upstream/transports/transport.ts'
import { definitionOf } from '../registry/definitions.ts'

const nothing = (): void => {}
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** A text that a test knows to be a message. */
export function messageOf(text: string): MessageText {
  const message = scanMessage(text)
  if (message === null) throw new Error(`no message: ${text}`)
  return message
}

export interface ClientOptions {
  /** Default `anonymous`. */
  readonly principalId?: string
  readonly interactive?: boolean
  /** Takes one line for everything that reaches the client. */
  readonly note?: (line: string) => void
}

/** A client with a session; calls that it is told about stand in the lines by their client's id. */
export class NotingClient implements LaneClient {
  readonly id: string
  readonly principalId: string
  readonly clientKey: string
  readonly interactive: boolean
  readonly initialize = initializeRequest('2025-11-25', { name: 'c', version: '1' }, {})
  readonly headers = undefined
  /** Answers what the server last asked of this client. */
  answer: (text: string) => void = nothing
  readonly #note: (line: string) => void

  constructor(id: string, options: ClientOptions = {}) {
    this.id = id
    this.principalId = options.principalId ?? 'anonymous'
    this.clientKey = this.principalId
    this.interactive = options.interactive ?? false
    this.#note = options.note ?? nothing
  }

  notify(_message: MessageText, call: UpstreamCall | null): void {
    this.#note(`${this.id} hears${forCall(call)}`)
  }

  ask(_message: MessageText, call: UpstreamCall | null, answer: (text: string) => void): void {
    this.answer = answer
    this.#note(`${this.id} is asked${forCall(call)}`)
  }

  withdraw(_message: MessageText, requestIdText: string): void {
    this.#note(`${this.id} need not answer ${requestIdText}`)
  }

  laneLost(): void {
    this.#note(`${this.id} lost its lane`)
  }
}

function forCall(call: UpstreamCall | null): string {
  return call === null ? '' : ` for ${JSON.parse(call.idText)}`
}

export interface CallOptions {
  readonly client?: LaneClient | null
  readonly outlivesAnswer?: boolean
  readonly takesBytes?: boolean
  readonly note?: (line: string) => void
}

/** A request of a client, given as its text; `ends` holds how it ended, and must never hold two lines. */
export class NotingCall extends UpstreamCall {
  readonly method: string
  readonly message: MessageText
  readonly idText: string
  readonly progressTokenText: string | null
  readonly client: LaneClient | null
  override readonly outlivesAnswer: boolean
  readonly ends: string[] = []
  readonly notifications: string[] = []
  readonly #takesBytes: boolean
  readonly #note: (line: string) => void

  constructor(text: string, options: CallOptions = {}) {
    super()
    this.message = messageOf(text)
    this.method = this.message.method ?? ''
    this.idText = idTextOf(this.message)
    const token = progressTokenSpan(this.message)
    this.progressTokenText = token && text.slice(token.start, token.end)
    this.client = options.client ?? null
    this.outlivesAnswer = options.outlivesAnswer ?? false
    this.#takesBytes = options.takesBytes ?? false
    this.#note = options.note ?? nothing
  }

  override get takesBytes(): boolean {
    return this.#takesBytes
  }

  notified(_message: MessageText, text: string): void {
    this.notifications.push(text)
    this.#note(`call ${JSON.parse(this.idText)} hears`)
  }

  answered(_message: MessageText, text: string): void {
    this.#end(text)
  }

  override answeredLarge(pieces: MessagePieces): void {
    this.#end(`bytes ${textOf(pieces)}`)
  }

  answeredHere(resultText: string): void {
    this.#end(`here ${resultText}`)
  }

  failed(error: GatewayError): void {
    this.#end(`${error.code}: ${error.details}`)
  }

  dropped(): void {
    this.#end('dropped')
  }

  #end(how: string): void {
    this.ends.push(how)
    this.#note(`call ${JSON.parse(this.idText)} ends: ${how}`)
  }
}

/** A request that stands for a stateless client's, which can be told what the server asks. */
export function bridgeCall(name: string, note: (line: string) => void): BridgeCall {
  return new BridgeCall(
    messageOf('{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"t"}}'),
    (event) => note(`bridge ${name}: ${event.kind}`),
  )
}

export interface HostOptions {
  /** The wire of the next lane. */
  readonly createTransport?: () => UpstreamTransport
  readonly lanesPerClientMax?: number
  readonly note?: (line: string) => void
  readonly laneClosed?: (lane: Lane, error: GatewayError, wasReady: boolean) => void
}

/** A server as its lanes see it. */
export function laneHost(options: HostOptions = {}): LaneHost {
  const note = options.note ?? nothing
  return {
    name: 'server',
    definition: definitionOf({ name: 'server', transport: 'stdio', command: 'none' }),
    log: silentLog,
    laneSettings: {
      callIdleMs: 60_000,
      callTotalMs: 600_000,
      resultBytesMax: 1024 * 1024,
      startTimeoutMs: 5_000,
      lanesPerClientMax: options.lanesPerClientMax ?? 100,
    },
    createTransport:
      options.createTransport ??
      (() => {
        throw new Error('this lane opens no connection')
      }),
    identity: { name: 'gateway', version: '1' },
    unreachable: false,
    budget: new ServerBudget(),
    doubt: nothing,
    noise: (line) => note(`noise: ${line}`),
    mask: (text) => text,
    listChanged: nothing,
    laneClosed: options.laneClosed ?? nothing,
  }
}
