/** A group for clients with a session: one URL, and every request reaches the server that it belongs to. */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'

const raw = resolve(import.meta.dir, '../support/raw-server.ts')
const member = (name: string) => ({ name, transport: 'stdio', command: process.execPath, args: [raw] })
const config = {
  mcps: [
    member('one'),
    member('other'),
    { name: 'team', transport: 'group', members: [{ server: 'one' }, { server: 'other' }] },
  ],
}

const via = 'executable'

test('lists the tools of all members, and calls each at the member that has it', async () => {
  await using gateway = await startGatewayProcess({ via, config })
  for (const url of [gateway.face('team', 'stream'), new URL('/mcp', gateway.url)]) {
    await using client = await RawClient.open(url)
    const { text } = await client.request(1, 'tools/list')
    const names: string[] = JSON.parse(text).result.tools.map(({ name }: { name: string }) => name)
    expect(names).toContain('one__tool-0')
    expect(names.indexOf('one__tool-0')).toBeLessThan(names.indexOf('other__tool-0'))
    const pids = await Promise.all(
      ['one__pid', 'other__pid'].map((name, id) => client.call<{ pid: number }>(id + 2, name, {})),
    )
    expect(new Set(pids.map(({ pid }) => pid)).size).toBe(2)
    const unknown = await client.callTool(9, 'nobody__pid', {})
    expect(unknown.answer.error).toEqual({ code: -32602, message: 'Unknown tool' })
  }
})

test('two members ask at once under the same id: each gets its own answer, and progress under its own token', async () => {
  await using gateway = await startGatewayProcess({ via, config })
  const tokens: unknown[] = []
  await using client = await RawClient.open(gateway.face('team', 'stream'), {
    capabilities: { roots: {} },
    answer: async ({ params = {} }) => {
      const { _meta, ...rest } = params as { _meta: { progressToken: unknown } }
      tokens.push(_meta.progressToken)
      await client.notify('notifications/progress', { progressToken: _meta.progressToken, progress: 1 })
      return { roots: [{ uri: `file:///${JSON.stringify(rest)}` }] }
    },
  })
  const asked = await Promise.all(
    ['one', 'other'].map((server, id) =>
      client.call<{ result: { roots: { uri: string }[] } }>(id + 1, `${server}__ask`, {
        method: 'roots/list',
        params: { of: server, _meta: { progressToken: 7 } },
      }),
    ),
  )
  expect(new Set(tokens).size).toBe(2)
  for (const server of ['one', 'other']) {
    const part = 'notifications/progress'
    const { found } = await client.call<{ found: { text: string }[] }>(9, `${server}__received`, { part })
    expect(found.map(({ text }) => JSON.parse(text).params)).toEqual([{ progressToken: 7, progress: 1 }])
  }
  expect(asked.map(({ result }) => result.roots[0]?.uri)).toEqual([
    'file:///{"of":"one"}',
    'file:///{"of":"other"}',
  ])
})

test('progress and a cancel reach the one call that they are of', async () => {
  await using gateway = await startGatewayProcess({ via, config })
  await using client = await RawClient.open(gateway.face('team', 'stream'))
  const { before } = await client.callTool(1, 'other__echo', { secret: 's' }, 'token')
  expect(before.map(({ params }) => params?.['progressToken'])).toEqual(['token'])
  const slow = client.callTool(5, 'one__slow', { ms: 60_000 })
  const started = async (server: string) =>
    (await client.call<{ found: unknown[] }>(6, `${server}__received`, { part: '60000' })).found.length
  while ((await started('one')) === 0) await Bun.sleep(10)
  await client.notify('notifications/cancelled', { requestId: 5 })
  await slow.catch(() => {})
  const cancels = await client.call<{ found: unknown[] }>(7, 'one__received', {
    part: 'notifications/cancelled',
  })
  expect(cancels.found).toHaveLength(1)
  const others = await client.call<{ found: unknown[] }>(8, 'other__received', {
    part: 'notifications/cancelled',
  })
  expect(others.found).toHaveLength(0)
})
