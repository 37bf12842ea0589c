/** What a session sends to its server: requests, notifications, answers to the server's questions. */
import { refusedItem, unknownItem } from '../../access/items.ts'
import type { ItemKind } from '../../access/reach.ts'
import { GatewayError, reasonOf, shownError } from '../../errors.ts'
import { rpcFailure } from '../../protocol/bridge/results.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Connection } from '../../upstream/connection/connection.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { isVendorNotification, passVendorNotification } from '../vendor-notification.ts'
import { ModernServerBridge } from './bridge.ts'
import type { Exchange } from './exchange.ts'
import { leaseLane } from './lane-lease.ts'
import type { Session, SessionBridge } from './session.ts'

/** What a session needs of the rest of the gateway. */
export interface SessionParts {
  readonly servers: Servers
  readonly clientInputMs: number
  readonly log: Log
}

/**
 * Sends a client's request on its lane, at once where there is one. Its answer, or its failure, reaches the exchange:
 * once it is here it is accepted, and nothing is thrown for what becomes of it.
 */
export function sendRequest(parts: SessionParts, session: Session, exchange: Exchange): void {
  if (exchange.begin()) sendBegun(parts, session, exchange)
}

/** The same for one that has begun and waited for what it is to become (`Exchange.directTo`). */
export function sendBegun(parts: SessionParts, session: Session, exchange: Exchange): void {
  const refused = refusedItem(exchange.reach, exchange.message, exchange.server.tools)
  if (refused instanceof Promise) void refused.then((late) => sendUnless(late, parts, session, exchange))
  else sendUnless(refused, parts, session, exchange)
}

function sendUnless(
  refused: ItemKind | null,
  parts: SessionParts,
  session: Session,
  exchange: Exchange,
): void {
  if (exchange.done) return
  if (refused !== null) refuseItem(exchange, refused)
  else if (session.lane?.ready) {
    try {
      sendOn(parts, session, session.lane, session.lane.ready, exchange)
    } catch (thrown) {
      fail(parts, exchange, thrown)
    }
  } else void sendLate(parts, session, exchange)
}

function refuseItem(exchange: Exchange, refused: ItemKind): void {
  const { code, message } = unknownItem(refused, 'legacy')
  exchange.refusedHere({ ...rpcFailure(code, message), by: 'PARAMS_REFUSED' })
}

function sendOn(
  parts: SessionParts,
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

/** The rare way: the session's lane is gone or being restored, so it is leased anew first. */
async function sendLate(parts: SessionParts, session: Session, exchange: Exchange): Promise<void> {
  // It waits from here on, not since ever: a short wait makes no event stream of its response.
  exchange.startedAtMs = performance.now()
  try {
    const lane = await leaseLane(parts.servers, session)
    const connection = await lane.open()
    // What its client may use may be something else by now.
    const refused = await refusedItem(exchange.reach, exchange.message, exchange.server.tools)
    if (exchange.done) return
    if (refused !== null) refuseItem(exchange, refused)
    else sendOn(parts, session, lane, connection, exchange)
  } catch (thrown) {
    fail(parts, exchange, thrown)
  }
}

function fail({ log }: SessionParts, exchange: Exchange, thrown: unknown): void {
  if (exchange.done) return
  const error = shownError(thrown)
  if (error !== thrown) log.error({ mcp: exchange.server.name, reason: reasonOf(thrown) }, 'request failed')
  exchange.failed(error)
}

/** Passes on a client's notification, or its answer to a request of the server's. */
export function tell(session: Session, message: MessageText): void {
  if (message.kind === 'response') session.respond(message)
  else if (message.method === 'notifications/cancelled') session.cancel(message)
  else if (session.lane?.era === 'legacy') session.lane.tell(session, message)
  else if (session.lane && isVendorNotification(message.method))
    passVendorNotification(session.lane, message.method, message)
}

/** The bridge of a session whose server speaks the other era. */
export function bridgeOf(parts: SessionParts, session: Session, lane: Lane): SessionBridge {
  if (session.bridge) return session.bridge
  const facts = lane.handshake?.facts
  if (!facts) throw new GatewayError('INTERNAL', 'The lane is not open.')
  const { servers, clientInputMs, log } = parts
  const bridge = new ModernServerBridge(session, facts, {
    lease: async () => (session.lane?.ready ? session.lane : leaseLane(servers, session)),
    clientInputMs,
    log,
  })
  session.bridge = bridge
  if (session.streams.standing) bridge.standing(true)
  return bridge
}
