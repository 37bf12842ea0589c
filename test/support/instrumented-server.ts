/**
 * A server on a pipe that is instrumented: a span of its own for each `tools/call`, within the context that the message
 * brings, sent to the receiver at OTLP_URL. `ask` asks its client something first, in the legacy era.
 *
 *   OTLP_URL=http://127.0.0.1:4318 bun test/support/instrumented-server.ts [--modern]
 */
import { createInterface } from 'node:readline'

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: {
    readonly name?: string
    readonly _meta?: Readonly<Record<string, unknown>>
  }
}

const modern = process.argv.includes('--modern')
const kind = modern ? { resultType: 'complete' } : {}
const capabilities = { tools: {} }
const serverInfo = { name: 'instrumented', version: '1.0.0' }
/** Calls that wait for their client, by the id of the question. */
const asking = new Map<string, (answered: unknown) => void>()

function write(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

/** Sends a span within the context of a message to the receiver at `url`; gives its id once it has arrived. */
export async function spanWithin(url: string, traceparent: unknown, name: string): Promise<string> {
  const [, traceId = '', parentSpanId = '', flags = ''] = String(traceparent).split('-')
  const spanId = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex')
  if ((Number.parseInt(flags, 16) & 1) === 0) return spanId
  const nowNs = String(BigInt(Date.now()) * 1_000_000n)
  const span = {
    traceId,
    spanId,
    parentSpanId,
    name,
    kind: 2,
    startTimeUnixNano: nowNs,
    endTimeUnixNano: nowNs,
  }
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'server' } }] }
  const answer = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'server' }, spans: [span] }] }],
    }),
  })
  await answer.text()
  return spanId
}

/** Answers when its span has arrived: whoever closes the session then ends this process. */
async function call(id: unknown, { name, _meta }: NonNullable<Message['params']>): Promise<void> {
  const traceparent = _meta?.['traceparent']
  const spanId = await spanWithin(process.env['OTLP_URL'] ?? '', traceparent, `served ${name}`)
  const answer = (answered?: unknown) =>
    write({ jsonrpc: '2.0', id, result: { ...kind, content: [], structuredContent: { _meta, answered } } })
  if (name === 'fail') write({ jsonrpc: '2.0', id, result: { ...kind, content: [], isError: true } })
  else if (name === 'ask') {
    const traceId = String(traceparent).split('-')[1]
    asking.set(`q${String(id)}`, answer)
    write({
      jsonrpc: '2.0',
      id: `q${String(id)}`,
      method: 'roots/list',
      params: { _meta: { traceparent: `00-${traceId}-${spanId}-01` } },
    })
  } else answer()
}

if (import.meta.main)
  createInterface({ input: process.stdin })
    .on('line', (text) => {
      const message = JSON.parse(text) as Message & { readonly result?: unknown; readonly error?: unknown }
      const { id, method, params = {} } = message
      const result = (value: unknown) => write({ jsonrpc: '2.0', id, result: value })
      if (method === 'initialize' && !modern)
        result({ protocolVersion: '2025-11-25', capabilities, serverInfo })
      else if (method === 'server/discover' && modern)
        result({
          ...{
            resultType: 'complete',
            supportedVersions: ['2026-07-28'],
            capabilities,
            ttlMs: 0,
            cacheScope: 'private',
          },
        })
      else if (method === 'tools/call') void call(id, params)
      else if (method === 'tools/list')
        result({ ...kind, tools: [{ name: 'work', inputSchema: { type: 'object' } }] })
      else if (method === 'ping') result({})
      else if (method === undefined) asking.get(String(id))?.(message.result ?? message.error)
      else if (id !== undefined)
        write({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } })
    })
    .on('close', () => process.exit(0))
