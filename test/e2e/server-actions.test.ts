/** What an admin does to a server without changing its definition: start it anew, switch it off, read along, call. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import type { ServerStatus } from '../../src/upstream/server/directory.ts'
import { findEvent, readEvents, type ServerSentEvent } from '../support/event-reader.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const secret = 'sk-4f8a1c5e9b2d7f60'
const raw = { transport: 'stdio', command: process.execPath, args: [rawServer], env: { API_KEY: secret } }
/** Greets nobody. */
const silent = { transport: 'stdio', command: 'sh', args: ['-c', 'cat > /dev/null'] }

let gateway: RunningGateway

beforeAll(async () => {
  gateway = await startGatewayProcess({ config: { mcps: [{ name: 'raw', ...raw }] } })
})
afterAll(() => gateway?.stop())

const act = (name: string, action: string, of = gateway) =>
  of.admin(`/mcps/${name}/${action}`, { method: 'POST' })
const statusOf = async (name: string, query = '', of = gateway) => {
  const { status } = (await (await of.admin(`/mcps/${name}${query}`)).json()) as { status: ServerStatus }
  return status
}
const callOf = (name: string, toolName: string, args: unknown, init: RequestInit = {}) =>
  fetch(`${gateway.url}/admin/tools/call`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...init.headers },
    body: JSON.stringify({ mcpName: name, toolName, arguments: args }),
    signal: init.signal ?? null,
  })
const events = { headers: { accept: 'text/event-stream' } }
const eventsOf = (response: Response): AsyncGenerator<ServerSentEvent> => {
  if (response.body === null) throw new Error('there is no stream')
  return readEvents(response.body)
}

describe('restart', () => {
  test('ends the process once its calls have finished, starts another, and the session goes on', async () => {
    await using client = await RawClient.open(gateway.face('raw', 'stream'))
    const before = await client.call<{ pid: number }>(1, 'pid', {})
    const slow = client.call(2, 'slow', { ms: 600 })
    await poll('the call to be there', async () => {
      const { found } = await client.call<{ found: unknown[] }>('look', 'received', { part: '"slow"' })
      return found.length > 0
    })
    const restarted = await act('raw', 'restart')
    expect({ status: restarted.status, body: await restarted.json() }).toEqual({
      status: 200,
      body: { name: 'raw', message: 'The server is starting anew.' },
    })
    expect(await slow).toEqual({ slept: 600 })
    expect((await statusOf('raw', '?wait=20s')).status).toBe('connected')
    const after = await client.call<{ pid: number }>(3, 'pid', {})
    expect(after.pid).not.toBe(before.pid)
    expect(() => process.kill(before.pid, 0)).toThrow()
    expect((await gateway.admin('/mcps/nope/restart', { method: 'POST' })).status).toBe(404)
  })
})

describe('a server that is switched off', () => {
  test('has no process, is told apart, and refuses its clients until it is switched on', async () => {
    const readyz = () => fetch(`${gateway.url}/readyz`).then(({ status }) => status)
    expect((await act('raw', 'disable')).status).toBe(200)
    const { status, processes, disabledAt } = await statusOf('raw')
    expect({ status, processes }).toEqual({ status: 'disconnected', processes: 0 })
    expect(disabledAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(await readyz()).toBe(200)
    const refused = await RawClient.open(gateway.face('raw', 'stream')).catch(String)
    expect(refused).toStartWith('Error: 503 ')
    expect(refused).toContain('"code":"SERVER_DISABLED"')
    expect(refused).toContain('raw is switched off by an admin')
    const called = await callOf('raw', 'pid', {})
    expect([called.status, ((await called.json()) as { code: string }).code]).toEqual([
      503,
      'SERVER_DISABLED',
    ])
    // A restart is no switch.
    const restarted = await act('raw', 'restart')
    expect([restarted.status, await restarted.json()]).toEqual([
      503,
      expect.objectContaining({
        code: 'SERVER_DISABLED',
        details: expect.stringContaining('POST /admin/mcps/raw/enable (compozy servers enable raw)'),
      }),
    ])
    // Twice is once.
    expect((await act('raw', 'disable')).status).toBe(200)
    expect((await statusOf('raw')).disabledAt).toBe(disabledAt)
    expect((await act('raw', 'enable')).status).toBe(200)
    expect(await statusOf('raw', '?wait=20s')).toMatchObject({ status: 'connected', disabledAt: null })
    await using client = await RawClient.open(gateway.face('raw', 'stream'))
    expect(await client.call(1, 'echo', { secret: 'x' })).toEqual({ secret: 'x' })
  })

  test('stays off when the gateway starts again, from the file or from the store', async () => {
    using state = temporaryDirectory()
    const options = {
      config: {
        mcp_proxy: { storage: { path: state.path } },
        mcps: [
          { name: 'from-file', ...raw },
          { name: 'on', ...raw },
        ],
      },
    }
    {
      await using first = await startGatewayProcess(options)
      await first.register({ name: 'from-store', ...raw })
      for (const name of ['from-file', 'from-store']) await act(name, 'disable', first)
    }
    await using second = await startGatewayProcess(options)
    const disabled = async (name: string) => (await statusOf(name, '', second)).disabledAt !== null
    expect(await Promise.all(['from-file', 'from-store', 'on'].map(disabled))).toEqual([true, true, false])
    await act('from-file', 'enable', second)
    expect((await statusOf('from-file', '?wait=20s', second)).status).toBe('connected')
    // A name that is used anew is another server.
    await second.admin('/mcps/from-store', { method: 'DELETE' })
    await second.register({ name: 'from-store', ...raw })
  })
})

describe('the log of a server', () => {
  const noise = () => callOf('raw', 'noise', {}).then((answer) => answer.text())

  test('has what it wrote, and goes on over a restart for whoever follows', async () => {
    await noise()
    const answer = await gateway.admin('/mcps/raw/logs')
    const { lines } = (await answer.json()) as { lines: { time: string; text: string }[] }
    expect(lines.map(({ text }) => text)).toContain('starting up…')
    expect(lines.at(0)?.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

    const left = new AbortController()
    const followed = await fetch(`${gateway.url}/admin/mcps/raw/logs?follow`, { signal: left.signal })
    expect(followed.headers.get('content-type')).toBe('text/event-stream')
    const stream = eventsOf(followed)
    for (const { text, time } of lines) {
      const { value } = await stream.next()
      expect(value).toMatchObject({ type: 'line', data: JSON.stringify({ time, text }) })
    }
    await act('raw', 'restart')
    await statusOf('raw', '?wait=20s')
    await noise()
    expect((await findEvent(stream, ({ data }) => data.includes('starting up'))).type).toBe('line')
    left.abort()
  })

  test('ends with its server, and hides the secrets of the definition', async () => {
    const env = { API_KEY: 'key-of-the-server', PW: 'abcde', MODE: 'debug' }
    const args = ['-c', 'echo "the key is $API_KEY, PW=$PW, mode $MODE" >&2; cat > /dev/null']
    await gateway.admin('/mcps', {
      method: 'POST',
      body: { ...raw, name: 'talks', command: 'sh', args, startTimeout: '60s', env },
    })
    const stream = eventsOf(await fetch(`${gateway.url}/admin/mcps/talks/logs?follow=true`))
    expect((await stream.next()).value?.data).toEndWith('"text":"the key is ***, PW=***, mode debug"}')
    await gateway.admin('/mcps/talks', { method: 'DELETE' })
    expect((await findEvent(stream, ({ type }) => type === 'end')).data).toBe('{}')
    expect((await stream.next()).done).toBe(true)
  })

  test('is read by sixteen at once, and those that leave make room', async () => {
    const followers = Array.from({ length: 16 }, () => new AbortController())
    const follow = (signal: AbortSignal | null) =>
      fetch(`${gateway.url}/admin/mcps/raw/logs?follow`, { signal }).then(({ status }) => status)
    for (const { signal } of followers) expect(await follow(signal)).toBe(200)
    expect(await follow(null)).toBe(429)
    for (const follower of followers) follower.abort()
    await poll('room for another', async () => (await follow(AbortSignal.timeout(300))) === 200)
    const wrong = await gateway.admin('/mcps/raw/logs?follow=perhaps')
    expect([wrong.status, ((await wrong.json()) as { details: string }).details]).toEqual([
      400,
      'follow: is a switch; write ?follow or ?follow=true.',
    ])
  })
})

describe('waiting', () => {
  beforeAll(async () => {
    await gateway.admin('/mcps', { method: 'POST', body: { name: 'silent', ...silent } })
  })
  afterAll(async () => {
    await gateway.admin('/mcps/silent', { method: 'DELETE' })
  })

  test('for a server to have started has a bound', async () => {
    const begunMs = performance.now()
    expect((await statusOf('silent', '?wait=300ms')).status).toBe('connecting')
    expect(performance.now() - begunMs).toBeWithin(290, 2_000)
    const wrong = await gateway.admin('/mcps/silent?wait=2h')
    expect([wrong.status, ((await wrong.json()) as { details: string }).details]).toEqual([
      400,
      'wait: must be a duration of at most 1m, such as ?wait=3s.',
    ])
  })

  test('for tools has a bound too: the slow server is named, the tools of the others are there', async () => {
    const answer = await gateway.admin('/tools?wait=300ms')
    const { tools, errors } = (await answer.json()) as { tools: { mcpName: string }[]; errors: unknown }
    expect(tools.every(({ mcpName }) => mcpName === 'raw')).toBe(true)
    expect(errors).toEqual([{ mcpName: 'silent', error: 'The server did not list its tools within 300 ms.' }])
    expect(await (await gateway.admin('/tools?name=raw&wait=300ms')).json()).toMatchObject({ errors: [] })
    expect((await gateway.admin('/tools?name=nope')).status).toBe(404)
  })
})

describe('a call as a stream of events', () => {
  test('tells each step, and the whole result with every digit', async () => {
    const stepped = eventsOf(await callOf('raw', 'steps', { count: 3, everyMs: 5 }, events))
    const seen: unknown[] = []
    for await (const { type, data } of stepped) seen.push([type, JSON.parse(data)])
    expect(seen).toEqual([
      ...[1, 2, 3].map((step) => ['progress', expect.objectContaining({ progress: step })]),
      ['result', { content: [], structuredContent: { done: true } }],
    ])
    const json = '{"n":12345678901234567890,"e":1.10}'
    const exact = eventsOf(await callOf('raw', 'literal', { json }, events))
    expect((await exact.next()).value).toMatchObject({
      type: 'result',
      data: `{"content":[],"structuredContent":${json}}`,
    })
  })

  test('ends with the reason where the server cannot be asked', async () => {
    await act('raw', 'disable')
    const refused = eventsOf(await callOf('raw', 'pid', {}, events))
    const { type, data } = (await refused.next()).value ?? { type: '', data: '{}' }
    expect([type, JSON.parse(data)]).toEqual([
      'error',
      { error: 'Server is disabled', code: 'SERVER_DISABLED', details: expect.stringContaining('enable') },
    ])
    await act('raw', 'enable')
    await statusOf('raw', '?wait=20s')
    expect((await callOf('nope', 'pid', {}, events)).status).toBe(404)
  })

  test.each([
    { why: 'with events', init: events },
    { why: 'with one answer', init: {} },
  ])('is cancelled at the server when its caller leaves: $why', async ({ init }) => {
    const marker = crypto.randomUUID()
    const left = new AbortController()
    const slow = callOf('raw', 'slow', { ms: 60_000, marker }, { ...init, signal: left.signal })
    const received = async (part: string) => {
      const answer = await callOf('raw', 'received', { part }, events)
      const { data } = await findEvent(eventsOf(answer), ({ type }) => type === 'result')
      return (JSON.parse(data) as { structuredContent: { found: { text: string }[] } }).structuredContent
        .found
    }
    slow.catch(() => {})
    await poll('the call to arrive', async () => (await received(marker)).length > 0)
    const [call] = await received(marker)
    const { id } = JSON.parse(call?.text ?? '') as { id: number }
    left.abort()
    await poll('the cancel', async () => (await received(`"requestId":${id}`)).length > 0)
  })
})
