/** How many processes stand behind how many clients, who shares one, and what happens at the bounds. */
import { describe, expect, test } from 'bun:test'
import { poll } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { type OpenOptions, RawClient } from '../support/raw-client.ts'
import { type RawFixture, startRawFixture } from '../support/raw-fixture.ts'

const tokens = { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] } }
const able: OpenOptions = { capabilities: { sampling: {} } }

interface Status {
  readonly processes: number
  readonly sessions: number
}

async function statusOf(fixture: RawFixture, name = 'raw-stdio'): Promise<Status> {
  const answer = await fixture.gateway.admin(`/mcps/${name}`)
  return ((await answer.json()) as { status: Status }).status
}

async function inFlightOf(fixture: RawFixture): Promise<number> {
  const metrics = await (await fetch(`${fixture.gateway.url}/metrics`)).text()
  return Number(/^compozy_mcp_requests_in_flight\{server="raw-stdio"\} (\d+)/m.exec(metrics)?.[1])
}

/** Which of these clients speak through one process: those that see each other's marks. */
async function groupsOf(clients: readonly RawClient[]): Promise<number[][]> {
  const marks = await Promise.all(
    clients.map(async (client) => {
      const mark = crypto.randomUUID()
      await client.call('mark', 'echo', { secret: mark })
      return mark
    }),
  )
  return Promise.all(
    clients.map(async (client) => {
      const seen: number[] = []
      for (const [index, part] of marks.entries()) {
        const { found } = await client.call<{ found: unknown[] }>('look', 'received', { part })
        if (found.length > 0) seen.push(index)
      }
      return seen
    }),
  )
}

describe('isolation', () => {
  const ada: OpenOptions = { token: 'token-of-ada' }
  const bob: OpenOptions = { token: 'token-of-bob' }
  const clients = [ada, ada, bob, { ...ada, ...able }, { ...ada, ...able }]

  test.each<{ isolation: string; why: string; groups: number[][] }>([
    {
      isolation: 'auto',
      why: 'plain clients of one principal share, able ones have their own',
      groups: [[0, 1], [0, 1], [2], [3], [4]],
    },
    { isolation: 'session', why: 'everybody has their own', groups: [[0], [1], [2], [3], [4]] },
    {
      isolation: 'shared',
      why: 'everybody shares',
      groups: Array.from({ length: 5 }, () => [0, 1, 2, 3, 4]),
    },
  ])(
    '$isolation over a pipe: $why',
    async ({ isolation, groups }) => {
      await using fixture = await startRawFixture({ settings: tokens, definition: { isolation } })
      const opened = await Promise.all(clients.map((options) => fixture.open('raw-stdio', options)))
      expect(await groupsOf(opened)).toEqual(groups)
      const { processes, sessions } = await statusOf(fixture)
      const lanes = new Set(groups.map((group) => group.join())).size
      expect(sessions).toBe(5)
      // The gateway's own comes on top only where it could be handed over to nobody.
      expect(processes).toBe(isolation === 'session' ? lanes + 1 : lanes)
      // Over HTTP a session of its own costs the server little.
      const remote = await Promise.all(
        clients.slice(0, 2).map((options) => fixture.open('raw-http', options)),
      )
      expect(await groupsOf(remote)).toEqual(
        isolation === 'shared'
          ? [
              [0, 1],
              [0, 1],
            ]
          : [[0], [1]],
      )
      await Promise.all([...opened, ...remote].map((client) => client.close()))
    },
    30_000,
  )
})

test('a process that speaks for everybody may ask nobody: a question is an error at once, a ping is answered', async () => {
  await using fixture = await startRawFixture({ definition: { isolation: 'shared' } })
  await using client = await fixture.open('raw-stdio', { ...able, answer: () => ({ said: 'never' }) })
  for (const method of ['sampling/createMessage', 'elicitation/create', 'roots/list', 'x-vendor/ask']) {
    const { error, tookMs } = await client.call<{ error: unknown; tookMs: number }>(method, 'ask', { method })
    expect(error).toMatchObject({ code: -32603 })
    expect(tookMs).toBeLessThan(1_000)
  }
  expect(await client.call('ping', 'ask', { method: 'ping' })).toMatchObject({ result: {}, error: null })
  expect(client.asked).toEqual([])
  // The server has been told of no capability, whatever this client can do.
  const { found } = await client.call<{ found: { text: string }[] }>('look', 'received', {
    part: '"initialize"',
  })
  expect(found.every(({ text }) => text.includes('"capabilities":{}'))).toBe(true)
}, 20_000)

describe('bounds', () => {
  test('past so many processes a client is told 503 and when to come back; others go on', async () => {
    await using fixture = await startRawFixture({ settings: { limits: { processes_max: 2 } } })
    await using first = await fixture.open('raw-stdio', able)
    const refused = await RawClient.open(fixture.url('raw-stdio'), able).catch(
      ({ message }: Error) => message,
    )
    expect(refused).toStartWith('503 ')
    expect(refused).toContain('limits.processes_max')
    // A client that can share does.
    await using plain = await fixture.open('raw-stdio')
    expect(await plain.call(1, 'echo', { secret: 's' })).toEqual({ secret: 's' })
    await first.close()
    await poll('the process to end', async () => (await statusOf(fixture)).processes === 1)
    await using second = await fixture.open('raw-stdio', able)
    expect(await second.call(1, 'echo', { secret: 's' })).toEqual({ secret: 's' })
  }, 20_000)

  test('past so many calls in flight a call is refused and told when to come back; slow calls do not block the others', async () => {
    await using fixture = await startRawFixture({ settings: { limits: { in_flight_per_server_max: 3 } } })
    await using client = await fixture.open('raw-stdio')
    const slow = (id: number, mark: string) => client.callTool(id, 'slow', { ms: 700, mark })
    const calls = [slow(1, 'one'), slow(2, 'two')]
    await poll('both to arrive', async () => {
      const { found } = await client.call<{ found: unknown[] }>('look', 'received', { part: '"slow"' })
      return found.length === 2
    })
    const third = slow(3, 'three')
    await poll('the third to count', async () => (await tooMany(client)) === 'IN_FLIGHT_EXHAUSTED')
    const full = await client.post('{"jsonrpc":"2.0","id":4,"method":"x-vendor/reverse"}')
    expect(full.status).toBe(200)
    expect(await full.json()).toMatchObject({
      id: 4,
      error: { data: { code: 'IN_FLIGHT_EXHAUSTED', retryAfterMs: 1000 } },
    })
    for (const { answer } of await Promise.all([...calls, third]))
      expect(answer.result?.structuredContent).toEqual({ slept: 700 })
    expect(await tooMany(client)).toBeUndefined()
  }, 20_000)

  test('the same for stateless clients of a session-based server, and nothing is left of what was refused', async () => {
    await using fixture = await startRawFixture({ settings: { limits: { in_flight_per_server_max: 2 } } })
    const slow = (id: number, ms: number) =>
      callModern(fixture.url('raw-stdio'), 'slow', { ms, mark: `call ${id}` }, { id })
    const calls = [slow(1, 1_000), slow(2, 1_000)]
    await poll('both to count', async () => (await inFlightOf(fixture)) === 2)
    const refused = await slow(3, 0)
    expect(refused.status).toBe(200)
    expect(refused.answer).toMatchObject({ id: 3, error: { data: { code: 'IN_FLIGHT_EXHAUSTED' } } })
    // Meanwhile everything under way is swept several times, and its clients are watched.
    for (const { answer } of await Promise.all(calls)) expect(answer.result).toBeDefined()
    expect((await slow(4, 0)).status).toBe(200)
    expect(await inFlightOf(fixture)).toBe(0)
    expect(fixture.gateway.lines().filter((line) => /TypeError|a sweep failed/.test(line))).toEqual([])
  }, 20_000)

  test('a connection that nobody uses is closed, and a client that comes back gets a new one', async () => {
    await using fixture = await startRawFixture({ settings: { ...tokens, timeouts: { lane_idle: '300ms' } } })
    const before = (await statusOf(fixture)).processes
    // The process that was there is of whoever comes first, and stays.
    await using first = await fixture.open('raw-stdio', { token: 'token-of-bob' })
    expect((await statusOf(fixture)).processes).toBe(before)
    await first.close()
    await using client = await fixture.open('raw-stdio', { token: 'token-of-ada' })
    expect((await statusOf(fixture)).processes).toBe(before + 1)
    await client.close()
    await poll('the process to end', async () => (await statusOf(fixture)).processes === before)
    await using again = await fixture.open('raw-stdio', { token: 'token-of-ada' })
    expect(await again.call(1, 'echo', { secret: 's' })).toEqual({ secret: 's' })
  }, 20_000)
})

async function tooMany(client: RawClient): Promise<unknown> {
  const { answer } = await client.request('count', 'x-vendor/reverse')
  return (answer.error?.data as { code?: unknown } | undefined)?.code
}
