/** Who may pass, over a real socket: tokens, addresses, Host, Origin and the forwarding headers. */
import { describe, expect, test } from 'bun:test'
import { networkInterfaces } from 'node:os'
import { rawRequest, rulesWith, type SettingsChange, sendRaw, startFront } from './front.ts'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('tokens', () => {
  const auth = { globalTokens: ['g1', 'g2'], adminTokens: ['a1', 'a2'] }
  const servers = [{ name: 'files' }, { name: 'own', authTokens: ['s1'] }]
  const mcp = '/mcp-proxy/files/stream'

  test.each([
    { version: undefined, id: null, why: 'a client that claims no era must find a JSON-RPC message' },
    { version: '2025-11-25', id: null, why: 'so must one of a revision with sessions' },
    { version: '2026-07-28', id: undefined, why: 'this revision has no null ids' },
  ])('the id of a 401 is $id under version $version: $why', async ({ version, id }) => {
    await using front = await startFront({ settings: { auth } })
    const headers = { ...(version !== undefined && { 'mcp-protocol-version': version }) }
    const answer = await front.send(mcp, { method: 'POST', headers, body: '{"jsonrpc":"2.0","id":1}' })
    const body = (await answer.json()) as { id?: unknown }
    expect([answer.status, body.id]).toEqual([401, id])
  })

  test.each([
    { path: mcp, token: 'g1', status: 200, why: 'a global token' },
    { path: mcp, token: 'g2', status: 200, why: 'the second one, while tokens are rotated' },
    { path: mcp, token: undefined, status: 401, why: 'no token' },
    { path: mcp, token: 'g3', status: 401, why: 'a wrong token' },
    { path: mcp, token: 'g', status: 401, why: 'the beginning of a token' },
    { path: mcp, token: 'g11', status: 401, why: 'a token and more' },
    { path: mcp, token: 'G1', status: 401, why: 'another case' },
    { path: mcp, token: 'g1, Bearer g1', status: 401, why: 'two credentials in one header' },
    { path: mcp, token: 'a1', status: 401, why: 'an admin token is not among the client tokens' },
    { path: mcp, token: 's1', status: 401, why: 'the token of another server' },
    { path: '/mcp-proxy/own/stream', token: 's1', status: 200, why: 'the server’s own token' },
    { path: '/mcp-proxy/own/stream', token: 'g1', status: 200, why: 'a global token opens every server' },
    { path: '/mcp-proxy/own/stream', token: undefined, status: 401, why: 'no token for a server of its own' },
    {
      path: '/mcp-proxy/none/stream',
      token: undefined,
      status: 401,
      why: 'strangers do not learn which servers exist',
    },
    { path: '/mcp-proxy/own/message', token: 's1', status: 405, why: 'the method counts after the token' },
    { path: '/mcp-proxy/own/message', token: undefined, status: 401, why: 'and not before' },
    { path: '/mcp-proxy', token: undefined, status: 401, why: 'the bare prefix belongs to the clients' },
    { path: '/mcp-proxy/', token: 'g1', status: 404, why: 'where nothing is' },
    { path: '/admin/mcps', token: 'a1', status: 200, why: 'an admin token' },
    { path: '/admin/mcps/', token: 'a2', status: 200, why: 'with a slash at the end' },
    { path: '/admin/mcps', token: undefined, status: 401, why: 'no token' },
    { path: '/admin/mcps', token: 'a3', status: 401, why: 'a token that nobody knows' },
    { path: '/admin/mcps', token: 'g1', status: 403, why: 'a client token is the wrong key, not no key' },
    { path: '/admin/mcps', token: 's1', status: 403, why: 'so is a server’s token' },
    { path: '/admin', token: undefined, status: 401, why: 'the bare prefix' },
    { path: '/admin/nothing', token: undefined, status: 401, why: 'paths that do not exist' },
    { path: '/admin/nothing', token: 'a1', status: 404, why: 'which admins may know' },
    { path: '/metrics', token: undefined, status: 401, why: 'metrics belong to admins' },
    { path: '/metrics', token: 'g1', status: 403, why: 'and not to clients' },
    { path: '/metrics', token: 'a1', status: 200, why: 'metrics for an admin' },
    { path: '/healthz', token: undefined, status: 200, why: 'health is for everyone' },
    { path: '/readyz', token: 'nonsense', status: 200, why: 'whatever they send' },
    { path: '/nothing', token: undefined, status: 404, why: 'an unknown path has no secret' },
    {
      path: '/.well-known/oauth-protected-resource',
      token: undefined,
      status: 404,
      why: 'OAuth discovery ends at once',
    },
    {
      path: '/.well-known/oauth-authorization-server/mcp-proxy/files/stream',
      token: undefined,
      status: 404,
      why: 'in each form',
    },
    {
      path: '/mcp-proxy/files/stream/.well-known/openid-configuration',
      token: undefined,
      status: 404,
      why: 'below the endpoint as well',
    },
    {
      path: '/mcp-proxy/files/stream/.well-known/openid-configuration',
      token: 'g1',
      status: 404,
      why: 'token or not',
    },
  ])('$path with $token is $status: $why', async ({ path, token, status }) => {
    await using front = await startFront({ settings: { auth }, servers })
    const answer = await front.send(path, token === undefined ? {} : { headers: bearer(token) })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
    expect(answer.headers.get('content-type')).toMatch(/^(application\/json|text\/plain)/)
    const text = await answer.text()
    for (const secret of ['g1', 'g2', 'a1', 'a2', 's1']) expect(text).not.toContain(secret)
  })

  test.each([
    ['bearer g1', 200],
    ['BEARER   g1  ', 200],
    ['Basic g1', 401],
    ['g1', 401],
    ['Bearer', 401],
    ['Bearer ', 401],
    ['Bearerg1', 401],
  ])('reads "Authorization: %s" as %d', async (authorization, status) => {
    await using front = await startFront({ settings: { auth } })
    const answer = await front.send(mcp, { headers: { authorization } })
    expect(answer.status).toBe(status)
  })

  test('two Authorization lines are no credential, even when one of them is right', async () => {
    await using front = await startFront({ settings: { auth } })
    const headers = ['Host: localhost', 'Authorization: Bearer g1', 'Authorization: Bearer x']
    expect((await sendRaw(front.port, rawRequest(`GET ${mcp}`, headers))).status).toBe(401)
  })

  test('without any token the endpoints are open and everybody is anonymous', async () => {
    await using front = await startFront()
    const answer = await front.send(mcp, { headers: bearer('whatever') })
    expect(await answer.json()).toMatchObject({ principal: { id: 'anonymous', role: 'anonymous' } })
  })

  test('a server with tokens of its own is closed even when there are no global ones', async () => {
    await using front = await startFront({ servers })
    expect((await front.send(mcp)).status).toBe(200)
    expect((await front.send('/mcp-proxy/own/stream')).status).toBe(401)
  })

  test('a principal is named after the digest of its token', async () => {
    await using front = await startFront({ settings: { auth } })
    const answer = await front.send(mcp, { headers: bearer('g1') })
    const digest = new Bun.CryptoHasher('sha256').update('g1').digest('hex')
    expect(await answer.json()).toMatchObject({
      principal: { id: `token:${digest}`, shown: `token:${digest.slice(0, 8)}`, role: 'client' },
    })
  })

  test('public metrics need no token and open nothing else', async () => {
    await using front = await startFront({ settings: { auth, metrics: { public: true } } })
    expect((await front.send('/metrics')).status).toBe(200)
    expect((await front.send('/admin/metrics')).status).toBe(401)
  })
})

describe('the door of one server', () => {
  const auth = { globalTokens: ['g1'] }
  const servers = [
    { name: 'beside', authTokens: ['s1'] },
    { name: 'only', authTokens: ['s2'], authTokensOnly: true },
    { name: 'asked', requireAuth: true },
    { name: 'asked-own', requireAuth: true, authTokens: ['s3'] },
  ]

  test('answers whoever has no token as one that is not there', async () => {
    await using front = await startFront({ servers, settings: { auth } })
    const names = [...servers.map(({ name }) => name), 'nowhere']
    const answers = names.flatMap((name) =>
      [undefined, 'wrong'].map(async (token) => {
        const headers = token === undefined ? {} : bearer(token)
        const answer = await front.send(`/mcp-proxy/${name}/stream`, { headers })
        return JSON.stringify([answer.status, answer.headers.get('www-authenticate'), await answer.text()])
      }),
    )
    expect(new Set(await Promise.all(answers)).size).toBe(1)
  })

  test.each([
    { server: 'only', token: 's2', open: 200, guarded: 200, why: 'its own token' },
    { server: 'only', token: 'g1', open: 401, guarded: 401, why: 'a global one does not open it' },
    { server: 'only', token: undefined, open: 401, guarded: 401, why: 'no token' },
    { server: 'beside', token: 's2', open: 401, guarded: 401, why: 'a token of another server' },
    { server: 'asked', token: 'g1', open: 401, guarded: 200, why: 'a global token, where there is one' },
    {
      server: 'asked',
      token: undefined,
      open: 401,
      guarded: 401,
      why: 'no token, whether or not there is one',
    },
    { server: 'asked-own', token: 's3', open: 200, guarded: 200, why: 'a token of its own is one' },
    { server: 'asked-own', token: undefined, open: 401, guarded: 401, why: 'no token' },
  ])('$server with $token is $open, and $guarded beside a global token: $why', async (row) => {
    for (const [settings, status] of [
      [{}, row.open],
      [{ auth }, row.guarded],
    ] as const) {
      await using front = await startFront({ settings, servers })
      for (const endpoint of ['stream', 'sse', 'message']) {
        const method = endpoint === 'message' ? 'POST' : 'GET'
        const headers = row.token === undefined ? {} : bearer(row.token)
        const answer = await front.send(`/mcp-proxy/${row.server}/${endpoint}`, { method, headers })
        expect(answer.status).toBe(status)
      }
    }
  })

  test('a server that asks for a token while there is none says so, and so does its status', async () => {
    await using front = await startFront({ servers })
    const answer = await front.send('/mcp-proxy/asked/stream', { headers: bearer('g1') })
    expect(await answer.text()).toContain('Nobody can come in: requireAuth asks for a token here, and none')
    expect(front.access.closedReason('asked')).toContain('requireAuth')
    for (const name of ['beside', 'only', 'asked-own', 'none'])
      expect(front.access.closedReason(name)).toBeNull()
    front.access.reload(rulesWith({ auth }), null)
    expect(front.access.closedReason('asked')).toBeNull()
  })

  test.each([
    { xff: '192.0.2.7', token: 'g1', status: 200, why: 'inside' },
    { xff: '2001:db8::7', token: 'g1', status: 200, why: 'inside, by IPv6' },
    { xff: '203.0.113.9', token: 'g1', status: 403, why: 'outside' },
    { xff: '192.0.2.7, 203.0.113.9', token: 'g1', status: 403, why: 'outside, claiming to be inside' },
    { xff: 'unknown', token: 'g1', status: 403, why: 'nobody in particular' },
    { xff: undefined, token: 'g1', status: 403, why: 'the proxy itself' },
    { xff: '192.0.2.7', token: 'g2', status: 401, why: 'inside, with a wrong token' },
    { xff: '203.0.113.9', token: 'g2', status: 401, why: 'outside, where nobody learns which servers exist' },
  ])('allowedIPs through a proxy for $xff with $token is $status: $why', async ({ xff, token, status }) => {
    await using front = await startFront({
      settings: { auth, security: { trustedProxies: ['127.0.0.1'] } },
      servers: [{ name: 'files' }, { name: 'walled', allowedIPs: ['192.0.2.0/24', '2001:db8::/32'] }],
    })
    const headers = { ...bearer(token), ...(xff === undefined ? {} : { 'x-forwarded-for': xff }) }
    for (const endpoint of ['stream', 'sse']) {
      const answer = await front.send(`/mcp-proxy/walled/${endpoint}`, { headers })
      expect(answer.status).toBe(status)
      if (status === 403) expect(await answer.text()).toContain('allowedIPs')
    }
    // Its neighbour has no list.
    const beside = await front.send('/mcp-proxy/files/stream', { headers })
    expect(beside.status).toBe(token === 'g1' ? 200 : 401)
  })

  test('a stranger’s header changes no address', async () => {
    await using front = await startFront({ servers: [{ name: 'walled', allowedIPs: ['192.0.2.0/24'] }] })
    const answer = await front.send('/mcp-proxy/walled/stream', {
      headers: { 'x-forwarded-for': '192.0.2.7' },
    })
    expect(answer.status).toBe(403)
  })
})

describe('admin without tokens', () => {
  test.each([
    { headers: ['Host: localhost'], status: 200, why: 'the same machine' },
    { headers: ['Host: 127.0.0.1:6001'], status: 200, why: 'by address' },
    { headers: ['Host: [::1]'], status: 200, why: 'by IPv6 address' },
    {
      headers: ['Host: localhost', 'Origin: http://localhost'],
      status: 200,
      why: 'a page of the gateway’s own origin',
    },
    { headers: ['Host: evil.example'], status: 403, why: 'a rebound name' },
    { headers: ['Host: localhost', 'Origin: https://evil.example'], status: 403, why: 'a foreign page' },
    { headers: ['Host: localhost', 'Origin: null'], status: 403, why: 'a sandboxed page' },
    {
      headers: ['Host: localhost', 'Origin: http://localhost.evil.example'],
      status: 403,
      why: 'a page that begins alike',
    },
    {
      headers: ['Host: localhost', 'Sec-Fetch-Site: cross-site'],
      status: 403,
      why: 'an image or link on a foreign page',
    },
    {
      headers: ['Host: localhost', 'X-Forwarded-For: 127.0.0.1'],
      status: 403,
      why: 'forwarded, whatever it claims',
    },
    {
      headers: ['Host: localhost', 'X-Forwarded-For: '],
      status: 403,
      why: 'forwarded without saying for whom',
    },
    {
      headers: ['Host: localhost', 'Forwarded: for=127.0.0.1'],
      status: 403,
      why: 'forwarded the standard way',
    },
    { headers: ['Host: localhost', 'X-Real-IP: 127.0.0.1'], status: 403, why: 'forwarded the old way' },
    {
      headers: ['Host: localhost', 'Via: 1.1 proxy'],
      status: 403,
      why: 'through a proxy that only says Via',
    },
    {
      headers: ['Host: localhost', 'X-Forwarded-Proto: https'],
      status: 403,
      why: 'through a proxy that ends TLS',
    },
  ])('$headers is $status: $why', async ({ headers, status }) => {
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      await using front = await startFront({ settings: { host } })
      for (const path of ['/admin/mcps', '/metrics', '/admin/metrics']) {
        const answer = await sendRaw(front.port, rawRequest(`GET ${path}`, headers))
        expect(answer.status).toBe(status)
        if (status === 403) expect(answer.text).toContain('auth.admin_tokens')
      }
    }
  })

  test('a trusted proxy on this machine does not make its clients local', async () => {
    await using front = await startFront({ settings: { security: { trustedProxies: ['127.0.0.1'] } } })
    const answer = await front.send('/admin/mcps', { headers: { 'x-forwarded-for': '127.0.0.1' } })
    expect(answer.status).toBe(403)
  })

  test('a peer from elsewhere gets nothing, even with a loopback Host', async () => {
    await using front = await startFront({ settings: { host: '0.0.0.0' }, bind: '0.0.0.0' })
    const address = ownAddress()
    if (address === null) return
    const answer = await fetch(`http://${address}:${front.port}/admin/mcps`, {
      headers: { host: 'localhost' },
    })
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('auth.admin_tokens')
  })
})

describe('the admin allow-list', () => {
  const auth = { adminTokens: ['a1'], adminAllowIps: ['192.0.2.0/24'] }
  const security = { trustedProxies: ['127.0.0.1'] }

  test.each([
    { xff: '192.0.2.7', status: 200, why: 'inside' },
    { xff: '203.0.113.9', status: 403, why: 'outside' },
    { xff: '192.0.2.7, 203.0.113.9', status: 403, why: 'outside, claiming to be inside' },
    { xff: 'unknown', status: 403, why: 'nobody in particular' },
    { xff: undefined, status: 403, why: 'the proxy itself' },
  ])('through a proxy for $xff is $status: $why', async ({ xff, status }) => {
    await using front = await startFront({ settings: { auth, security } })
    const headers = { ...bearer('a1'), ...(xff === undefined ? {} : { 'x-forwarded-for': xff }) }
    const answer = await front.send('/admin/mcps', { headers })
    expect(answer.status).toBe(status)
    if (status === 403) expect(await answer.text()).toContain('auth.admin_allow_ips')
  })

  test('an address inside is not enough without the token', async () => {
    await using front = await startFront({ settings: { auth, security } })
    expect((await front.send('/admin/mcps', { headers: { 'x-forwarded-for': '192.0.2.7' } })).status).toBe(
      401,
    )
  })

  test('a stranger’s header changes nothing', async () => {
    await using front = await startFront({ settings: { auth } })
    const headers = { ...bearer('a1'), 'x-forwarded-for': '192.0.2.7' }
    expect((await front.send('/admin/mcps', { headers })).status).toBe(403)
  })

  test('holds for this machine too, without tokens', async () => {
    await using front = await startFront({ settings: { auth: { adminAllowIps: ['192.0.2.0/24'] } } })
    expect((await front.send('/admin/mcps')).status).toBe(403)
  })
})

describe('Host and Origin', () => {
  const listed: SettingsChange = {
    host: '0.0.0.0',
    baseUrl: 'https://gw.example/tools',
    security: {
      allowedHosts: ['alias.example', 'port.example:8080'],
      allowedOrigins: ['https://app.example'],
    },
  }
  const loopback: SettingsChange = {}
  const open: SettingsChange = { host: '0.0.0.0' }

  test.each([
    { settings: loopback, host: 'localhost:1', status: 200, why: 'loopback name, any port' },
    { settings: loopback, host: 'LOCALHOST.', status: 200, why: 'another spelling of it' },
    { settings: loopback, host: 'evil.example', status: 421, why: 'a rebound name' },
    { settings: loopback, host: 'host.docker.internal:6001', status: 421, why: 'a container’s name for us' },
    { settings: loopback, host: '192.0.2.1', status: 421, why: 'an address that is not loopback' },
    {
      settings: open,
      host: 'anything.example',
      status: 200,
      why: 'on a public address without a list no Host is wrong',
    },
    { settings: listed, host: 'gw.example', status: 200, why: 'the host of base_url' },
    { settings: listed, host: 'gw.example:443', status: 200, why: 'with a port' },
    { settings: listed, host: 'alias.example:6001', status: 200, why: 'a listed name, any port' },
    { settings: listed, host: 'port.example:8080', status: 200, why: 'a listed name and port' },
    { settings: listed, host: 'port.example:8081', status: 421, why: 'the same name on another port' },
    { settings: listed, host: 'localhost', status: 200, why: 'loopback names stay' },
    { settings: listed, host: 'sub.gw.example', status: 421, why: 'a name below a listed one' },
    { settings: listed, host: '192.0.2.1', status: 421, why: 'an address nobody listed' },
    { settings: open, host: 'a b', status: 400, why: 'no host name at all' },
    { settings: open, host: '%6cocalhost', status: 400, why: 'percent-encoded' },
    { settings: open, host: 'user@localhost', status: 400, why: 'with user info' },
  ])('Host "$host" is $status: $why', async ({ settings, host, status }) => {
    await using front = await startFront({ settings })
    const answer = await sendRaw(front.port, rawRequest('GET /mcp-proxy/files/stream', [`Host: ${host}`]))
    expect(answer.status).toBe(status)
    if (status === 421) expect(answer.text).toMatch(/security\.allowed_hosts.*base_url/)
  })

  test('probes by address may ask for health, and for nothing else', async () => {
    await using front = await startFront({ settings: listed })
    const ask = (path: string, host: string) =>
      sendRaw(front.port, rawRequest(`GET ${path}`, [`Host: ${host}`])).then(({ status }) => status)
    expect(await ask('/healthz', '10.1.2.3:6001')).toBe(200)
    expect(await ask('/readyz', '10.1.2.3:6001')).toBe(200)
    expect(await ask('/healthz', 'evil.example')).toBe(421)
    expect(await ask('/mcp-proxy/files/stream', '10.1.2.3:6001')).toBe(421)
  })

  test.each([
    { origin: 'https://app.example', status: 200, why: 'listed' },
    { origin: 'https://gw.example', status: 200, why: 'its own, as base_url says' },
    { origin: 'http://localhost', status: 200, why: 'its own, as Host says' },
    { origin: 'https://localhost', status: 200, why: 'its own behind a silent TLS proxy' },
    { origin: 'http://app.example', status: 403, why: 'another scheme' },
    { origin: 'https://app.example:444', status: 403, why: 'another port' },
    { origin: 'https://gw.example.evil', status: 403, why: 'a name that begins alike' },
    { origin: 'https://gw', status: 403, why: 'the beginning of its name' },
    { origin: 'https:', status: 403, why: 'the beginning of its scheme' },
    { origin: '', status: 403, why: 'empty' },
    { origin: 'null', status: 403, why: 'a sandbox' },
  ])('Origin "$origin" is $status: $why', async ({ origin, status }) => {
    await using front = await startFront({ settings: listed })
    for (const path of ['/mcp-proxy/files/stream', '/healthz']) {
      const answer = await sendRaw(
        front.port,
        rawRequest(`GET ${path}`, ['Host: localhost', `Origin: ${origin}`]),
      )
      expect(answer.status).toBe(status)
      if (status === 403) expect(answer.text).not.toMatch(/access-control-allow-origin/i)
    }
  })
})

describe('CORS', () => {
  const settings = {
    auth: { globalTokens: ['g1'] },
    security: { allowedOrigins: ['https://app.example'] },
  }
  const ask = { origin: 'https://app.example', 'access-control-request-method': 'POST' }

  test('a preflight from a listed origin is answered before authentication', async () => {
    await using front = await startFront({ settings })
    const answer = await front.send('/mcp-proxy/files/stream', { method: 'OPTIONS', headers: ask })
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect(answer.headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, DELETE, HEAD')
    const allowed = (answer.headers.get('access-control-allow-headers') ?? '').toLowerCase().split(', ')
    for (const name of [
      'authorization',
      'content-type',
      'mcp-session-id',
      'mcp-protocol-version',
      'mcp-method',
      'mcp-name',
      'last-event-id',
    ]) {
      expect(allowed).toContain(name)
    }
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('headers of tool arguments are allowed by the names that are asked for, and no other ones', async () => {
    await using front = await startFront({ settings })
    const asked = ['mcp-param-region', 'Mcp-Param-Zone', 'x-other', 'mcp-param-', 'mcp-param-a b', 'cookie']
    const headers = { ...ask, 'access-control-request-headers': asked.join(', ') }
    const answer = await front.send('/mcp-proxy/files/stream', { method: 'OPTIONS', headers })
    const allowed = (answer.headers.get('access-control-allow-headers') ?? '').split(', ')
    expect(asked.filter((name) => allowed.includes(name))).toEqual(['mcp-param-region', 'Mcp-Param-Zone'])
  })

  test('a preflight from anywhere else is refused', async () => {
    await using front = await startFront({ settings })
    const headers = { ...ask, origin: 'https://evil.example' }
    const answer = await front.send('/mcp-proxy/files/stream', { method: 'OPTIONS', headers })
    expect(answer.status).toBe(403)
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('OPTIONS that is no preflight needs what every request needs', async () => {
    await using front = await startFront({ settings })
    expect((await front.send('/mcp-proxy/files/stream', { method: 'OPTIONS' })).status).toBe(401)
  })

  test('the page of a listed origin may read answers and errors, and the session id', async () => {
    await using front = await startFront({ settings })
    for (const [headers, status] of [
      [{ ...bearer('g1'), origin: 'https://app.example' }, 200],
      [{ origin: 'https://app.example' }, 401],
    ] as const) {
      const answer = await front.send('/mcp-proxy/files/stream', { headers })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
      expect(answer.headers.get('access-control-expose-headers')).toContain('Mcp-Session-Id')
      expect(answer.headers.get('vary')).toBe('Origin')
    }
  })

  test('one answer’s CORS headers do not stick to the next', async () => {
    await using front = await startFront({ settings })
    await front.send('/healthz', { headers: { origin: 'https://app.example' } })
    expect((await front.send('/healthz')).headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('the URL as the client sees it', () => {
  const base = 'https://gw.example/tools'
  const proxied = {
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'edge.example',
    'x-forwarded-prefix': '/p',
  }

  test.each([
    { settings: {}, headers: {}, host: 'localhost:6001', is: 'http://localhost:6001', why: 'plain' },
    { settings: { baseUrl: base }, headers: {}, host: 'localhost', is: base, why: 'base_url' },
    {
      settings: { baseUrl: `${base}/` },
      headers: {},
      host: 'localhost',
      is: base,
      why: 'base_url with a slash',
    },
    {
      settings: {},
      headers: proxied,
      host: 'localhost',
      is: 'http://localhost',
      why: 'a stranger’s headers count nothing',
    },
    {
      settings: { security: { trustedProxies: ['127.0.0.1'] } },
      headers: proxied,
      host: 'localhost',
      is: 'https://edge.example/p',
      why: 'a trusted proxy’s count',
    },
    {
      settings: { baseUrl: base, security: { trustedProxies: ['127.0.0.1'] } },
      headers: { 'x-forwarded-host': 'edge.example' },
      host: 'localhost',
      is: 'https://edge.example/tools',
      why: 'part by part',
    },
    {
      settings: { host: '0.0.0.0', baseUrl: 'http://localhost:6001' },
      headers: {},
      host: '192.0.2.1:6001',
      is: 'http://192.0.2.1:6001',
      why: 'a base_url for this machine is no use to others',
    },
  ])('$is: $why', async ({ settings, headers, host, is }) => {
    await using front = await startFront({ settings })
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    const request = rawRequest('GET /mcp-proxy/files/sse', [`Host: ${host}`, ...lines])
    const { text } = await sendRaw(front.port, request)
    expect(JSON.parse(text.slice(text.indexOf('{')))).toMatchObject({ base: is })
  })
})

/** An address of this machine that is not loopback, if it has one. */
function ownAddress(): string | null {
  const found = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)
  return found?.address ?? null
}
