/** The gateway behind nginx and Caddy, each with the shipped configuration, where they are installed. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { findEvent, readEvents } from '../support/event-reader.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { readText } from './repository.ts'
import { publicBase, publicName, type ReverseProxy, reverseProxies } from './reverse-proxy.ts'

setDefaultTimeout(60_000)

const server = {
  name: 'raw',
  transport: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dir, '../support/raw-server.ts')],
}

/** The configuration that the head of a shipped file asks for, so that what is tested is what is told. */
function advised(snippet: string): Record<string, unknown> {
  const lines = readText(snippet).split('\n')
  const start = lines.indexOf('#   mcp_proxy:')
  const block = lines.slice(start).slice(
    0,
    lines.slice(start).findIndex((line) => !line.startsWith('#   ')),
  )
  const { mcp_proxy } = Bun.YAML.parse(block.map((line) => line.slice(4)).join('\n')) as {
    mcp_proxy: Record<string, unknown>
  }
  return mcp_proxy
}

function gatewayWith(settings: Record<string, unknown>): Promise<RunningGateway> {
  return startGatewayProcess({ config: { mcp_proxy: settings, mcps: [server] } })
}

async function connected(transport: Transport): Promise<Client> {
  const client = new Client({ name: 'packaging', version: '1.0.0' }, { capabilities: {} })
  await client.connect(transport)
  return client
}

function streamClient(proxy: ReverseProxy): Promise<Client> {
  const url = new URL(`${publicBase}/mcp-proxy/raw/stream`)
  return connected(new StreamableHTTPClientTransport(url, { fetch: proxy.fetch }) as Transport)
}

test('at least the heads of both files say which configuration the gateway needs', () => {
  for (const snippet of ['deploy/nginx/compozy-mcp-proxy.conf', 'deploy/caddy/Caddyfile']) {
    expect(advised(snippet)).toEqual({
      base_url: publicBase,
      security: { trusted_proxies: ['127.0.0.1'] },
    })
  }
})

for (const { name, snippet, start } of reverseProxies) {
  describe(`behind ${name} at /tools/mcp/ with TLS`, () => {
    const place = temporaryDirectory()
    let gateway: RunningGateway
    let proxy: ReverseProxy

    beforeAll(async () => {
      gateway = await gatewayWith({
        ...advised(snippet),
        timeouts: { heartbeat: '200ms', stream_after: '100ms' },
      })
      proxy = await start({
        directory: join(place.path, 'proxy'),
        gatewayUrl: gateway.url,
        silenceSeconds: 1,
      })
    })

    afterAll(async () => {
      await proxy?.[Symbol.asyncDispose]()
      await gateway?.stop()
      place[Symbol.dispose]()
    })

    test('serves the Streamable HTTP face', async () => {
      const client = await streamClient(proxy)
      expect(await client.callTool({ name: 'mirror', arguments: { a: 1 } })).toBeDefined()
      await client.close()
    })

    test('serves the HTTP+SSE face, whose posts go where the endpoint event says', async () => {
      const url = new URL(`${publicBase}/mcp-proxy/raw/sse`)
      const client = await connected(new SSEClientTransport(url, { fetch: proxy.fetch }) as Transport)
      expect(await client.callTool({ name: 'mirror', arguments: { a: 1 } })).toBeDefined()
      await client.close()
    })

    test('leads clients without a token to the metadata of the endpoint, which it routes', async () => {
      const closed = await gatewayWith({
        ...advised(snippet),
        auth: { oauth: { issuers: [{ issuer: 'https://id.example.com' }] } },
      })
      const directory = join(place.path, 'proxy-with-oauth')
      const front = await start({ directory, gatewayUrl: closed.url })
      const resource = `${publicBase}/mcp-proxy/raw/stream`
      const refused = await front.fetch(resource, { method: 'POST', body: '{}' })
      const [, metadata = ''] =
        /resource_metadata="([^"]*)"/.exec(refused.headers.get('www-authenticate') ?? '') ?? []
      expect([refused.status, metadata]).toEqual([
        401,
        `https://${publicName}/.well-known/oauth-protected-resource/tools/mcp/mcp-proxy/raw/stream`,
      ])
      const document = await front.fetch(metadata, { headers: { origin: 'https://app.example' } })
      expect(await document.json()).toMatchObject({
        resource,
        authorization_servers: ['https://id.example.com'],
      })
      await front[Symbol.asyncDispose]()
      await closed.stop()
    })

    test('announces the message endpoint with the public scheme, name and prefix', async () => {
      expect(await announcedEndpoint(proxy)).toStartWith(`${publicBase}/mcp-proxy/raw/message?sessionId=`)
    })

    test('passes each event on when it happens', async () => {
      const client = await streamClient(proxy)
      const arrivedMs: number[] = []
      await client.callTool({ name: 'steps', arguments: { count: 4, everyMs: 150 } }, undefined, {
        onprogress: () => arrivedMs.push(performance.now()),
      })
      const doneMs = performance.now()
      expect(arrivedMs).toHaveLength(4)
      // Buffered, all would arrive with the result.
      expect(doneMs - (arrivedMs[0] ?? doneMs)).toBeGreaterThan(300)
      await client.close()
    })

    test('lets a tool be silent for much longer than the proxy bears silence', async () => {
      const client = await streamClient(proxy)
      const result = await client.callTool({ name: 'slow', arguments: { ms: 2500 } })
      expect(JSON.stringify(result)).toContain('2500')
      await client.close()
    })

    test('logs the address of the client, whatever the client claims', async () => {
      const path = '/tools/mcp/mcp-proxy/unknown/stream'
      const claimed = {
        'x-forwarded-for': '203.0.113.7',
        forwarded: 'for=203.0.113.7',
        'x-real-ip': '203.0.113.7',
      }
      expect(await proxy.getFrom('127.0.0.2', path, claimed)).toBe(404)
      const line = await gateway.process.line((text) => text.includes('/mcp-proxy/unknown/stream'))
      expect(JSON.parse(line)).toMatchObject({ clientIp: '127.0.0.2', path: '/mcp-proxy/unknown/stream' })
    })

    test.each([
      { why: 'the largest body that the gateway takes', bytes: 4 * 1024 * 1024 - 1024, status: 400 },
      { why: 'more than that', bytes: 4 * 1024 * 1024 + 1024, status: 413 },
    ])('answers $status to $why', async ({ bytes, status }) => {
      const answer = await proxy.fetch(`${publicBase}/mcp-proxy/raw/stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify({ text: 'x'.repeat(bytes) }),
      })
      await answer.arrayBuffer()
      expect(answer.status).toBe(status)
    })

    test('keeps session ids out of the proxy log', async () => {
      await announcedEndpoint(proxy)
      expect(proxy.accessLog()).not.toContain('sessionId')
    })
  })

  test(`behind ${name}, prefix and scheme are right without base_url as well`, async () => {
    using place = temporaryDirectory()
    await using gateway = await gatewayWith({
      security: { trusted_proxies: ['127.0.0.1'], allowed_hosts: [publicName] },
    })
    await using proxy = await start({ directory: join(place.path, 'proxy'), gatewayUrl: gateway.url })
    expect(await announcedEndpoint(proxy)).toStartWith(`${publicBase}/mcp-proxy/raw/message?sessionId=`)
  })
}

test.if(reverseProxies.some(({ name }) => name === 'nginx'))(
  'without heartbeats the same silence is cut off, so the time-out of the proxy was really there',
  async () => {
    const nginx = reverseProxies.find(({ name }) => name === 'nginx')
    if (nginx === undefined) throw new Error('nginx is not installed')
    using place = temporaryDirectory()
    await using gateway = await gatewayWith({
      ...advised(nginx.snippet),
      timeouts: { heartbeat: '15s', stream_after: '30s' },
    })
    await using proxy = await nginx.start({
      directory: join(place.path, 'proxy'),
      gatewayUrl: gateway.url,
      silenceSeconds: 1,
    })
    const client = await streamClient(proxy)
    const call = client.callTool({ name: 'slow', arguments: { ms: 2500 } }, undefined, { timeout: 10_000 })
    expect(await call.then(String, String)).toContain('504')
    await client.close()
  },
)

/** The first event of the older transport, as the absolute URL that a client makes of it. */
async function announcedEndpoint(proxy: ReverseProxy): Promise<string> {
  const leave = new AbortController()
  const url = `${publicBase}/mcp-proxy/raw/sse`
  const answer = await proxy.fetch(url, { headers: { accept: 'text/event-stream' }, signal: leave.signal })
  if (answer.status !== 200 || answer.body === null)
    throw new Error(`${answer.status} ${await answer.text()}`)
  const { data } = await findEvent(readEvents(answer.body), ({ type }) => type === 'endpoint')
  leave.abort()
  return new URL(data, url).href
}
