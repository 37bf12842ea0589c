/** What admins change at one worker counts at all of them by the time that it is answered, and they see the whole. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readEvents } from '../../support/event-reader.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../../support/gateway.ts'
import { RawClient } from '../../support/raw-client.ts'
import { commandOfRawServer } from '../../support/raw-fixture.ts'

const raw = { transport: 'stdio', ...commandOfRawServer() }
const adminToken = 'admin-token-0123456789'
const clientToken = 'client-token-0123456789'
const admin = { authorization: `Bearer ${adminToken}`, connection: 'close' }

let gateway: RunningGateway
beforeAll(async () => {
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { workers: 2, auth: { admin_tokens: [adminToken], global_tokens: [clientToken] } },
      mcps: [
        { name: 'raw', ...raw },
        { name: 'pinned', ...raw, pin: true },
        {
          name: 'talking',
          transport: 'stdio',
          command: 'sh',
          args: ['-c', `echo "hello from $$" >&2; exec ${raw.command} ${raw.args.join(' ')}`],
        },
      ],
    },
  })
})
afterAll(async () => {
  await gateway?.stop()
})

const open = (name: string, token = clientToken) =>
  RawClient.open(gateway.face(name, 'stream'), { token, headers: { connection: 'close' } })

/** The answers of ten clients, each of which the kernel brings to one of the workers. */
async function tenTimes<T>(ask: () => Promise<T>): Promise<T[]> {
  return await Promise.all(Array.from({ length: 10 }, ask))
}

const outcomeOf = async (name: string, token = clientToken): Promise<string> => {
  try {
    const client = await open(name, token)
    await client[Symbol.asyncDispose]()
    return 'ok'
  } catch (thrown) {
    return /^\d+/.exec((thrown as Error).message)?.[0] ?? String(thrown)
  }
}

test('a key counts everywhere once it is made, and nowhere once it is revoked', async () => {
  const body = { name: 'ci', access: [{ servers: ['raw'] }] }
  const made = await gateway.admin('/keys', { method: 'POST', body, headers: admin })
  const { text, key } = (await made.json()) as { text: string; key: { id: string } }
  expect(await tenTimes(() => outcomeOf('raw', text))).toEqual(Array(10).fill('ok'))
  const revoked = await gateway.admin(`/keys/${key.id}`, { method: 'DELETE', headers: admin })
  expect(revoked.status).toBe(204)
  expect(await tenTimes(() => outcomeOf('raw', text))).toEqual(Array(10).fill('401'))
})

test('a server that is switched off is off everywhere, and on again', async () => {
  const turn = (how: string) => gateway.admin(`/mcps/raw/${how}`, { method: 'POST', headers: admin })
  expect((await turn('disable')).status).toBe(200)
  expect(await tenTimes(() => outcomeOf('raw'))).toEqual(Array(10).fill('503'))
  expect((await turn('enable')).status).toBe(200)
  expect(await tenTimes(() => outcomeOf('raw'))).toEqual(Array(10).fill('ok'))
})

test('a tool that is approved is shown everywhere', async () => {
  const namesAt = async (): Promise<number> => {
    const client = await open('pinned')
    const { answer } = await client.request(1, 'tools/list')
    await client[Symbol.asyncDispose]()
    return (answer.result?.['tools'] as unknown[] | undefined)?.length ?? -1
  }
  expect(await tenTimes(namesAt)).toEqual(Array(10).fill(0))
  const listed = await gateway.admin('/approvals?name=pinned', { headers: admin })
  const { servers } = (await listed.json()) as { servers: { pendingHash: string; pending: unknown[] }[] }
  const approved = await gateway.admin('/approvals/pinned', {
    method: 'POST',
    body: { all: servers[0]?.pendingHash },
    headers: admin,
  })
  expect(approved.status).toBe(200)
  const counts = await tenTimes(namesAt)
  expect(counts).toEqual(Array(10).fill(counts[0] ?? 0))
  expect(counts[0]).toBeGreaterThan(0)
})

test('a restart starts the server anew at each worker, and its log has the lines of all', async () => {
  const pidsIn = async (): Promise<Set<string>> => {
    const answer = await gateway.admin('/mcps/talking/logs', { headers: admin })
    const { lines } = (await answer.json()) as { lines: { text: string }[] }
    return new Set(lines.flatMap(({ text }) => /hello from (\d+)/.exec(text)?.[1] ?? []))
  }
  await poll('lines of both', async () => (await pidsIn()).size === 2)
  const restarted = await gateway.admin('/mcps/talking/restart', { method: 'POST', headers: admin })
  expect(restarted.status).toBe(200)
  await poll('lines of both once more', async () => (await pidsIn()).size === 4)
})

test('whoever follows the events hears of the calls at every worker', async () => {
  const leaving = new AbortController()
  const answer = await fetch(`${gateway.url}/admin/events`, { headers: admin, signal: leaving.signal })
  const seen = new Set<string>()
  const reading = (async () => {
    for await (const { type, data } of readEvents(answer.body as ReadableStream<Uint8Array>)) {
      if (type === 'call') seen.add(String((JSON.parse(data) as { tool?: string }).tool))
    }
  })().catch(() => {})
  // They are told that somebody follows within a quarter of a second.
  await poll('calls of all', async () => {
    const name = `echo`
    const client = await open('raw')
    await client.callTool(1, name, { secret: 'x' }).catch(() => null)
    await client[Symbol.asyncDispose]()
    return seen.has(name)
  })
  expect(answer.status).toBe(200)
  leaving.abort()
  await reading
})

test('admins who are not let in are told so by whichever worker they meet', async () => {
  const statuses = await tenTimes(
    async () => (await fetch(`${gateway.url}/admin/mcps`, { headers: { connection: 'close' } })).status,
  )
  expect(statuses).toEqual(Array(10).fill(401))
  const forged = await tenTimes(
    async () =>
      (
        await fetch(`${gateway.url}/admin/mcps`, {
          headers: { connection: 'close', 'x-compozy-relay': 'guess', 'x-compozy-relay-peer': '127.0.0.1' },
        })
      ).status,
  )
  expect(forged).toEqual(Array(10).fill(401))
})
