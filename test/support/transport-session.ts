/** A client of its own making on top of a bare transport: just enough to hold a legacy session. */
import type { Outgoing, UpstreamTransport } from '../../src/upstream/transports/transport.ts'
import { createRecorder, type TransportRecorder } from './transport-recorder.ts'

export interface TransportSession {
  readonly transport: UpstreamTransport
  readonly recorder: TransportRecorder
  /** Sends a request and resolves with its answer, parsed. */
  call(method: string, params?: object): Promise<Record<string, unknown>>
  /** Sends a request and returns its id. */
  start(method: string, params?: object): number
  /** Sends a notification. */
  notify(method: string, params?: object): void
}

export function requestOf(id: number, method: string, params: object = {}): Outgoing {
  return { text: JSON.stringify({ jsonrpc: '2.0', id, method, params }), requestId: id, method }
}

/** Opens the transport without any handshake. */
export async function openTransport(transport: UpstreamTransport): Promise<TransportSession> {
  const recorder = createRecorder()
  await transport.open(recorder, AbortSignal.timeout(20_000))
  let lastId = 0
  function start(method: string, params?: object): number {
    lastId++
    transport.send(requestOf(lastId, method, params))
    return lastId
  }
  return {
    transport,
    recorder,
    start,
    call: (method, params) => recorder.answerTo(start(method, params)),
    notify(method, params = {}) {
      transport.send({ text: JSON.stringify({ jsonrpc: '2.0', method, params }), requestId: null, method })
    },
  }
}

/** Opens the transport and holds the handshake. */
export async function openSession(
  transport: UpstreamTransport,
  capabilities: object = {},
): Promise<TransportSession> {
  const session = await openTransport(transport)
  await initialize(session, capabilities)
  return session
}

export async function initialize(session: TransportSession, capabilities: object = {}): Promise<void> {
  const answer = await session.call('initialize', {
    protocolVersion: '2025-11-25',
    capabilities,
    clientInfo: { name: 'transport-test', version: '1' },
  })
  const { protocolVersion } = answer['result'] as { protocolVersion: string }
  session.transport.initialized(protocolVersion)
  session.notify('notifications/initialized')
}
