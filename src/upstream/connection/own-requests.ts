/** Requests of the gateway's own: the handshake, probes, what puts a lane's demands back. */
import { GatewayError, spokenDuration } from '../../errors.ts'
import { isObject } from '../../protocol/json.ts'
import { type MessageText, rpcRequest, scanMessage } from '../../protocol/jsonrpc.ts'
import { deadline } from '../../runtime/patience.ts'
import { type CallWatch, GatewayCall, watchedToken } from './calls.ts'
import type { CallLimits, Connection } from './connection.ts'

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

/**
 * Like `ask`, for somebody who wants to hear of progress and may leave. The server is told to give the call up when
 * that happens, and when it has been silent or at it for too long.
 */
export async function askWatched(
  connection: Connection,
  method: string,
  params: Readonly<Record<string, unknown>>,
  watch: CallWatch,
  { callIdleMs, callTotalMs }: Pick<CallLimits, 'callIdleMs' | 'callTotalMs'>,
  headers?: Readonly<Record<string, string>>,
): Promise<GatewayCall> {
  const meta = isObject(params['_meta']) ? params['_meta'] : {}
  const marked = { ...params, _meta: { ...meta, progressToken: watchedToken } }
  const message = scanMessage(rpcRequest(method, JSON.stringify(marked)))
  if (!message) throw new GatewayError('INTERNAL', `cannot form ${method}`)
  const silence = () =>
    deadline(callIdleMs, () => giveUp(`no answer and no progress for ${spokenDuration(callIdleMs)}`))
  const call = new GatewayCall(
    method,
    message,
    (said) => connection.mask(said),
    (paramsText) => {
      endSilence()
      endSilence = silence()
      watch.progress(paramsText)
    },
  )
  const giveUp = (reason: string) => {
    call.failed(new GatewayError('UPSTREAM_TIMEOUT', reason))
    connection.cancel(call, null)
  }
  const left = () => giveUp('nobody waits for the answer any more')
  call.headers = headers
  if (connection.closedBy === null) connection.ownRequestCount++
  let endSilence = silence()
  const endCall = deadline(callTotalMs, () =>
    giveUp(`the call took longer than ${spokenDuration(callTotalMs)}`),
  )
  watch.signal.addEventListener('abort', left, { once: true })
  connection.request(call)
  if (watch.signal.aborted) left()
  try {
    await call.answer
  } finally {
    endSilence()
    endCall()
    watch.signal.removeEventListener('abort', left)
  }
  return call
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
