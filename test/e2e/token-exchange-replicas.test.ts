/**
 * Servers that are called as whoever comes in, where several processes are one gateway: whichever of them serves a
 * request has the caller's token from the request itself, and nothing of it is where they share what they have.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { openAsker } from '../support/askers.ts'
import { callerWays } from '../support/callers.ts'
import { ExchangingIssuer } from '../support/exchanging-issuer.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { freePort } from '../support/oauth-gateway.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
let issuer: ExchangingIssuer
let server: ProtectedServer

beforeAll(async () => {
  issuer = await ExchangingIssuer.start()
  server = new ProtectedServer(issuer)
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
})

const settingsAt = (url: string) => ({
  base_url: url,
  auth: {
    global_tokens: ['g1-of-the-configuration'],
    oauth: {
      issuers: [
        {
          issuer: issuer.issuer,
          introspection: { endpoint: `${issuer.issuer}/introspect`, client_id: 'g', client_secret: 's' },
        },
      ],
      access: [{ servers: ['*'] }],
    },
  },
})
const mcps = () => [
  { name: 'plain', transport: 'stdio', command: process.execPath, args: [rawServer, '--transport', 'stdio'] },
  server.definition('tracker', {
    ...{ account: 'user', grant: 'token_exchange', issuer: issuer.issuer, client: issuer.client },
  }),
]

/** Calls of two people, over every way in, several in each session; answers the tokens that they came with. */
async function callAll(url: string): Promise<string[]> {
  const tokens: string[] = []
  for (const way of callerWays)
    for (const user of ['ada', 'bob']) {
      const token = await issuer.tokenOf(user, `${url}/mcp-proxy/tracker/${way === 'sse' ? 'sse' : 'stream'}`)
      tokens.push(token)
      await using asker = await openAsker(url, '/mcp-proxy/tracker', way, token)
      for (let at = 0; at < 4; at++) {
        const answer = await asker.ask('tools/call', { name: 'whoami', arguments: {} })
        expect(`${way} ${subjectIn(answer)}`).toBe(`${way} ${user}`)
      }
    }
  return tokens
}

function subjectIn(answer: RpcMessage): string {
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  if (content === undefined) return JSON.stringify(answer)
  return (JSON.parse(content.text) as { subject: string }).subject
}

describe.skipIf(redisProgram === null)('two replicas behind a balancer', () => {
  // Each request goes elsewhere.
  let replicas: RunningReplicas
  beforeAll(async () => {
    replicas = await startReplicas({ count: 2, settings: settingsAt, mcps: mcps() })
  }, 60_000)
  afterAll(async () => {
    await replicas?.[Symbol.asyncDispose]()
  })

  test('each caller is at the server as themselves, and Redis has nothing of a token', async () => {
    const tokens = await callAll(replicas.splitter.url)
    const given = [...tokens, ...server.seen.flatMap(({ token }) => token ?? [])]
    expect(given.length).toBeGreaterThan(tokens.length)
    const { redis } = replicas
    const keys = (await redis.command('KEYS', '*')).split('\r\n').filter((line) => line.startsWith('{cz:'))
    expect(keys.length).toBeGreaterThan(2)
    const held: string[] = []
    for (const key of keys) {
      const [, type = ''] = /^\+(\w+)/.exec(await redis.command('TYPE', key)) ?? []
      const words = { hash: ['HGETALL', key], zset: ['ZRANGE', key, '0', '-1'] }[type] ?? ['GET', key]
      const lines = (await redis.command(...words)).split('\r\n')
      held.push(...lines, ...lines.map((line) => Buffer.from(line, 'base64').toString('latin1')))
    }
    const text = held.join('\n')
    for (const token of given) {
      expect(text.includes(token)).toBe(false)
      expect(text.includes(Buffer.from(token).toString('base64'))).toBe(false)
    }
  })

  test('a token of the configuration is shown to no issuer on its way', async () => {
    const path = '/mcp-proxy/plain/stream'
    for (const { url } of [...replicas.gateways, ...replicas.gateways]) {
      const opened = await post(`${url}${path}`, 'g1-of-the-configuration', null, 'initialize', {
        ...{ protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
      })
      const session = opened.headers.get('mcp-session-id')
      expect(await opened.text()).toContain('protocolVersion')
      for (const gateway of replicas.gateways)
        expect(
          await (await post(`${gateway.url}${path}`, 'g1-of-the-configuration', session, 'ping', {})).text(),
        ).toContain('result')
    }
    expect(issuer.signing.asks('introspect')).toBe(0)
  })

  test('a session is served with the token that its last request brought, wherever that came in', async () => {
    const [one, other] = replicas.gateways
    const path = '/mcp-proxy/tracker/stream'
    const short = await issuer.tokenOf('cleo', `${replicas.splitter.url}${path}`, 2)
    const opened = await post(`${one?.url}${path}`, short, null, 'initialize', {
      ...{ protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    })
    const session = opened.headers.get('mcp-session-id')
    await opened.text()
    const call = async (token: string): Promise<string> => {
      const params = { name: 'whoami', arguments: {} }
      return await (await post(`${other?.url}${path}`, token, session, 'tools/call', params)).text()
    }
    expect(await call(short)).toContain('cleo')
    await poll('the first token to have ended', async () => (await call(short)).includes('UNAUTHENTICATED'))
    const next = await issuer.tokenOf('cleo', `${replicas.splitter.url}${path}`)
    expect(await call(next)).toContain('cleo')
    expect(issuer.asked.filter(({ form }) => form.get('subject_token') === next)).toHaveLength(1)
  })
})

function post(url: string, token: string, session: string | null, method: string, params: object) {
  return fetch(url, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      accept: 'application/json, text/event-stream',
      ...(session === null ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
}

describe('two workers on one port', () => {
  let gateway: RunningGateway
  beforeAll(async () => {
    const port = await freePort()
    gateway = await startGatewayProcess({
      via: 'executable',
      args: ['--mcp-port', String(port), '--workers', '2'],
      config: { mcp_proxy: settingsAt(`http://127.0.0.1:${port}`), mcps: mcps() },
    })
  }, 60_000)
  afterAll(async () => {
    await gateway?.stop()
  })

  test('each caller is at the server as themselves', async () => {
    await callAll(gateway.url)
  })
})
