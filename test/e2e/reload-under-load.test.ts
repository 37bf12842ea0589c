/**
 * Fifty clients call two servers while the file changes under them: calls to servers that are not touched never fail,
 * and each report is right. RELOAD_ROUNDS=20 goes through the changes as often (`bun run test:long:reload`).
 */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reference } from '../registry/definitions.ts'
import { statelessEnvelope } from '../support/callers.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient, type RpcMessage, readExchange } from '../support/raw-client.ts'
import { rawStdio } from '../support/supervised.ts'

const rounds = Number(process.env['RELOAD_ROUNDS'] ?? 1)
const clientCount = 50
const token = 'kept'

const steady = [rawStdio('one'), rawStdio('two')]
const auth = (...tokens: string[]) => ({ auth: { global_tokens: [token, ...tokens] } })
const moving = (description = '') => rawStdio('moving', { description })

interface Change {
  readonly why: string
  /** Settings and servers beside the two; or the text of a file that is none. */
  readonly file: { readonly settings: object; readonly servers: readonly object[] } | string
  /** What the report says was applied, by its parts; null for a refusal. */
  readonly applied: { settings?: string[]; added?: string[]; changed?: string[]; removed?: string[] } | null
  readonly needsRestart?: readonly string[]
}

const is = (settings: object, ...servers: readonly object[]) => ({ settings, servers })

/** In this order, each from where the one before has led; the last leads back to the beginning. */
const changes: readonly Change[] = [
  { why: 'a server is added', file: is(auth(), moving()), applied: { added: ['moving'] } },
  { why: 'it is changed', file: is(auth(), moving('new')), applied: { changed: ['moving'] } },
  {
    why: 'a token is added',
    file: is(auth('second'), moving('new')),
    applied: { settings: ['auth.global_tokens'] },
  },
  { why: 'broken YAML', file: 'mcps: [', applied: null },
  {
    why: 'the level changes',
    file: is({ ...auth('second'), logging: { level: 'debug' } }, moving('new')),
    applied: { settings: ['logging.level'] },
  },
  {
    why: 'nothing changes',
    file: is({ ...auth('second'), logging: { level: 'debug' } }, moving('new')),
    applied: {},
  },
  {
    why: 'the server goes, the level with it',
    file: is(auth('second')),
    applied: { settings: ['logging.level'], removed: ['moving'] },
  },
  { why: 'an unknown key', file: is({ ...auth(), tokens: [] }), applied: null },
  {
    why: 'the token goes',
    file: is(auth()),
    applied: { settings: ['auth.global_tokens'] },
  },
  {
    why: 'three servers come at once',
    file: is(auth(), moving(), rawStdio('b'), rawStdio('c')),
    applied: { added: ['moving', 'b', 'c'] },
  },
  {
    why: 'one changes, one goes, one stays',
    file: is(auth(), moving('new'), rawStdio('c')),
    applied: { changed: ['moving'], removed: ['b'] },
  },
  { why: 'a server that cannot be read', file: is(auth(), { name: 'x', transport: 'stdio' }), applied: null },
  {
    why: 'a server that cannot start',
    file: is(auth(), moving('new'), rawStdio('c'), {
      name: 'broken',
      transport: 'stdio',
      command: 'no-such-command',
    }),
    applied: { added: ['broken'] },
  },
  {
    why: 'limits and time-outs',
    file: is(
      { ...auth(), limits: { sessions_max: 500 }, timeouts: { call_idle: '1m' } },
      moving('new'),
      rawStdio('c'),
    ),
    applied: { settings: ['limits.sessions_max', 'timeouts.call_idle'], removed: ['broken'] },
  },
  {
    why: 'a port that takes a restart',
    file: is({ ...auth(), storage: { type: 'memory' } }, moving('new'), rawStdio('c')),
    applied: { settings: ['limits.sessions_max', 'timeouts.call_idle'] },
    needsRestart: ['storage.type'],
  },
  {
    why: 'a variable that is not set',
    file: is({ ...auth(), base_url: reference('NOT_SET_ANYWHERE') }),
    applied: null,
  },
  {
    why: 'an allow-list and proxies',
    file: is({ ...auth(), security: { trusted_proxies: ['10.0.0.0/8'] } }, moving('new'), rawStdio('c')),
    applied: { settings: ['security.trusted_proxies'] },
  },
  {
    why: 'a network that is none',
    file: is({ ...auth(), security: { trusted_proxies: ['10.0.0.0/99'] } }, moving('new'), rawStdio('c')),
    applied: null,
  },
  {
    why: 'all others go',
    file: is({ ...auth(), security: { trusted_proxies: ['10.0.0.0/8'] } }),
    applied: { removed: ['moving', 'c'] },
  },
  { why: 'as at the beginning', file: is(auth()), applied: { settings: ['security.trusted_proxies'] } },
]

/** Calls one of the two servers again and again. */
interface Client {
  calls: number
  run(stopped: () => boolean): Promise<void>
}

async function openClient(gateway: RunningGateway, n: number): Promise<Client> {
  const url = gateway.face(n % 2 === 0 ? 'one' : 'two', 'stream')
  const send = n % 4 < 2 ? await session(url) : stateless(url)
  const client: Client = {
    calls: 0,
    async run(stopped) {
      for (; !stopped(); client.calls++) {
        const secret = `${n}.${client.calls}`
        const answer = await send(client.calls, secret)
        expect(answer.result?.structuredContent).toEqual({ secret })
      }
    },
  }
  return client
}

type Send = (id: number, secret: string) => Promise<RpcMessage>

async function session(url: URL): Promise<Send> {
  const client = await RawClient.open(url, { token })
  return async (id, secret) => (await client.callTool(id, 'echo', { secret })).answer
}

function stateless(url: URL): Send {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'echo',
  }
  return async (id, secret) => {
    const params = { name: 'echo', arguments: { secret }, _meta: statelessEnvelope }
    const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
    return (await readExchange(await fetch(url, { method: 'POST', headers, body }), id)).answer
  }
}

async function change(
  gateway: RunningGateway,
  { file, applied, needsRestart = [], why }: Change,
): Promise<void> {
  const text =
    typeof file === 'string'
      ? file
      : JSON.stringify({ mcp_proxy: file.settings, mcps: [...steady, ...file.servers] })
  writeFileSync(join(gateway.directory, 'compozy.yaml'), text)
  const answer = await gateway.admin('/reload', { method: 'POST' })
  const report = (await answer.json()) as Record<string, unknown>
  if (applied === null) {
    expect([why, answer.status, report['code']]).toEqual([why, 422, 'CONFIGURATION_INVALID'])
    return
  }
  const { settings = [], added = [], changed = [], removed = [] } = applied
  expect([why, answer.status, report]).toMatchObject([
    why,
    200,
    { applied: { settings, servers: { added, changed, removed } }, needsRestart },
  ])
  expect(report['unchanged']).toMatchObject({ servers: expect.arrayContaining(['one', 'two']) })
}

test(
  'calls to servers that are not touched never fail while the file changes twenty times',
  async () => {
    expect(changes).toHaveLength(20)
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: auth(), mcps: steady },
    })
    const clients = await Promise.all(Array.from({ length: clientCount }, (_, n) => openClient(gateway, n)))
    let done = false
    const calling = Promise.all(clients.map((client) => client.run(() => done)))
    for (let round = 0; round < rounds; round++)
      for (const each of changes) {
        const before = clients.map(({ calls }) => calls)
        await change(gateway, each)
        // Each client has had a call under way meanwhile, and another one after it.
        await Promise.race([
          calling,
          poll('a call of each client', async () =>
            clients.every(({ calls }, n) => calls > (before[n] ?? 0) + 1),
          ),
        ])
      }
    done = true
    await calling
    const { totals } = (await (await gateway.admin('/metrics')).json()) as { totals: { errors: number } }
    expect(totals.errors).toBe(0)
  },
  60_000 + rounds * 10_000,
)
