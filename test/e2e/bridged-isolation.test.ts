/** Whose connection a bridged request travels on: nobody is served in another one's session. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { eventStream, type FaultHttp, jsonAnswer, startFaultHttp, welcome } from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { askModern, callModern, Listening } from '../support/modern-client.ts'
import { startModernUpstream } from '../support/modern-upstream.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const pipeServer = resolve(import.meta.dir, '../support/modern-raw-server.ts')
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const directory = temporaryDirectory()
let modern: FaultHttp
let legacy: FaultHttp
let gateway: RunningGateway

beforeAll(async () => {
  modern = startModernUpstream({
    capabilities: { tools: { listChanged: true } },
    answer: ({ message }) => (message.method === 'subscriptions/listen' ? eventStream().response : null),
  })
  let sessions = 0
  legacy = startFaultHttp((request) => {
    const { id, method } = request.message
    if (request.method !== 'POST' || method === 'server/discover') return new Response(null, { status: 405 })
    if (id === undefined) return null
    return welcome(request, `session-${++sessions}`) ?? jsonAnswer(request, { content: [], tools: [] })
  })
  const pipe = (name: string, server: string, more: object) => ({
    name,
    transport: 'stdio',
    command: process.execPath,
    args: [server, '--tally', join(directory.path, name)],
    ...more,
  })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [
        { name: 'new', transport: 'streamable-http', url: modern.url, forwardHeaders: ['X-User'] },
        { name: 'old', transport: 'streamable-http', url: legacy.url, forwardHeaders: ['X-User'] },
        pipe('own', pipeServer, { isolation: 'session' }),
        pipe('auto', pipeServer, {}),
        pipe('one', rawServer, { isolation: 'shared' }),
      ],
    },
  })
}, 30_000)
afterAll(async () => {
  await gateway.stop()
  await modern[Symbol.asyncDispose]()
  await legacy[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

const url = (name: string) => gateway.face(name, 'stream')

describe('headers that are forwarded', () => {
  test('name the user of a session: stateless clients of two users share none', async () => {
    const users = ['ada', 'bob', 'ada', 'bob']
    for (const [id, user] of users.entries())
      for (const capabilities of [{}, { roots: {} }])
        await callModern(url('old'), 'x', { user }, { id, capabilities, headers: { 'X-User': user } })
    await Listening.open(url('old'), {}, { headers: { 'X-User': 'ada' } }).then((stream) =>
      stream[Symbol.asyncDispose](),
    )
    const userOf = new Map<string, string>()
    for (const { headers, message } of legacy.seen) {
      const session = headers['mcp-session-id']
      if (message.method !== 'tools/call' || session === undefined) continue
      expect(userOf.get(session) ?? headers['x-user']).toBe(headers['x-user'] ?? '')
      userOf.set(session, headers['x-user'] ?? '')
    }
    // One for each user and for each thing that the client can be asked.
    expect([...userOf.values()].toSorted()).toEqual(['ada', 'ada', 'bob', 'bob'])
    const greeted = legacy.seen.filter(({ message }) => message.method === 'initialize')
    expect(
      greeted
        .map(({ headers }) => headers['x-user'])
        .filter(Boolean)
        .toSorted(),
    ).toEqual(['ada', 'ada', 'bob', 'bob'])
  })

  test('travel with what a session subscribes to at a stateless server', async () => {
    const headers = { 'content-type': 'application/json', 'X-User': 'ada' }
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    }
    const response = await fetch(url('new'), {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
    })
    await response.text()
    const aborted = new AbortController()
    await fetch(url('new'), {
      headers: {
        accept: 'text/event-stream',
        'mcp-session-id': response.headers.get('mcp-session-id') ?? '',
      },
      signal: aborted.signal,
    })
    const listen = await modern.request(({ message }) => message.method === 'subscriptions/listen')
    aborted.abort()
    expect(listen.headers['x-user']).toBe('ada')
  })
})

describe('isolation', () => {
  const pidOf = async (client: RawClient) => (await client.call<{ pid: number }>(1, 'mirror', {})).pid

  test('session: each session has a process of a stateless server to itself, and takes it along', async () => {
    await using first = await RawClient.open(url('own'))
    const second = await RawClient.open(url('own'))
    const pids = [await pidOf(first), await pidOf(second)]
    expect(new Set(pids).size).toBe(2)
    await second.close()
    await poll('the process to end', async () => {
      const { status } = (await (await gateway.admin('/mcps/own')).json()) as {
        status: { processes: number }
      }
      return status.processes === 2
    })
    expect(await pidOf(first)).toBe(pids[0] as number)
  })

  test('auto: one process of a stateless server serves everybody', async () => {
    await using first = await RawClient.open(url('auto'), { capabilities: { roots: {} } })
    await using second = await RawClient.open(url('auto'))
    const { answer } = await callModern(url('auto'), 'mirror', {}, { capabilities: { roots: {} } })
    const pid = await pidOf(first)
    expect(answer.result?.structuredContent).toMatchObject({ pid })
    expect(await pidOf(second)).toBe(pid)
  })

  test('shared: stateless clients use the one process too, whatever they can be asked', async () => {
    const pids = new Set<unknown>()
    for (const capabilities of [{}, { roots: {} }, { elicitation: {} }]) {
      const { answer } = await callModern(url('one'), 'pid', {}, { capabilities })
      pids.add(JSON.stringify(answer.result?.structuredContent))
    }
    await using client = await RawClient.open(url('one'), { capabilities: { roots: {} } })
    pids.add(JSON.stringify(await client.call(1, 'pid', {})))
    expect(pids.size).toBe(1)
    // It was told of no capability, so a server that asks all the same is answered by the request that made it ask.
    const asked = await askModern(url('one'), 'tools/call', {
      params: { name: 'ask', arguments: { method: 'roots/list', params: {} } },
      capabilities: { roots: {} },
    })
    expect(asked.answer.result).toMatchObject({ resultType: 'input_required' })
  })
})
