/**
 * Servers at which each user has an account of their own, on the executable: each call as whoever makes it, over every
 * way in and in both eras, and users asked for their login in the call itself.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { openAsker } from '../support/askers.ts'
import { type CallerWay, callerWays } from '../support/callers.ts'
import { commandOf, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { LoginBrowser } from '../support/login-browser.ts'
import { askModern } from '../support/modern-client.ts'
import { startProcess } from '../support/process.ts'
import { ProtectedServer, type SeenRequest } from '../support/protected-server.ts'
import { RawClient, type RpcMessage } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { TokenIssuer } from '../support/token-issuer.ts'

const users = ['ada', 'bob', 'cleo'] as const
type User = (typeof users)[number]
const keys = new Map(users.map((user) => [user, makeKeyText(`${user}${user}${user}`.slice(0, 8))]))
const keyOf = (user: User): string => keys.get(user) ?? ''
const eras = ['legacy', 'modern'] as const
const html = { accept: 'text/html' }

const folder = temporaryDirectory()
let issuer: TokenIssuer
const servers = new Map<string, ProtectedServer>()
let gateway: RunningGateway

const start = () =>
  startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: {
          admin_tokens: ['a1'],
          global_tokens: ['g1'],
          keys: users.map((user) => ({
            id: `${user}${user}${user}`.slice(0, 8),
            name: user,
            hash: hashOfKey(keyOf(user)),
            user,
            access: [{ servers: ['*'] }],
          })),
        },
        storage: { path: folder.path },
        logging: { level: 'debug' },
      },
      mcps: [
        ...[...servers].map(([name, server]) => server.definition(name, { account: 'user' })),
        { name: 'team', transport: 'group', members: eras.map((server) => ({ server })) },
      ],
    },
  })

beforeAll(async () => {
  issuer = new TokenIssuer()
  for (const era of eras) servers.set(era, new ProtectedServer(issuer, { era }))
  gateway = await start()
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  for (const server of servers.values()) await server[Symbol.asyncDispose]()
  await issuer[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** A browser in which a user has signed in with their key. */
async function browserOf(user: User): Promise<LoginBrowser> {
  const browser = new LoginBrowser(gateway.url)
  const body = new URLSearchParams({ token: keyOf(user) })
  const answer = await browser.open(
    `${gateway.url}/me/session`,
    { method: 'POST', body },
    { origin: gateway.url },
  )
  expect(answer.status).toBe(303)
  return browser
}

async function logIn(user: User, server: string): Promise<void> {
  const browser = await browserOf(user)
  const back = await browser.logIn(`${gateway.url}/connect/${server}`, issuer, user)
  expect(`${back.status} ${await back.text()}`).toContain(`Logged in at ${server}`)
}

/** Sees to it that these users are logged in everywhere. */
async function loginsOf(...wanted: User[]): Promise<void> {
  for (const user of wanted)
    for (const era of eras)
      if ((await whoami(user, '/mcp-proxy/team', `${era}__whoami`, 'modern')) !== user) await logIn(user, era)
}

/** Who a call says that it is of. */
function callerIn(params: SeenRequest['params']): unknown {
  return (params?.['arguments'] as { caller?: string } | undefined)?.caller
}

/** Whose account a call of this user uses; what it was refused with otherwise. */
async function whoami(user: User, path: string, tool: string, way: CallerWay): Promise<string> {
  await using asker = await openAsker(gateway.url, path, way, keyOf(user))
  return subjectIn(await asker.ask('tools/call', { name: tool, arguments: { caller: user } }))
}

function subjectIn(answer: RpcMessage): string {
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  if (content === undefined || answer.result?.['isError'] === true) return JSON.stringify(answer)
  return (JSON.parse(content.text) as { subject: string }).subject
}

/** A call of a client that can be asked so, or not at all. */
async function modernCall(user: User, params: object, elicitation?: object): Promise<RpcMessage> {
  const { answer } = await askModern(gateway.face('modern', 'stream'), 'tools/call', {
    params: { name: 'whoami', arguments: { caller: user }, ...params },
    capabilities: elicitation === undefined ? {} : { elicitation },
    token: keyOf(user),
  })
  return answer
}

const hello = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'raw', version: '1.0.0' },
}

const linkTo = (server: string): string => `${gateway.url}/connect/${server}`

describe('before anybody has logged in', () => {
  test.each([...callerWays])('a call is told where, over %s', async (way) => {
    for (const era of eras) {
      const told = await whoami('ada', '/mcp-proxy/team', `${era}__whoami`, way)
      expect(told).toContain(linkTo(era))
      expect(told).toContain('"isError":true')
    }
  })

  test('a session that cannot begin says where', async () => {
    const body = { jsonrpc: '2.0', id: 1, method: 'initialize', params: hello }
    const answer = await fetch(gateway.face('legacy', 'stream'), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${keyOf('ada')}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify(body),
    })
    expect(`${answer.status} ${await answer.text()}`).toContain(linkTo('legacy'))
    expect(answer.status).toBe(403)
  })

  test('nobody in particular is told that it takes a user', async () => {
    const { answer } = await askModern(gateway.face('modern', 'stream'), 'tools/call', {
      params: { name: 'whoami', arguments: {} },
      token: 'g1',
    })
    expect(JSON.stringify(answer)).toContain('come with a key')
  })
})

describe('in the call itself', () => {
  test('a client without sessions is asked to open the address, and goes on when that is done', async () => {
    const asked = await modernCall('ada', {}, { url: {} })
    expect(asked.result?.['resultType']).toBe('input_required')
    const questions = asked.result?.['inputRequests'] as Record<string, { method: string; params: object }>
    const [[id = '', question]] = Object.entries(questions) as [[string, (typeof questions)[string]]]
    expect(question).toMatchObject({
      method: 'elicitation/create',
      params: { mode: 'url', url: linkTo('modern') },
    })
    // Without the login it is not asked again and again.
    const declined = await modernCall('ada', { inputResponses: { [id]: { action: 'decline' } } }, { url: {} })
    expect(JSON.stringify(declined.result)).toContain(linkTo('modern'))
    expect(declined.result).toMatchObject({ isError: true, resultType: 'complete' })
    await logIn('ada', 'modern')
    const gone = await modernCall('ada', { inputResponses: { [id]: { action: 'accept' } } }, { url: {} })
    expect(subjectIn(gone)).toBe('ada')
    // The question was the gateway's own, and its answer never came to the server.
    const [last] = servers.get('modern')?.calls().slice(-1) ?? []
    expect(last?.params).not.toHaveProperty('inputResponses')
  })

  test('one that has sessions gets -32042 with the address', async () => {
    const url = new URL(`${gateway.url}/mcp-proxy/team/stream`)
    await using client = await RawClient.open(url, {
      token: keyOf('ada'),
      version: '2025-11-25',
      capabilities: { elicitation: { url: {} } },
    })
    const params = { name: 'legacy__whoami', arguments: { caller: 'ada' } }
    const { answer } = await client.request(1, 'tools/call', params)
    expect(answer.error).toMatchObject({
      code: -32042,
      data: { elicitations: [{ mode: 'url', url: linkTo('legacy') }] },
    })
    await logIn('ada', 'legacy')
    expect(subjectIn((await client.request(2, 'tools/call', params)).answer)).toBe('ada')
  })

  test('one that cannot be asked gets the address in a text', async () => {
    for (const elicitation of [undefined, {}, { form: {} }]) {
      const told = await modernCall('bob', {}, elicitation)
      expect(told.result).toMatchObject({ isError: true, resultType: 'complete' })
      expect(JSON.stringify(told.result)).toContain(linkTo('modern'))
    }
  })
})

describe('each call is made as whoever makes it', () => {
  test.each([...callerWays])('over %s, at each server and through a group, at once', async (way) => {
    await loginsOf('ada', 'bob')
    const seen = await Promise.all(
      (['ada', 'bob'] as const).flatMap((user) =>
        eras.flatMap((era) => [
          whoami(user, `/mcp-proxy/${era}`, 'whoami', way),
          whoami(user, '/mcp-proxy/team', `${era}__whoami`, way),
        ]),
      ),
    )
    expect(seen).toEqual(['ada', 'ada', 'ada', 'ada', 'bob', 'bob', 'bob', 'bob'])
  })

  test('and no token of one user comes with a request of another', async () => {
    // Of everything that was ever asked of either server.
    const calls = [...servers.values()].flatMap((server) => server.calls())
    expect(calls.length).toBeGreaterThan(10)
    for (const { token, params } of calls)
      expect(issuer.holder(token ?? '')?.subject).toBe(String(callerIn(params)))
  })

  test('a login that one has begun is not finished by another', async () => {
    const [mine, theirs] = [await browserOf('cleo'), await browserOf('bob')]
    const back = issuer.approve(await mine.begin(linkTo('modern')), 'mallory')
    const before = issuer.asks('/token').length
    expect((await theirs.comeBack(back)).status).toBe(400)
    expect(issuer.asks('/token').length).toBe(before)
    expect(await whoami('bob', '/mcp-proxy/modern', 'whoami', 'modern')).toBe('bob')
    expect(await whoami('cleo', '/mcp-proxy/modern', 'whoami', 'modern')).toContain('isError')
  })

  // Or a key that was given to somebody else meanwhile would bring them the account of whoever had it.
  test('a login whose beginner is signed out by now is not finished', async () => {
    const browser = await browserOf('cleo')
    const back = issuer.approve(await browser.begin(linkTo('modern')), 'mallory')
    const me = (await (await browser.open(`${gateway.url}/me`)).json()) as { csrf: string }
    const from = { origin: gateway.url, 'x-csrf-token': me.csrf }
    const out = await browser.open(`${gateway.url}/me/session`, { method: 'DELETE' }, from)
    expect(out.status).toBe(204)
    const before = issuer.asks('/token').length
    expect((await browser.comeBack(back)).status).toBe(400)
    expect(issuer.asks('/token').length).toBe(before)
    expect(await whoami('cleo', '/mcp-proxy/modern', 'whoami', 'modern')).toContain('isError')
  })

  test('a link without a sign-in begins nothing', async () => {
    const answer = await new LoginBrowser(gateway.url).open(linkTo('modern'))
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain(`${gateway.url}/me`)
  })
})

test('a session goes on as the same user after its token was renewed', async () => {
  await loginsOf('ada', 'bob')
  await using asker = await openAsker(gateway.url, '/mcp-proxy/legacy', 'stream', keyOf('ada'))
  const call = async () =>
    subjectIn(await asker.ask('tools/call', { name: 'whoami', arguments: { caller: 'ada' } }))
  expect(await call()).toBe('ada')
  issuer.expireAll()
  expect(await call()).toBe('ada')
  expect(await whoami('bob', '/mcp-proxy/legacy', 'whoami', 'stream')).toBe('bob')
})

test('logins outlive the gateway', async () => {
  await loginsOf('ada', 'bob')
  await gateway.kill()
  gateway = await start()
  for (const user of ['ada', 'bob'] as const)
    for (const era of eras) expect(await whoami(user, `/mcp-proxy/${era}`, 'whoami', 'modern')).toBe(user)
})

test('who logs out at /me ends their own login, and no other', async () => {
  await loginsOf('ada', 'bob')
  await using session = await openAsker(gateway.url, '/mcp-proxy/legacy', 'stream', keyOf('ada'))
  await using other = await openAsker(gateway.url, '/mcp-proxy/legacy', 'stream', keyOf('bob'))
  const browser = await browserOf('ada')
  const shown = await (await browser.open(`${gateway.url}/me`, {}, html)).text()
  expect(shown).toContain('Log out')
  const [, csrf = ''] = /name="csrf" value="([^"]+)"/.exec(shown) ?? []
  const form = new URLSearchParams({ csrf, server: 'legacy', action: 'log-out' })
  const answer = await browser.open(
    `${gateway.url}/me/forms`,
    { method: 'POST', body: form },
    { origin: gateway.url },
  )
  expect(answer.status).toBe(303)
  const call = { name: 'whoami', arguments: { caller: 'ada' } }
  expect(subjectIn(await other.ask('tools/call', { ...call, arguments: { caller: 'bob' } }))).toBe('bob')
  const refused = await session.ask('tools/call', call).then(JSON.stringify, String)
  expect(refused).not.toContain('\\"subject\\"')
  expect(await whoami('ada', '/mcp-proxy/team', 'legacy__whoami', 'stream')).toContain(linkTo('legacy'))
  expect(await whoami('ada', '/mcp-proxy/modern', 'whoami', 'modern')).toBe('ada')
  const after = await (await browser.open(`${gateway.url}/me`, {}, html)).text()
  expect(after).toContain(`href="${linkTo('legacy')}"`)
})

test('the command line shows one their own logins', async () => {
  await loginsOf('ada')
  const list = startProcess({
    command: [
      ...commandOf('executable'),
      'credentials',
      'list',
      '--url',
      gateway.url,
      '--token',
      keyOf('ada'),
    ],
  })
  await list.line((line) => /^modern +login +logged in/.test(line))
})

test('no admin logs in for a user', async () => {
  const answer = await gateway.admin('/mcps/legacy/login', {
    method: 'POST',
    headers: { authorization: 'Bearer a1' },
    body: { how: 'browser' },
  })
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain('each user logs in')
})
