/**
 * Logins of the gateway at servers whose authorization server is a real one (`oidc-provider`), on the executable. It
 * takes a refresh token once: whoever brings one twice loses the login. `SIGN_INS=all` runs every way to log in.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type AuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { callerWays, openCaller } from '../support/callers.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { LoginBrowser } from '../support/login-browser.ts'
import { startProcess } from '../support/process.ts'
import { ProtectedServer } from '../support/protected-server.ts'

const isLong = process.env['SIGN_INS'] === 'all'
const lifetimeS = 2
/** Where people come back to for the server of that name; the port is the gateway's, which such issuers leave out. */
const redirectOfKnown = 'http://127.0.0.1/oauth/callback/0W6rUa1xc6lr7xL8T-OiVa'
const names = ['registered', 'known', 'reports'] as const
type Name = (typeof names)[number]

let authority: AuthorizationServer
let gateway: RunningGateway
const servers = new Map<Name, ProtectedServer>()

beforeAll(async () => {
  authority = await startAuthorizationServer({
    tokens: 'opaque',
    lifetimeS,
    confidential: { gateway: { secret: 'canary-secret-of-the-client', redirects: [redirectOfKnown] } },
    services: { reporter: 'canary-secret-of-the-service' },
  })
  const { issuer } = authority
  const oauthOf: Readonly<Record<Name, object>> = {
    registered: {},
    known: { issuer, client: { id: 'gateway', secret: 'canary-secret-of-the-client' } },
    reports: {
      grant: 'client_credentials',
      issuer,
      client: { id: 'reporter', secret: 'canary-secret-of-the-service' },
      scopes: ['mcp'],
    },
  }
  for (const name of names)
    servers.set(
      name,
      new ProtectedServer(authority, {
        era: name === 'known' ? 'modern' : 'legacy',
        metadata: { scopes_supported: ['mcp'] },
      }),
    )
  gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [...servers].map(([name, server]) => server.definition(name, { ...oauthOf[name] })) },
  })
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  for (const server of servers.values()) await server[Symbol.asyncDispose]()
  await authority?.[Symbol.asyncDispose]()
})

interface Told {
  readonly subject: string
  readonly scopes: readonly string[]
  readonly resource: string | null
}

async function whoami(name: Name, way: (typeof callerWays)[number] = 'modern'): Promise<Told> {
  await using caller = await openCaller(gateway, name, way)
  const { answer } = await caller.call(1, 'whoami', {})
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  if (content === undefined || answer.result?.['isError'] === true) throw new Error(JSON.stringify(answer))
  return JSON.parse(content.text) as Told
}

async function stateOf(name: Name): Promise<string> {
  const { status } = (await (await gateway.admin(`/mcps/${name}`)).json()) as {
    status: { login: { state: string } }
  }
  return status.login.state
}

async function logIn(name: Name, login: string): Promise<void> {
  const begun = await gateway.admin(`/mcps/${name}/login`, { method: 'POST', body: { how: 'browser' } })
  const { url } = (await begun.json()) as { url: string }
  const browser = new LoginBrowser(gateway.url)
  const back = await authority.signIn(new URL(await browser.begin(url)), login)
  const answer = await browser.comeBack(back)
  expect(`${answer.status} ${await answer.text()}`).toContain(`Logged in at ${name}`)
}

const tokensAsked = (): number => authority.asked.filter((path) => path === '/token').length
const askedAt = (path: string): number => authority.asked.filter((asked) => asked === path).length

/** Calls from several clients at once for so many lives of a token: each of them is that person's. */
async function callFor(name: Name, subject: string, lives: number): Promise<number> {
  const untilMs = performance.now() + lives * lifetimeS * 1_000
  const clients = [1, 2, 3, 4].map(async () => {
    let calls = 0
    for (; performance.now() < untilMs; calls++) {
      expect((await whoami(name)).subject).toBe(subject)
      await Bun.sleep(20)
    }
    return calls
  })
  return (await Promise.all(clients)).reduce((sum, calls) => sum + calls)
}

test('a client that registers itself logs in with PKCE, and many callers outlive the token by one renewal', async () => {
  await poll('the first answer', async () => (await stateOf('registered')) === 'needs_login')
  await logIn('registered', 'ada')
  expect(askedAt('/reg')).toBe(1)
  const url = servers.get('registered')?.url ?? ''
  await poll('the connection', async () => (await whoami('registered').catch(() => null)) !== null)
  expect(await whoami('registered')).toMatchObject({ subject: 'ada', resource: url })
  const before = tokensAsked()
  expect(await callFor('registered', 'ada', 1)).toBeGreaterThan(20)
  // A second one is due where the first came early in this life.
  expect(tokensAsked() - before).toBeGreaterThanOrEqual(1)
  expect(tokensAsked() - before).toBeLessThanOrEqual(2)
  expect(await stateOf('registered')).toBe('logged_in')
}, 30_000)

describe.skipIf(!isLong)('every way', () => {
  test('a client that was registered beforehand, with a secret, logs in and is renewed again and again', async () => {
    await logIn('known', 'bob')
    const before = tokensAsked()
    await callFor('known', 'bob', 5)
    expect(tokensAsked() - before).toBeGreaterThanOrEqual(4)
    expect(tokensAsked() - before).toBeLessThanOrEqual(14)
    for (const way of callerWays) expect((await whoami('known', way)).subject).toBe('bob')
    expect(await stateOf('known')).toBe('logged_in')
  }, 60_000)

  test('a login that nobody used for longer than its token goes on with the next call', async () => {
    await logIn('registered', 'ada')
    await Bun.sleep(lifetimeS * 2_000)
    expect((await whoami('registered', 'stream')).subject).toBe('ada')
  }, 30_000)

  test.each(['registered', 'known'] as const)(
    'at another device, as the client of %s',
    async (name) => {
      await gateway.admin(`/mcps/${name}/login`, { method: 'DELETE' })
      const command = startProcess({
        command: [
          ...[...commandOf('executable'), 'servers', 'login', name, '--device'],
          ...['--url', gateway.url, '--token', 'x'],
        ],
      })
      const page = await command.line((line) => line.startsWith('http'))
      await authority.agreeAtDevice(new URL(page), 'eve')
      await command.line((line) => line.startsWith(`logged in at ${name}`))
      expect((await whoami(name)).subject).toBe('eve')
      await callFor(name, 'eve', 2)
    },
    60_000,
  )

  test('a service gets tokens of its own, one after the other, and nobody logs in', async () => {
    expect(await whoami('reports')).toMatchObject({
      subject: 'reporter',
      scopes: ['mcp'],
      resource: servers.get('reports')?.url ?? '',
    })
    await callFor('reports', 'reporter', 3)
    expect(await stateOf('reports')).toBe('logged_in')
  }, 30_000)

  test.each(['registered', 'known'] as const)(
    'logging out of %s ends its tokens at the issuer too',
    async (name) => {
      await logIn(name, 'ada')
      await poll('the connection', async () => (await whoami(name).catch(() => null)) !== null)
      const token = servers.get(name)?.calls().at(-1)?.token ?? ''
      expect((await authority.holder(token))?.subject).toBe('ada')
      const before = askedAt('/token/revocation')
      expect((await gateway.admin(`/mcps/${name}/login`, { method: 'DELETE' })).status).toBe(204)
      expect(askedAt('/token/revocation')).toBe(before + 1)
      expect(await authority.holder(token)).toBeNull()
      expect(await stateOf(name)).toBe('needs_login')
      await expect(whoami(name)).rejects.toThrow(`servers login ${name}`)
    },
    30_000,
  )
})

test('no secret of a client stands in the log', () => {
  expect(gateway.lines().join('\n')).not.toContain('canary-secret')
})
