/**
 * Where a message of the server's goes that answers nobody: to the call or the client that it belongs to, and
 * to no other. What cannot be attributed is refused or dropped at once, never left hanging. Which client it is for is
 * never guessed; which call of that client carries a question is, where the wire does not say.
 */
import { listChanges, metaKeys, rpcCodes } from '../../protocol/eras.ts'
import {
  idTextOf,
  type MessageText,
  memberSpan,
  paramSpan,
  rpcError,
  rpcResult,
  type Span,
  scanMessage,
} from '../../protocol/jsonrpc.ts'
import { integerAt } from '../../protocol/response.ts'
import { BridgeCall } from '../connection/bridge-call.ts'
import type { UpstreamCall } from '../connection/calls.ts'
import { type LaneClient, refuseServerRequest } from '../connection/client.ts'
import type { Connection } from '../connection/connection.ts'
import { tracedQuestion } from '../connection/traced-message.ts'
import type { Audience } from './fan-out.ts'
import type { Lane } from './lane.ts'

/** Answers with images and the like are results; reading them would cost more than the line is worth. */
const refusalCharsMax = 16_384
const noSuchMethod = `{"code":${rpcCodes.methodNotFound},"message":"This revision has no requests of servers."}`

/** A request of the server's. */
export function routeServerRequest(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  call: UpstreamCall | null,
): void {
  if (lane.era === 'modern') {
    // Servers must not send any (2026-07-28, basic/transports). One that does on a pipe waits for the answer, and the
    // client's call with it; over HTTP nothing would take an answer.
    lane.noise(`refused a request of the server's, which this revision has none of: ${message.method}`)
    if (connection.transport.pid !== null) connection.send(rpcError(idTextOf(message), noSuchMethod), null)
    return
  }
  const askedAtMs = performance.now()
  const respond = (text: string) => {
    const response = text.length > refusalCharsMax ? null : scanMessage(text)
    if (response?.failed === true) lane.log.questionRefused(message, response, performance.now() - askedAtMs)
    connection.send(text, null)
  }
  if (message.method === 'ping') {
    respond(rpcResult(idTextOf(message), '{}'))
    return
  }
  // A server that asks although nothing was declared: a stateless client's request can say what it lacks.
  const cause = call ?? (lane.owner ? askerOf(connection) : soleCause(connection))
  const trace = cause?.trace ?? null
  const { message: question, answer } =
    trace === null ? { message, answer: respond } : tracedQuestion(trace, message, respond)
  askClient(lane, connection, question, cause, answer)
}

function askClient(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  cause: UpstreamCall | null,
  answer: (text: string) => void,
): void {
  if (lane.owner) lane.owner.ask(message, cause, answer, () => carrierOf(connection.causes()))
  else {
    if (cause instanceof BridgeCall)
      cause.asked(message, {
        guessed: false,
        answer,
        handBack: () => refuseServerRequest(message, answer, 'the client gave no answer'),
      })
    else refuseServerRequest(message, answer, 'this connection speaks for no single client')
  }
}

/** A notification that no in-flight table claims. */
export function routeNotification(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  call: UpstreamCall | null,
): void {
  if (lane.era === 'modern') routeModern(connection, message, call)
  else if (lane.owner) routeToOwner(lane, connection, message, call)
  else if (message.method !== 'notifications/cancelled') routeShared(lane, connection, message, call)
}

/** Everything a modern server sends belongs to a request: by its stream, by its listen id, or as the only one. */
function routeModern(connection: Connection, message: MessageText, call: UpstreamCall | null): void {
  const { method, text } = message
  if (method === 'notifications/cancelled') {
    // From a server it ends a subscription and nothing else (basic/patterns/cancellation).
    connection.endSubscription(idIn(text, paramSpan(message, 'requestId')))
    return
  }
  if (method === 'notifications/message') {
    for (const source of call ? [call] : loggers(connection)) if (source.logs) source.notified(message, text)
    return
  }
  const meta = call ? null : memberSpan(text, message.paramsStart, '_meta')
  const listen = meta && memberSpan(text, meta.start, metaKeys.subscriptionId)
  const target = call ?? (listen ? connection.callOf(idIn(text, listen)) : soleCause(connection))
  if (call || listen || !isChange(method)) target?.notified(message, text)
  // A change that names no subscription is no part of a request that merely happens to run. It holds no one's
  // data, so it goes to every subscription that asks for it.
  else
    for (const subscription of connection.subscriptions())
      if (subscription instanceof BridgeCall) subscription.offered(message)
}

/** The only request in flight, or null: what lets a message be attributed on a wire that does not say. */
function soleCause(connection: Connection): UpstreamCall | null {
  const [first, second] = connection.causes()
  return first && !second ? first : null
}

/**
 * Whose a question is that names no call, where that is plain: of the only request in flight, or of the only one that
 * may ask while all others are parked. Those wait for their clients, and what they ask then can wait as well.
 */
function askerOf(connection: Connection): UpstreamCall | null {
  const sole = soleCause(connection)
  if (sole) return sole
  let running: BridgeCall | null = null
  for (const call of connection.causes()) {
    if (call instanceof BridgeCall && call.parked) continue
    if (running !== null || !(call instanceof BridgeCall) || !call.mayCarry) return null
    running = call
  }
  return running
}

/**
 * Who carries a question that names no call, of all the calls that its one client has in flight: one that is not
 * parked, and of these the first begun of those whose client owes the server nothing, else the first begun. A server that works on one call after the other
 * asks because of the first; one that works on all of them at once asks in the order in which they came, and seldom
 * because of a call that waits for an answer already. Where the guess is wrong, the same client answers all the same.
 */
export function carrierOf(inFlight: Iterable<UpstreamCall>): BridgeCall | null {
  let best: BridgeCall | null = null
  for (const call of inFlight) {
    if (!(call instanceof BridgeCall) || !call.mayCarry) continue
    if (best === null || goesBefore(call, best)) best = call
  }
  return best
}

function goesBefore(call: BridgeCall, other: BridgeCall): boolean {
  if (call.parked !== other.parked) return other.parked
  return call.waits === other.waits ? call.upstreamId < other.upstreamId : other.waits
}

/**
 * The requests that a log message may belong to, where the wire does not say and all of them are of one
 * principal: the only one whose client wants any, else one for each session. A request that was cancelled has
 * no response left that could carry it, but its server may still speak.
 */
function loggers(connection: Connection): Iterable<UpstreamCall> {
  const all = [...connection.causes()].filter((call) => call.logs)
  if (all.some(({ principalId }) => principalId !== all[0]?.principalId)) return []
  const running = all.filter(({ cancelledAtMs }) => cancelledAtMs === 0)
  if (running.length < 2) return running
  const bySession = new Map<LaneClient, UpstreamCall>()
  for (const call of running) {
    if (call.audience === null) return []
    const later = bySession.get(call.audience)
    if (!later || later.upstreamId < call.upstreamId) bySession.set(call.audience, call)
  }
  return bySession.values()
}

function soleLogger(connection: Connection): UpstreamCall | null {
  const [first, second] = loggers(connection)
  return first && !second ? first : null
}

function isChange(method: string | null): boolean {
  return method === 'notifications/resources/updated' || listChanges.has(method ?? '')
}

/** An id of the gateway's own, or -1. */
function idIn(text: string, span: Span | null): number {
  return span ? integerAt(text, span.start, span.end) : -1
}

function routeToOwner(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  call: UpstreamCall | null,
): void {
  const { method, text } = message
  if (method === 'notifications/cancelled') {
    const span = paramSpan(message, 'requestId')
    if (span) lane.owner?.withdraw(message, text.slice(span.start, span.end))
    return
  }
  const cause = call ?? (method === 'notifications/message' ? soleLogger(connection) : null)
  const ownerToo = cause === null && isChange(method)
  if (!ownerToo) lane.owner?.notify(message, cause)
  lane.fanOut.tell(connection, message, ownAudiences(lane, ownerToo))
}

/** The owner of a lane hears all that its server says. */
const everything = { wants: () => true, comparisons: () => 0 }

/** Who hears what a server says on a client's own lane: the subscriptions of a stateless client stand there too. */
function* ownAudiences({ owner, clients, subscriptions }: Lane, ownerToo: boolean): Iterable<Audience> {
  if (ownerToo && owner) yield { clients: [owner], subscriptions: everything }
  yield { clients: without(clients, owner), subscriptions }
}

function* without(clients: Iterable<LaneClient>, owner: LaneClient | null): Iterable<LaneClient> {
  for (const client of clients) if (client !== owner) yield client
}

function routeShared(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  call: UpstreamCall | null,
): void {
  const { method } = message
  if (method === 'notifications/message') {
    const source = call ?? soleLogger(connection)
    if (source) {
      if (!source.client) source.notified(message, message.text)
      else if (lane.subscriptions.wants(source.client, message)) source.client.notify(message, source)
      return
    }
  }
  // What names no one goes to all only where all are the same principal, or where it holds no one's data.
  const open = method?.endsWith('/list_changed') || method === 'notifications/resources/updated'
  if (open || onePrincipal(lane)) lane.fanOut.tell(connection, message, [lane])
}

function onePrincipal(lane: Lane): boolean {
  let principal: string | null = null
  for (const client of lane.clients) {
    if (principal !== null && principal !== client.principalId) return false
    principal = client.principalId
  }
  return true
}
