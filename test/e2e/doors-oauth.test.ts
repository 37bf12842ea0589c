/**
 * Access tokens at the door of the executable: what they open, what they never open, where they never go, and what ends
 * with them. The authorization server is one that does whatever the test wants.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEchoingUpstream } from '../support/echoing-upstreams.ts'
import { findEvent, readEvents } from '../support/event-reader.ts'
import type { FaultHttp } from '../support/fault-http.ts'
import { type RunningGateway, repository } from '../support/gateway.ts'
import { startIssuer, type TestIssuer, type TokenClaims } from '../support/issuer.ts'
import { askModern, callModern, Listening, sendModern } from '../support/modern-client.ts'
import { startModernUpstream } from '../support/modern-upstream.ts'
import { startOAuthGateway } from '../support/oauth-gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

const audience = 'api://mcp'
/** `bun run test:long:doors` sends ten times as many. */
const forgedTokens = Number(process.env['FORGED_TOKENS'] ?? 1_000)
const filesystem = join(repository, 'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js')
const raw = (name: string, more: object = {}) => ({
  name,
  transport: 'stdio',
  ...commandOfRawServer(),
  ...more,
})

let issuer: TestIssuer
let other: TestIssuer
let echo: FaultHttp
let reading: FaultHttp
let gateway: RunningGateway

const url = (name: string, endpoint: 'stream' | 'sse' = 'stream') => gateway.face(name, endpoint)
const tokenFor = (sub: string, groups: readonly string[], lifetimeS = 300, claims: TokenClaims = {}) =>
  issuer.token(audience, { sub, groups, ...claims }, { lifetimeS })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const statusAt = async (target: URL, token: string): Promise<number> => {
  const answer = await fetch(target, { method: 'POST', headers: bearer(token), body: '{}' })
  await answer.arrayBuffer()
  return answer.status
}

beforeAll(async () => {
  issuer = await startIssuer()
  other = await startIssuer()
  echo = startEchoingUpstream('modern')
  const schema = { inputSchema: { type: 'object' } }
  reading = startModernUpstream({
    tools: [
      { name: 'list_allowed_directories', annotations: { readOnlyHint: true }, ...schema },
      { name: 'write_file', annotations: { readOnlyHint: false }, ...schema },
    ],
  })
  gateway = await startOAuthGateway({
    via: 'executable',
    oauth: {
      issuers: [{ issuer: issuer.issuer, audiences: [audience] }],
      access: [
        { who: { claims: { groups: ['eng'] } }, servers: ['files', 'docs', 'echo'] },
        { who: { claims: { groups: ['ops'] } }, servers: ['files'], tools: ['echo'] },
        { who: { claims: { groups: ['readers'] } }, servers: ['*reading'], readOnly: true },
      ],
    },
    auth: { global_tokens: ['g1'], admin_tokens: ['a1'] },
    settings: { logging: { level: 'debug' } },
    mcps: [
      raw('files'),
      raw('docs'),
      raw('secret'),
      raw('owned', { access: [{ who: { claims: { groups: ['eng'] } }, tools: ['echo'] }] }),
      { name: 'reading', transport: 'stdio', command: process.execPath, args: [filesystem, '/usr/share'] },
      { name: 'modern-reading', transport: 'streamable-http', url: reading.url },
      {
        name: 'echo',
        transport: 'streamable-http',
        url: echo.url,
        forwardHeaders: ['authorization', 'x-token', 'x-user'],
      },
    ],
  })
}, 60_000)
afterAll(async () => {
  await gateway.stop()
  await Promise.all([issuer, other, echo, reading].map((each) => each[Symbol.asyncDispose]()))
})

describe('a token opens nothing but what it is for', () => {
  test.each([
    { why: 'another server', aud: '/mcp-proxy/docs/stream' },
    { why: 'the parent of the endpoint', aud: '/mcp-proxy/files' },
    { why: 'the gateway', aud: '' },
    { why: 'all servers together', aud: '/mcp' },
    { why: 'the endpoint with a slash', aud: '/mcp-proxy/files/stream/' },
    { why: 'the endpoint in capitals', aud: '/mcp-proxy/FILES/stream' },
  ])('$why', async ({ aud }) => {
    const token = await issuer.token(gateway.url + aud, { groups: ['eng'] })
    expect(await statusAt(url('files'), token)).toBe(401)
  })

  test('of another issuer, under whatever name', async () => {
    expect(await statusAt(url('files'), await other.token(audience, { groups: ['eng'] }))).toBe(401)
    const forged = await other.token(audience, { groups: ['eng'], iss: issuer.issuer })
    expect(await statusAt(url('files'), forged)).toBe(401)
  })

  test('for one endpoint of a server the other one too, and no other server', async () => {
    const token = await issuer.token(url('files', 'sse').href, { groups: ['eng'] })
    expect(await statusAt(url('files'), token)).not.toBe(401)
    expect(await statusAt(url('docs'), token)).toBe(401)
    expect(await statusAt(new URL(`${gateway.url}/mcp`), token)).toBe(401)
  })

  test('never the admin API, which takes no access token', async () => {
    const answer = await gateway.admin('/mcps', { headers: bearer(await tokenFor('alice', ['eng'])) })
    expect(answer.status).toBe(401)
  })
})

describe('what no rule names is not there', () => {
  test('a server, in either era', async () => {
    const token = await tokenFor('alice', ['eng'])
    for (const name of ['secret', 'nowhere']) {
      const modern = await askModern(url(name), 'tools/list', { token })
      expect(modern).toMatchObject({ status: 404, answer: { error: { data: { code: 'SERVER_UNKNOWN' } } } })
      await expect(RawClient.open(url(name), { token })).rejects.toThrow('404')
    }
  })

  test('a tool, by its own endpoint and through /mcp, in either era', async () => {
    const token = await tokenFor('olga', ['ops'])
    await using client = await RawClient.open(url('files'), { token })
    expect(await client.call('1', 'echo', { secret: 's' })).toEqual({ secret: 's' })
    const refused = [
      (await client.callTool('2', 'burst', { count: 1 })).answer,
      (await callModern(url('files'), 'burst', { count: 1 }, { token })).answer,
      (await callModern(new URL(`${gateway.url}/mcp`), 'files__burst', { count: 1 }, { token })).answer,
      (await callModern(url('files'), 'no-such-tool-at-all', {}, { token })).answer,
    ]
    for (const { error } of refused) expect(error?.code).toBe(-32602)
    // In the words of a tool that is not there, which are those of the era.
    const words = refused.map(({ error }) => error?.message)
    expect(words[1]).toBe(words[3])
    expect((await client.callTool('3', 'no-such-tool-at-all', {})).answer.error?.message).toBe(words[0])
  })

  test('a list has only what can be called', async () => {
    const token = await tokenFor('olga', ['ops'])
    const { answer } = await askModern(new URL(`${gateway.url}/mcp`), 'tools/list', { token })
    expect(JSON.stringify(answer.result)).not.toContain('tool-0')
    const all = await askModern(new URL(`${gateway.url}/mcp`), 'tools/list', {
      token: await tokenFor('alice', ['eng']),
    })
    expect(JSON.stringify(all.answer.result)).toContain('files__tool-0')
    expect(JSON.stringify(all.answer.result)).not.toContain('secret__')
  })

  test.each(['reading', 'modern-reading'])(
    'under readOnly what is listed is what can be called (%s)',
    async (name) => {
      const token = await tokenFor('rita', ['readers'])
      const tools = (text: string) => [...text.matchAll(/"name":"([a-z_-]+)"/g)].map(([, tool]) => tool)
      const listed = await askModern(url(name), 'tools/list', { token })
      const names = tools(JSON.stringify(listed.answer.result))
      expect(names).toContain('list_allowed_directories')
      expect(names).not.toContain('write_file')
      const call = (tool: string) => callModern(url(name), tool, { path: '/nowhere', content: '' }, { token })
      expect((await call('list_allowed_directories')).answer.error).toBeUndefined()
      for (const tool of ['write_file', 'no_such_tool'])
        expect((await call(tool)).answer.error?.code).toBe(-32602)
      await using client = await RawClient.open(url(name), { token })
      expect((await client.callTool('1', 'list_allowed_directories', {})).answer.error).toBeUndefined()
      expect(
        (await client.callTool('2', 'write_file', { path: '/nowhere', content: '' })).answer.error?.code,
      ).toBe(-32602)
      const all = new URL(`${gateway.url}/mcp`)
      const through = await callModern(all, `${name}__list_allowed_directories`, {}, { token })
      expect(through.answer.error).toBeUndefined()
      expect((await callModern(all, `${name}__write_file`, {}, { token })).answer.error?.code).toBe(-32602)
    },
  )

  test('rules of a definition open it, and only as far as they say', async () => {
    const token = await tokenFor('alice', ['eng'])
    await using client = await RawClient.open(url('owned'), { token })
    expect(await client.call('1', 'echo', { secret: 's' })).toEqual({ secret: 's' })
    expect((await client.callTool('2', 'burst', { count: 1 })).answer.error?.code).toBe(-32602)
    expect(await statusAt(url('owned'), await tokenFor('olga', ['ops']))).toBe(404)
  })
})

describe('two people', () => {
  test('share no session: to one the other’s does not exist', async () => {
    await using alice = await RawClient.open(url('files'), { token: await tokenFor('alice', ['eng']) })
    const headers = { ...alice.headers(), ...bearer(await tokenFor('bob', ['eng'])) }
    const answer = await fetch(url('files'), {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    })
    expect([answer.status, (await answer.json()) as object]).toMatchObject([
      404,
      { error: { data: { code: 'SESSION_UNKNOWN' } } },
    ])
  })

  test('of equal names at two issuers are two', async () => {
    await using two = await startOAuthGateway({
      via: 'executable',
      oauth: {
        issuers: [issuer, other].map((each) => ({ issuer: each.issuer, audiences: [audience] })),
        access: [{ servers: ['*'] }],
      },
      mcps: [raw('files')],
    })
    const target = two.face('files', 'stream')
    await using first = await RawClient.open(target, { token: await issuer.token(audience) })
    const headers = { ...first.headers(), ...bearer(await other.token(audience)) }
    const answer = await fetch(target, { headers: { ...headers, accept: 'text/event-stream' } })
    expect(answer.status).toBe(404)
  })

  test('answer no question that the other was asked, and each their own with whatever token', async () => {
    const params = { message: 'Your name?', requestedSchema: { type: 'object', properties: {} } }
    const args = { method: 'elicitation/create', params }
    const askAs = (token: string, more: Readonly<Record<string, unknown>> = {}) =>
      callModern(url('files'), 'ask', args, {
        token,
        id: crypto.randomUUID(),
        capabilities: { elicitation: {} },
        params: more,
      })
    const { answer } = await askAs(await tokenFor('alice', ['eng']))
    const [key = ''] = Object.keys(answer.result?.['inputRequests'] ?? {})
    const requestState = answer.result?.['requestState']
    expect(requestState).toBeString()
    const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada' } } }
    const retryAs = async (token: string) => (await askAs(token, { requestState, inputResponses })).answer
    expect(await retryAs(await tokenFor('bob', ['eng']))).toMatchObject({ error: { code: -32602 } })
    const next = await retryAs(await tokenFor('alice', ['eng'], 300, { jti: 'next' }))
    expect(next.result?.structuredContent).toMatchObject({ result: { content: { name: 'Ada' } } })
  })

  test('go on with the next token where they were with the one before', async () => {
    await using alice = await RawClient.open(url('files'), { token: await tokenFor('alice', ['eng']) })
    const headers = { ...alice.headers(), ...bearer(await tokenFor('alice', ['ops'], 300, { jti: 'next' })) }
    const call = (name: string) =>
      fetch(url('files'), {
        method: 'POST',
        headers,
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name, arguments: { secret: 's' } },
        }),
      }).then((answer) => answer.json() as Promise<{ result?: unknown; error?: { code: number } }>)
    expect(await call('echo')).toMatchObject({ result: { structuredContent: { secret: 's' } } })
    // The rules are those of the token that comes with the request.
    expect(await call('burst')).toMatchObject({ error: { code: -32602 } })
  })
})

test('what a refused token was for is told at the level debug, to whoever pairs the gateway with an issuer', async () => {
  await statusAt(url('files'), await issuer.token('account', { azp: 'inspector' }))
  const line = await gateway.process.line(
    (text) => text.includes('an access token was refused') && text.includes('account'),
  )
  const told = {
    reason: 'is not for this gateway',
    iss: JSON.stringify(issuer.issuer),
    aud: '"account"',
    client: '"inspector"',
  }
  expect(JSON.parse(line)).toMatchObject(told)
})

test('a token is in nothing that leaves the gateway but its own request: no server, line or error has it', async () => {
  const canary = 'canary7Fq2'
  const token = await tokenFor(canary, ['eng'], 300, { jti: canary, scope: canary })
  const parts = token.split('.')
  const post = { token, headers: { 'x-token': token, 'x-user': 'alice' } }
  const { answer } = await callModern(url('echo'), 'echo', {}, post)
  const said = JSON.stringify(answer)
  expect(said).toContain('x-user')
  await callModern(url('files'), 'echo', {}, { token: `${token}x` })
  await callModern(url('secret'), 'echo', {}, { token })
  await fetch(`${gateway.url}/mcp-proxy/files/stream?access_token=${token}`, { method: 'POST' })
  const figures = await gateway.admin('/metrics', { headers: bearer('a1') })
  const everything = [said, await figures.text(), ...gateway.lines(), environmentOf(gateway)].join('\n')
  for (const part of parts) expect(everything.includes(part.slice(0, 40)) && part.length > 40).toBe(false)
  // The subject is shown to admins as a hash.
  expect(everything).not.toContain(canary)
})

/** What the processes of a gateway were started with. */
function environmentOf({ pid }: RunningGateway): string {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return children.map((child) => readFileSync(`/proc/${child}/environ`, 'utf8')).join('\n')
}

/** Milliseconds until a stream has ended. */
async function lengthOf(stream: Response): Promise<number> {
  const openedMs = performance.now()
  expect(stream.status).toBe(200)
  await stream.text()
  return performance.now() - openedMs
}

test('with the end of a token its streams end within a second; its session, and calls that were let in, do not', async () => {
  const short = await tokenFor('alice', ['eng'], 2)
  await using client = await RawClient.open(url('files'), { token: short })
  await using lasting = await RawClient.open(url('docs'), { token: short })
  const call = callModern(url('files'), 'steps', { count: 3, everyMs: 900 }, { token: short })
  const listening = await Listening.open(url('files'), { toolsListChanged: true }, { token: short })
  const sse = await fetch(url('files', 'sse'), { headers: { ...bearer(short), accept: 'text/event-stream' } })
  const stream = await client.get()
  const kept = await lasting.get()
  const next = bearer(await tokenFor('alice', ['eng']))
  const post = (message: object) =>
    fetch(url('docs'), {
      method: 'POST',
      headers: { ...lasting.headers(), ...next },
      body: JSON.stringify(message),
    })
  await (await post({ jsonrpc: '2.0', id: 1, method: 'ping' })).text()

  const startedMs = performance.now()
  const lengths = await Promise.all([lengthOf(stream), lengthOf(sse), listening.ended])
  expect(performance.now() - startedMs).toBeLessThan(3_000)
  expect(lengths).toHaveLength(3)
  expect(await statusAt(url('files'), short)).toBe(401)
  const headers = { ...client.headers(), ...next, accept: 'text/event-stream' }
  const again = await fetch(url('files'), { headers })
  expect(again.status).toBe(200)
  await again.body?.cancel()
  // This one's client has come with a newer token meanwhile.
  const heard = findEvent(readEvents(kept.body as ReadableStream<Uint8Array>), ({ data }) =>
    data.includes('late'),
  )
  const messages = [{ jsonrpc: '2.0', method: 'x-vendor/late' }]
  const params = { name: 'emit', arguments: { messages, apart: true } }
  await (await post({ jsonrpc: '2.0', id: 2, method: 'tools/call', params })).text()
  expect((await heard).data).toContain('x-vendor/late')
  expect((await call).answer.result?.structuredContent).toEqual({ done: true })
})

describe('the authorization server', () => {
  test(`is asked for keys once, by ${forgedTokens} tokens that name keys of their own`, async () => {
    const before = issuer.asks('/keys')
    const [, payload] = (await tokenFor('eve', ['eng'])).split('.')
    const forged = (n: number) => {
      const header = JSON.stringify({ alg: 'ES256', kid: `kid-${n}` })
      return `${Buffer.from(header).toString('base64url')}.${payload}.AAAA`
    }
    for (let n = 0; n < forgedTokens; n += 50) {
      const statuses = await Promise.all(
        Array.from({ length: 50 }, (_, at) => statusAt(url('files'), forged(n + at))),
      )
      expect(new Set(statuses)).toEqual(new Set([401]))
    }
    expect(issuer.asks('/keys') - before).toBeLessThanOrEqual(1)
    expect(await statusAt(url('files'), await tokenFor('alice', ['eng']))).not.toBe(401)
  }, 60_000)

  test('may be away: tokens of known keys come in, and of unknown ones nobody says that they are bad', async () => {
    await using own = await startIssuer()
    await using away = await startOAuthGateway({
      via: 'executable',
      oauth: { issuers: [{ issuer: own.issuer, audiences: [audience] }], access: [{ servers: ['*'] }] },
      mcps: [raw('files')],
    })
    const target = away.face('files', 'stream')
    own.answer = () => new Response(null, { status: 503 })
    const early = await sendModern(target, 'tools/list', { token: await own.token(audience) })
    expect([early.status, Number(early.headers.get('retry-after'))]).toEqual([503, expect.any(Number)])
    expect(early.headers.get('www-authenticate')).toBeNull()
    expect(await statusAt(url('files'), await tokenFor('alice', ['eng']))).not.toBe(401)
    issuer.answer = own.answer
    const { status } = await askModern(url('files'), 'tools/list', { token: await tokenFor('bob', ['eng']) })
    issuer.answer = () => undefined
    expect(status).toBe(200)
  }, 60_000)
})

test('a configuration that is read again counts at once: rules for what is open, issuers for who comes', async () => {
  await using own = await startOAuthGateway({
    via: 'executable',
    oauth: { issuers: [{ issuer: issuer.issuer, audiences: [audience] }], access: [{ servers: ['files'] }] },
    settings: { logging: { level: 'info' } },
    mcps: [raw('files')],
  })
  const target = own.face('files', 'stream')
  await using client = await RawClient.open(target, { token: await tokenFor('alice', []) })
  expect(await client.call('1', 'echo', { secret: 's' })).toEqual({ secret: 's' })
  const reload = async (access: object[]) => {
    const file = join(own.directory, 'compozy.yaml')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    config.mcp_proxy.auth.oauth.access = access
    writeFileSync(file, JSON.stringify(config))
    expect((await own.admin('/reload', { method: 'POST' })).status).toBe(200)
  }
  await reload([{ servers: ['files'], tools: ['burst'] }])
  expect((await client.callTool('2', 'echo', {})).answer.error?.code).toBe(-32602)
  const stream = await client.get()
  await reload([])
  await stream.text()
  expect(await statusAt(target, await tokenFor('alice', []))).toBe(404)
})
