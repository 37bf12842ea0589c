/**
 * Servers that each user has of their own, where several processes are one gateway: workers of one machine and replicas
 * with a Redis. Whatever a request comes to, it is its user's; what one process stores counts at all of them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { NotLetIn, openAsker } from '../support/askers.ts'
import { callerWays } from '../support/callers.ts'
import { startReplica } from '../support/cluster.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { redisProgram, startRedis } from '../support/redis-server.ts'
import { startSplitter } from '../support/splitter.ts'

const users = ['ada', 'bob'] as const
const texts = new Map(users.map((user) => [user, makeKeyText(`${user}${user}xx`)]))
const textOf = (user: (typeof users)[number]): string => texts.get(user) ?? ''
const keys = users.map((user) => ({
  id: `${user}${user}xx`,
  name: user,
  user,
  hash: hashOfKey(textOf(user)),
  access: [{ servers: ['*'] }],
}))
const mcps = [
  {
    name: 'pipe',
    transport: 'stdio',
    command: process.execPath,
    args: [resolve(import.meta.dir, '../support/environment-server.ts')],
    env: { TOKEN: `$\{user.token}` },
  },
  { name: 'team', transport: 'group', members: [{ server: 'pipe' }] },
]

interface Running {
  readonly url: string
  /** Where users store: one process after the other, where each has an address. */
  readonly stores: readonly string[]
  stop(): Promise<unknown>
}

async function startWorkers(): Promise<Running> {
  const config = { mcp_proxy: { workers: 2, auth: { admin_tokens: ['a1'], keys } }, mcps }
  const gateway = await startGatewayProcess({ via: 'executable', config })
  return { url: gateway.url, stores: [gateway.url], stop: () => gateway.stop() }
}

async function startCluster(): Promise<Running> {
  const redis = await startRedis()
  const gateways: RunningGateway[] = []
  const env = { COMPOZY_SECRETS_KEY: randomBytes(32).toString('base64') }
  const settings = { storage: { type: 'memory' }, auth: { admin_tokens: ['a1'], keys } }
  for (let n = 0; n < 2; n++)
    gateways.push(await startReplica(redis, { via: 'executable', settings, mcps, env }))
  const splitter = startSplitter(gateways.map(({ url }) => url))
  return {
    url: splitter.url,
    stores: gateways.map(({ url }) => url),
    async stop() {
      await splitter[Symbol.asyncDispose]()
      await Promise.all(gateways.map((gateway) => gateway.kill()))
      await redis[Symbol.asyncDispose]()
    },
  }
}

describe.each([
  ['workers', startWorkers, true],
  ['replicas', startCluster, redisProgram !== null],
] as const)('with %s', (_, start, possible) => {
  let running: Running
  let stored = 0
  beforeAll(async () => {
    if (possible) running = await start()
  }, 60_000)
  afterAll(async () => {
    await running?.stop()
  })

  async function store(user: (typeof users)[number], value: string | null): Promise<void> {
    const answer = await fetch(
      `${running.stores[stored++ % running.stores.length]}/me/credentials/pipe/token`,
      {
        method: value === null ? 'DELETE' : 'PUT',
        headers: {
          authorization: `Bearer ${textOf(user)}`,
          'content-type': 'application/json',
          connection: 'close',
        },
        ...(value !== null && { body: JSON.stringify({ value }) }),
      },
    )
    expect([answer.status, await answer.text()]).toEqual([204, ''])
  }

  /** What six calls of a user by every way say, each from a client of its own, at the server and in the group. */
  async function told(user: (typeof users)[number]): Promise<string[]> {
    const each = callerWays.flatMap((way) =>
      [
        ['/mcp-proxy/pipe', 'token'],
        ['/mcp-proxy/team', 'pipe__token'],
      ].map(async ([path = '', name]) => {
        await using asker = await openAsker(running.url, path, way, textOf(user))
        const texts: string[] = []
        for (let n = 0; n < 3; n++) {
          const { result, error } = await asker.ask('tools/call', { name, arguments: {} })
          const [{ text = '' } = {}] = (result?.['content'] ?? []) as { text?: string }[]
          texts.push(error === undefined ? (text.split(' ')[1] ?? '') : JSON.stringify(error))
        }
        return texts
      }),
    )
    return (await Promise.all(each)).flat()
  }

  /** Calls until all of them say the same; none of them ever says what another user has stored. */
  async function toldBy(user: (typeof users)[number], wanted: string): Promise<void> {
    await poll(`${wanted} everywhere`, async () => {
      // Where another replica does not know yet that there is one, nobody is let in.
      const all = new Set(
        await told(user).catch((thrown) => {
          if (thrown instanceof NotLetIn && thrown.status === 403) return []
          throw thrown
        }),
      )
      for (const one of all) expect(one).toStartWith(`canary-${user}-`)
      return all.size === 1 && all.has(wanted)
    })
  }

  test.skipIf(!possible)(
    'every call is its user’s, and another value comes to count everywhere',
    async () => {
      for (const round of [1, 2, 3]) {
        await Promise.all(users.map((user) => store(user, `canary-${user}-${round}`)))
        await Promise.all(users.map((user) => toldBy(user, `canary-${user}-${round}`)))
      }
    },
    60_000,
  )

  test.skipIf(!possible)(
    'one that is removed is gone everywhere, and the other user keeps theirs',
    async () => {
      await store('ada', null)
      let refused = 0
      await poll('the end of it', async () => {
        await using asker = await openAsker(running.url, '/mcp-proxy/team', 'modern', textOf('ada'))
        const { error } = await asker.ask('tools/call', { name: 'pipe__token', arguments: {} })
        refused = (error?.data as { code?: string })?.code === 'CREDENTIAL_MISSING' ? refused + 1 : 0
        return refused === 10
      })
      await toldBy('bob', 'canary-bob-3')
    },
    60_000,
  )
})
