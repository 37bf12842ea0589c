/**
 * Where a message of the server's goes that answers nobody: to the call or the client that it belongs to, and
 * to no other. What cannot be attributed is refused or dropped at once, never left hanging and never guessed.
 */
import { GatewayError, rpcErrorText } from '../errors.ts'
import { META } from '../protocol/eras.ts'
import { idTextOf, type MessageText, memberSpan, paramSpan } from '../protocol/jsonrpc.ts'
import type { Call } from './call.ts'
import type { Connection } from './connection.ts'
import type { Lane } from './lane.ts'
import type { LaneMember } from './lane-member.ts'
import { Leg } from './leg.ts'

/** A request of the server's. */
export function routeServerRequest(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  call: Call | null,
): void {
  const answer = (text: string) => connection.send(text, null)
  if (message.method === 'ping') answer(`{"jsonrpc":"2.0","id":${idTextOf(message)},"result":{}}`)
  else if (lane.owner) lane.owner.ask(message, call ?? connection.soleCall(), answer)
  else {
    // A server that asks although nothing was declared: a stateless client's request can say what it lacks.
    const cause = call ?? connection.soleCall()
    const refusal = new GatewayError('NO_CAPABLE_CLIENT', 'this connection speaks for no single client')
    if (cause instanceof Leg) cause.asked(message, answer)
    else answer(rpcErrorText(refusal, idTextOf(message)))
  }
}

/** A notification that no in-flight table claims. */
export function routeNotification(
  lane: Lane,
  connection: Connection,
  message: MessageText,
  call: Call | null,
): void {
  if (lane.era === 'modern') routeModern(connection, message, call)
  else if (lane.owner) routeToOwner(lane, connection, message, call)
  else if (message.method !== 'notifications/cancelled') routeShared(lane, connection, message, call)
}

/** Everything a modern server sends belongs to a request: by its stream, by its listen id, or as the only one. */
function routeModern(connection: Connection, message: MessageText, call: Call | null): void {
  const meta = call ? null : memberSpan(message.text, message.paramsStart, '_meta')
  const listen = meta && memberSpan(message.text, meta.start, META.subscriptionId)
  const named =
    listen && connection.callOf(Number(message.text.slice(listen.start, listen.end).replaceAll('"', '')))
  const target = call ?? named ?? connection.soleCall()
  target?.notified(message, message.text)
}

function routeToOwner(lane: Lane, connection: Connection, message: MessageText, call: Call | null): void {
  const { method, text } = message
  if (method === 'notifications/cancelled') {
    const span = paramSpan(message, 'requestId')
    if (span) lane.owner?.withdraw(message, text.slice(span.start, span.end))
    return
  }
  const cause = call ?? (method === 'notifications/message' ? connection.soleCall() : null)
  lane.owner?.notify(message, cause)
  // A lane that stateless clients take turns on has others who listen.
  for (const member of lane.members) if (member !== lane.owner) offer(lane, member, message)
}

function routeShared(lane: Lane, connection: Connection, message: MessageText, call: Call | null): void {
  const { method } = message
  if (method === 'notifications/message') {
    const source = call ?? connection.soleCall()
    if (source) {
      if (!source.member) source.notified(message, message.text)
      else if (lane.demands.wants(source.member, message)) source.member.notify(message, source)
      return
    }
  }
  // What names no one goes to all only where all are the same principal, or where it holds no one's data.
  const open = method?.endsWith('/list_changed') || method === 'notifications/resources/updated'
  if (!open && !onePrincipal(lane)) return
  for (const member of lane.members) offer(lane, member, message)
}

function offer(lane: Lane, member: LaneMember, message: MessageText): void {
  if (lane.demands.wants(member, message)) member.notify(message, null)
}

function onePrincipal(lane: Lane): boolean {
  let principal: string | null = null
  for (const member of lane.members) {
    if (principal !== null && principal !== member.principalId) return false
    principal = member.principalId
  }
  return true
}
