/** Logins at servers that all share, on the executable: by a link, by an address that is pasted, at a device. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { callerWays, openCaller } from '../support/callers.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { LoginBrowser } from '../support/login-browser.ts'
import { startProcess } from '../support/process.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import { TokenIssuer } from '../support/token-issuer.ts'

let issuer: TokenIssuer
let legacy: ProtectedServer
let modern: ProtectedServer
let gateway: RunningGateway
beforeAll(async () => {
  issuer = new TokenIssuer()
  legacy = new ProtectedServer(issuer)
  modern = new ProtectedServer(issuer, { era: 'modern' })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { logging: { level: 'debug' }, audit: { file: '-' } },
      mcps: [
        legacy.definition('legacy'),
        modern.definition('modern'),
        { name: 'all', transport: 'group', members: [{ all: true }] },
      ],
    },
  })
}, 60_000)
afterAll(async () => {
  await gateway.stop()
  await Promise.all([legacy, modern, issuer].map((each) => each[Symbol.asyncDispose]()))
})

interface Status {
  readonly status: string
  readonly reason: string | null
  readonly login: { readonly state: string; readonly url: string | null; readonly scopes: string[] } | null
}

async function statusOf(name: string): Promise<Status> {
  return ((await (await gateway.admin(`/mcps/${name}`)).json()) as { status: Status }).status
}

interface Begun {
  readonly url: string
  readonly userCode: string | null
}

async function begin(name: string, how: 'browser' | 'paste' | 'device'): Promise<Begun> {
  const answer = await gateway.admin(`/mcps/${name}/login`, { method: 'POST', body: { how } })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Begun
}

async function logOut(name: string): Promise<void> {
  expect((await gateway.admin(`/mcps/${name}/login`, { method: 'DELETE' })).status).toBe(204)
}

async function whoami(name: string, way: (typeof callerWays)[number]): Promise<string> {
  await using caller = await openCaller(gateway, name, way)
  const { answer } = await caller.call(1, 'whoami', {})
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  return content === undefined
    ? JSON.stringify(answer)
    : (JSON.parse(content.text) as { subject: string }).subject
}

const connected = (name: string) =>
  poll(`${name} to connect`, async () => (await statusOf(name)).status === 'connected')

function cli(...args: string[]) {
  return startProcess({
    command: [...commandOf('executable'), 'servers', ...args, '--url', gateway.url, '--token', 'x'],
    stdin: 'pipe',
  })
}

test('a server that wants a login says where, and whoever calls it is told', async () => {
  await poll(
    'the first answer of the server',
    async () => (await statusOf('legacy')).status === 'needs_login',
  )
  const { reason, login } = await statusOf('legacy')
  expect(login).toMatchObject({ state: 'needs_login', url: `${gateway.url}/connect/legacy` })
  expect(reason).toContain('compozy servers login legacy')
  await expect(whoami('legacy', 'stream')).rejects.toThrow('compozy servers login legacy')
  expect(await whoami('modern', 'modern')).toContain('compozy servers login modern')
})

test('a link of the command line logs in once, in the browser that has opened it', async () => {
  const command = cli('login', 'legacy')
  const link = await command.line((line) => line.startsWith('http'))
  const browser = new LoginBrowser(gateway.url)
  const back = await browser.logIn(link, issuer, 'ada')
  expect(back.status).toBe(200)
  expect(await back.text()).toContain('Logged in at legacy')
  await command.line((line) => line.startsWith('logged in at legacy'))
  // The link has been used.
  expect((await browser.open(link)).status).toBe(403)
  await connected('legacy')
  for (const way of callerWays) expect(await whoami('legacy', way)).toBe('ada')
  const told = gateway.lines().find((line) => line.includes('"event":"credential"'))
  expect(JSON.parse(told ?? '{}')).toMatchObject({ target: 'legacy login', outcome: 'ok' })
})

test('an address that is pasted logs in at a server of the other era', async () => {
  const command = cli('login', 'modern', '--paste')
  const url = await command.line((line) => line.startsWith('http'))
  command.write(`${issuer.approve(url, 'bob').href}\n`)
  await command.line((line) => line.startsWith('logged in at modern'))
  await connected('modern')
  for (const way of callerWays) expect(await whoami('modern', way)).toBe('bob')
})

test('both are reached through a group as themselves', async () => {
  await using caller = await openCaller(gateway, 'all', 'stream')
  for (const [name, subject] of [
    ['legacy__whoami', 'ada'],
    ['modern__whoami', 'bob'],
  ] as const) {
    const { answer } = await caller.call(name, name, {})
    expect(JSON.stringify(answer.result)).toContain(subject)
  }
})

test('a code that is typed at another device logs in, and the command goes on by itself', async () => {
  await logOut('legacy')
  const command = cli('login', 'legacy', '--device')
  expect(await command.line((line) => line.startsWith('http'))).toBe(`${issuer.issuer}/activate`)
  const code = await command.line((line) => line.includes('the code is'))
  issuer.agreed.set(code.trim().split(' ').at(-1) ?? '', 'eve')
  await command.line((line) => line.startsWith('logged in at legacy'))
  await connected('legacy')
  expect(await whoami('legacy', 'stream')).toBe('eve')
}, 20_000)

test('logging out takes the token away here and at its issuer', async () => {
  await logOut('modern')
  expect(issuer.asks('/revoke').length).toBeGreaterThan(0)
  expect((await statusOf('modern')).login).toMatchObject({ state: 'needs_login' })
  const { url } = await begin('modern', 'paste')
  const answer = issuer.approve(url, 'bob').href
  expect((await gateway.admin('/mcps/modern/login', { method: 'POST', body: { answer } })).status).toBe(200)
  await poll('the next call', async () => (await whoami('modern', 'modern')) === 'bob')
})

describe('no token is asked for', () => {
  test.each<{ why: string; back(url: URL, authorization: string): URL; browser?: 'another' }>([
    { why: 'for another browser', back: (url) => url, browser: 'another' },
    { why: 'where another issuer answers', back: (url) => changed(url, 'iss', 'https://evil.example') },
    {
      why: 'where the issuer leaves out who it is, which it said it would not',
      back: (url) => changed(url, 'iss', null),
    },
    { why: 'where the issuer differs by a slash', back: (url) => changed(url, 'iss', `${issuer.issuer}/`) },
    { why: 'for a state that nobody has', back: (url) => changed(url, 'state', 'x'.repeat(43)) },
    { why: 'without a state', back: (url) => changed(url, 'state', null) },
    {
      why: 'for a state twice',
      back: (url) => {
        const twice = new URL(url)
        twice.searchParams.append('state', url.searchParams.get('state') ?? '')
        return twice
      },
    },
    {
      why: 'at the place of another server',
      back: (url) => new URL(`/oauth/callback/elsewhere${url.search}`, url),
    },
    { why: 'for an error', back: (url) => changed(changed(url, 'code', null), 'error', 'access_denied') },
  ])('$why', async ({ back, browser }) => {
    const { url: link } = await begin('legacy', 'browser')
    const own = new LoginBrowser(gateway.url)
    const authorization = await own.begin(link)
    const came = back(issuer.approve(authorization, 'mallory'), authorization)
    const before = issuer.asks('/token').length
    const answer = await (browser === 'another' ? new LoginBrowser(gateway.url) : own).comeBack(came)
    expect(answer.status).toBe(400)
    expect(await answer.text()).not.toContain('access_denied')
    expect(issuer.asks('/token')).toHaveLength(before)
    expect(await whoami('legacy', 'stream')).toBe('eve')
  })

  test('a second time', async () => {
    const { url: link } = await begin('legacy', 'browser')
    const browser = new LoginBrowser(gateway.url)
    const back = issuer.approve(await browser.begin(link), 'eve')
    expect((await browser.comeBack(back)).status).toBe(200)
    const before = issuer.asks('/token').length
    expect((await browser.comeBack(back)).status).toBe(400)
    expect(issuer.asks('/token')).toHaveLength(before)
  })

  test('where a page of another site begins it', async () => {
    const { url: link } = await begin('legacy', 'browser')
    const browser = new LoginBrowser(gateway.url)
    const answer = await browser.open(link, { method: 'POST' }, { origin: 'https://evil.example' })
    expect(answer.status).toBe(403)
    // By a link of a chat a browser comes from another site, and goes on from a page of the gateway.
    const page = await browser.open(link, {}, { 'sec-fetch-site': 'cross-site' })
    expect(await page.text()).toContain('http-equiv="refresh"')
  })
})

test('scopes that a call lacks are asked for with the next login, beside those that there are, and not again and again', async () => {
  modern.toolScopes.set('write', ['write'])
  await using caller = await openCaller(gateway, 'modern', 'modern')
  const { answer } = await caller.call(1, 'write', {})
  expect(JSON.stringify(answer)).toContain('does not allow this (write)')
  expect((await statusOf('modern')).login).toMatchObject({ state: 'needs_consent' })
  expect(JSON.stringify((await caller.call(2, 'whoami', {})).answer)).toContain('bob')
  const { url } = await begin('modern', 'paste')
  expect(new URL(url).searchParams.get('scope')).toBe('write')
  const back = issuer.approve(url, 'bob').href
  expect((await gateway.admin('/mcps/modern/login', { method: 'POST', body: { answer: back } })).status).toBe(
    200,
  )
  expect(JSON.stringify((await caller.call(3, 'write', {})).answer)).toContain('bob')
  // A scope that the login has and that does not help brings no other login about.
  modern.answer = ({ method }) =>
    method === 'tools/call'
      ? new Response(null, {
          status: 403,
          headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="write"' },
        })
      : undefined
  expect(JSON.stringify((await caller.call(4, 'write', {})).answer)).toContain(
    'another login would bring no more',
  )
  expect((await statusOf('modern')).login).toMatchObject({ state: 'logged_in' })
  modern.answer = () => undefined
})

test('a server that repeats its token in a refusal tells it to nobody', async () => {
  const link = (await begin('legacy', 'browser')).url
  await new LoginBrowser(gateway.url).logIn(link, issuer, 'ada')
  await connected('legacy')
  legacy.answer = ({ method }, request) =>
    method === 'tools/call'
      ? Response.json(
          {
            jsonrpc: '2.0',
            id: null,
            error: { code: -1, message: `no ${request.headers.get('authorization')}` },
          },
          { status: 400 },
        )
      : undefined
  const told = await whoami('legacy', 'stream').catch(String)
  legacy.answer = () => undefined
  const token = legacy.seen.findLast(({ method }) => method === 'tools/call')?.token ?? ''
  expect(token.length).toBeGreaterThan(10)
  expect(told).toContain('no Bearer')
  expect(told).not.toContain(token)
})

test('no token, code or secret of a client stands in the log', () => {
  const lines = gateway.lines().join('\n')
  expect(lines).toContain('logged in at a server')
  for (const form of issuer.asked.flatMap(({ form: asked }) => [...asked]))
    if (['code', 'code_verifier', 'refresh_token', 'client_secret', 'device_code', 'token'].includes(form[0]))
      expect(lines).not.toContain(form[1])
  for (const { token } of [...legacy.seen, ...modern.seen])
    if (token !== null) expect(lines).not.toContain(token)
})

function changed(url: URL, name: string, value: string | null): URL {
  const other = new URL(url)
  if (value === null) other.searchParams.delete(name)
  else other.searchParams.set(name, value)
  return other
}
