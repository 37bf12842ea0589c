/**
 * A session with a group: sends each request to the member that it belongs to, as a request of a part of the session
 * (session/legacy/session.ts), and answers what belongs to all of them.
 */
import { reasonOf, shownError } from '../../errors.ts'
import { isLogLevel, rpcCodes } from '../../protocol/eras.ts'
import { type MessageText, paramSpan, paramString } from '../../protocol/jsonrpc.ts'
import { editObject, parsed } from '../../protocol/spans.ts'
import type { Exchange } from '../../session/legacy/exchange.ts'
import { sendBegun, sendRequest, tell } from '../../session/legacy/send.ts'
import type { Server } from '../../upstream/server/server.ts'
import { listPage } from '../lists/list-page.ts'
import { type ListKind, listOfMethod } from '../lists/member-list.ts'
import { RpcRefusal, refusal } from '../refusal.ts'
import { type Outcome, routeOf } from '../route.ts'
import { AnsweredHere } from '../search/search-route.ts'
import { type GroupWays, SessionMembers } from './session-members.ts'

/** Which eras a request of a session joins. */
const pairs = { legacy: 'legacy-legacy', modern: 'legacy-modern' } as const

export class GroupSession extends SessionMembers {
  /** Sends a request on, or answers it. What becomes of it reaches the exchange; nothing is thrown. */
  request(exchange: Exchange, ways: GroupWays): void {
    this.ways = ways
    const routing = routeOf(this, exchange.message, 'legacy')
    if (routing === null) this.#own(exchange, ways)
    else if (!(routing instanceof Promise)) this.#routed(exchange, routing, ways)
    else if (this.#begin(exchange))
      routing.then(
        (routed) => {
          if (!exchange.done) this.#routed(exchange, routed, ways)
        },
        (thrown: unknown) => this.#failed(exchange, thrown),
      )
  }

  /** A notification of the client's, or its answer to a question. */
  tell(message: MessageText): void {
    if (message.kind === 'response' || message.method === 'notifications/cancelled') tell(this.whole, message)
    else if (message.method === 'notifications/progress') {
      const progress = this.whole.progressOf(message)
      if (progress) tell(progress.part, progress.message)
    } else for (const { session } of this.parts.values()) tell(session, message)
  }

  #routed(exchange: Exchange, routed: Outcome, ways: GroupWays): void {
    if (routed instanceof AnsweredHere) {
      this.#here(exchange, routed.result)
      return
    }
    if (routed instanceof RpcRefusal) {
      this.#here(exchange, () => Promise.reject(routed))
      return
    }
    const { server, message, own, asked, unwrapped } = routed
    if (unwrapped) ways.log.tool = asked
    if (exchange.method === 'resources/subscribe') this.part(server).showing.subscribed(own, asked)
    if (exchange.method === 'resources/unsubscribe') this.part(server).showing.unsubscribed(own)
    this.#direct(exchange, server, message, ways)
  }

  #own(exchange: Exchange, ways: GroupWays): void {
    const { method, message } = exchange
    const kind = listOfMethod.get(method)
    const [only, other] = this.view.members
    if (kind) this.#here(exchange, () => this.#list(kind, message))
    else if (method === 'ping') this.#here(exchange, () => '{}')
    else if (method === 'logging/setLevel') this.#here(exchange, () => this.#setLevel(message))
    else if (method === 'tasks/list') this.#here(exchange, () => this.tasks())
    // Only a member can know a method that no revision defines, and only where there is one is it clear which.
    else if (only?.server && other === undefined) this.#direct(exchange, only.server, message, ways)
    else this.#here(exchange, () => Promise.reject(refusal(rpcCodes.methodNotFound, 'Method not found')))
  }

  async #list(kind: ListKind, message: MessageText): Promise<string> {
    const { groupListItemsMax, groupListBytesMax } = this.group.parts.bounds
    const span = paramSpan(message, 'cursor')
    const cursor = span ? parsed(message.text.slice(span.start, span.end)) : undefined
    const bounds = { itemsMax: groupListItemsMax, bytesMax: groupListBytesMax }
    return editObject('{}', { set: listPage(kind, await this.listable(kind), cursor, bounds) }) ?? '{}'
  }

  #setLevel(message: MessageText): string {
    if (!isLogLevel(paramString(message, 'level')))
      throw refusal(rpcCodes.invalidParams, 'level is not a log level')
    this.passLevel(message.text.slice(message.paramsStart, message.paramsEnd))
    return '{}'
  }

  /** Sends it to this member, in these words; where others have the member's room, when there may be some. */
  #direct(exchange: Exchange, server: Server, message: MessageText, ways: GroupWays): void {
    const { room } = server.counters
    if (room === null) this.#directNow(exchange, server, message, ways)
    else
      void room.then(() => {
        if (!exchange.done) this.#directNow(exchange, server, message, ways)
      })
  }

  #directNow(exchange: Exchange, server: Server, message: MessageText, ways: GroupWays): void {
    const { session } = this.part(server)
    ways.log.group = this.group.name
    ways.log.mcp = server.name
    if (session.lane) ways.log.pair = pairs[session.lane.era]
    exchange.headers = ways.headersFor(server.definition.forwardHeaders)
    const begun = exchange.serial > 0
    if (!exchange.directTo(session, server, message)) return
    if (begun) sendBegun(this.group.parts, session, exchange)
    else sendRequest(this.group.parts, session, exchange)
  }

  /** Answers it here. */
  #here(exchange: Exchange, answer: () => string | Promise<string>): void {
    if (exchange.serial === 0 && !this.#begin(exchange)) return
    void (async () => answer())().then(
      (result) => {
        if (!exchange.done) exchange.answeredHere(result)
      },
      (thrown: unknown) => this.#failed(exchange, thrown),
    )
  }

  #begin(exchange: Exchange): boolean {
    if (!exchange.begin()) return false
    exchange.startedAtMs = performance.now()
    exchange.canceller = () => {
      if (!exchange.done) exchange.dropped()
    }
    return true
  }

  #failed(exchange: Exchange, thrown: unknown): void {
    if (exchange.done) return
    if (thrown instanceof RpcRefusal) {
      exchange.refusedHere(thrown.failure)
      return
    }
    const error = shownError(thrown)
    if (error !== thrown)
      this.group.parts.log.error({ group: this.group.name, reason: reasonOf(thrown) }, 'request failed')
    exchange.failed(error)
  }
}
