/** Requests of the gateway's own: the handshake, probes, what puts a lane's demands back. */
import { GatewayError, spokenDuration } from '../../errors.ts'
import { type MessageText, rpcRequest, scanMessage } from '../../protocol/jsonrpc.ts'
import { deadline } from '../../runtime/patience.ts'
import { GatewayCall } from './calls.ts'
import type { Connection } from './connection.ts'

/**
 * Sends a request and waits for its result. Rejects with a GatewayError. `again` is false for one that must not
 * wait for a new session when this one is lost, because the new session waits for it.
 */
export async function ask(
  connection: Connection,
  method: string,
  params: Record<string, unknown> | undefined,
  timeoutMs: number,
  headers?: Readonly<Record<string, string>>,
  again = true,
): Promise<GatewayCall> {
  const message = scanMessage(rpcRequest(method, params ? JSON.stringify(params) : null))
  if (!message) throw new GatewayError('INTERNAL', `cannot form ${method}`)
  return askText(connection, message, timeoutMs, headers, again)
}

/** Like `ask`, with a message that a client wrote (its `initialize`). */
export async function askText(
  connection: Connection,
  message: MessageText,
  timeoutMs: number,
  headers?: Readonly<Record<string, string>>,
  again = true,
): Promise<GatewayCall> {
  const call = new GatewayCall(message.method ?? '', message, (said) => connection.mask(said))
  call.headers = headers
  call.resent = !again
  if (connection.closedBy === null) connection.ownRequestCount++
  connection.request(call)
  const settled = deadline(timeoutMs, () => {
    connection.forget(call)
    call.failed(
      new GatewayError('UPSTREAM_TIMEOUT', `no answer to ${call.method} within ${spokenDuration(timeoutMs)}`),
    )
  })
  try {
    await call.answer
  } finally {
    settled()
  }
  return call
}
