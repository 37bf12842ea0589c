/**
 * A legacy server on stdio whose tools need one process and ask while others run: what one call leaves behind the
 * next one finds, updates reach whoever has subscribed here, and questions name no call, as on every pipe.
 * Argument 1: a file that takes every message.
 */
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

interface Message {
  readonly id?: number | string
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
  readonly error?: unknown
}

type Args = Readonly<Record<string, unknown>>

const [, , tally = '/dev/null'] = process.argv
const subscribed = new Set<unknown>()
const held = new Map<unknown, () => void>()
const asked = new Map<unknown, (answer: Message) => void>()
let page: unknown = null

/** In one write, so that nothing comes between. */
function say(...messages: readonly object[]): void {
  const lines = messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  process.stdout.write(lines.join(''))
}

function question(id: unknown, { method = 'roots/list', params }: Args): Promise<Message> {
  say({ id, method, params })
  return new Promise((resolve) => asked.set(id, resolve))
}

const tools: Readonly<Record<string, (args: Args, id: unknown) => unknown>> = {
  pid: () => ({ pid: process.pid }),
  navigate: ({ to }) => {
    page = to
    return {}
  },
  click: () => ({ page }),
  /** Works until `release` names it. */
  hold: ({ name }) => new Promise((resolve) => held.set(name, () => resolve({ held: name }))),
  release: ({ name }) => {
    held.get(name)?.()
    return {}
  },
  /** Asks, and lets what `release` names end in the same breath. */
  ask: async (args, id) => {
    const { result, error } = await Promise.race([
      question(args['as'] ?? `ask-${String(id)}`, args),
      Bun.sleep(0).then(() => {
        held.get(args['release'])?.()
        return new Promise<never>(() => {})
      }),
    ])
    return { result, error }
  },
  /** Takes a question back; the call that asked it goes on without. */
  withdraw: ({ as }) => {
    say({ method: 'notifications/cancelled', params: { requestId: as } })
    asked.get(as)?.({})
    return {}
  },
  touch: ({ uri }) => {
    if (subscribed.has(uri)) say({ method: 'notifications/resources/updated', params: { uri } })
    return {}
  },
  log: ({ data }) => {
    say({ method: 'notifications/message', params: { level: 'info', data } })
    return {}
  },
  /** The answer and, in the same write, a question that no call is left for. */
  askAfter: ({ as }, id) => {
    say({ id, result: { content: [], structuredContent: {} } }, { id: as, method: 'roots/list' })
    return null
  },
}

const answers: Readonly<Record<string, (params: Args) => unknown>> = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {}, resources: { subscribe: true }, logging: {} },
    serverInfo: { name: 'one-state', version: '1' },
  }),
  ping: () => ({}),
  'logging/setLevel': () => ({}),
  'resources/subscribe': ({ uri }) => {
    subscribed.add(uri)
    return {}
  },
}

async function answer({ id, method = '', params = {} }: Message): Promise<void> {
  if (method === 'tools/call') {
    const tool = tools[String(params['name'])]
    const structuredContent = await tool?.((params['arguments'] ?? {}) as Args, id)
    if (structuredContent !== null) say({ id, result: { content: [], structuredContent } })
    return
  }
  const result = answers[method]?.(params)
  say(result === undefined ? { id, error: { code: -32601, message: method } } : { id, result })
}

for await (const line of createInterface({ input: process.stdin })) {
  appendFileSync(tally, `${JSON.stringify({ pid: process.pid, message: JSON.parse(line) })}\n`)
  const message = JSON.parse(line) as Message
  if (message.method === undefined) asked.get(message.id)?.(message)
  else if (message.id !== undefined) void answer(message)
}
