/**
 * How a connection begins, in each era: `initialize` and what it settles, or one `server/discover`.
 *
 * A server that turns out to be of the other era is an EraMismatch, which is no failure: the caller then opens
 * the other kind of connection.
 */
import { GatewayError } from '../../errors.ts'
import { factsOfInitialize } from '../../protocol/bridge/facts.ts'
import { judgeProbe, type ProbeOutcome } from '../../protocol/bridge/probe.ts'
import type { ServerFacts } from '../../protocol/bridge/types.ts'
import { type Era, latestModernVersion, metaKeys } from '../../protocol/eras.ts'
import { mirroredHeaders } from '../../protocol/headers.ts'
import { type MessageText, rpcNotification, rpcRequest, scanMessage } from '../../protocol/jsonrpc.ts'
import { maskStart } from '../../telemetry/redaction.ts'
import { HttpStatusError } from '../transports/http/failure.ts'
import { type GatewayCall, RpcAnswerError } from './calls.ts'
import type { Connection } from './connection.ts'
import { ask, askText } from './own-requests.ts'

/** What the beginning of a connection settled. */
export interface Handshake {
  /** The whole response text, as the server wrote it. */
  readonly responseText: string
  readonly facts: ServerFacts
}

/** Who the gateway says that it is. */
export interface GatewayIdentity {
  readonly name: string
  readonly version: string
}

/** The server does not speak this era. */
export class EraMismatch extends GatewayError {
  constructor(era: Era, reason: string) {
    super('UPSTREAM_ERROR', `the server does not speak the ${era} revisions: ${reason}`)
  }
}

/** The notification that ends the handshake. */
export const initializedText = rpcNotification('notifications/initialized', null)

/** What is repeated of the versions that a server lists. */
const saidCharsMax = 200

/** A legacy stdio server may answer nothing at all to a message before `initialize`. */
const discoverSilenceMs = 5_000

/** Sends `initialize` and reads the answer. Rejects with a GatewayError; `initialized` is the caller's to send. */
export async function initializeServer(
  connection: Connection,
  initialize: MessageText,
  headers: Readonly<Record<string, string>> | undefined,
  timeoutMs: number,
): Promise<Handshake> {
  let call: GatewayCall
  try {
    call = await askText(connection, initialize, timeoutMs, headers)
  } catch (thrown) {
    const refused =
      thrown instanceof RpcAnswerError || (thrown instanceof HttpStatusError && thrown.upstreamStatus < 500)
    throw refused ? new EraMismatch('legacy', thrown.details) : thrown
  }
  const facts = factsOfInitialize(call.resultText)
  if (!facts) throw new EraMismatch('legacy', 'the answer to initialize names no protocolVersion')
  connection.transport.initialized(facts.version)
  return { responseText: call.responseText, facts }
}

/** Sends `server/discover` and judges the answer (2026-07-28, basic/versioning, Backward Compatibility). */
export async function discoverServer(
  connection: Connection,
  identity: GatewayIdentity,
  timeoutMs: number,
): Promise<Handshake> {
  const overStdio = connection.transport.pid !== null
  const waitMs = overStdio ? Math.min(timeoutMs, discoverSilenceMs) : timeoutMs
  let probe = await probeOnce(connection, identity, waitMs)
  let verdict = judgeProbe(probe.outcome, overStdio ? 'stdio' : 'http')
  // A server may refuse the version of a first request and name it among those it speaks.
  if (verdict.kind === 'unspoken' && verdict.versions.includes(latestModernVersion)) {
    probe = await probeOnce(connection, identity, waitMs)
    verdict = judgeProbe(probe.outcome, overStdio ? 'stdio' : 'http')
  }
  if (verdict.kind === 'modern' && verdict.facts)
    return { responseText: probe.responseText, facts: verdict.facts }
  if (verdict.kind === 'unspoken') {
    const spoken = maskStart((said) => connection.mask(said), verdict.versions.join(', '), saidCharsMax)
    throw new EraMismatch('modern', `it speaks ${spoken}, this gateway ${latestModernVersion}`)
  }
  if (verdict.kind === 'legacy') throw new EraMismatch('modern', 'it knows no server/discover')
  if (probe.failure instanceof GatewayError) throw probe.failure
  throw new GatewayError('UPSTREAM_ERROR', 'no usable answer to server/discover')
}

async function probeOnce(
  connection: Connection,
  identity: GatewayIdentity,
  waitMs: number,
): Promise<{ outcome: ProbeOutcome; responseText: string; failure: unknown }> {
  try {
    const call = await askModern(connection, identity, latestModernVersion, 'server/discover', {}, waitMs)
    return {
      outcome: { kind: 'result', result: call.resultText },
      responseText: call.responseText,
      failure: null,
    }
  } catch (thrown) {
    return { outcome: outcomeOf(thrown), responseText: '', failure: thrown }
  }
}

/** A modern request of the gateway's own, with the envelope and headers that each one must carry. */
export function askModern(
  connection: Connection,
  identity: GatewayIdentity,
  version: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): Promise<GatewayCall> {
  const envelope = {
    [metaKeys.protocolVersion]: version,
    [metaKeys.clientInfo]: identity,
    [metaKeys.clientCapabilities]: {},
  }
  const own = { ...params, _meta: envelope }
  return ask(connection, method, own, timeoutMs, mirroredHeaders({ method, params: own, version }))
}

/** The `initialize` of a connection that nobody's capabilities stand behind. */
export function initializeRequest(
  protocolVersion: string,
  clientInfo: unknown,
  capabilities: unknown,
): MessageText {
  const params = { protocolVersion, capabilities, clientInfo }
  const message = scanMessage(rpcRequest('initialize', JSON.stringify(params)))
  if (!message) throw new GatewayError('INTERNAL', 'cannot form initialize')
  return message
}

function outcomeOf(thrown: unknown): ProbeOutcome {
  if (thrown instanceof RpcAnswerError)
    return { kind: 'error', code: thrown.upstreamRpcCode, data: thrown.upstreamData, status: null }
  if (thrown instanceof HttpStatusError) return { kind: 'http', status: thrown.upstreamStatus }
  if (thrown instanceof GatewayError && thrown.code === 'UPSTREAM_UNAUTHORIZED')
    return { kind: 'http', status: 401 }
  return { kind: 'silence' }
}
