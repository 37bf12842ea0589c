/**
 * Clients sign in from nothing but the URL: 401 → metadata → authorization server → token → call. The authorization
 * server is real, the client is the official SDK, and a person signs in on the server's own pages.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { type AuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import type { RunningGateway } from '../support/gateway.ts'
import { inspectorRedirect, inspectSigningIn } from '../support/inspector.ts'
import { type ClientKind, personOf, redirectUrl, startOAuthGateway } from '../support/oauth-gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { selfSigned } from '../support/self-signed.ts'

const certificate = selfSigned()
let documents: ReturnType<typeof Bun.serve>
let authority: AuthorizationServer
let gateway: RunningGateway

beforeAll(async () => {
  documents = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    tls: certificate,
    fetch: (request) =>
      Response.json({
        client_id: `https://localhost:${documents.port}${new URL(request.url).pathname}`,
        client_name: 'test',
        redirect_uris: [redirectUrl, inspectorRedirect],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      }),
  })
  authority = await startAuthorizationServer({
    clients: { known: [redirectUrl, inspectorRedirect] },
    ca: certificate.cert,
  })
  gateway = await startOAuthGateway({
    via: 'executable',
    oauth: { issuers: [{ issuer: authority.issuer }], scopes: ['mcp'], access: [{ servers: ['files'] }] },
    mcps: ['files', 'other'].map((name) => ({ name, transport: 'stdio', ...commandOfRawServer() })),
  })
}, 60_000)
afterAll(async () => {
  await gateway.stop()
  await authority[Symbol.asyncDispose]()
  await documents.stop(true)
})

type Provider = ReturnType<typeof personOf>

/** Connects; where the gateway asks for a token, the person signs in and the client connects again. */
async function connect(url: URL, provider: Provider, over: 'stream' | 'sse' = 'stream'): Promise<Client> {
  const open = (): StreamableHTTPClientTransport | SSEClientTransport =>
    over === 'sse'
      ? new SSEClientTransport(url, { authProvider: provider as never })
      : new StreamableHTTPClientTransport(url, { authProvider: provider })
  const first = open()
  const client = new Client({ name: 'test', version: '1' })
  try {
    await client.connect(first as never)
    return client
  } catch (thrown) {
    if (!/unauthorized/i.test(String(thrown)) && !(thrown instanceof UnauthorizedError)) throw thrown
  }
  const answer = await provider.callback()
  if (over === 'sse') await first.finishAuth(answer.get('code') ?? '')
  else await (first as StreamableHTTPClientTransport).finishAuth(answer)
  const second = new Client({ name: 'test', version: '1' })
  await second.connect(open() as never)
  return second
}

const kinds: readonly (ClientKind & { why: string })[] = [
  { why: 'is known to the authorization server', id: 'known' },
  { why: 'has a metadata document', metadataUrl: 'DOCUMENT' },
  { why: 'registers itself' },
]

describe.each(['/mcp-proxy/files/stream', '/mcp'])('a client that is told %s', (path) => {
  for (const { why, ...kind } of kinds) {
    test(`signs in and calls a tool when it ${why}`, async () => {
      const metadataUrl = kind.metadataUrl && `https://localhost:${documents.port}/client-${Bun.hash(path)}`
      const provider = personOf(authority, 'alice', {
        ...kind,
        ...(metadataUrl === undefined ? {} : { metadataUrl }),
      })
      const client = await connect(new URL(gateway.url + path), provider)
      expect(provider.signIns).toBe(1)
      const registered = kind.id === undefined && metadataUrl === undefined
      expect(authority.asked.includes('/reg')).toBe(registered || path === '/mcp')
      if (!registered) expect(provider.clientId).toBe(kind.id ?? metadataUrl ?? '')
      const { tools } = await client.listTools()
      expect(tools.length).toBeGreaterThan(0)
      const call = { name: path === '/mcp' ? 'files__echo' : 'echo', arguments: { secret: 'hello' } }
      expect(JSON.stringify(await client.callTool(call))).toContain('hello')
      // No rule names it.
      expect(tools.filter(({ name }) => name.startsWith('other'))).toEqual([])
      await client.close()
    })
  }
})

test('the older transport signs in as well', async () => {
  const provider = personOf(authority, 'alice', { id: 'known' })
  const client = await connect(new URL(`${gateway.url}/mcp-proxy/files/sse`), provider, 'sse')
  expect((await client.listTools()).tools.length).toBeGreaterThan(0)
  await client.close()
})

test('opaque tokens work as well, where the gateway may ask about them', async () => {
  await using own = await startAuthorizationServer({
    clients: { known: [redirectUrl] },
    confidential: { gateway: { secret: 'secret-of-the-gateway', redirects: [redirectUrl] } },
    tokens: 'opaque',
  })
  const introspection = {
    endpoint: `${own.issuer}/token/introspection`,
    client_id: 'gateway',
    client_secret: 'secret-of-the-gateway',
  }
  await using asking = await startOAuthGateway({
    via: 'executable',
    oauth: {
      issuers: [{ issuer: own.issuer, introspection }],
      scopes: ['mcp'],
      access: [{ servers: ['files'] }],
    },
    mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
  })
  const provider = personOf(own, 'alice', { id: 'known' })
  const client = await connect(asking.face('files', 'stream'), provider)
  for (let n = 0; n < 5; n++) await client.listTools()
  expect(own.asked.filter((path) => path === '/token/introspection')).toHaveLength(1)
  await client.close()
})

/** The inspector takes a second or two for each: `bun run test:long:oauth` goes all its ways. */
const inspections = [
  { why: 'is known to the authorization server', path: '/mcp-proxy/files/stream', id: 'known' },
  { why: 'registers itself', path: '/mcp' },
  ...(process.env['SIGN_INS'] === 'all'
    ? [
        { why: 'has a metadata document', path: '/mcp', document: true },
        { why: 'has a metadata document', path: '/mcp-proxy/files/stream', document: true },
        { why: 'registers itself', path: '/mcp-proxy/files/stream' },
        { why: 'is known to the authorization server', path: '/mcp', id: 'known' },
      ]
    : []),
]

test.each(inspections)('the inspector signs in at $path when it $why', async ({ path, id, document }) => {
  const known = id === undefined ? [] : ['--client-id', id]
  const told =
    document === true ? ['--client-metadata-url', `https://localhost:${documents.port}/inspector`] : []
  const { exitCode, printed } = await inspectSigningIn(
    gateway.url + path,
    [...known, ...told],
    async (page) => {
      expect((await fetch(await authority.signIn(page, 'alice'))).status).toBe(200)
    },
  )
  expect(exitCode).toBe(0)
  expect(printed).toContain('"tools":[{"name"')
})
