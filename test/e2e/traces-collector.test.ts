/**
 * The traces of `traces.test.ts` against the receiver of the OpenTelemetry collector itself, built from its Go modules.
 * Asked for with COLLECTOR=1: building it takes minutes once.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { resolve } from 'node:path'
import { collectorProgram } from '../clients/toolchain.ts'
import { programPath } from '../packaging/repository.ts'
import { type FaultHttp, jsonAnswer, type SeenRequest, startFaultHttp } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { spanWithin } from '../support/instrumented-server.ts'
import { askModern } from '../support/modern-client.ts'
import { startModernUpstream } from '../support/modern-upstream.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { RawClient } from '../support/raw-client.ts'

setDefaultTimeout(600_000)

const asked = process.env['COLLECTOR'] === '1'
const possible = asked && programPath('go') !== null
if (asked && !possible) console.log('Go is not installed: the receiver of the collector is left out')
const server = resolve(import.meta.dir, '../support/instrumented-server.ts')

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly kind: string
  readonly status: string
  readonly durationNs: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resource: Readonly<Record<string, unknown>>
}

describe.if(possible).each(['http/json', 'http/protobuf'])('the collector, over %s,', (protocol) => {
  let collector: RunningProcess
  let gateway: RunningGateway
  let collectorUrl: string
  const servers: FaultHttp[] = []

  const echo = async (request: SeenRequest, more: object): Promise<Response | undefined> => {
    const { method, params } = request.message
    if (method !== 'tools/call') return undefined
    const { name, _meta } = params as { name: string; _meta?: { traceparent?: unknown } }
    // What the header says must be what the message says.
    expect(request.headers['traceparent']).toBe(String(_meta?.traceparent))
    await spanWithin(collectorUrl, request.headers['traceparent'], `served ${name}`)
    return jsonAnswer(request, { ...more, content: [] })
  }

  beforeAll(async () => {
    collector = startProcess({ command: [await collectorProgram()] })
    collectorUrl = await collector.line((line) => line.startsWith('http://'))
    const old = startFaultHttp((request) =>
      request.message.method === 'initialize'
        ? jsonAnswer(request, {
            ...{ protocolVersion: '2025-11-25', capabilities: { tools: {} } },
            serverInfo: { name: 'old', version: '1.0.0' },
          })
        : request.message.method === 'tools/list'
          ? jsonAnswer(request, { tools: [] })
          : echo(request, {}),
    )
    const modern = startModernUpstream({
      capabilities: { tools: {} },
      tools: [{ name: 'work', inputSchema: { type: 'object' } }],
      answer: (request) => echo(request, { resultType: 'complete' }),
    })
    servers.push(old, modern)
    const stdio = { transport: 'stdio', command: process.execPath, env: { OTLP_URL: collectorUrl } }
    gateway = await startGatewayProcess({
      via: 'executable',
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
      config: {
        mcps: [
          { name: 'old-stdio', ...stdio, args: [server] },
          { name: 'new-stdio', ...stdio, args: [server, '--modern'] },
          { name: 'old-http', transport: 'streamable-http', url: old.url },
          { name: 'new-http', transport: 'streamable-http', url: modern.url },
        ],
      },
    })
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    for (const each of servers) await each[Symbol.asyncDispose]()
    await collector[Symbol.asyncDispose]()
  })

  const spansOf = (traceId: string): Span[] =>
    collector
      .lines()
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Span)
      .filter((span) => span.traceId === traceId)

  const pairs = (['old', 'new'] as const).flatMap((client) =>
    ['old-stdio', 'new-stdio', 'old-http', 'new-http'].map((name) => [client, name] as const),
  )

  test.each(pairs)('has one trace from a client of the %s era to %s', async (client, name) => {
    const traceId = crypto.randomUUID().replaceAll('-', '')
    const spanId = await spanWithin(collectorUrl, `00-${traceId}-${'1'.repeat(16)}-01`, 'client')
    const _meta = { traceparent: `00-${traceId}-${spanId}-01` }
    const url = gateway.face(name, 'stream')
    if (client === 'new')
      await askModern(url, 'tools/call', { params: { name: 'work', arguments: {} }, meta: _meta })
    else {
      await using session = await RawClient.open(url)
      await session.request(1, 'tools/call', { name: 'work', arguments: {}, _meta })
    }
    await poll('four spans', async () => spansOf(traceId).length >= 4, 10_000)
    const spans = spansOf(traceId)
    const served = spans.find(({ kind, parentSpanId }) => kind === 'Server' && parentSpanId === spanId)
    const sent = spans.find(({ kind }) => kind === 'Client')
    const behind = spans.find((span) => span.name === 'served work')
    expect(served).toMatchObject({
      name: 'tools/call work',
      status: 'Unset',
      attributes: {
        'mcp.method.name': 'tools/call',
        'http.response.status_code': 200,
        'compozy.server': name,
      },
      resource: { 'service.name': 'compozy' },
    })
    expect(sent?.parentSpanId).toBe(served?.spanId ?? '')
    expect(behind?.parentSpanId).toBe(sent?.spanId ?? '')
    expect(served && sent && served.durationNs >= sent.durationNs && sent.durationNs > 0).toBe(true)
    expect(spans).toHaveLength(4)
  })
})
