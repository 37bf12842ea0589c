/** The lanes of one server: which one serves a role, which one waits for its last calls, which one may go. */
import { describe, expect, test } from 'bun:test'
import { GatewayError, sentOnError } from '../../../src/errors.ts'
import type { Connection } from '../../../src/upstream/connection/connection.ts'
import type { Lane } from '../../../src/upstream/lane/lane.ts'
import { LanePool } from '../../../src/upstream/lane/pool.ts'
import { type LaneRole, modernRole } from '../../../src/upstream/lane/roles.ts'
import { legacyServer, TextTransport } from '../../support/text-transport.ts'
import { laneHost, NotingCall, NotingClient } from '../../support/upstream-parties.ts'

const goodbye = new GatewayError('DRAINING', 'the gateway stops')
const callText = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}'

interface Scene {
  readonly pool: LanePool
  readonly transports: TextTransport[]
  /** Every lane that has said that it is closed, by key. */
  readonly closed: string[]
}

/** A server whose lanes are forgotten when they end, as the real one does. */
function scene(lanesPerClientMax = 100): Scene {
  const transports: TextTransport[] = []
  const closed: string[] = []
  const pool: LanePool = new LanePool(
    laneHost({
      lanesPerClientMax,
      createTransport: () => {
        const transport = new TextTransport({ pid: 1, answerTo: legacyServer })
        transports.push(transport)
        return transport
      },
      laneClosed: (lane, error, wasReady) => {
        closed.push(`${lane.key}: ${error.code}${wasReady ? '' : ', never ready'}`)
        pool.forget(lane)
      },
    }),
  )
  return { pool, transports, closed }
}

const plain = (key: string): LaneRole => ({ key, era: 'legacy', owner: null, ownerAnnounces: false, why: '' })
const sessionOf = (owner: NotingClient): LaneRole => ({
  key: `session ${owner.id}`,
  era: 'legacy',
  owner,
  ownerAnnounces: true,
  why: '',
})
const statelessOf = (owner: NotingClient): LaneRole => ({
  key: owner.id,
  era: 'legacy',
  owner,
  ownerAnnounces: false,
  why: '',
})

async function callOn(lane: Lane): Promise<{ call: NotingCall; connection: Connection }> {
  const connection = await lane.open()
  const call = new NotingCall(callText)
  connection.request(call)
  return { call, connection }
}

function finish(connection: Connection, call: NotingCall): void {
  connection.message(`{"jsonrpc":"2.0","id":${call.upstreamId},"result":{}}`, null)
}

describe('the lane of a role', () => {
  test('is the same for the same key, made once and not opened', () => {
    const { pool, transports } = scene()
    expect(pool.get(plain('a'))).toBe(pool.get(plain('a')))
    expect(pool.get(plain('b'))).not.toBe(pool.get(plain('a')))
    expect([pool.count, transports.length]).toEqual([2, 0])
  })

  test('is a new one once the old one takes no calls; the old one finishes what it has begun', async () => {
    const { pool, closed, transports } = scene()
    const old = pool.get(plain('a'))
    const { call, connection } = await callOn(old)
    pool.retireAll()
    const next = pool.get(plain('a'))
    expect(next).not.toBe(old)
    expect([pool.count, old.ready, call.ends]).toEqual([2, null, []])
    finish(connection, call)
    expect(call.ends).toEqual(['{"jsonrpc":"2.0","id":7,"result":{}}'])
    await old.close(goodbye)
    // The end of the old one must not take the new one's place away.
    expect(pool.get(plain('a'))).toBe(next)
    expect(pool.count).toBe(1)
    expect([closed, transports.length]).toEqual([['a: DRAINING'], 1])
  })

  test('leaves nothing behind when it cannot be opened', async () => {
    const closed: Lane[] = []
    const pool: LanePool = new LanePool(
      laneHost({
        createTransport: () => new TextTransport({ refuses: true }),
        laneClosed: (lane) => {
          closed.push(lane)
          pool.forget(lane)
        },
      }),
    )
    const lane = pool.get(plain('a'))
    const [first, second] = [lane.open(), lane.open()]
    await expect(first).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' })
    await expect(second).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' })
    expect([closed.length, pool.count]).toEqual([1, 0])
    expect(pool.get(plain('a'))).not.toBe(lane)
  })

  test('of modern requests is there without a wait once it is ready', async () => {
    const { pool } = scene()
    expect(pool.readyModern()).toBeNull()
    // The era decides about the words of the handshake alone; here the legacy ones do.
    const lane = pool.get({ ...modernRole, era: 'legacy' })
    expect(pool.readyModern()).toBeNull()
    await lane.open()
    expect(pool.readyModern()).toBe(lane)
    lane.retire()
    expect(pool.readyModern()).toBeNull()
  })
})

describe('lanes of stateless clients', () => {
  test('are one for each client, however often it is asked for', () => {
    const { pool } = scene()
    const [ann, bob] = [new NotingClient('ann'), new NotingClient('bob')]
    const lanes = [ann, bob, ann].map((client) => pool.get(statelessOf(client)))
    expect(lanes.map(({ key }) => key)).toEqual(['ann', 'bob', 'ann'])
    expect(lanes[2]).toBe(lanes[0])
  })

  test('that have ended are made anew', async () => {
    const { pool } = scene()
    const ended = pool.get(statelessOf(new NotingClient('ann')))
    await ended.open()
    await ended.close(goodbye)
    const next = pool.get(statelessOf(new NotingClient('ann')))
    expect([next.key, next === ended]).toEqual(['ann', false])
  })

  test('a principal has so many and no more, however it calls itself', () => {
    const { pool } = scene(2)
    const named = (id: string) => statelessOf(new NotingClient(id, { principalId: 'p' }))
    pool.get(named('one'))
    pool.get(named('two'))
    const third = () => pool.get(named('three'))
    expect(third).toThrow(
      expect.objectContaining({
        code: 'SESSIONS_EXHAUSTED',
        details: 'This client has 2 sessions with the server (limits.sessions_per_client_max).',
        retryAfterSeconds: 30,
      }),
    )
    expect(pool.count).toBe(2)
    // Those that are there stay, and other principals, sessions and shared lanes are not meant.
    expect(pool.get(named('two')).key).toBe('two')
    expect(pool.get(statelessOf(new NotingClient('other', { principalId: 'q' }))).key).toBe('other')
    expect(pool.get(sessionOf(new NotingClient('s', { principalId: 'p' }))).key).toBe('session s')
    expect(pool.get(plain('principal p')).key).toBe('principal p')
  })
})

describe('a sweep', () => {
  const idleMs = 1_000
  const later = () => performance.now() + idleMs + 10

  test('finds the lanes that nobody uses, for as long as they are idle', async () => {
    const { pool } = scene()
    const lane = pool.get(plain('a'))
    await lane.open()
    expect(pool.sweep(performance.now(), idleMs)).toEqual([])
    expect(pool.sweep(later(), idleMs)).toEqual([lane])
  })

  test.each<{ why: string; use: (pool: LanePool, lane: Lane) => Promise<unknown> }>([
    { why: 'a client is on it', use: async (_, lane) => lane.clients.add(new NotingClient('ann')) },
    { why: 'a call runs on it', use: (_, lane) => callOn(lane) },
    { why: 'a stateless call holds it', use: async (_, lane) => lane.hold() },
  ])('leaves a lane alone when $why', async ({ use }) => {
    const { pool } = scene()
    const lane = pool.get(plain('a'))
    await lane.open()
    await use(pool, lane)
    expect(pool.sweep(later(), idleMs)).toEqual([])
  })

  test('leaves a lane alone while it opens', async () => {
    const silent = new TextTransport({ pid: 1 })
    const pool = new LanePool(laneHost({ createTransport: () => silent }))
    const lane = pool.get(plain('a'))
    const opening = lane.open().catch(() => 'given up')
    expect(pool.sweep(later(), idleMs)).toEqual([])
    await lane.close(goodbye)
    expect(await opening).toBe('given up')
  })

  test('a lane that was let go of is idle from then on', () => {
    const { pool } = scene()
    const lane = pool.get(statelessOf(new NotingClient('ann')))
    lane.hold()
    lane.hold()
    lane.letGo()
    expect(pool.sweep(later(), idleMs)).toEqual([])
    lane.letGo()
    const letGoAtMs = performance.now()
    expect(pool.sweep(letGoAtMs, idleMs)).toEqual([])
    expect(pool.sweep(letGoAtMs + idleMs + 10, idleMs)).toEqual([lane])
  })

  test('ends what has waited too long, on lanes that are leaving as well', async () => {
    const { pool } = scene()
    const old = await callOn(pool.get(plain('a')))
    pool.retireAll()
    const next = await callOn(pool.get(plain('a')))
    pool.sweep(performance.now() + 60_001, 1_000_000)
    for (const { call } of [old, next])
      expect(call.ends).toEqual(['UPSTREAM_TIMEOUT: no answer and no progress for 60000 ms'])
  })
})

describe('the end of all lanes', () => {
  test('fails their calls with its reason, those of lanes that are leaving included', async () => {
    const { pool, closed, transports } = scene()
    const old = await callOn(pool.get(plain('a')))
    pool.retireAll()
    const next = await callOn(pool.get(plain('a')))
    await pool.closeAll(goodbye)
    for (const { call } of [old, next])
      expect(call.ends).toEqual([`DRAINING: ${sentOnError(goodbye).details}`])
    expect([closed, pool.count]).toEqual([['a: DRAINING', 'a: DRAINING'], 0])
    expect(transports.map(({ closeCount }) => closeCount)).toEqual([1, 1])
  })

  test('gives up a lane that is still opening, and whoever waits for it hears why', async () => {
    const closed: string[] = []
    const silent = new TextTransport({ pid: 1 })
    const pool: LanePool = new LanePool(
      laneHost({
        createTransport: () => silent,
        laneClosed: (lane, error, wasReady) => {
          closed.push(`${error.code} ${wasReady}`)
          pool.forget(lane)
        },
      }),
    )
    const opening = pool.get(plain('a')).open()
    const refused = opening.catch((error: GatewayError) => error.code)
    await pool.closeAll(goodbye)
    expect([await refused, closed, pool.count]).toEqual(['DRAINING', ['DRAINING false'], 0])
    expect(silent.closeCount).toBeGreaterThan(0)
  })
})
