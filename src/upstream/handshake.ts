/** The `initialize` handshake of the session-based revisions, as the gateway holds it with a server. */
import { GatewayError } from '../errors.ts'
import { type MessageText, scanMessage } from '../protocol/jsonrpc.ts'
import { isRecord } from './call.ts'
import type { Connection } from './connection.ts'

/** What `initialize` settled. */
export interface Handshake {
  /** The whole response text, as the server wrote it. */
  readonly responseText: string
  readonly protocolVersion: string
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly serverInfo: Readonly<Record<string, unknown>>
}

/** The notification that ends the handshake. */
export const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

/** Sends `initialize` and reads the answer. Rejects with a GatewayError; `initialized` is the caller's to send. */
export async function shakeHands(
  connection: Connection,
  initialize: MessageText,
  timeoutMs: number,
): Promise<Handshake> {
  const asked = await connection.askText(initialize, timeoutMs)
  const result = await asked.answer
  const version = result['protocolVersion']
  if (typeof version !== 'string')
    throw new GatewayError('UPSTREAM_ERROR', 'the answer to initialize names no protocolVersion')
  connection.transport.initialized(version)
  const { capabilities, serverInfo } = result
  return {
    responseText: asked.responseText,
    protocolVersion: version,
    capabilities: isRecord(capabilities) ? capabilities : {},
    serverInfo: isRecord(serverInfo) ? serverInfo : {},
  }
}

/** The `initialize` of a lane that nobody's capabilities stand behind. */
export function sharedInitialize(protocolVersion: string, gatewayVersion: string): MessageText {
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: {
      protocolVersion,
      capabilities: {},
      clientInfo: { name: 'compozy-mcp-proxy', version: gatewayVersion },
    },
  })
  const message = scanMessage(text)
  if (!message) throw new GatewayError('INTERNAL', 'cannot form initialize')
  return message
}
