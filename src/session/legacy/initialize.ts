/** How a session begins: `initialize`, answered from the server's own answer with this client's id and version. */
import { GatewayError } from '../../errors.ts'
import { initializeResult } from '../../protocol/bridge/facts.ts'
import { negotiateLegacyVersion } from '../../protocol/eras.ts'
import { isObject } from '../../protocol/json.ts'
import {
  idTextOf,
  type MessageText,
  memberSpan,
  replaceSpan,
  rpcResult,
  scanMessage,
  withId,
} from '../../protocol/jsonrpc.ts'
import { clientOf } from '../../telemetry/callers.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import { leaseLane } from './lane-lease.ts'
import { bridgeOf, type SessionParts } from './send.ts'
import type { Session } from './session.ts'

/** No client has this much to say of itself. */
const initializeCharsMax = 64 * 1024

/** Notes what the client declared in its `initialize`; answers the version that both ends speak. Throws a GatewayError. */
export function beginSession(session: Session, message: MessageText, body: unknown): string {
  if (session.state !== 'opening')
    throw new GatewayError('INVALID_REQUEST', 'The session is initialised already.')
  // It is kept for as long as the session lasts.
  if (message.text.length > initializeCharsMax)
    throw new GatewayError(
      'PAYLOAD_TOO_LARGE',
      `An initialize request may have at most ${initializeCharsMax} characters.`,
    )
  const params = isObject(body) && isObject(body['params']) ? body['params'] : {}
  if (typeof params['protocolVersion'] !== 'string')
    throw new GatewayError('INVALID_PARAMS', 'The method initialize needs params.protocolVersion.')
  const version = negotiateLegacyVersion(params['protocolVersion'])
  session.begin(message, version, isObject(params['capabilities']) ? params['capabilities'] : {})
  const { name, version: clientVersion } = isObject(params['clientInfo']) ? params['clientInfo'] : {}
  session.clientName = clientOf(name, clientVersion)
  return version
}

/**
 * Answers `initialize` for a session: leases its lane and forms the answer from the server's own, with this
 * client's id and version. Rejects with a GatewayError; the caller ends the session.
 */
export async function initializeSession(
  parts: SessionParts,
  session: Session,
  message: MessageText,
  body: unknown,
): Promise<string> {
  const version = beginSession(session, message, body)
  const lane = await leaseLane(parts.servers, session, true)
  session.state = 'open'
  if (lane.era === 'modern') {
    bridgeOf(parts, session, lane)
    const facts = lane.handshake?.facts
    if (facts) return rpcResult(idTextOf(message), initializeResult(facts, version, session.serverName))
  }
  return initializeAnswer(lane, idTextOf(message), version)
}

function initializeAnswer(lane: Lane, idText: string, protocolVersion: string): string {
  const answer = lane.handshake && scanMessage(lane.handshake.responseText)
  if (!answer) throw new GatewayError('UPSTREAM_ERROR', 'The server gave no usable answer to initialize.')
  const span = memberSpan(answer.text, answer.resultStart, 'protocolVersion')
  const text = span ? replaceSpan(answer.text, span, JSON.stringify(protocolVersion)) : answer.text
  const versioned = scanMessage(text)
  return versioned ? withId(versioned, idText) : text
}
