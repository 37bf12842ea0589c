/**
 * Requests of revision 2026-07-28 to a group: each is answered as a request to the member that it belongs to
 * (session/modern/answer.ts), or here where it belongs to all of them.
 */

import { shownError } from '../../errors.ts'
import { tasksExtension } from '../../protocol/bridge/facts.ts'
import { metaKeys, modernErrorStatus, rpcCodes } from '../../protocol/eras.ts'
import { isObject, type JsonObject } from '../../protocol/json.ts'
import { idTextOf, rpcError, rpcResult } from '../../protocol/jsonrpc.ts'
import { editObject, parsed } from '../../protocol/spans.ts'
import { answerModern } from '../../session/modern/answer.ts'
import { RelayedCall } from '../../session/modern/relayed-call.ts'
import { type ModernReply, ModernResponse, type Respond } from '../../session/modern/response.ts'
import { type CallEnding, endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import { endingOfFailure } from '../../upstream/connection/endings.ts'
import type { Server } from '../../upstream/server/server.ts'
import { discoverResult, infoOf } from '../greeting.ts'
import type { Group } from '../group.ts'
import { listPage } from '../lists/list-page.ts'
import { type ListKind, listOfMethod } from '../lists/member-list.ts'
import { RpcRefusal, refusal } from '../refusal.ts'
import { type Outcome, type Routed, routeOf } from '../route.ts'
import { AnsweredHere } from '../search/search-route.ts'
import { type GroupInbound, GroupRequest } from './group-request.ts'
import { GroupSubscription } from './group-subscription.ts'
import { endedCall, ShownSink } from './sinks.ts'

/** Answers it, or sends it on: the call's reply is the answer. Throws, and rejects with, a GatewayError. */
export function answerGroup(group: Group, inbound: GroupInbound): Promise<ModernReply> | RelayedCall {
  const client = new GroupRequest(group, inbound)
  const { method } = inbound.route
  if (method === 'subscriptions/listen') return new GroupSubscription(group, inbound).reply
  if (method === 'server/discover')
    return here(group, client, async () => discoverResult(group.identity, client.view))
  const kind = listOfMethod.get(method)
  if (kind) return here(group, client, () => list(group, client, kind))
  const routing = routeOf(client, inbound.message, 'modern')
  if (routing === null) return unlisted(group, client)
  if (routing instanceof Promise) return sendLate(group, client, routing)
  return send(group, client, routing)
}

async function sendLate(group: Group, client: GroupRequest, routing: Promise<Outcome>): Promise<ModernReply> {
  const answer = send(group, client, await routing)
  return await (answer instanceof RelayedCall ? answer.reply : answer)
}

function send(group: Group, client: GroupRequest, routed: Outcome): Promise<ModernReply> | RelayedCall {
  if (routed instanceof AnsweredHere) return here(group, client, async () => complete(await routed.result()))
  if (routed instanceof RpcRefusal) return here(group, client, () => Promise.reject(routed))
  return direct(group, client, routed.server, routed)
}

/**
 * Sends it to this member: the words of `routed`, or where nothing of it is the member's, those of its client. Where
 * other replicas have the member's room, when there may be some.
 */
function direct(
  group: Group,
  client: GroupRequest,
  server: Server,
  routed: Routed | null,
): Promise<ModernReply> | RelayedCall {
  const { room } = server.counters
  if (room === null) return directNow(group, client, server, routed)
  return room.then(() => {
    const answer = directNow(group, client, server, routed)
    return answer instanceof RelayedCall ? answer.reply : answer
  })
}

function directNow(
  group: Group,
  client: GroupRequest,
  server: Server,
  routed: Routed | null,
): Promise<ModernReply> | RelayedCall {
  const { inbound } = client
  const { method, params } = inbound.route
  client.requireAdmitted(server.name)
  inbound.log.group = group.name
  inbound.log.mcp = server.name
  if (routed?.unwrapped) inbound.log.tool = routed.asked
  const route =
    routed === null ? inbound.route : { ...inbound.route, params: paramsOf(method, params, routed) }
  const { request, principal, principalId, clientKey, log, acceptsStream } = inbound
  return answerModern({
    parts: group.parts,
    server,
    request,
    principalId,
    clientKey,
    grants: principal.grants,
    log,
    route,
    message: routed?.message ?? inbound.message,
    mirrorsArguments: routed?.unwrapped !== true,
    acceptsStream,
    respond: shownResponse(group, client, server),
  })
}

/**
 * Nothing is shown in another form where one member at most has resources and the client wants no log messages; and
 * only a client that knows tasks can be given one.
 */
function shownResponse(group: Group, client: GroupRequest, server: Server): Respond | null {
  const { acceptsStream, route } = client.inbound
  const { logLevel, clientCapabilities } = route.envelope
  const tasks = takesTasks(clientCapabilities)
  if (logLevel === null && !group.mayQualify && !tasks) return null
  const { settings } = group.parts.requests
  return (owner) =>
    new ShownSink(new ModernResponse(acceptsStream, settings, owner), server.name, route.method, client)
}

function takesTasks({ extensions }: JsonObject): boolean {
  return isObject(extensions) && tasksExtension in extensions
}

type Params = GroupInbound['route']['params']

/** The parsed parameters of a request in the member's words; those of the client where nothing of them is another. */
function paramsOf(method: string, params: Params, { message, own, asked, unwrapped }: Routed): Params {
  if (unwrapped) {
    const read = parsed(message.text.slice(message.paramsStart, message.paramsEnd))
    return isObject(read) ? read : params
  }
  if (own === asked || method === 'completion/complete') return params
  return { ...params, [method === 'resources/read' ? 'uri' : 'name']: own }
}

/** A result of the group's own, as this revision has it. */
function complete(result: string): string {
  return editObject(result, { set: { resultType: '"complete"' } }) ?? result
}

/** Only a member can know a method that no revision defines, and only where there is one is it clear which. */
function unlisted(group: Group, client: GroupRequest): Promise<ModernReply> | RelayedCall {
  const [only, other] = client.view.members
  if (only?.server && other === undefined) return direct(group, client, only.server, null)
  return here(group, client, () => Promise.reject(refusal(rpcCodes.methodNotFound, 'Method not found')))
}

async function list(group: Group, client: GroupRequest, kind: ListKind): Promise<string> {
  const { groupListItemsMax, groupListBytesMax } = group.parts.bounds
  const bounds = { itemsMax: groupListItemsMax, bytesMax: groupListBytesMax }
  const page = listPage(kind, await client.listable(kind), client.inbound.route.params['cursor'], bounds)
  const { _meta: meta = '{}', ...rest } = page
  const signed = editObject(meta, { set: { [metaKeys.serverInfo]: JSON.stringify(infoOf(group.identity)) } })
  const set = {
    ...rest,
    resultType: '"complete"',
    ttlMs: '0',
    cacheScope: '"private"',
    _meta: signed ?? '{}',
  }
  return editObject('{}', { set }) ?? '{}'
}

/** Answers a request here, with the text of a result. */
async function here(group: Group, client: GroupRequest, answer: () => Promise<string>): Promise<ModernReply> {
  const idText = idTextOf(client.inbound.message)
  group.counters.started()
  const startedAtMs = performance.now()
  let ending: CallEnding = plainEndings.ok
  try {
    const text = rpcResult(idText, await answer())
    client.requireAdmitted(null)
    return { kind: 'text', status: 200, text, call: endedCall(ending) }
  } catch (thrown) {
    ending =
      thrown instanceof RpcRefusal ? endingOfFailure(thrown.failure) : endingOfError(shownError(thrown))
    if (!(thrown instanceof RpcRefusal)) throw thrown
    const { code, text } = thrown.failure
    return {
      kind: 'text',
      status: modernErrorStatus(code),
      text: rpcError(idText, text),
      call: endedCall(ending),
    }
  } finally {
    group.counters.ended(performance.now() - startedAtMs, ending.outcome)
  }
}
