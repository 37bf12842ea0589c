/**
 * Gives the server's own requests telling ids, as a legacy server may.
 *
 * In 2026-07-28 a server names each input request; in the revisions before it a request has nothing
 * but its JSON-RPC id, which may be a string. With the name as id, a bridge can hand the name on,
 * and a client that answers by name is understood.
 *
 * A name stands for one open question only. When it is asked again on the same connection, the older
 * question is withdrawn, as a dialogue is that a newer one replaces.
 */
import type { JSONRPCMessage, RequestId, Transport } from '@modelcontextprotocol/server'

const namesByMessage: Readonly<Record<string, string>> = {
  'What is your name?': 'user_name',
  'Please confirm': 'confirm',
  'Step 1: What is your name?': 'step1',
  'Step 2: What is your favorite color?': 'step2',
  'What context should the prompt use?': 'user_context',
  'What is the capital of France?': 'capital_question',
  'Generate a greeting': 'greeting',
}

type Send = Transport['send']
type SendOptions = Parameters<Send>[1]

/** An open question: under which id the server knows it, and where it was asked. */
interface Question {
  readonly id: RequestId
  readonly options: SendOptions
}

/** Wraps a transport so that requests the fixture has a name for leave under that name. */
export function labelled<T extends Transport>(inner: T): T {
  const open = new Map<RequestId, Question>()
  const send: Send = inner.send.bind(inner)
  let receive: Transport['onmessage']
  inner.send = async (message, options) => {
    const name = nameOf(message)
    if (name === undefined || !('id' in message) || message.id === undefined) return send(message, options)
    const older = open.get(name)
    open.set(name, { id: message.id, options })
    if (older) {
      const params = { requestId: name, reason: 'asked again' }
      await send({ jsonrpc: '2.0', method: 'notifications/cancelled', params }, older.options)
      receive?.({ jsonrpc: '2.0', id: older.id, error: { code: -32000, message: 'asked again' } })
    }
    return send({ ...message, id: name } as JSONRPCMessage, options)
  }
  Object.defineProperty(inner, 'onmessage', {
    configurable: true,
    get: (): Transport['onmessage'] =>
      receive && ((message, extra) => receive?.(unlabelled(message, open), extra)),
    set(handler: Transport['onmessage']) {
      receive = handler
    },
  })
  return inner
}

/** Puts the server's own id back into an answer before it reaches the server. */
function unlabelled<M extends JSONRPCMessage>(message: M, open: Map<RequestId, Question>): M {
  if ('method' in message || message.id === undefined) return message
  const question = open.get(message.id)
  if (question === undefined) return message
  open.delete(message.id)
  return { ...message, id: question.id }
}

function nameOf(message: JSONRPCMessage): string | undefined {
  if (!('method' in message)) return undefined
  const params = message.params as
    | { message?: string; messages?: { content?: { text?: string } }[] }
    | undefined
  if (message.method === 'roots/list') return 'client_roots'
  if (message.method === 'elicitation/create') return namesByMessage[params?.message ?? '']
  if (message.method === 'sampling/createMessage') {
    return namesByMessage[params?.messages?.[0]?.content?.text ?? '']
  }
  return undefined
}
