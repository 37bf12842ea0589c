/** A cancel reaches the server at once and with the server's own id; nobody cancels for somebody else. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { RawClient } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const names: readonly RawName[] = ['raw-stdio', 'raw-http']
const latencyMsMax = 100
let fixture: RawFixture

beforeAll(async () => {
  fixture = await startRawFixture()
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

interface Arrival {
  text: string
  receivedAtMs: number
}

async function received(client: RawClient, part: string): Promise<Arrival[]> {
  const { found } = await client.call<{ found: Arrival[] }>(`look ${crypto.randomUUID()}`, 'received', {
    part,
  })
  return found
}

describe.each(names)('%s', (name) => {
  test('reaches the server within 100 ms while 50 slow calls are under way', async () => {
    await using client = await fixture.open(name)
    const marks = Array.from({ length: 50 }, () => crypto.randomUUID())
    const aborted = new AbortController()
    const calls = marks.map((mark, index) =>
      client
        .post(slowCall(index, mark, 60_000), { signal: aborted.signal })
        .then((response) => response.text())
        .catch(() => ''),
    )
    await untilReceived(client, marks)
    const victim = marks[25] ?? ''
    const sentAtMs = Date.now()
    await client.notify('notifications/cancelled', { requestId: 25, reason: victim })
    const [cancel] = await untilReceived(client, [`"reason":"${victim}"`])
    expect((cancel?.receivedAtMs ?? Number.POSITIVE_INFINITY) - sentAtMs).toBeLessThan(latencyMsMax)
    // The id is the one under which the server knows the call.
    const [call] = await received(client, `"mark":"${victim}"`)
    expect(paramsOf(cancel)['requestId']).toBe(idOf(call))
    aborted.abort()
    await Promise.all(calls)
  }, 30_000)

  test('a cancel for the id of somebody else changes nothing', async () => {
    await using owner = await fixture.open(name)
    await using stranger = await fixture.open(name)
    const mark = crypto.randomUUID()
    const call = owner.requestText(7, slowCall(7, mark, 500))
    await untilReceived(owner, [mark])
    const reason = `stranger ${mark}`
    await stranger.notify('notifications/cancelled', { requestId: 7, reason })
    expect((await call).answer.result?.structuredContent).toEqual({ slept: 500 })
    expect(await received(owner, reason)).toEqual([])
    expect(await received(stranger, reason)).toEqual([])
  }, 20_000)

  test('a cancel for "7" does not cancel 7', async () => {
    await using client = await fixture.open(name)
    const mark = crypto.randomUUID()
    const call = client.requestText(7, slowCall(7, mark, 500))
    await untilReceived(client, [mark])
    await client.notify('notifications/cancelled', { requestId: '7', reason: `typed ${mark}` })
    expect((await call).answer.result?.structuredContent).toEqual({ slept: 500 })
    expect(await received(client, `typed ${mark}`)).toEqual([])
  }, 20_000)

  test('a cancel is for the call that uses the id now', async () => {
    await using client = await fixture.open(name)
    const aborted = new AbortController()
    const calls: Promise<unknown>[] = []
    for (const which of ['first', 'second']) {
      const mark = `${which} ${crypto.randomUUID()}`
      calls.push(client.post(slowCall(9, mark, 60_000), { signal: aborted.signal }).catch(() => null))
      await untilReceived(client, [`"mark":"${mark}"`])
      await client.notify('notifications/cancelled', { requestId: 9, reason: mark })
      const [cancel] = await untilReceived(client, [`"reason":"${mark}"`])
      const [call] = await received(client, `"mark":"${mark}"`)
      expect(paramsOf(cancel)['requestId']).toBe(idOf(call))
    }
    aborted.abort()
    await Promise.all(calls)
  }, 20_000)

  test('a client that only goes away has not cancelled', async () => {
    await using client = await fixture.open(name)
    const mark = crypto.randomUUID()
    const gone = new AbortController()
    const call = client.post(slowCall(3, mark, 300), { signal: gone.signal }).catch(() => null)
    await untilReceived(client, [mark])
    const [arrival] = await received(client, mark)
    gone.abort()
    await call
    await Bun.sleep(100)
    const cancels = await received(client, 'notifications/cancelled')
    expect(cancels.filter((cancel) => paramsOf(cancel)['requestId'] === idOf(arrival))).toEqual([])
  }, 20_000)
})

function slowCall(id: number, mark: string, ms: number): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'slow', arguments: { ms, mark } },
  })
}

/** The server tells what it has received when asked; each part is awaited in turn. */
async function untilReceived(client: RawClient, parts: readonly string[]): Promise<Arrival[]> {
  const deadline = performance.now() + 10_000
  const arrivals: Arrival[] = []
  for (const part of parts) {
    let [arrival] = await received(client, part)
    while (arrival === undefined) {
      if (performance.now() > deadline) throw new Error(`the server has not received ${part}`)
      ;[arrival] = await received(client, part)
    }
    arrivals.push(arrival)
  }
  return arrivals
}

function paramsOf(arrival: Arrival | undefined): Record<string, unknown> {
  return (JSON.parse(arrival?.text ?? '{}') as { params?: Record<string, unknown> }).params ?? {}
}

function idOf(arrival: Arrival | undefined): unknown {
  return (JSON.parse(arrival?.text ?? '{}') as { id?: unknown }).id
}
