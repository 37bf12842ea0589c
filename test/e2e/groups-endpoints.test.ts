/** What a session with a group has like any other: batches, the older endpoint, resumption, its end, log levels. */
import { describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { readEvents } from '../support/event-reader.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, tool } from '../support/listing-server.ts'
import { askModern, callModern } from '../support/modern-client.ts'
import { collectEvents, RawClient, type RpcMessage } from '../support/raw-client.ts'

const via = 'executable'
const raw = resolve(import.meta.dir, '../support/raw-server.ts')
const pipe = (name: string) => ({ name, transport: 'stdio', command: process.execPath, args: [raw] })
const twoPipes = { mcps: [pipe('one'), pipe('other')] }
const rpc = (id: number, method: string, params: unknown) => ({ jsonrpc: '2.0', id, method, params })

test('the calls of one batch reach different members, and their answers share one stream', async () => {
  await using gateway = await startGatewayProcess({ via, config: twoPipes })
  await using client = await RawClient.open(new URL('/mcp', gateway.url), { version: '2025-03-26' })
  const response = await client.post(
    JSON.stringify([
      rpc(1, 'tools/call', { name: 'one__pid', arguments: {} }),
      rpc(2, 'tools/call', { name: 'other__pid', arguments: {} }),
      rpc(3, 'tools/call', { name: 'nobody__pid', arguments: {} }),
      rpc(4, 'ping', {}),
    ]),
  )
  const answers: RpcMessage[] = []
  for await (const { data } of readEvents(response.body as ReadableStream<Uint8Array>))
    answers.push(JSON.parse(data))
  const byId = new Map(answers.map((answer) => [answer.id, answer]))
  expect([...byId.keys()].sort()).toEqual([1, 2, 3, 4])
  expect(byId.get(1)?.result).not.toEqual(byId.get(2)?.result)
  expect(byId.get(3)?.error?.code).toBe(-32602)
})

test('a client that was cut off picks up a call of a member where it left it', async () => {
  await using gateway = await startGatewayProcess({ via, config: twoPipes })
  await using client = await RawClient.open(new URL('/mcp', gateway.url))
  const cut = new AbortController()
  const call = {
    name: 'other__steps',
    arguments: { count: 6, everyMs: 40 },
    _meta: { progressToken: 'p' },
  }
  const response = await client.post(JSON.stringify(rpc(1, 'tools/call', call)), { signal: cut.signal })
  const seen = await collectEvents(
    response.body as ReadableStream<Uint8Array>,
    ({ data }, all) => data !== '' && all.filter((event) => event.data !== '').length >= 2,
  )
  cut.abort()
  const resumed = await client.get(seen.at(-1)?.id ?? '')
  const missed = await collectEvents(resumed.body as ReadableStream<Uint8Array>, ({ data }) =>
    data.includes('"result"'),
  )
  const steps = [...seen, ...missed].flatMap(({ data }) =>
    data === '' ? [] : [JSON.parse(data).params?.progress ?? 'done'],
  )
  expect(steps).toEqual([1, 2, 3, 4, 5, 6, 'done'])
})

test('the older endpoint of the default group begins with a URL of its own', async () => {
  await using gateway = await startGatewayProcess({ via, config: twoPipes })
  const stream = await fetch(new URL('/mcp/sse', gateway.url))
  const events = readEvents(stream.body as ReadableStream<Uint8Array>)
  const { value: first } = await events.next()
  const endpoint = new URL(String(first?.data), gateway.url)
  expect(endpoint.pathname).toBe('/mcp/message')
  const send = async (message: unknown) => {
    const { status } = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
    })
    expect(status).toBe(202)
  }
  const answer = async () => JSON.parse(String((await events.next()).value?.data)) as RpcMessage
  const params = {
    protocolVersion: '2024-11-05',
    capabilities: {},
    clientInfo: { name: 'old', version: '1' },
  }
  await send(rpc(1, 'initialize', params))
  expect((await answer()).result?.['serverInfo']).toMatchObject({ name: 'mcp' })
  await send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  await send(rpc(2, 'tools/call', { name: 'other__echo', arguments: { secret: 's' } }))
  expect((await answer()).result?.structuredContent).toEqual({ secret: 's' })
  await events.return?.(undefined)
})

test('/mcp is 404 with default_group: false, and the group of that name where one is named', async () => {
  const team = { name: 'team', transport: 'group', members: [{ server: 'one' }] }
  const mcps = [...twoPipes.mcps, team]
  {
    const config = { mcps, mcp_proxy: { default_group: false } }
    await using gateway = await startGatewayProcess({ via, config })
    const reply = await askModern(new URL('/mcp', gateway.url), 'tools/list')
    expect(reply.status).toBe(404)
  }
  const config = { mcps, mcp_proxy: { default_group: 'team' } }
  await using gateway = await startGatewayProcess({ via, config })
  await using client = await RawClient.open(new URL('/mcp', gateway.url))
  expect(client.greeting.result?.['serverInfo']).toMatchObject({ name: 'team' })
  const { text } = await client.request(1, 'tools/list')
  expect(text).not.toContain('other__')
})

test('the end of a session is the end of what it had at every member', async () => {
  using one = new ListingServer('one')
  using other = new ListingServer('other')
  const config = { mcps: [one.definition, other.definition] }
  await using gateway = await startGatewayProcess({ via, config })
  const client = await RawClient.open(new URL('/mcp', gateway.url))
  await client.request(1, 'tools/list')
  const opened = [one, other].map((server) => server.ended)
  await client.close()
  await poll(
    'both sessions to end',
    async () => one.ended > (opened[0] ?? 0) && other.ended > (opened[1] ?? 0),
  )
  const after = await client.post(JSON.stringify(rpc(2, 'ping', {})))
  expect(after.status).toBe(404)
})

test('a log level counts for all members, those included that are used later, and each message names its member', async () => {
  using one = new ListingServer('one', { instructions: 'Use one first.' })
  using other = new ListingServer('other', { instructions: 'Then the other.' })
  const config = { mcps: [one.definition, other.definition] }
  await using gateway = await startGatewayProcess({ via, config })
  await using client = await RawClient.open(new URL('/mcp', gateway.url))
  expect(client.greeting.result?.['instructions']).toBe(
    '## one\n\nUse one first.\n\n## other\n\nThen the other.',
  )
  await client.stand()
  await client.callTool(1, 'one__echo', {})
  expect((await client.request(2, 'logging/setLevel', { level: 'warning' })).answer.result).toEqual({})
  await client.callTool(3, 'other__echo', {})
  await poll('both levels', async () =>
    [one, other].every((server) => server.requests('logging/setLevel').length > 0),
  )
  expect([one, other].map((server) => server.requests('logging/setLevel'))).toEqual([
    [{ level: 'warning' }],
    [{ level: 'warning' }],
  ])
  await Promise.all([one.heard(), other.heard()])
  const message = { level: 'error', data: 'x' }
  one.announce('notifications/message', message)
  other.announce('notifications/message', { ...message, logger: 'db' })
  await poll('both messages', async () => loggersOf(client).length === 2)
  expect(loggersOf(client).sort()).toEqual(['one', 'other.db'])
  const wrong = await client.request(4, 'logging/setLevel', { level: 'loud' })
  expect(wrong.answer.error?.code).toBe(-32602)
})

describe('tasks', () => {
  const servers = (era: 'legacy' | 'modern', ids: readonly string[]) =>
    ids.map((taskId, index) => {
      const tools = [tool('begin')]
      return new ListingServer(`server-${index}`, { era, taskId, tools })
    })

  test('of a session stay with the member that has begun them, and are listed together', async () => {
    const [one, other] = servers('legacy', ['a', 'b']) as [ListingServer, ListingServer]
    const config = { mcps: [one.definition, other.definition] }
    await using gateway = await startGatewayProcess({ via, config })
    await using client = await RawClient.open(new URL('/mcp', gateway.url))
    expect(client.greeting.result?.['capabilities']).toMatchObject({
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    })
    for (const server of [one, other])
      await client.request(1, 'tools/call', { name: `${server.name}__begin`, arguments: {}, task: {} })
    for (const [taskId, server] of [
      ['a', one],
      ['b', other],
    ] as const)
      for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
        const { answer } = await client.request(2, method, { taskId })
        expect(answer.result?.['statusMessage']).toBe(server.name)
      }
    const { answer } = await client.request(3, 'tasks/list')
    expect(answer.result?.['tasks']).toMatchObject([{ taskId: 'a' }, { taskId: 'b' }])
    expect((await client.request(4, 'tasks/get', { taskId: 'c' })).answer.error?.code).toBe(-32602)
    await using stranger = await RawClient.open(new URL('/mcp', gateway.url))
    expect((await stranger.request(5, 'tasks/get', { taskId: 'a' })).answer.error?.code).toBe(-32602)
    one[Symbol.dispose]()
    other[Symbol.dispose]()
  })

  test('of a stateless client stay with their member, too; one that two have is refused', async () => {
    const all = servers('modern', ['a', 'b', 'b'])
    const config = { mcps: all.map(({ definition }) => definition) }
    await using gateway = await startGatewayProcess({ via, config })
    const url = new URL('/mcp', gateway.url)
    const capabilities = { extensions: { 'io.modelcontextprotocol/tasks': {} } }
    for (const { name } of all) await callModern(url, `${name}__begin`, {}, { capabilities })
    const ask = (taskId: string) => askModern(url, 'tasks/get', { params: { taskId }, capabilities })
    expect((await ask('a')).answer.result?.['statusMessage']).toBe('server-0')
    expect((await ask('b')).answer.error?.code).toBe(-32602)
    expect(all.flatMap((server) => server.requests('tasks/get'))).toHaveLength(1)
    for (const server of all) server[Symbol.dispose]()
  })
})

function loggersOf(client: RawClient): unknown[] {
  return client.standing
    .filter(({ method }) => method === 'notifications/message')
    .map(({ params }) => params?.['logger'])
}
