/** The steps that both faces take with a session: open it, give it a lane, send a request, pass a notification. */
import { GatewayError, reasonOf } from '../../errors.ts'
import { initializeResult } from '../../protocol/bridge/facts.ts'
import { negotiateLegacyVersion } from '../../protocol/eras.ts'
import {
  idTextOf,
  type MessageText,
  memberSpan,
  paramString,
  replaceSpan,
  scanMessage,
  withId,
} from '../../protocol/jsonrpc.ts'
import type { Log } from '../../telemetry/log.ts'
import { isRecord } from '../../upstream/connection/calls.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { allowsTool } from '../../upstream/server/tools.ts'
import { retryMs } from '../lane-losses.ts'
import { isVendorNotification, passVendorNotification } from '../vendor-notification.ts'
import { SessionBridge } from './bridge.ts'
import type { Exchange } from './exchange.ts'
import type { Session } from './session.ts'

export interface RelayParts {
  readonly servers: Servers
  readonly clientInputMs: number
  readonly log: Log
}

/**
 * Answers `initialize` for a session: notes what the client declared, leases its lane and forms the answer from
 * the server's own, with this client's id and version. Rejects with a GatewayError; the caller ends the session.
 */
export async function initializeSession(
  parts: RelayParts,
  session: Session,
  message: MessageText,
  body: unknown,
): Promise<string> {
  if (session.state !== 'opening')
    throw new GatewayError('INVALID_REQUEST', 'the session is initialised already')
  const params = isRecord(body) && isRecord(body['params']) ? body['params'] : {}
  if (typeof params['protocolVersion'] !== 'string')
    throw new GatewayError('INVALID_PARAMS', 'initialize needs params.protocolVersion')
  const version = negotiateLegacyVersion(params['protocolVersion'])
  session.begin(message, version, isRecord(params['capabilities']) ? params['capabilities'] : {})
  const lane = await leaseLane(parts.servers, session)
  session.state = 'open'
  if (lane.era === 'modern') {
    bridgeOf(parts, session, lane)
    const facts = lane.handshake?.facts
    if (facts)
      return `{"jsonrpc":"2.0","id":${idTextOf(message)},"result":${initializeResult(facts, version, session.serverName)}}`
  }
  return initializeAnswer(lane, idTextOf(message), version)
}

/** Gives a session a lane of the server as it is registered now. */
export async function leaseLane(servers: Servers, session: Session): Promise<Lane> {
  const server = servers.get(session.serverName)
  if (!server) throw unknownServer(session.serverName)
  const before = session.lane
  const lane = await server.lease(session)
  if (before && before !== lane) {
    lane.subscriptions.carryOver(session, before.subscriptions)
    before.leave(session)
  }
  session.lane = lane
  if (session.state === 'closed') {
    lane.leave(session)
    throw new GatewayError('SESSION_UNKNOWN', 'the session has ended')
  }
  return lane
}

/** Sends a client's request on its lane, at once where there is one. Its answer, or its failure, reaches the exchange. */
export function sendRequest(parts: RelayParts, session: Session, exchange: Exchange): void {
  const filter = exchange.server.definition.toolFilter
  if (
    filter &&
    exchange.method === 'tools/call' &&
    !allowsTool(filter, paramString(exchange.message, 'name'))
  )
    exchange.refusedHere('{"code":-32602,"message":"Unknown tool"}')
  else if (session.lane?.ready) sendOn(parts, session, session.lane, session.lane.ready, exchange)
  else void sendLate(parts, session, exchange)
}

function sendOn(
  parts: RelayParts,
  session: Session,
  lane: Lane,
  connection: Connection,
  exchange: Exchange,
): void {
  if (lane.era === 'modern') {
    bridgeOf(parts, session, lane).request(exchange, lane)
    return
  }
  exchange.connection = connection
  lane.request(connection, session, exchange)
}

/** The bridge of a session whose server speaks the other era. */
function bridgeOf(parts: RelayParts, session: Session, lane: Lane): SessionBridge {
  if (session.bridge) return session.bridge
  const facts = lane.handshake?.facts
  if (!facts) throw new GatewayError('INTERNAL', 'the lane is not open')
  const { servers, clientInputMs, log } = parts
  session.bridge = new SessionBridge(session, facts, {
    lease: async () => (session.lane?.ready ? session.lane : leaseLane(servers, session)),
    clientInputMs,
    log,
  })
  if (session.streams.standing) session.bridge.standing(true)
  return session.bridge
}

/** Finds a lane again for a session whose client listens, until it is found or nobody listens any more. */
export async function keepLane(servers: Servers, session: Session): Promise<void> {
  const { laneLosses, streams } = session
  if (laneLosses.seeking) return
  laneLosses.seeking = true
  let waitMs = laneLosses.pauseMs(Date.now())
  for (;;) {
    await Bun.sleep(waitMs)
    if (session.state !== 'open' || !streams.standing || session.lane?.ready) break
    try {
      await leaseLane(servers, session)
      if (session.lane?.ready) break
      waitMs = laneLosses.pauseMs(Date.now())
    } catch (thrown) {
      if (!servers.get(session.serverName)) break
      waitMs = retryMs(thrown)
    }
  }
  laneLosses.seeking = false
}

/** The rare way: the session's lane is gone or being restored, so it is leased anew first. */
async function sendLate(parts: RelayParts, session: Session, exchange: Exchange): Promise<void> {
  try {
    const lane = await leaseLane(parts.servers, session)
    const connection = await lane.open()
    if (!exchange.done) sendOn(parts, session, lane, connection, exchange)
  } catch (thrown) {
    if (exchange.done) return
    exchange.failed(thrown instanceof GatewayError ? thrown : new GatewayError('INTERNAL', reasonOf(thrown)))
  }
}

/** Passes on a client's notification, or its answer to a request of the server's. */
export function tell(session: Session, message: MessageText): void {
  if (message.kind === 'response') session.respond(message)
  else if (message.method === 'notifications/cancelled') session.cancel(message)
  else if (session.lane?.era === 'legacy') session.lane.tell(session, message)
  else if (session.lane && isVendorNotification(message.method))
    passVendorNotification(session.lane, message.method, message)
}

/** The 404 of a server that is not registered. */
export function unknownServer(name: string): GatewayError {
  return new GatewayError(
    'SERVER_UNKNOWN',
    `there is no server named ${JSON.stringify(name.slice(0, 64))}; GET /admin/mcps lists those there are`,
  )
}

function initializeAnswer(lane: Lane, idText: string, protocolVersion: string): string {
  const answer = lane.handshake && scanMessage(lane.handshake.responseText)
  if (!answer) throw new GatewayError('UPSTREAM_ERROR', 'the server gave no usable answer to initialize')
  const span = memberSpan(answer.text, answer.resultStart, 'protocolVersion')
  const text = span ? replaceSpan(answer.text, span, JSON.stringify(protocolVersion)) : answer.text
  const versioned = scanMessage(text)
  return versioned ? withId(versioned, idText) : text
}
