/** Tokens that end: one renewal at a time, nothing lost that can be saved, and nobody is logged out by an outage. */
import { afterEach, describe, expect, test } from 'bun:test'
import type { LoginVault } from '../../../src/credentials/oauth/stored.ts'
import type { ServerDefinition } from '../../../src/registry/definition.ts'
import { noSharers, type Sharers } from '../../../src/registry/storage/sharers.ts'
import { readBody } from '../../../src/upstream/transports/http/client/answer/answer.ts'
import { Cancellation } from '../../../src/upstream/transports/http/client/answer/cancellation.ts'
import { HttpClient } from '../../../src/upstream/transports/http/client/http-client.ts'
import { poll } from '../../support/gateway.ts'
import { ProtectedServer } from '../../support/protected-server.ts'
import { type AskedForm, TokenIssuer, type TokenIssuerOptions } from '../../support/token-issuer.ts'
import { clientsOf, defined, memoryVault } from './clients.ts'

const stack = new AsyncDisposableStack()
let open: AsyncDisposableStack = stack
afterEach(() => open.disposeAsync())

/** A server, its issuer, and what processes of one gateway share. */
async function setUp(options: TokenIssuerOptions = {}, oauth: object = {}) {
  open = new AsyncDisposableStack()
  const issuer = open.use(new TokenIssuer(options))
  const server = open.use(new ProtectedServer(issuer))
  const vault = memoryVault()
  const definition = defined(server.definition('docs', { ...oauth }))
  const one = processOf(vault, definition)
  if (!('grant' in oauth)) {
    const { url } = await one.clients.beginShared('docs', 'paste')
    await one.clients.logins.finish(issuer.approve(url, 'ada').searchParams, null, null)
  }
  return { issuer, server, vault, definition, one }
}

/** A process of which all others live. */
const among = (): Sharers => ({ ...noSharers(), isGone: () => Promise.resolve(false) })

/** One process: its clients and a connection. */
function processOf(vault: LoginVault, definition: ServerDefinition, sharers: Sharers = among()) {
  const clients = clientsOf(() => definition, { vault, sharers })
  const account = clients.accountFor(definition, 'shared')
  const client = new HttpClient({ url: definition.url, headers: {}, tokens: account, lineBytesMax: 1 << 20 })
  open.defer(() => {
    clients.close()
    client.close()
  })
  const call = async (id: number, tool = 'whoami'): Promise<string> => {
    const answer = await client.request({
      method: 'POST',
      protocolHeaders: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: tool } }),
      cancellation: new Cancellation(),
    })
    const text = await readBody(answer, 1 << 20)
    return answer.status === 200 ? (text ?? '') : `HTTP ${answer.status}`
  }
  return { clients, account, call }
}

/** As if the token had come so long ago and ended in so long. */
function age(vault: LoginVault, sinceMs: number, leftMs: number): void {
  const { value } = vault.read('shared', 'docs', 'oauth:login') ?? { value: '{}' }
  const times = { obtainedAtMs: Date.now() - sinceMs, expiresAtMs: Date.now() + leftMs, refreshing: null }
  vault.write('shared', 'docs', 'oauth:login', JSON.stringify({ ...JSON.parse(value), ...times }))
}

/** As if another process were at the token endpoint with it, until then. */
function claim(vault: LoginVault, by: string, untilMs: number): void {
  const { value } = vault.read('shared', 'docs', 'oauth:login') ?? { value: '{}' }
  const claimed = { ...JSON.parse(value), refreshing: { by, untilMs } }
  vault.write('shared', 'docs', 'oauth:login', JSON.stringify(claimed))
}

const isRefresh = ({ form }: AskedForm): boolean => form.get('grant_type') === 'refresh_token'
const many = (count: number, call: (id: number) => Promise<string>) =>
  Promise.allSettled(Array.from({ length: count }, (_, at) => call(at + 1)))
const answered = (results: readonly PromiseSettledResult<string>[]) =>
  results.filter((result) => result.status === 'fulfilled' && result.value.includes('ada')).length

describe('a token that the server does not take any more', () => {
  test('is renewed once for a hundred calls in flight of two processes, and none of them fails', async () => {
    const { issuer, server, vault, definition, one } = await setUp()
    const two = processOf(vault, definition)
    expect(await one.call(1)).toContain('ada')
    expect(await two.call(2)).toContain('ada')
    server.delayMs = 20
    const before = many(50, one.call)
    issuer.expireAll()
    const after = [many(50, one.call), many(50, two.call)]
    const results = (await Promise.all([before, ...after])).flat()
    expect(answered(results)).toBe(150)
    expect(issuer.grants('refresh_token')).toHaveLength(1)
    expect(new Set(server.calls().map(({ token }) => token)).size).toBeLessThanOrEqual(2)
  })

  test('is renewed all the same where the answer to a renewal is lost and its refresh token is used up', async () => {
    const { issuer, one } = await setUp()
    issuer.graceMs = 60_000
    let lost = 0
    issuer.answer = (asked) => {
      if (!isRefresh(asked) || lost++ > 0) return undefined
      issuer.usual(asked)
      return new Response('bad gateway', { status: 502 })
    }
    issuer.expireAll()
    expect(answered(await many(100, one.call))).toBe(100)
    expect(issuer.grants('refresh_token')).toHaveLength(2)
    expect(one.account.state).toBe('logged_in')
  })

  test('is asked for with the resource that it was got for', async () => {
    const { issuer, server, one } = await setUp()
    issuer.expireAll()
    await one.call(1)
    expect(issuer.grants('refresh_token')[0]?.form.get('resource')).toBe(server.url)
  })

  test('and a new one that is refused as well end the call, and no more are asked for', async () => {
    const { issuer, server, one } = await setUp()
    server.answer = () =>
      new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
    await expect(one.call(1)).rejects.toMatchObject({ code: 'CREDENTIAL_MISSING' })
    expect(issuer.grants('refresh_token').length).toBeLessThanOrEqual(2)
    expect(one.account.state).toBe('needs_login')
  })

  test('does not have a message sent again that somebody has answered', async () => {
    const { issuer, server, one } = await setUp()
    server.answer = ({ id, method }) =>
      method === 'tools/call'
        ? Response.json({ jsonrpc: '2.0', id, error: { code: -32001, message: 'no' } }, { status: 401 })
        : undefined
    await expect(one.call(7)).rejects.toMatchObject({ code: 'UPSTREAM_UNAUTHORIZED' })
    expect(server.seen.filter(({ method }) => method === 'tools/call')).toHaveLength(1)
    expect(issuer.grants('refresh_token')).toHaveLength(1)
  })
})

describe('a renewal that another process has claimed', () => {
  test('is taken over as soon as that process is gone', async () => {
    const { issuer, vault, definition } = await setUp()
    const gone = Promise.withResolvers<boolean>()
    const asked: string[] = []
    const two = processOf(vault, definition, {
      ...noSharers(),
      isGone: (by) => {
        asked.push(by)
        return asked.length === 1 ? gone.promise : Promise.resolve(false)
      },
    })
    claim(vault, 'the one that was killed', Date.now() + 20_000)
    issuer.expireAll()
    const call = two.call(1)
    await poll('the question', async () => asked.length > 0)
    expect(issuer.grants('refresh_token')).toHaveLength(0)
    gone.resolve(true)
    const fromMs = performance.now()
    expect(await call).toContain('ada')
    expect(performance.now() - fromMs).toBeLessThan(5_000)
    expect([issuer.grants('refresh_token').length, asked[0]]).toEqual([1, 'the one that was killed'])
  })

  test('is left to it while it lives, and what it gets counts here', async () => {
    const { issuer, vault, definition, one } = await setUp()
    const two = processOf(vault, definition)
    const { promise: held, resolve: hold } = Promise.withResolvers<void>()
    const { promise: goOn, resolve: letGoOn } = Promise.withResolvers<void>()
    issuer.answer = async (asked) => {
      if (!isRefresh(asked)) return undefined
      hold()
      await goOn
      return issuer.usual(asked)
    }
    issuer.expireAll()
    const calls = [one.call(1)]
    await held
    calls.push(two.call(2))
    // Long enough for several questions after the claimant.
    await Bun.sleep(600)
    letGoOn()
    expect(await Promise.all(calls)).toEqual([expect.stringContaining('ada'), expect.stringContaining('ada')])
    expect(issuer.grants('refresh_token')).toHaveLength(1)
  })

  test('is told by the clock that all agree on, whatever the machine says', async () => {
    const { issuer, vault, definition } = await setUp()
    const minutes = 5 * 60_000
    // This machine's clock is five minutes ahead of the others'.
    const nowMs = () => Date.now() - minutes
    const two = processOf(vault, definition, { ...among(), nowMs })
    claim(vault, 'another', nowMs() + 700)
    issuer.expireAll()
    const fromMs = performance.now()
    expect(await two.call(1)).toContain('ada')
    expect(performance.now() - fromMs).toBeGreaterThan(400)
    const { value } = vault.read('shared', 'docs', 'oauth:login') ?? { value: '{}' }
    expect(Math.abs(JSON.parse(value).obtainedAtMs - nowMs())).toBeLessThan(5_000)
  })
})

describe('an authorization server that fails', () => {
  test('costs no call as long as the token counts, and no login after that', async () => {
    const { issuer, vault, one } = await setUp()
    issuer.answer = ({ path }) => (path.endsWith('/token') ? new Response(null, { status: 503 }) : undefined)
    age(vault, 290_000, 30_000)
    expect(await one.call(1)).toContain('ada')
    age(vault, 300_000, 0)
    await expect(one.call(2)).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
    expect(one.account.state).toBe('logged_in')
    issuer.answer = () => undefined
    expect(await one.call(3)).toContain('ada')
  })

  test.each(['invalid_client', 'temporarily_unavailable', 'invalid_request'])(
    'with %s keeps the login',
    async (error) => {
      const { issuer, vault, one } = await setUp()
      issuer.answer = (asked) => (isRefresh(asked) ? Response.json({ error }, { status: 400 }) : undefined)
      issuer.expireAll()
      await expect(one.call(1)).rejects.toThrow()
      expect(vault.read('shared', 'docs', 'oauth:login')).not.toBeNull()
    },
  )

  test('with invalid_grant has ended the login, and says where to begin another', async () => {
    const { issuer, vault, one } = await setUp()
    issuer.revokeAll()
    await expect(one.call(1)).rejects.toThrow('compozy servers login docs')
    expect(vault.read('shared', 'docs', 'oauth:login')).toBeNull()
    expect(one.account.state).toBe('needs_login')
  })
})

describe('a token whose life is nearly over', () => {
  test('is renewed beside the calls, which wait for nothing', async () => {
    const { issuer, vault, one } = await setUp()
    const begun = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    issuer.answer = async (asked) => {
      if (!isRefresh(asked)) return undefined
      begun.resolve()
      await held.promise
      return undefined
    }
    age(vault, 250_000, 50_000)
    expect(await one.call(1)).toContain('ada')
    await begun.promise
    held.resolve()
    await poll('the new token', async () => (one.account.login?.expiresAtMs ?? 0) > Date.now() + 100_000)
    expect(issuer.grants('refresh_token')).toHaveLength(1)
  })
})

describe('the figures of logins', () => {
  /** Of all that has happened, what is not 0. */
  const figuresOf = ({ clients }: ReturnType<typeof processOf>) => {
    const [{ attempts, renewals, server, account, ...states } = never()] = clients.figures()
    expect([server, account]).toEqual(['docs', 'shared'])
    const all = Object.entries({ ...states, ...attempts, ...Object.fromEntries(renamed(renewals)) })
    return Object.fromEntries(all.filter(([, count]) => count !== 0 && count !== null))
  }
  const never = (): never => {
    throw new Error('there are no figures')
  }
  const renamed = (renewals: Readonly<Record<string, number>>) =>
    Object.entries(renewals).map(([outcome, count]) => [`renewal ${outcome}`, count])

  test('say that one is needed, that somebody has tried, and that it is there', async () => {
    const { issuer, vault, definition } = await setUp()
    vault.delete('shared', 'docs', 'oauth:login')
    const two = processOf(vault, definition)
    expect(figuresOf(two)).toEqual({ needsLogin: 1 })
    const { url } = await two.clients.beginShared('docs', 'paste')
    const denied = new URL(issuer.approve(url, 'ada'))
    denied.searchParams.delete('code')
    denied.searchParams.set('error', 'access_denied')
    await expect(two.clients.logins.finish(denied.searchParams, null, null)).rejects.toThrow()
    expect(figuresOf(two)).toEqual({ needsLogin: 1, failed: 1 })
    const again = await two.clients.beginShared('docs', 'paste')
    await two.clients.logins.finish(issuer.approve(again.url, 'ada').searchParams, null, null)
    expect(figuresOf(two)).toEqual({ stored: 1, failed: 1, completed: 1 })
  })

  test('count a renewal once, wherever it was waited for', async () => {
    const { issuer, vault, definition, one } = await setUp()
    const two = processOf(vault, definition)
    await Promise.all([one.call(1), two.call(2)])
    issuer.expireAll()
    await Promise.all([many(20, one.call), many(20, two.call)])
    const renewed = [one, two].map((each) => figuresOf(each)['renewal renewed'] ?? 0)
    expect(renewed.toSorted()).toEqual([0, 1])
  })

  test.each([
    ['invalid_grant', { needsLogin: 1, completed: 1, 'renewal ended': 1 }],
    ['invalid_client', { stored: 1, insufficient: 1, needsLogin: 1, completed: 1, 'renewal refused': 1 }],
    ['server_error', { stored: 1, completed: 1, 'renewal failed': 1 }],
  ])('tell a renewal that was answered with %s from others', async (error, expected) => {
    const { issuer, one } = await setUp()
    const status = error === 'server_error' ? 503 : 400
    issuer.answer = (asked) => (isRefresh(asked) ? Response.json({ error }, { status }) : undefined)
    issuer.expireAll()
    await expect(one.call(1)).rejects.toThrow()
    expect(figuresOf(one)).toEqual(expected)
  })

  test('say when a login ends that nothing renews', async () => {
    const { one } = await setUp({ refreshes: false })
    const { endsAtS, ...others } = figuresOf(one)
    expect(others).toEqual({ stored: 1, completed: 1 })
    expect(Math.abs(Number(endsAtS) - Date.now() / 1_000 - 300)).toBeLessThan(30)
  })

  test('count the logins of users whether they have come or not, and whoever came without one', async () => {
    const { vault, definition } = await setUp()
    const oauth =
      definition.oauth === undefined ? undefined : { ...definition.oauth, account: 'user' as const }
    const { clients } = processOf(vault, { ...definition, ...(oauth !== undefined && { oauth }) })
    const login = vault.read('shared', 'docs', 'oauth:login')?.value ?? ''
    for (const user of ['user:ada', 'user:bob']) vault.write(user, 'docs', 'oauth:login', login)
    const states = () => {
      const [{ account, stored, needsLogin } = never()] = clients.figures()
      return { account, stored, needsLogin }
    }
    expect(states()).toEqual({ account: 'user', stored: 2, needsLogin: 0 })
    await clients.account('user:eve', 'docs')?.current()
    // A connection of the gateway's own is nobody's.
    await clients.account('', 'docs')?.current()
    expect(states()).toEqual({ account: 'user', stored: 2, needsLogin: 1 })
    vault.delete('user:bob', 'docs', 'oauth:login')
    expect(states()).toEqual({ account: 'user', stored: 1, needsLogin: 1 })
  })
})

describe("the client's own credentials", () => {
  const oauth = (issuer: string) => ({
    grant: 'client_credentials',
    issuer,
    client: { id: 'svc', secret: 's3cret-of-svc' },
    scopes: ['read'],
  })

  test('bring a token with the first call, and a new one for a refused one', async () => {
    open = new AsyncDisposableStack()
    const issuer = open.use(new TokenIssuer({ clients: { svc: 's3cret-of-svc' } }))
    const server = open.use(new ProtectedServer(issuer))
    const { call } = processOf(memoryVault(), defined(server.definition('docs', oauth(issuer.issuer))))
    expect(await call(1)).toContain('svc')
    issuer.expireAll()
    const results = await many(20, call)
    expect(results.every((result) => result.status === 'fulfilled' && result.value.includes('svc'))).toBe(
      true,
    )
    expect(issuer.grants('client_credentials')).toHaveLength(2)
    // Scopes that a call lacks are asked for once.
    server.toolScopes.set('write', ['write'])
    expect(await call(3, 'write')).toContain('svc')
    expect(issuer.grants('client_credentials').at(-1)?.form.get('scope')).toBe('read write')
  })
})

describe('a login is for the place that it was got for', () => {
  test('and a definition that names another one has none, until it names that place again', async () => {
    const { issuer, definition, one } = await setUp()
    const token = one.account.current()
    expect(issuer.holder(String(token))?.subject).toBe('ada')
    const { oauth } = definition
    if (oauth === undefined) throw new Error('no oauth')
    for (const other of [
      { ...definition, url: 'http://127.0.0.1:9/mcp' },
      { ...definition, url: definition.url.replace('127.0.0.1', 'localhost') },
      { ...definition, oauth: { ...oauth, issuer: 'https://elsewhere.example' } },
      { ...definition, oauth: { ...oauth, client: { id: 'another', secret: null, method: null } } },
    ] as ServerDefinition[]) {
      one.account.take(other)
      expect([one.account.current(), one.account.state]).toEqual([null, 'needs_login'])
    }
    one.account.take(definition)
    expect(one.account.current()).toBe(token)
  })
})
