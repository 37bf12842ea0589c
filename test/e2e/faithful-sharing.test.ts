/**
 * A hundred clients on one server process: same ids, same tokens, and never a word that was meant for
 * somebody else. `FAITHFUL_CALLS=100000` makes the full run; the default is what fits the suite's time.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Exchange, RawClient, RpcId } from '../support/raw-client.ts'
import { type RawFixture, startRawFixture } from '../support/raw-fixture.ts'

const clientsTotal = 100
const callsTotal = Number(process.env['FAITHFUL_CALLS'] ?? 20_000)
const callsPerClient = Math.ceil(callsTotal / clientsTotal)

interface Tally {
  foreignAnswers: number
  foreignProgress: number
  lostProgress: number
  answers: number
}

let fixture: RawFixture
let clients: RawClient[]

beforeAll(async () => {
  fixture = await startRawFixture()
  clients = await Promise.all(Array.from({ length: clientsTotal }, () => fixture.open('raw-stdio')))
}, 30_000)

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()))
  await fixture[Symbol.asyncDispose]()
}, 30_000)

describe('a hundred clients on one shared process', () => {
  test('all count from 0, and each hears only its own secrets', async () => {
    const tallies = await Promise.all(clients.map((client, index) => chatter(client, index)))
    const total = (field: keyof Tally) => tallies.reduce((sum, tally) => sum + tally[field], 0)
    expect({
      answers: total('answers'),
      foreignAnswers: total('foreignAnswers'),
      foreignProgress: total('foreignProgress'),
      lostProgress: total('lostProgress'),
    }).toEqual({
      answers: callsPerClient * clientsTotal,
      foreignAnswers: 0,
      foreignProgress: 0,
      lostProgress: 0,
    })
  }, 240_000)

  test('they do share one process', async () => {
    const calls = clients.map((client, index) =>
      client.call<{ found: unknown[] }>(index, 'received', { part: '"initialize"' }),
    )
    const counts = new Set((await Promise.all(calls)).map(({ found }) => found.length))
    // One process has seen one handshake (and at most one more from a probe), not a hundred.
    expect(Math.max(...counts)).toBeLessThanOrEqual(2)
  })
})

/** Ids are numbers for even clients and strings for odd ones; the progress token equals the id. */
async function chatter(client: RawClient, index: number): Promise<Tally> {
  const tally: Tally = { foreignAnswers: 0, foreignProgress: 0, lostProgress: 0, answers: 0 }
  for (let count = 0; count < callsPerClient; count++) {
    const id: RpcId = index % 2 === 0 ? count : String(count)
    const secret = `client ${index} call ${count}`
    judge(tally, await client.callTool(id, 'echo', { secret }, id), id, secret)
  }
  return tally
}

function judge(tally: Tally, exchange: Exchange, id: RpcId, secret: string): void {
  const said = (exchange.answer.result?.structuredContent as { secret?: string } | undefined)?.secret
  tally.answers++
  if (said !== secret || exchange.answer.id !== id) tally.foreignAnswers++
  const own = exchange.before.filter(
    ({ params }) => params?.['message'] === secret && params?.['progressToken'] === id,
  )
  tally.foreignProgress += exchange.before.length - own.length
  if (own.length !== 1) tally.lostProgress++
}
