/**
 * Fifty calls under way at three gateways, and one of them is killed: as the owner of their sessions, as the front
 * that they came by, as a bystander, and as all of that at once. Whoever it does not concern notices nothing; what it
 * ran is answered under its id; nothing runs twice; every session goes on.
 *
 * CLUSTER_ROUNDS=100 kills so often (`bun run test:long:kills`); the suite does it once for each part.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { CallLedger } from '../support/call-ledger.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { collectEvents, type RawClient, type RpcMessage, readExchange } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { openRawAt, type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { sentToHeader } from '../support/splitter.ts'
import { spread } from '../support/spread.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const rounds = Number(process.env['CLUSTER_ROUNDS'] ?? 0)
const sessionsCount = 10
const callsCount = 50
const callMs = 1_000
const parts = ['owner', 'front', 'bystander', 'anyone'] as const
type Part = (typeof parts)[number]

const directory = temporaryDirectory()
const tally = join(directory.path, 'calls')
const ledger = new CallLedger(tally)
let cluster: RunningReplicas
let gateways: RunningGateway[]
let clients: RawClient[]
/** Of calls whose owner was killed, and of the next call of each of its sessions, since the kill. */
const answeredMs: number[] = []
const usableMs: number[] = []
const tallies = { calls: 0, unharmed: 0, lost: 0, reset: 0, resumed: 0 }

beforeAll(async () => {
  if (redisProgram === null) return
  cluster = await startReplicas({
    cluster: { lease: '2s' },
    mcps: [
      {
        name: 'raw',
        transport: 'stdio',
        command: process.execPath,
        args: [rawServer, '--transport', 'stdio', '--tally', tally],
      },
    ],
  })
  gateways = [...cluster.gateways]
  clients = []
  for (let at = 0; at < sessionsCount; at++)
    clients.push(await openRawAt(cluster, gateways[at % gateways.length]?.url))
}, 60_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

interface Call {
  readonly nonce: string
  readonly owner: RunningGateway
  /** Where it went first; null where its answer came another way. */
  readonly front: string | null
  readonly answer: RpcMessage | null
  readonly atMs: number
}

async function call(client: RawClient, owner: RunningGateway, nonce: string): Promise<Call> {
  const text = `{"jsonrpc":"2.0","id":"${nonce}","method":"tools/call","params":{"name":"slow","arguments":{"ms":${callMs},"nonce":"${nonce}"}}}`
  const response = await client.post(text)
  const front = response.headers.get(sentToHeader)
  const answer = await readExchange(response, nonce).then(
    (exchange) => exchange.answer,
    () => null,
  )
  return { nonce, owner, front, answer, atMs: performance.now() }
}

/** A call that tells how far it is, in a session of another gateway than the front that will be killed. */
async function resumable(
  client: RawClient,
  nonce: string,
): Promise<{ last: string; over: Promise<unknown> }> {
  const text = `{"jsonrpc":"2.0","id":"${nonce}","method":"tools/call","params":{"name":"steps","arguments":{"count":4,"everyMs":300,"nonce":"${nonce}"},"_meta":{"progressToken":"p"}}}`
  const { body } = await client.post(text)
  if (body === null) throw new Error('no stream')
  const begun = Promise.withResolvers<string>()
  const over = collectEvents(body, ({ id, data }) => {
    if (data.includes('"progress":1')) begun.resolve(id ?? '')
    return false
  }).catch(() => null)
  return { last: await begun.promise, over }
}

/** What is killed in a round, which sessions call meanwhile, and through which gateways. */
async function cast(part: Part, owners: ReadonlyMap<RawClient, RunningGateway>, round: number) {
  const counts = gateways.map((gateway) => [...owners.values()].filter((owner) => owner === gateway).length)
  const most = gateways[counts.indexOf(Math.max(...counts))]
  const other = gateways.filter((gateway) => gateway !== most)[round % 2]
  const victim = part === 'owner' ? most : part === 'anyone' ? gateways[round % gateways.length] : other
  if (victim === undefined) throw new Error('unreachable')
  const survivors = gateways.filter((gateway) => gateway !== victim)
  const fronts = part === 'front' ? [victim] : part === 'anyone' ? gateways : survivors
  const callers = clients.filter(
    (client) => part === 'anyone' || (part === 'owner') === (owners.get(client) === victim),
  )
  return { victim, survivors, fronts, callers }
}

function judge(done: Call, victim: RunningGateway, killedMs: number): void {
  tallies.calls++
  const { answer, owner, front, nonce, atMs } = done
  if (front === victim.url) {
    // Its connection went with it. What its owner went on with has come to nobody, and is there to be resumed.
    if (answer === null || answer.jsonrpc === undefined) tallies.reset++
    return
  }
  if (owner !== victim) {
    expect(answer?.result?.structuredContent, `${nonce}: ${JSON.stringify(answer)}`).toEqual({
      slept: callMs,
    })
    tallies.unharmed++
    return
  }
  expect(answer?.id).toBe(nonce)
  expect(answer?.error?.message).toContain('may have run')
  answeredMs.push(atMs - killedMs)
  tallies.lost++
}

/** The next call of each session, at once; how long those took whose owner is gone. */
async function callAgain(
  round: number,
  owners: ReadonlyMap<RawClient, RunningGateway>,
  victim: RunningGateway,
) {
  const killedMs = performance.now()
  await Promise.all(
    clients.map(async (client, index) => {
      const { pid } = await client.call<{ pid: number }>(`u${round}-${index}`, 'pid', {})
      expect(pid).toBeGreaterThan(0)
      if (owners.get(client) === victim) usableMs.push(performance.now() - killedMs)
    }),
  )
}

async function killOnce(part: Part, round: number): Promise<void> {
  const pairs = clients.map(async (client) => [client, await cluster.ownerOf(client.sessionId)] as const)
  const owners = new Map(await Promise.all(pairs))
  const { victim, survivors, fronts, callers } = await cast(part, owners, round)
  cluster.splitter.targets = fronts.map(({ url }) => url)
  const nonces = Array.from({ length: callsCount }, (_, at) => `k${round}-${at}`)
  const resuming = part === 'front' ? callers.find((client) => owners.get(client) !== victim) : undefined
  const cut = resuming && (await resumable(resuming, `r${round}`))
  const calls = nonces.map((nonce, at) => {
    const client = callers[at % callers.length]
    const owner = client && owners.get(client)
    if (client === undefined || owner === undefined) throw new Error('no session to call in')
    return call(client, owner, nonce)
  })
  await poll('all calls to run', async () => ledger.hasAll(nonces))
  const killedMs = performance.now()
  await victim.process.kill()
  cluster.splitter.targets = survivors.map(({ url }) => url)
  await callAgain(round, owners, victim)
  for (const done of await Promise.all(calls)) judge(done, victim, killedMs)
  if (cut !== undefined && resuming !== undefined) await resume(resuming, cut)
  await victim.kill()
  const next = await cluster.start()
  gateways = [...survivors, next]
  cluster.splitter.targets = gateways.map(({ url }) => url)
  // So that the newest one owns something as well.
  for (const index of [0, 1, 2].map((at) => (3 * round + at) % sessionsCount)) {
    await clients[index]?.close()
    clients[index] = await openRawAt(cluster, next?.url)
  }
}

/** The front is gone, the owner is not: elsewhere its client gets what it missed. */
async function resume(client: RawClient, { last, over }: { last: string; over: Promise<unknown> }) {
  await over
  const { body } = await client.get(last)
  const missed = await collectEvents(body ?? new ReadableStream(), ({ data }) => data.includes('"done"'))
  const steps = missed.flatMap(({ data }) => /"progress":(\d+)/.exec(data)?.[1] ?? [])
  expect(steps).toEqual(['2', '3', '4'])
  tallies.resumed++
}

function say(kills: number): void {
  const { calls, unharmed, lost, reset, resumed } = tallies
  console.log(
    `  ${kills} kills, ${calls} calls under way: ${unharmed} not concerned and answered, ${lost} answered as lost, ${reset} reset with their front, ${resumed} streams resumed\n` +
      `  since the kill: answers ${spread(answeredMs)}; the next call of a session ${spread(usableMs)}`,
  )
}

test.skipIf(redisProgram === null)(
  'a gateway that is killed costs nobody but its own: each call has one end, none runs twice, every session goes on',
  async () => {
    // In short runs the worst of them.
    const wanted =
      rounds === 0
        ? (['owner', 'anyone'] as const)
        : Array.from({ length: rounds }, (_, at) => parts[at % parts.length] ?? 'anyone')
    for (const [round, part] of wanted.entries()) {
      await killOnce(part, round)
      if ((round + 1) % 20 === 0 || round + 1 === wanted.length) say(round + 1)
    }
    expect(ledger.repeated()).toEqual([])
    expect(Math.max(...answeredMs)).toBeLessThan(1_000)
  },
  900_000,
)
