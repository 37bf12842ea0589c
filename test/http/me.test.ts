/** People in a browser: signing in at an issuer and with a token, what the cookie opens, and what it never does. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import type { AccessSettings } from '../../src/http/hooks/rules.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { defaultConfig } from '../support/default-config.ts'
import { startIssuer } from '../support/issuer.ts'
import { type Front, startFront } from './front.ts'

const base = 'https://tools.example.com/gw'
const callback = `${base}/oauth/callback/login`
const page = { origin: 'https://tools.example.com' }

let authority: AuthorizationServer
beforeAll(async () => {
  authority = await startAuthorizationServer({
    confidential: { gateway: { secret: 'secret-of-the-gateway', redirects: [callback] } },
    claims: (login) => ({ groups: [login.replace(/-.*/, '')] }),
  })
})
afterAll(() => authority[Symbol.asyncDispose]())

type Login = AccessSettings['auth']['oauth']['login']

async function startDoor(change: Partial<Login> = {}, baseUrl: string | null = base): Promise<Front> {
  const { auth } = defaultConfig({ stateDirectory: '/', terminal: false })
  const login: Login = {
    issuer: authority.issuer,
    clientId: 'gateway',
    clientSecret: 'secret-of-the-gateway',
    scopes: ['openid'],
    viewer: { claims: { groups: ['viewers'] } },
    operator: { claims: { groups: ['operators'] } },
    admin: { claims: { groups: ['admins'] } },
    ...change,
  }
  const oauth = { ...auth.oauth, login }
  return await startFront({
    settings: { baseUrl, auth: { globalTokens: ['g1'], adminTokens: ['a1'], oauth } },
  })
}

/** A browser at the gateway: it keeps cookies, and sends them. */
class Browser {
  readonly cookies = new Map<string, string>()

  constructor(readonly front: Front) {}

  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ')
    const headers = { ...(init.headers as Record<string, string>), ...(cookie === '' ? {} : { cookie }) }
    const answer = await this.front.send(path, { ...init, headers, redirect: 'manual' })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return answer
  }

  /** Up to where the issuer sends the browser back: path and query of the callback. */
  async comeBack(login: string, from = '/me/sign-in'): Promise<string> {
    const begun = await this.send(from)
    expect(begun.status).toBe(302)
    const back = await authority.signIn(new URL(begun.headers.get('location') ?? ''), login)
    expect(`${back.origin}${back.pathname}`).toBe(callback)
    return `/oauth/callback/login${back.search}`
  }

  async signIn(login: string): Promise<Response> {
    // As a browser does that comes from another site.
    return await this.send(await this.comeBack(login), { headers: { 'sec-fetch-site': 'cross-site' } })
  }

  async me(): Promise<{ principal: string; role: string; csrf: string; name?: string }> {
    return (await (await this.send('/me')).json()) as never
  }
}

const tokenRequests = () => authority.asked.filter((path) => path === '/token').length

describe('signing in at the issuer', () => {
  test('makes one who the issuer says, with a cookie for this host, pages of the gateway and nobody else', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    const answer = await browser.signIn('alice')
    expect(answer.status).toBe(200)
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-compozy-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=28800; Secure$/,
      ),
      '__Host-compozy-login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure',
    ])
    expect(await answer.text()).toContain(`url=${base}/me"`)
    const id = createHash('sha256')
      .update(JSON.stringify([authority.issuer, 'alice']))
      .digest('hex')
      .slice(0, 32)
    expect(await browser.me()).toEqual({
      principal: `oauth:${id}`,
      role: 'client',
      name: `${authority.issuer} alice`,
      csrf: expect.stringMatching(/^[\w-]{22}$/),
      endsAt: expect.any(String),
    } as never)
    expect(JSON.stringify(front.lines)).not.toMatch(/secret-of|code=|id_token/)
  })

  test('goes on where it was asked to, on this host alone', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    const back = await browser.comeBack('alice', '/me/sign-in?return=/me?tab=1%26x')
    expect(await (await browser.send(back)).text()).toContain(`url=${base}/me?tab=1&#38;x"`)
    for (const elsewhere of [
      '//evil.example',
      'https://evil.example',
      '/%5Cevil.example',
      '/a%22onload=',
      'me',
      '',
    ]) {
      expect((await browser.send(`/me/sign-in?return=${elsewhere}`)).status).toBe(400)
    }
  })

  test('is over when one signs out', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    await browser.signIn('alice')
    const { csrf } = await browser.me()
    expect((await browser.send('/me/session', { method: 'DELETE', headers: page })).status).toBe(403)
    const old = new Map(browser.cookies)
    const out = await browser.send('/me/session', {
      method: 'DELETE',
      headers: { ...page, 'x-csrf-token': csrf },
    })
    expect(out.status).toBe(204)
    expect(browser.cookies.size).toBe(0)
    for (const [name, value] of old) browser.cookies.set(name, value)
    expect((await browser.send('/me')).status).toBe(401)
  })
})

describe('a callback asks for no token', () => {
  test('a second time', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    const back = await browser.comeBack('alice')
    const kept = new Map(browser.cookies)
    expect((await browser.send(back)).status).toBe(200)
    for (const [name, value] of kept) browser.cookies.set(name, value)
    const before = tokenRequests()
    const again = await browser.send(back)
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([400, 'SIGN_IN_FAILED'])
    expect(tokenRequests()).toBe(before)
  })

  test('from another browser, and leaves the first one to go on', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    const back = await browser.comeBack('alice')
    const other = new Browser(front)
    await other.comeBack('mallory')
    const before = tokenRequests()
    expect((await other.send(back)).status).toBe(400)
    expect((await front.send(back)).status).toBe(400)
    expect(tokenRequests()).toBe(before)
    expect((await browser.send(back)).status).toBe(200)
  })

  test.each([
    { why: 'of another issuer', change: (url: URL) => url.searchParams.set('iss', 'https://evil.example') },
    {
      why: 'of no issuer, where this one always says so',
      change: (url: URL) => url.searchParams.delete('iss'),
    },
    {
      why: 'of another issuer, with an error that would be shown',
      change: (url: URL) => {
        url.searchParams.set('iss', 'https://evil.example')
        url.searchParams.set('error', 'access_denied')
      },
    },
    { why: 'with another state', change: (url: URL) => url.searchParams.set('state', 'x') },
    { why: 'with two states', change: (url: URL) => url.searchParams.append('state', 'x') },
    { why: 'without a state', change: (url: URL) => url.searchParams.delete('state') },
    { why: 'with an error', change: (url: URL) => url.searchParams.set('error', 'access_denied') },
    { why: 'without a code', change: (url: URL) => url.searchParams.delete('code') },
  ])('$why', async ({ change }) => {
    await using front = await startDoor()
    const browser = new Browser(front)
    const url = new URL(await browser.comeBack('alice'), base)
    change(url)
    const before = tokenRequests()
    expect((await browser.send(url.pathname + url.search)).status).toBe(400)
    expect(tokenRequests()).toBe(before)
    expect((await browser.send('/me')).status).toBe(401)
  })

  test('with a code that is none, more than once', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    const url = new URL(await browser.comeBack('alice'), base)
    url.searchParams.set('code', 'x')
    expect((await browser.send(url.pathname + url.search)).status).toBe(400)
    const before = tokenRequests()
    expect((await browser.send(url.pathname + url.search)).status).toBe(400)
    expect(tokenRequests()).toBe(before)
  })

  test('at another path, or with another method', async () => {
    await using front = await startDoor()
    expect((await front.send('/oauth/callback/other?state=x')).status).toBe(404)
    expect((await front.send('/oauth/callback/login?state=x', { method: 'POST' })).status).toBe(405)
  })
})

describe('an issuer that lies', () => {
  const signedBy = async (
    change: (issuer: Awaited<ReturnType<typeof startIssuer>>, nonce: string) => Promise<string>,
  ) => {
    await using issuer = await startIssuer()
    let nonce = ''
    issuer.answer = async (path, request) => {
      if (path.includes('well-known')) {
        return Response.json({
          issuer: issuer.issuer,
          jwks_uri: `${issuer.issuer}/keys`,
          authorization_endpoint: `${issuer.issuer}/authorize`,
          token_endpoint: `${issuer.issuer}/token`,
          id_token_signing_alg_values_supported: ['ES256'],
        })
      }
      if (!path.endsWith('/token')) return undefined
      await request.text()
      return Response.json({ access_token: 'a', token_type: 'bearer', id_token: await change(issuer, nonce) })
    }
    await using front = await startDoor({ issuer: issuer.issuer })
    const browser = new Browser(front)
    const begun = new URL((await browser.send('/me/sign-in')).headers.get('location') ?? '')
    nonce = begun.searchParams.get('nonce') ?? ''
    const answer = await browser.send(`/oauth/callback/login?code=c&state=${begun.searchParams.get('state')}`)
    return answer.status
  }
  const header = { typ: 'JWT' }

  test('is believed when it does not', async () => {
    expect(await signedBy((issuer, nonce) => issuer.token('gateway', { nonce }, { header }))).toBe(200)
  })

  test.each<{ why: string; token: Parameters<typeof signedBy>[0] }>([
    {
      why: 'about another sign-in',
      token: (issuer) => issuer.token('gateway', { nonce: 'other' }, { header }),
    },
    { why: 'about no sign-in', token: (issuer) => issuer.token('gateway', {}, { header }) },
    { why: 'about another client', token: (issuer, nonce) => issuer.token('other', { nonce }, { header }) },
    {
      why: 'in the name of another issuer',
      token: (issuer, nonce) => issuer.token('gateway', { nonce, iss: 'https://x.example' }, { header }),
    },
    {
      why: 'about the past',
      token: (issuer, nonce) => issuer.token('gateway', { nonce }, { header, lifetimeS: -120 }),
    },
    {
      why: 'with a key that is not its own',
      token: async (issuer, nonce) => {
        const { issuerKey } = await import('../support/issuer.ts')
        return issuer.token('gateway', { nonce }, { header, key: await issuerKey('ES256', issuer.key.id) })
      },
    },
  ])('is not believed $why', async ({ token }) => {
    expect(await signedBy(token)).toBe(400)
  })

  test('cannot be reached: nobody is sent anywhere', async () => {
    await using front = await startDoor({ issuer: 'http://127.0.0.1:9/realm' })
    const answer = await front.send('/me/sign-in', { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([503, null])
  })

  test('is asked seldom while it answers wrongly, and once by all who begin together', async () => {
    await using issuer = await startIssuer()
    await using front = await startDoor({ issuer: issuer.issuer })
    issuer.answer = () => new Response(null, { status: 500 })
    const begin = async () => (await front.send('/me/sign-in', { redirect: 'manual' })).status
    expect(new Set(await Promise.all(Array.from({ length: 20 }, begin)))).toEqual(new Set([503]))
    expect(await begin()).toBe(503)
    // One attempt, at the three places where metadata may be.
    expect(issuer.asked).toHaveLength(3)
  })
})

describe('signing in with a token', () => {
  const post = (token: unknown, headers: Record<string, string> = page) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ token }),
  })

  test.each([
    { token: 'a1', role: 'admin' },
    { token: 'g1', role: 'client' },
  ])('makes the holder of $token a $role', async ({ token, role }) => {
    await using front = await startDoor()
    const browser = new Browser(front)
    expect((await browser.send('/me/session', post(token))).status).toBe(200)
    expect((await browser.me()).role).toBe(role)
  })

  test('takes one that is configured, and no form of another site', async () => {
    await using front = await startDoor()
    const browser = new Browser(front)
    for (const token of ['x', '', 7, null, ['a1']])
      expect((await browser.send('/me/session', post(token))).status).toBe(401)
    expect((await browser.send('/me/session', { method: 'POST', body: 'no JSON' })).status).toBe(401)
    expect((await browser.send('/me/session', post('a1', { origin: 'https://evil.example' }))).status).toBe(
      403,
    )
    expect(
      (await browser.send('/me/session', { ...post('a1'), body: `{"token":"${'a'.repeat(20_000)}"}` }))
        .status,
    ).toBe(413)
    expect(browser.cookies.size).toBe(0)
  })

  test('ends with the token', async () => {
    const { rulesWith, settingsWith } = await import('./front.ts')
    await using front = await startDoor()
    const browser = new Browser(front)
    await browser.send('/me/session', post('a1'))
    front.access.reload(rulesWith({ auth: { ...settingsWith().auth, adminTokens: ['a2'] } }), null)
    expect((await browser.send('/me')).status).toBe(401)
  })

  test('is not possible in clear text from elsewhere, where the cookie would be read on the way', async () => {
    await using front = await startDoor(
      { issuer: null, clientId: null, viewer: null },
      'http://tools.example.com',
    )
    expect((await front.send('/me/session', post('a1', {}))).status).toBe(403)
    await using local = await startDoor({ issuer: null, clientId: null }, null)
    const answer = await local.send('/me/session', post('a1', {}))
    expect(answer.headers.get('set-cookie')).toMatch(
      /^compozy-session=[\w-]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=28800$/,
    )
  })
})

describe('roles', () => {
  /** Statuses of reading, calling a tool, restarting and registering, as this person. */
  async function powers(login: string): Promise<number[]> {
    await using front = await startDoor()
    const browser = new Browser(front)
    await browser.signIn(login)
    const { csrf } = await browser.me()
    const headers = { ...page, 'x-csrf-token': csrf, 'content-type': 'application/json' }
    const send = async (method: string, path: string, body?: string) =>
      (await browser.send(path, { method, headers, ...(body === undefined ? {} : { body }) })).status
    return [
      await send('GET', '/admin/mcps'),
      await send('POST', '/admin/tools/call', '{}'),
      await send('POST', '/admin/mcps/nobody/restart'),
      await send('DELETE', '/admin/mcps/nobody'),
    ]
  }

  test.each([
    { login: 'alice', may: [403, 403, 403, 403], why: 'nothing without a role' },
    { login: 'viewers-vic', may: [200, 403, 403, 403], why: 'a viewer looks' },
    { login: 'operators-olga', may: [200, 400, 404, 403], why: 'an operator calls and restarts' },
    { login: 'admins-ada', may: [200, 400, 404, 404], why: 'an admin does everything' },
  ])('$login: $why', async ({ login, may }) => {
    expect(await powers(login)).toEqual([...may])
  })

  test('with them the admin API asks everybody, this machine as well', async () => {
    const { auth } = defaultConfig({ stateDirectory: '/', terminal: false })
    const login = {
      ...auth.oauth.login,
      issuer: authority.issuer,
      clientId: 'gateway',
      admin: { claims: { groups: ['x'] } },
    }
    await using front = await startFront({
      settings: { baseUrl: base, auth: { oauth: { ...auth.oauth, login } } },
    })
    expect((await front.send('/admin/mcps')).status).toBe(401)
  })
})

describe('the cookie opens no admin path', () => {
  const admin = async (): Promise<{ browser: Browser; csrf: string; front: Front }> => {
    const front = await startDoor()
    const browser = new Browser(front)
    await browser.signIn('admins-ada')
    return { browser, front, csrf: (await browser.me()).csrf }
  }

  test.each([
    { why: 'without the token of its session', headers: () => page },
    { why: 'with a token that is not its own', headers: () => ({ ...page, 'x-csrf-token': 'x'.repeat(22) }) },
    {
      why: 'for a page of another site',
      headers: (csrf: string) => ({ origin: 'https://evil.example', 'x-csrf-token': csrf }),
    },
    {
      why: 'for a page without an origin',
      headers: (csrf: string) => ({ origin: 'null', 'x-csrf-token': csrf }),
    },
    { why: 'for no page at all', headers: (csrf: string) => ({ 'x-csrf-token': csrf }) },
  ])('$why', async ({ headers }) => {
    const { browser, csrf, front } = await admin()
    await using _ = front
    const answer = await browser.send('/admin/mcps/nobody', { method: 'DELETE', headers: headers(csrf) })
    expect(answer.status).toBe(403)
  })

  test('of another host’s making: under TLS only the name with the prefix is read', async () => {
    const { browser, csrf, front } = await admin()
    await using _ = front
    const [[, value] = []] = browser.cookies
    browser.cookies.clear()
    browser.cookies.set('compozy-session', value ?? '')
    expect((await browser.send('/admin/mcps', { headers: { ...page, 'x-csrf-token': csrf } })).status).toBe(
      401,
    )
  })

  test('and no MCP endpoint', async () => {
    const { browser, csrf, front } = await admin()
    await using _ = front
    const headers = { ...page, 'x-csrf-token': csrf }
    expect((await browser.send('/mcp-proxy/files/stream', { method: 'POST', headers })).status).toBe(401)
  })
})

test('a token says who one is, too', async () => {
  await using front = await startDoor()
  const who = async (token: string) => {
    const answer = await front.send('/me', { headers: { authorization: `Bearer ${token}` } })
    return [answer.status, ((await answer.json()) as { role?: string }).role]
  }
  expect([await who('a1'), await who('g1'), await who('x')]).toEqual([
    [200, 'admin'],
    [200, 'client'],
    [401, undefined],
  ])
})

test('what is begun and never ended holds no memory, and keeps no other address from beginning', async () => {
  await using front = await startDoor()
  const browser = new Browser(front)
  const back = await browser.comeBack('alice')
  for (let n = 0; n < 30; n++) await front.send('/me/sign-in', { redirect: 'manual' })
  // The oldest of one address make room.
  expect((await browser.send(back)).status).toBe(400)
  expect((await browser.signIn('alice')).status).toBe(200)
})
