/**
 * Gives the server's own requests telling ids, as a legacy server may.
 *
 * In 2026-07-28 a server names each input request; in the revisions before it a request has nothing
 * but its JSON-RPC id, which may be a string. With the name as id, a bridge can hand the name on,
 * and a client that answers by name is understood.
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

/** Wraps a transport so that requests the fixture has a name for leave under that name. */
export function labelled<T extends Transport>(inner: T): T {
  const originals = new Map<RequestId, RequestId>()
  const send = inner.send.bind(inner)
  inner.send = (message, options) => {
    const name = nameOf(message)
    if (name === undefined || originals.has(name) || !('id' in message) || message.id === undefined) {
      return send(message, options)
    }
    originals.set(name, message.id)
    return send({ ...message, id: name } as JSONRPCMessage, options)
  }
  let receive: Transport['onmessage']
  Object.defineProperty(inner, 'onmessage', {
    configurable: true,
    get: () => receive,
    set(handler: Transport['onmessage']) {
      receive = handler && ((message, extra) => handler(unlabelled(message, originals), extra))
    },
  })
  return inner
}

function unlabelled<M extends JSONRPCMessage>(message: M, originals: Map<RequestId, RequestId>): M {
  if ('method' in message || message.id === undefined) return message
  const original = originals.get(message.id)
  if (original === undefined) return message
  originals.delete(message.id)
  return { ...message, id: original }
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
