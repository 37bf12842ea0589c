/**
 * Users with accounts of their own at servers, where three replicas are one gateway behind a balancer that sends each
 * request to another of them: who logs in once is logged in at all, each call is its caller's, and no replica that
 * dies takes a login with it. `CLUSTER_FAULTS=1` kills replicas.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { openAsker } from '../support/askers.ts'
import { type CallerWay, callerWays } from '../support/callers.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { LoginBrowser } from '../support/login-browser.ts'
import { hasConnectionFrom } from '../support/process-facts.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { type AskedForm, TokenIssuer } from '../support/token-issuer.ts'

const users = ['ada', 'bob'] as const
type User = (typeof users)[number]
const texts = new Map(users.map((user) => [user, makeKeyText(`${user}${user}xx`)]))
const textOf = (user: User): string => texts.get(user) ?? ''
const eras = ['legacy', 'modern'] as const
const kills = process.env['CLUSTER_FAULTS'] === '1'
const isPossible = redisProgram !== null

let issuer: TokenIssuer
let replicas: RunningReplicas
let running: readonly RunningGateway[] = []
const servers = new Map<string, ProtectedServer>()

beforeAll(async () => {
  if (!isPossible) return
  issuer = new TokenIssuer()
  for (const era of eras) servers.set(era, new ProtectedServer(issuer, { era }))
  const keys = users.map((user) => ({
    id: `${user}${user}xx`,
    name: user,
    user,
    hash: hashOfKey(textOf(user)),
    access: [{ servers: ['*'] }],
  }))
  replicas = await startReplicas({
    settings: (url) => ({ base_url: url, auth: { admin_tokens: ['a1'], keys } }),
    env: { COMPOZY_SECRETS_KEY: randomBytes(32).toString('base64') },
    mcps: [
      ...[...servers].map(([name, server]) => server.definition(name, { account: 'user' })),
      { name: 'team', transport: 'group', members: eras.map((server) => ({ server })) },
    ],
  })
  running = replicas.gateways
}, 60_000)
afterAll(async () => {
  await replicas?.[Symbol.asyncDispose]()
  for (const server of servers.values()) await server[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
})

/** A browser, which the balancer keeps at one replica, in which a user has signed in with their key. */
async function browserOf(user: User): Promise<LoginBrowser> {
  const { url } = replicas.splitter
  const browser = new LoginBrowser(url)
  const body = new URLSearchParams({ token: textOf(user) })
  const answer = await browser.open(`${url}/me/session`, { method: 'POST', body }, { origin: url })
  expect(answer.status).toBe(303)
  return browser
}

async function logIn(user: User, server: string): Promise<void> {
  const browser = await browserOf(user)
  const back = await browser.logIn(`${replicas.splitter.url}/connect/${server}`, issuer, user)
  expect(`${back.status} ${await back.text()}`).toContain(`Logged in at ${server}`)
}

/** Whose account a call of this user uses; what it was refused with otherwise. */
async function whoami(base: string, user: User, path: string, tool: string, way: CallerWay): Promise<string> {
  try {
    await using asker = await openAsker(base, path, way, textOf(user))
    return subjectIn(await asker.ask('tools/call', { name: tool, arguments: { caller: user } }))
  } catch (thrown) {
    return String(thrown)
  }
}

function subjectIn(answer: RpcMessage): string {
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  if (content === undefined || answer.result?.['isError'] === true) return JSON.stringify(answer)
  return (JSON.parse(content.text) as { subject: string }).subject
}

/** What calls of a user say by every way, at each server and in the group, at these addresses, all at once. */
async function everywhere(
  user: User,
  bases: readonly string[],
  ways = callerWays,
  at: readonly string[] = eras,
): Promise<Set<string>> {
  const all = bases.flatMap((base) =>
    ways.flatMap((way) =>
      at.flatMap((era) => [
        whoami(base, user, `/mcp-proxy/${era}`, 'whoami', way),
        whoami(base, user, '/mcp-proxy/team', `${era}__whoami`, way),
      ]),
    ),
  )
  return new Set(await Promise.all(all))
}

const addresses = (): string[] => [replicas.splitter.url, ...replicas.splitter.targets]

describe.skipIf(!isPossible)('with three replicas', () => {
  test('a login that is made once counts at all of them, and each call is its caller’s', async () => {
    for (const user of users) for (const era of eras) await logIn(user, era)
    for (const user of users)
      await poll(`${user} everywhere`, async () => {
        const said = await everywhere(user, addresses(), ['modern'])
        return said.size === 1 && said.has(user)
      })
    const said = await Promise.all(users.map((user) => everywhere(user, addresses())))
    expect(said.map((each) => [...each])).toEqual([['ada'], ['bob']])
    for (const server of servers.values())
      for (const { token, params } of server.calls())
        expect(issuer.holder(token ?? '')?.subject).toBe(callerIn(params))
  }, 60_000)

  test('tokens that end are renewed once for all replicas', async () => {
    const before = issuer.grants('refresh_token').length
    issuer.expireAll()
    const said = await Promise.all(users.map((user) => everywhere(user, addresses())))
    expect(said.map((each) => [...each])).toEqual([['ada'], ['bob']])
    // Two users at two servers.
    expect(issuer.grants('refresh_token').length - before).toBe(4)
  }, 60_000)

  test('who logs out is out everywhere, and the other goes on', async () => {
    const { url } = replicas.splitter
    const browser = await browserOf('ada')
    const shown = await (await browser.open(`${url}/me`, {}, { accept: 'text/html' })).text()
    const [, csrf = ''] = /name="csrf" value="([^"]+)"/.exec(shown) ?? []
    const body = new URLSearchParams({ csrf, server: 'legacy', action: 'log-out' })
    const answer = await browser.open(`${url}/me/forms`, { method: 'POST', body }, { origin: url })
    expect(answer.status).toBe(303)
    const told = (base: string) => whoami(base, 'ada', '/mcp-proxy/team', 'legacy__whoami', 'modern')
    for (const base of addresses())
      await poll(`the end of it at ${base}`, async () => (await told(base)).includes(`${url}/connect/legacy`))
    for (const base of addresses())
      expect(await whoami(base, 'ada', '/mcp-proxy/modern', 'whoami', 'modern')).toBe('ada')
    expect([...(await everywhere('bob', addresses()))]).toEqual(['bob'])
  }, 60_000)
})

describe.skipIf(!isPossible || !kills)('a replica that is killed in the middle of a renewal', () => {
  test.each<{ why: string; takes: boolean }>([
    { why: 'before the issuer has looked at it', takes: false },
    { why: 'after the issuer has given a new token, which nobody read', takes: true },
  ])(
    'takes no login with it: $why',
    async ({ takes }) => {
      await logIn('ada', 'modern')
      // As an issuer has to be whose answers may be lost on their way.
      issuer.graceMs = 60_000
      const { promise: held, resolve: hold } = Promise.withResolvers<AskedForm>()
      issuer.answer = async (asked) => {
        if (asked.form.get('grant_type') !== 'refresh_token') return undefined
        if (takes) issuer.usual(asked)
        hold(asked)
        return await new Promise<Response>(() => {})
      }
      issuer.expireAll()
      const call = whoami(replicas.splitter.url, 'ada', '/mcp-proxy/modern', 'whoami', 'modern')
      const { port } = await held
      // A connection is of the process that has it, whoever the call came to.
      const victim = running.find(({ pid }) => hasConnectionFrom(pid, port))
      if (victim === undefined) throw new Error('nobody renews')
      issuer.answer = () => undefined
      await victim.kill()
      running = running.filter((each) => each !== victim)
      replicas.splitter.targets = running.map(({ url }) => url)
      const logins = issuer.grants('authorization_code').length
      // That it is dead is known by its lease, or as soon as its address refuses: nobody waits until its claim is over.
      const diedAtMs = performance.now()
      await call
      for (const user of users)
        for (const base of addresses())
          await poll(
            `${user} at ${base}`,
            async () => [...(await everywhere(user, [base], ['modern'], ['modern']))].join() === user,
          )
      expect(performance.now() - diedAtMs).toBeLessThan(8_000)
      expect(issuer.grants('authorization_code').length).toBe(logins)
      running = [...running, await replicas.start()]
      replicas.splitter.targets = running.map(({ url }) => url)
    },
    90_000,
  )
})

/** Who a call says that it is of. */
function callerIn(params: Readonly<Record<string, unknown>> | undefined): string {
  return String((params?.['arguments'] as { caller?: string } | undefined)?.caller)
}
