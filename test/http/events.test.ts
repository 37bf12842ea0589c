/** `GET /admin/events`: who may read it, what a slow reader is told, and that nobody costs nothing. */
import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { Events } from '../../src/telemetry/events.ts'
import { readEvents } from '../support/event-reader.ts'
import { rulesWith, startFront } from './front.ts'

describe('events', () => {
  test('are not made while nobody follows, and reach everybody who does until they leave', () => {
    const events = new Events()
    const unmade = {
      get mcp(): string {
        throw new Error('nobody wants to know')
      },
    }
    expect(events.followed).toBe(false)
    events.tell('call', unmade)
    const heard: string[][] = [[], []]
    const leave = heard.map((mine) => events.follow({ happened: (kind, json) => void mine.push(kind, json) }))
    events.tell('call', { mcp: 'files' })
    leave[0]?.()
    events.tell('state', { mcp: 'docs' })
    expect(heard.map((mine) => mine.length)).toEqual([2, 4])
    expect(JSON.parse(heard[1]?.[3] ?? '')).toEqual({ time: expect.any(String), mcp: 'docs' })
    leave[1]?.()
    expect(events.followed).toBe(false)
  })

  test('have no more than so many followers', () => {
    const events = new Events()
    const leave = Array.from({ length: 16 }, () => events.follow({ happened() {} }))
    expect(() => events.follow({ happened() {} })).toThrow('16 others follow the events already')
    leave[3]?.()
    events.follow({ happened() {} })
  })
})

describe('GET /admin/events', () => {
  const tokens = (...adminTokens: string[]) => ({ auth: { adminTokens } })
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

  test('begins with the state of each server', async () => {
    await using front = await startFront({ servers: [{ name: 'files' }, { name: 'docs' }] })
    const answer = await front.send('/admin/events')
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    const seen: unknown[] = []
    for await (const { type, data } of readEvents(answer.body as ReadableStream<Uint8Array>)) {
      seen.push([type, (JSON.parse(data) as { mcp: string }).mcp])
      if (seen.length === 2) break
    }
    expect(seen).toEqual([
      ['state', 'files'],
      ['state', 'docs'],
    ])
  })

  test.each([
    { why: 'without a token', settings: tokens('a'), init: {}, status: 401 },
    {
      why: 'with the token of a client',
      settings: { auth: { adminTokens: ['a'], globalTokens: ['c'] } },
      init: as('c'),
      status: 403,
    },
    {
      why: 'from another address',
      settings: { auth: { adminAllowIps: ['192.0.2.1'] } },
      init: {},
      status: 403,
    },
    { why: 'with HEAD', settings: {}, init: { method: 'HEAD' }, status: 405 },
  ])('is refused $why', async ({ settings, init, status }) => {
    await using front = await startFront({ settings })
    expect((await front.send('/admin/events', init)).status).toBe(status)
  })

  test('ends when the token of its reader is revoked, and only then', async () => {
    await using front = await startFront({ settings: tokens('a', 'b') })
    const bodies = await Promise.all(
      ['a', 'b'].map(async (token) => (await front.send('/admin/events', as(token))).body),
    )
    const [mine, other] = bodies.map((body) => readEvents(body as ReadableStream<Uint8Array>))
    await mine?.next()
    await other?.next()
    front.access.reload(rulesWith(tokens('b')), null)
    front.streams.closeWhere((context) => !front.access.admitsAdmin(context))
    expect((await mine?.next())?.done).toBe(true)
    front.events.tell('state', { mcp: 'files' })
    expect((await other?.next())?.done).toBe(false)
  })

  test('tells a slow reader how many events it has missed, and goes on', async () => {
    await using front = await startFront()
    const socket = connect(front.port, '127.0.0.1')
    socket.write('GET /admin/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    const words = 'x'.repeat(1_000)
    // More than the kernel takes for both ends.
    const count = 40_000
    for (let n = 0; n < count; n++) {
      front.events.tell('call', { n, words })
      if (n % 1_000 === 0) await Bun.sleep(0)
    }
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
    })
    socket.resume()
    let last = 0
    while (!text.includes('event: missed')) {
      front.events.tell('call', { n: count + last++ })
      await Bun.sleep(5)
    }
    socket.destroy()
    const missed = Number(/event: missed\ndata: \{"count":(\d+)\}/.exec(text)?.[1])
    const heard = text.slice(0, text.indexOf('event: missed')).match(/event: call\n/g)?.length ?? 0
    expect(missed).toBeGreaterThan(0)
    expect(heard).toBeGreaterThan(0)
    const next = Number(/event: missed\n.*?event: call\ndata: \{"time":"[^"]*","n":(\d+)/s.exec(text)?.[1])
    expect(heard + missed).toBe(next)
  }, 20_000)
})
