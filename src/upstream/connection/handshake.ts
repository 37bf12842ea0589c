/**
 * How a connection begins, in each era: `initialize` and what it settles, or one `server/discover`.
 *
 * A server that turns out to be of the other era is an EraMismatch, which is no failure: the caller then opens
 * the other kind of connection.
 */
import { randomInt } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import { factsOfInitialize } from '../../protocol/bridge/facts.ts'
import {
  judgeProbe,
  type ProbeOutcome,
  saysStateless,
  versionInstead,
  versionsNamed,
} from '../../protocol/bridge/probe.ts'
import type { ServerFacts } from '../../protocol/bridge/types.ts'
import {
  type Era,
  latestModernVersion,
  legacyVersions,
  metaKeys,
  modernVersions,
} from '../../protocol/eras.ts'
import { mirroredHeaders } from '../../protocol/headers.ts'
import {
  type MessageText,
  paramSpan,
  paramString,
  replaceSpan,
  rpcNotification,
  rpcRequest,
  rpcResult,
  scanMessage,
} from '../../protocol/jsonrpc.ts'
import { maskStart } from '../../telemetry/redaction.ts'
import { HttpStatusError } from '../transports/http/failure.ts'
import { type GatewayCall, RpcAnswerError } from './calls.ts'
import type { LaneClient } from './client.ts'
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
  constructor(
    readonly era: Era,
    details: string,
    /** True when it says that it speaks the other one; a refusal alone may have other reasons. */
    readonly certain: boolean,
    /** The HTTP status of a refusal without a JSON-RPC message, else null. */
    readonly upstreamStatus: number | null = null,
  ) {
    super('UPSTREAM_ERROR', details)
  }
}

/** The notification that ends the handshake. */
export const initializedText = rpcNotification('notifications/initialized', null)

/** What is repeated of the versions that a server lists. */
const saidCharsMax = 200

/** A legacy stdio server may answer nothing at all to a message before `initialize`. */
const discoverSilenceMs = 5_000

/**
 * Sends `initialize` and reads the answer; once more in the best of the versions that a refusal names (2025-11-25,
 * Lifecycle, Version Negotiation, has servers answer with another version, but many refuse). Rejects with a
 * GatewayError; `initialized` is the caller's to send.
 */
export async function initializeServer(
  connection: Connection,
  initialize: MessageText,
  headers: Readonly<Record<string, string>> | undefined,
  timeoutMs: number,
): Promise<Handshake> {
  const deadlineMs = performance.now() + timeoutMs
  let call: GatewayCall
  try {
    call = await askText(connection, initialize, timeoutMs, headers).catch((thrown: unknown) => {
      const other = inAnotherVersion(initialize, thrown)
      if (other === null) throw thrown
      return askText(connection, other, Math.max(1, Math.round(deadlineMs - performance.now())), headers)
    })
  } catch (thrown) {
    throw refusalOfInitialize(connection, thrown) ?? thrown
  }
  const facts = factsOfInitialize(call.resultText)
  if (!facts) throw new EraMismatch('legacy', 'the answer to initialize names no protocolVersion', false)
  connection.transport.initialized(facts.version)
  return { responseText: call.responseText, facts }
}

/** Ids from here on are used by nobody who has had the session before: those count from 1. */
const resumedIdMin = 2 ** 20

/** Whoever does not answer within this in a session of before has lost it, or takes it for somebody else's. */
const resumedMs = 5_000

/**
 * Goes on with the session that another process has begun for this client; null where there is none, or the server does
 * not answer in it: then one is begun.
 */
export async function resumeServer(
  connection: Connection,
  owner: LaneClient | null,
  url: string,
): Promise<(Handshake & { readonly announced: boolean }) | null> {
  const session = owner?.resumes ?? null
  if (owner === null || session === null) return null
  owner.resumes = null
  const facts = factsOfInitialize(session.result)
  const { transport } = connection
  if (facts === null || session.url !== url || transport.continueSession === undefined) return null
  connection.numberFrom(resumedIdMin * (1 + randomInt(1_000)))
  transport.continueSession(session, facts.version)
  try {
    await ask(connection, 'ping', undefined, resumedMs)
  } catch (thrown) {
    if (!(thrown instanceof RpcAnswerError)) {
      transport.resetSession()
      return null
    }
  }
  return { responseText: rpcResult('0', session.result), facts, announced: session.announced }
}

/** The same `initialize` in a version that the refusal of the first one names; null where it names none. */
function inAnotherVersion(initialize: MessageText, refusal: unknown): MessageText | null {
  if (!(refusal instanceof RpcAnswerError)) return null
  const asked = paramString(initialize, 'protocolVersion') ?? ''
  const version = versionInstead(asked, refusal.upstreamData, refusal.details)
  const span = paramSpan(initialize, 'protocolVersion')
  if (version === null || span === null) return null
  return scanMessage(replaceSpan(initialize.text, span, JSON.stringify(version)))
}

/** Statuses to which the specification has a client look for the older transport (2025-11-25, Transports, Backwards Compatibility). */
export const olderTransportStatuses: readonly number[] = [400, 404, 405]

function refusalOfInitialize(connection: Connection, thrown: unknown): EraMismatch | null {
  if (thrown instanceof RpcAnswerError) {
    const certain = saysStateless(thrown.upstreamRpcCode)
    return new EraMismatch('legacy', certain ? thrown.details : withVersions(connection, thrown), certain)
  }
  if (!(thrown instanceof HttpStatusError) || thrown.upstreamStatus >= 500) return null
  return new EraMismatch('legacy', thrown.details, false, thrown.upstreamStatus)
}

/** The words of a refusal; where they are about a version also those that each end speaks. */
function withVersions(connection: Connection, { details, upstreamData }: RpcAnswerError): string {
  if (!/version/i.test(details)) return details
  const named = versionsNamed(upstreamData, '').join(', ')
  const theirs = maskStart((said) => connection.mask(said), named, saidCharsMax)
  const spoken = theirs === '' ? '' : `it speaks ${theirs}, `
  return `${details}; ${spoken}this gateway speaks ${[...modernVersions, ...legacyVersions].join(', ')}: update the older of the two`
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
    throw notModern(`it speaks ${spoken}, this gateway ${latestModernVersion}`)
  }
  if (verdict.kind === 'legacy') throw notModern('it knows no server/discover')
  if (probe.failure instanceof GatewayError) throw probe.failure
  throw new GatewayError('UPSTREAM_ERROR', 'no usable answer to server/discover')
}

function notModern(reason: string): EraMismatch {
  return new EraMismatch('modern', `the server does not speak the modern revisions: ${reason}`, true)
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

/** A modern request of the gateway's own. */
export function askModern(
  connection: Connection,
  identity: GatewayIdentity,
  version: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): Promise<GatewayCall> {
  const own = modernRequest(identity, version, method, params)
  return ask(connection, method, own.params, timeoutMs, own.headers)
}

/** The parameters of a modern request of the gateway's own with the envelope that it must carry, and its headers. */
export function modernRequest(
  identity: GatewayIdentity,
  version: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
): {
  readonly params: Record<string, unknown>
  readonly headers: Readonly<Record<string, string>>
} {
  const envelope = {
    [metaKeys.protocolVersion]: version,
    [metaKeys.clientInfo]: identity,
    [metaKeys.clientCapabilities]: {},
  }
  const own = { ...params, _meta: envelope }
  return { params: own, headers: mirroredHeaders({ method, params: own, version }) }
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
