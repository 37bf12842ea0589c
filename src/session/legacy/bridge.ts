/**
 * A legacy session on a modern server: the part of the session that no single request holds
 * (protocol/bridge/legacy-session.ts), and the way its requests take.
 */
import { noRoomError } from '../../errors.ts'
import { clientOfInitialize } from '../../protocol/bridge/facts.ts'
import {
  isSessionRequest,
  type LegacySession,
  startLegacySession,
  stepLegacySession,
} from '../../protocol/bridge/legacy-session.ts'
import { type ClientFacts, modernParams } from '../../protocol/bridge/results.ts'
import type {
  ServerFacts,
  SessionEffect,
  SessionEvent,
  SessionTimer,
  ToolFacts,
} from '../../protocol/bridge/types.ts'
import { mirroredHeaders } from '../../protocol/headers.ts'
import { isObject } from '../../protocol/json.ts'
import { type MessageText, paramString, rpcNotification } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import type { Log } from '../../telemetry/log.ts'
import { BridgeCall, requestMessage } from '../../upstream/connection/bridge-call.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import { LegacyCallDriver } from './call-driver.ts'
import type { Exchange } from './exchange.ts'
import type { Session, SessionBridge } from './session.ts'

export interface BridgeParts {
  /** The session's lane as it is now, opened; rejects with a GatewayError. */
  readonly lease: () => Promise<Lane>
  readonly clientInputMs: number
  readonly log: Log
}

export class ModernServerBridge implements SessionBridge {
  readonly #session: Session
  readonly #parts: BridgeParts
  readonly #initializeParams: string
  #state: LegacySession
  #facts: ServerFacts
  readonly #waiting = new Map<number, Exchange>()
  readonly #listens = new Map<number, { call: BridgeCall; connection: Connection }>()
  readonly #timers = new Map<SessionTimer, ReturnType<typeof setTimeout>>()
  #nextHandle = 1
  /** Of the URIs that the session is subscribed to. */
  #uriBytes = 0

  constructor(session: Session, facts: ServerFacts, parts: BridgeParts) {
    this.#session = session
    this.#parts = parts
    this.#facts = facts
    this.#state = startLegacySession(facts)
    const { text, paramsStart, paramsEnd } = session.initialize
    this.#initializeParams = text.slice(paramsStart, paramsEnd)
  }

  /** Sends a request of the session's on this lane, or answers it here. */
  request(exchange: Exchange, lane: Lane): void {
    this.#facts = lane.handshake?.facts ?? this.#facts
    const { message } = exchange
    if (isSessionRequest(exchange.method)) {
      const params =
        message.paramsStart < 0 ? null : message.text.slice(message.paramsStart, message.paramsEnd)
      if (exchange.method === 'resources/subscribe' && !this.#keep(params?.length ?? 0)) {
        exchange.failed(noRoomError())
        return
      }
      const handle = this.#nextHandle++
      this.#waiting.set(handle, exchange)
      this.#handle({ kind: 'request', handle, method: exchange.method, params })
      return
    }
    const name = exchange.method === 'tools/call' ? paramString(message, 'name') : null
    const overHttp = lane.ready?.transport.pid === null
    const tool = name === null ? null : exchange.server.tools.known(name)
    if (name !== null && tool === undefined && overHttp) void this.#lookUp(exchange, lane, name)
    else this.#begin(exchange, lane, tool ?? null, overHttp)
  }

  #begin(exchange: Exchange, lane: Lane, tool: ToolFacts | null, overHttp: boolean): void {
    const ends = { client: this.#client(), tool, overHttp }
    new LegacyCallDriver(exchange, this.#session, lane, ends, this.#parts.clientInputMs, this.#parts.log)
  }

  /** Nobody has read the tool's schema yet, but its marked arguments must travel as headers too. */
  async #lookUp(exchange: Exchange, lane: Lane, name: string): Promise<void> {
    exchange.canceller = () => {
      if (!exchange.done) exchange.dropped()
    }
    const tool = await exchange.server.tools.reread(name)
    if (!exchange.done) this.#begin(exchange, lane, tool, true)
  }

  /** Whether the client has a stream for what belongs to no request. */
  standing(open: boolean): void {
    this.#handle({ kind: 'standing', open })
  }

  close(): void {
    this.#handle({ kind: 'closed' })
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #client(): ClientFacts {
    return clientOfInitialize(this.#initializeParams, this.#facts, this.#state.logLevel)
  }

  #handle(event: SessionEvent): void {
    const { uris } = this.#state
    const [state, effects] = stepLegacySession(this.#state, event)
    this.#state = state
    if (state.uris !== uris || event.kind === 'request') this.#keep(uriBytesOf(state.uris) - this.#uriBytes)
    for (const effect of effects) this.#carryOut(effect)
  }

  /** Keeps so many bytes of URIs more, or fewer; false when there is no room for them. */
  #keep(bytes: number): boolean {
    if (bytes !== 0 && !this.#session.keep(bytes)) return false
    this.#uriBytes += bytes
    return true
  }

  #carryOut(effect: SessionEffect): void {
    switch (effect.kind) {
      case 'answer':
        this.#take(effect.handle)?.answeredHere(effect.result)
        return
      case 'fail':
        this.#take(effect.handle)?.refusedHere(effect.failure)
        return
      case 'notify': {
        const text = this.#session.shown(effect.method, rpcNotification(effect.method, effect.params))
        if (text !== null) this.#session.streams.sendStanding(text)
        return
      }
      case 'openListen':
        void this.#open(effect.listen, effect.filter)
        return
      case 'closeListen': {
        const open = this.#listens.get(effect.listen)
        this.#listens.delete(effect.listen)
        open?.connection.cancel(open.call, null)
        return
      }
      case 'timer':
        clearTimeout(this.#timers.get(effect.timer))
        this.#timers.set(
          effect.timer,
          setTimeout(() => this.#handle({ kind: 'timer', timer: effect.timer }), effect.ms),
        )
        return
      case 'stopTimer':
        clearTimeout(this.#timers.get(effect.timer))
        this.#timers.delete(effect.timer)
    }
  }

  #take(handle: number): Exchange | undefined {
    const exchange = this.#waiting.get(handle)
    this.#waiting.delete(handle)
    return exchange?.done ? undefined : exchange
  }

  async #open(listen: number, filter: string): Promise<void> {
    const message = this.#listenMessage(filter)
    try {
      const lane = await this.#parts.lease()
      const connection = await lane.open()
      if (this.#session.state === 'closed' || !message) return
      const call = new BridgeCall(message, (event) => {
        if (!this.#listens.has(listen)) return
        if (event.kind === 'notification' && event.method === 'notifications/subscriptions/acknowledged')
          this.#handle({ kind: 'acknowledged', listen, params: event.params })
        else if (event.kind === 'notification') this.#handle({ ...event, listen })
        else this.#ended(listen)
      })
      const params = parsed(message.text.slice(message.paramsStart, message.paramsEnd))
      const request = { method: message.method ?? '', params: isObject(params) ? params : {} }
      call.headers = {
        ...this.#session.headers,
        ...mirroredHeaders({ ...request, version: this.#facts.version }),
      }
      call.endless = true
      this.#listens.set(listen, { call, connection })
      connection.request(call)
    } catch {
      this.#listens.delete(listen)
      this.#handle({ kind: 'listenEnded', listen })
    }
  }

  #ended(listen: number): void {
    this.#listens.delete(listen)
    this.#handle({ kind: 'listenEnded', listen })
  }

  #listenMessage(filter: string): MessageText | null {
    const params = modernParams(`{"notifications":${filter}}`, this.#client())
    return params === null ? null : requestMessage('subscriptions/listen', params)
  }
}

function uriBytesOf(uris: ReadonlySet<string>): number {
  let bytes = 0
  for (const uri of uris) bytes += uri.length
  return bytes
}
