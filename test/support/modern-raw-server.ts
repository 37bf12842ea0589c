/**
 * A server of revision 2026-07-28 on a pipe, without an SDK, for what an SDK would not do.
 *
 *   bun test/support/modern-raw-server.ts --tally FILE [--legacy error|exit]
 *
 * Every message that arrives is appended to the tally. `--legacy` says what it does with `initialize`.
 * Tools: `mirror` gives the request back as it came, and who got it; `wait` is silent until it is cancelled; `ask` wants input
 * `rounds` times; `say` writes the given messages, then answers; `tear` ends every subscription.
 */
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

type RpcId = string | number

interface Message {
  readonly id?: RpcId
  readonly method?: string
  readonly params?: {
    readonly name?: string
    readonly arguments?: Readonly<Record<string, unknown>>
    readonly requestState?: string
    readonly notifications?: unknown
  }
}

const { values } = parseArgs({
  options: { tally: { type: 'string' }, legacy: { type: 'string', default: 'error' } },
})
const subscriptionId = 'io.modelcontextprotocol/subscriptionId'
const listens = new Set<RpcId>()
const hints = { ttlMs: 0, cacheScope: 'private' }
const tools = ['mirror', 'wait', 'ask', 'say', 'tear'].map((name) => ({
  name,
  inputSchema: { type: 'object' },
}))
const complete = {
  resultType: 'complete',
  _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'modern-raw', version: '1.0.0' } },
}

function write(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

function answer(id: RpcId, result: object): void {
  write({ jsonrpc: '2.0', id, result: { ...complete, ...result } })
}

const results: Readonly<Record<string, object>> = {
  'server/discover': {
    ...hints,
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
  },
  'tools/list': { ...hints, tools },
  'x-vendor/reverse': { 'x-vendor': [1, { deep: true }] },
}

function call(id: RpcId, { params }: Message, text: string): void {
  const args = params?.arguments ?? {}
  const rounds = Number(params?.requestState ?? 0)
  switch (params?.name) {
    case 'wait':
      return
    case 'ask':
      if (rounds >= Number(args['rounds'])) answer(id, { content: [], structuredContent: { rounds, text } })
      else
        answer(id, {
          resultType: 'input_required',
          inputRequests: {
            [`round ${rounds}`]: { method: args['method'] ?? 'roots/list', params: args['params'] ?? {} },
          },
          requestState: String(rounds + 1),
        })
      return
    case 'say':
      for (const message of args['messages'] as unknown[]) write(message)
      answer(id, { content: [] })
      return
    case 'tear':
      for (const listen of listens)
        write({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: listen } })
      answer(id, { content: [], structuredContent: { torn: listens.size } })
      listens.clear()
      return
    default:
      answer(id, { content: [], structuredContent: { text, pid: process.pid } })
  }
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    if (values.tally !== undefined) appendFileSync(values.tally, `${text}\n`)
    const message = JSON.parse(text) as Message
    const { id, method } = message
    if (id === undefined || method === undefined) return
    if (method === 'initialize' && values.legacy === 'exit') process.exit(3)
    if (method === 'tools/call') call(id, message, text)
    else if (method === 'subscriptions/listen') {
      listens.add(id)
      const params = { notifications: message.params?.notifications, _meta: { [subscriptionId]: id } }
      write({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params })
    } else if (results[method]) answer(id, results[method])
    else write({ jsonrpc: '2.0', id, error: { code: -32601, message: `no method ${method}` } })
  })
  .on('close', () => process.exit(0))
