/** The front door with an authorization server: what a client without a token is told, and whom a token lets in where. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { makeKeyText } from '../../src/identity/keys/key-text.ts'
import type { AccessRule } from '../../src/registry/access/rule-schema.ts'
import { defaultConfig } from '../support/default-config.ts'
import { startIssuer, type TestIssuer } from '../support/issuer.ts'
import { type Front, type FrontServer, startFront } from './front.ts'

const baseUrl = 'https://tools.example.com/gw'
const wellKnown = '/.well-known/oauth-protected-resource'
const docs = '/mcp-proxy/docs/stream'
const rule = (change: Partial<AccessRule>): AccessRule => ({
  who: null,
  servers: null,
  tools: null,
  prompts: null,
  resources: null,
  readOnly: false,
  ...change,
})
const who = (claims: Record<string, string[]>) => ({ keys: [], users: [], claims })

let issuer: TestIssuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer[Symbol.asyncDispose]())

interface DoorOptions {
  readonly access?: readonly AccessRule[]
  readonly servers?: readonly FrontServer[]
  readonly globalTokens?: readonly string[]
  readonly introspection?: boolean
}

async function startDoor(options: DoorOptions = {}): Promise<Front> {
  const { access = [rule({ servers: ['docs'] })], servers = [{ name: 'docs' }, { name: 'files' }] } = options
  const { auth } = defaultConfig({ stateDirectory: '/', terminal: false })
  const introspection = { endpoint: `${issuer.issuer}/introspect`, clientId: 'gw', clientSecret: 'x' }
  const settings = {
    issuer: issuer.issuer,
    audiences: ['api://mcp'],
    clients: [],
    claims: { groups: 'groups', scopes: 'scope' },
    jwksUri: null,
    introspection: options.introspection === true ? introspection : null,
  }
  const oauth = { ...auth.oauth, issuers: [settings], scopes: ['mcp'], access }
  const withOAuth = { ...auth, oauth, globalTokens: options.globalTokens ?? [] }
  return await startFront({ servers, settings: { baseUrl, auth: withOAuth } })
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe('without a token', () => {
  test.each([
    { path: docs, resource: '/gw/mcp-proxy/docs/stream' },
    { path: '/mcp-proxy/nobody/stream', resource: '/gw/mcp-proxy/nobody/stream' },
    { path: '/mcp-proxy/docs/sse', resource: '/gw/mcp-proxy/docs/sse' },
    { path: '/mcp-proxy/docs/message', resource: '/gw/mcp-proxy/docs/sse' },
  ])('$path is 401, and says where its metadata is', async ({ path, resource }) => {
    await using front = await startDoor()
    const answer = await front.send(path, { method: 'POST' })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer resource_metadata="https://tools.example.com${wellKnown}${resource}", scope="mcp"`,
    )
    expect(front.reached).toEqual([])
  })

  test('the admin API is as it is without OAuth, and takes no access token', async () => {
    await using front = await startDoor()
    expect((await front.send('/admin/mcps')).status).toBe(200)
    await using closed = await startFront({ settings: { auth: { adminTokens: ['a1'] } } })
    const answer = await closed.send('/admin/mcps', bearer(await issuer.token('api://mcp')))
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  })

  test('a server that takes its own tokens alone asks for nothing else', async () => {
    await using front = await startDoor({
      servers: [{ name: 'docs', authTokens: ['t'], authTokensOnly: true }],
    })
    const answer = await front.send(docs)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect((await front.send(docs, bearer(await issuer.token('api://mcp')))).status).toBe(401)
    expect((await front.send(docs, bearer('t'))).status).toBe(200)
  })
})

describe('metadata', () => {
  test('is for everybody, whatever the origin, the same for servers that are not there', async () => {
    await using front = await startDoor()
    for (const name of ['docs', 'nobody']) {
      const answer = await front.send(`${wellKnown}/gw/mcp-proxy/${name}/stream`, {
        headers: { origin: 'https://app.example' },
      })
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(await answer.json()).toEqual({
        resource: `${baseUrl}/mcp-proxy/${name}/stream`,
        authorization_servers: [issuer.issuer],
        scopes_supported: ['mcp'],
        bearer_methods_supported: ['header'],
      })
    }
  })

  test('may be asked for by pages, with the headers that clients send', async () => {
    await using front = await startDoor()
    const answer = await front.send(`${wellKnown}/gw/mcp-proxy/docs/stream`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'mcp-protocol-version',
      },
    })
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect(answer.headers.get('access-control-allow-headers')?.toLowerCase()).toContain(
      'mcp-protocol-version',
    )
  })

  test.each([
    { path: wellKnown, why: 'the gateway is no audience' },
    { path: `${wellKnown}/mcp-proxy/docs/stream`, why: 'without the prefix' },
    { path: `${wellKnown}/gw/admin/mcps`, why: 'no endpoint' },
    { path: '/.well-known/oauth-authorization-server', why: 'the gateway issues nothing' },
    { path: '/.well-known/openid-configuration/gw/mcp-proxy/docs/stream', why: 'the same' },
  ])('is 404 at $path: $why', async ({ path }) => {
    await using front = await startDoor()
    expect((await front.send(path)).status).toBe(404)
  })

  test('takes no other method', async () => {
    await using front = await startDoor()
    const answer = await front.send(`${wellKnown}/gw/mcp-proxy/docs/stream`, { method: 'POST' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('opens no way around the Host check', async () => {
    await using front = await startDoor()
    const answer = await front.send(`${wellKnown}/gw/mcp-proxy/docs/stream`, {
      headers: { host: 'evil.example' },
    })
    expect(answer.status).toBe(421)
  })
})

describe('a token', () => {
  test('lets its subject in where a rule names the server, with a principal of issuer and subject', async () => {
    await using front = await startDoor()
    const token = await issuer.token(`${baseUrl}${docs}`)
    const answer = await front.send(docs, bearer(token))
    const { principal } = (await answer.json()) as { principal: { id: string; name: string; role: string } }
    expect(principal).toMatchObject({
      id: expect.stringMatching(/^oauth:[0-9a-f]{32}$/),
      name: `${issuer.issuer} alice`,
      role: 'client',
    })
    const again = await front.send(docs, bearer(await issuer.token(`${baseUrl}${docs}`, { sub: 'bob' })))
    expect(((await again.json()) as { principal: { id: string } }).principal.id).not.toBe(principal.id)
  })

  test('that does not count is 401 with a reason, and says again where to go', async () => {
    await using front = await startDoor()
    const answer = await front.send(docs, bearer(await issuer.token(`${baseUrl}/mcp-proxy/files/stream`)))
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer error="invalid_token", error_description="The token is not for this URL.", resource_metadata="https://tools.example.com${wellKnown}/gw${docs}", scope="mcp"`,
    )
  })

  test('of a person reaches nothing that no rule names, and cannot tell it from what is not there', async () => {
    await using front = await startDoor()
    const token = await issuer.token('api://mcp')
    const answers = await Promise.all(
      ['files', 'nobody'].map(async (name) => {
        const answer = await front.send(`/mcp-proxy/${name}/stream`, bearer(token))
        const text = (await answer.text()).replaceAll(name, 'NAME')
        return { status: answer.status, challenge: answer.headers.get('www-authenticate'), text }
      }),
    )
    expect(answers[0]).toEqual(answers[1] as never)
    expect(answers[0]).toMatchObject({ status: 404, challenge: null })
    expect(answers[0]?.text).toContain('SERVER_UNKNOWN')
  })

  test('is refused with the scopes that would open the server, where it is scopes that it lacks', async () => {
    const access = [
      rule({ servers: ['docs'], who: who({ groups: ['eng'], scopes: ['mcp:docs'] }) }),
      rule({ servers: ['files'], who: who({ groups: ['ops'], scopes: ['mcp:files'] }) }),
    ]
    await using front = await startDoor({ access })
    const token = await issuer.token('api://mcp', { groups: ['eng'], scope: 'mcp' })
    const answer = await front.send(docs, bearer(token))
    expect(answer.status).toBe(403)
    expect(answer.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
    expect(answer.headers.get('www-authenticate')).toContain('scope="mcp mcp:docs"')
    // No scope puts anybody into another group.
    expect((await front.send('/mcp-proxy/files/stream', bearer(token))).status).toBe(404)
    const better = await issuer.token('api://mcp', { groups: ['eng'], scope: 'mcp mcp:docs' })
    expect((await front.send(docs, bearer(better))).status).toBe(200)
  })

  test('that is configured goes on counting, everywhere and for everything', async () => {
    await using front = await startDoor({ globalTokens: ['g1'], access: [] })
    for (const name of ['docs', 'files']) {
      expect((await front.send(`/mcp-proxy/${name}/stream`, bearer('g1'))).status).toBe(200)
    }
  })

  test('is judged after it was let in by the address that it comes from', async () => {
    await using front = await startDoor({ servers: [{ name: 'docs', allowedIPs: ['192.0.2.1'] }] })
    const token = await issuer.token('api://mcp')
    expect((await front.send(docs, bearer(token))).status).toBe(403)
    expect((await front.send(docs, bearer(await issuer.token('other')))).status).toBe(401)
  })

  test('has a body read behind it that was sent before it was known who sends', async () => {
    await using front = await startDoor()
    const body = 'x'.repeat(3_000)
    const token = await issuer.token('api://mcp', { jti: 'fresh' })
    const answer = await front.send(docs, { method: 'POST', body, ...bearer(token) })
    expect(((await answer.json()) as { body: string }).body).toBe(body)
  })

  test('is never sent on, whatever the definition lists', async () => {
    await using front = await startDoor()
    const token = await issuer.token('api://mcp')
    await front.send(docs, {
      headers: {
        authorization: `Bearer ${token}`,
        'x-token': token,
        'x-other': 'o',
        'x-list': `a; t=${token}`,
      },
    })
    const request = front.reached[0]?.request
    if (request === undefined) throw new Error('nothing came through')
    const sent = front.access.headersForUpstream(request, ['authorization', 'x-token', 'x-other', 'x-list'])
    expect(sent).toEqual({ 'x-other': 'o' })
  })
})

describe('opaque tokens', () => {
  test('a key comes in beside it, and a text that is none is 401 like any other token; no issuer is asked about either', async () => {
    await using front = await startDoor({ introspection: true })
    const made = await front.send('/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'ci', access: [{ servers: ['docs'] }] }),
    })
    const { text } = (await made.json()) as { text: string }
    const before = issuer.asks('/introspect')
    expect((await front.send(docs, bearer(text))).status).toBe(200)
    const wrong = await front.send(docs, bearer(makeKeyText(text.slice(4, 12))))
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ])
    expect((await front.send('/me', bearer(`${text}x`))).status).toBe(401)
    expect(issuer.asks('/introspect') - before).toBe(0)
  })

  test('have the issuer asked five times a second by one address, in the long run, and by others all the same', async () => {
    await using front = await startDoor({ introspection: true })
    const before = issuer.asks('/introspect')
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => (await front.send(docs, bearer(`opaque-${n}`))).status),
    )
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    expect(issuer.asks('/introspect') - before).toBeWithin(20, 30)
    expect((await front.send(docs, bearer(await issuer.token('api://mcp')))).status).toBe(200)
  })

  test('that the issuer cannot be asked about are 503 with a time, not 401', async () => {
    await using front = await startDoor({ introspection: true })
    issuer.answer = () => new Response(null, { status: 500 })
    const answer = await front.send(docs, bearer('opaque'))
    issuer.answer = () => undefined
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('5')
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(await answer.json()).toMatchObject({
      error: { data: { code: 'ISSUER_UNAVAILABLE', retryAfterMs: 5_000 } },
    })
  })
})
