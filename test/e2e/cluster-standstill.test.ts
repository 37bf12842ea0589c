/**
 * A gateway that stands still for longer than its lease (SIGSTOP, as a machine that swaps or a paused guest does), with
 * calls of every kind under way, and then goes on: nothing that it finds in its buffers runs a second time. What a
 * client was told not to have run has not run.
 *
 * CLUSTER_ROUNDS=… (`bun run test:long:kills`); a few of them, at each gateway in turn.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { CallLedger } from '../support/call-ledger.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { RawClient, type RpcMessage, readExchange } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { spread } from '../support/spread.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const rounds = Math.min(12, Number(process.env['CLUSTER_ROUNDS'] ?? 0))
const leaseMs = 2_000
/** Beyond the lease, and the time after which others have looked for it. */
const stillMs = 4_000
/** Until whoever balances has noticed. */
const unnoticedMs = 400
const callEveryMs = 60

const directory = temporaryDirectory()
const tally = join(directory.path, 'calls')
const ledger = new CallLedger(tally)
let cluster: RunningReplicas

beforeAll(async () => {
  if (redisProgram === null || rounds === 0) return
  const command = process.execPath
  const args = [rawServer, '--transport', 'stdio', '--tally', tally]
  cluster = await startReplicas({
    cluster: { lease: `${leaseMs}ms` },
    mcps: [
      { name: 'raw', transport: 'stdio', command, args },
      { name: 'both', transport: 'group', members: [{ server: 'raw' }] },
    ],
  })
}, 60_000)
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

/** How a call ended for its client. */
interface End {
  readonly nonce: string
  readonly kind: string
  readonly answer: RpcMessage | null
  readonly status: number
  readonly tookMs: number
}

type Sent = (nonce: string) => Promise<{ answer: RpcMessage; status: number }>

function inSession(client: RawClient, tool: string): Sent {
  return async (nonce) => {
    const params = { name: tool, arguments: { ms: 30, nonce } }
    const response = await client.post(
      JSON.stringify({ jsonrpc: '2.0', id: nonce, method: 'tools/call', params }),
    )
    const { answer } = await readExchange(response, nonce)
    return { answer, status: response.status }
  }
}

function stateless(name: string, tool: string): Sent {
  return (nonce) => callModern(cluster.face(name, 'stream'), tool, { ms: 30, nonce }, { id: nonce })
}

/** Asks its client in the middle; each answer comes as a request of its own, until the server has asked enough. */
function parked(): Sent {
  const url = cluster.face('raw', 'stream')
  return async (nonce) => {
    const args = { method: 'roots/list', nonce }
    const post = { capabilities: { roots: {} }, id: nonce }
    let told = await callModern(url, 'ask', args, post)
    // Of calls that wait at one process each may be asked what another one has asked for.
    for (;;) {
      const keys = Object.keys(told.answer.result?.['inputRequests'] ?? {})
      if (keys.length === 0) return told
      await Bun.sleep(100)
      const inputResponses = Object.fromEntries(keys.map((key) => [key, { roots: [] }]))
      const params = { requestState: told.answer.result?.['requestState'], inputResponses }
      told = await callModern(url, 'ask', args, { ...post, params })
    }
  }
}

async function sendOnce(kind: string, send: Sent, nonce: string): Promise<End> {
  const beganMs = performance.now()
  const sent = await send(nonce).catch((thrown: unknown) => ({ answer: null, status: 0, thrown }))
  return { nonce, kind, answer: sent.answer, status: sent.status, tookMs: performance.now() - beganMs }
}

/** Calls of every kind, each sent once, until it is over. */
async function callOn(
  kinds: ReadonlyMap<string, Sent>,
  round: number,
  isOver: () => boolean,
): Promise<End[]> {
  const ends: Promise<End>[] = []
  for (let at = 0; !isOver(); at++) {
    for (const [kind, send] of kinds) ends.push(sendOnce(kind, send, `${kind}-${round}-${at}`))
    await Bun.sleep(callEveryMs)
  }
  return await Promise.all(ends)
}

/** A refusal that invites its client to come again: what it was for must not have run. */
function isRefused({ answer, status }: End): boolean {
  return answer?.error !== undefined && status >= 400 && !/may have run/.test(answer.error.message)
}

/** The answer to a question came to a gateway that knows of no such question: the call that asked has run, once. */
function isUnasked({ kind, answer }: End): boolean {
  return kind === 'parked' && answer?.error?.code === -32602
}

test.skipIf(redisProgram === null || rounds === 0)(
  'a gateway that stood still and goes on runs nothing twice, and nothing that was refused',
  async () => {
    const sessions = new Map<string, Sent>()
    for (const [at, { url }] of cluster.gateways.entries()) {
      cluster.splitter.targets = [url]
      sessions.set(`session${at}`, inSession(await RawClient.open(cluster.face('raw', 'stream')), 'slow'))
      sessions.set(`group${at}`, inSession(await RawClient.open(cluster.face('both', 'stream')), 'raw__slow'))
    }
    const kinds = new Map<string, Sent>([
      ...sessions,
      ['stateless', stateless('raw', 'slow')],
      ['statelessGroup', stateless('both', 'raw__slow')],
      ['parked', parked()],
    ])
    const all = cluster.gateways.map(({ url }) => url)
    cluster.splitter.targets = all
    const ends: End[] = []
    for (let round = 0; round < rounds; round++) {
      const still = cluster.gateways[round % cluster.gateways.length] as RunningGateway
      let isOver = false
      const calling = callOn(kinds, round, () => isOver)
      await Bun.sleep(unnoticedMs)
      still.process.signal('SIGSTOP')
      await Bun.sleep(unnoticedMs)
      cluster.splitter.targets = all.filter((url) => url !== still.url)
      await Bun.sleep(stillMs - unnoticedMs)
      still.process.signal('SIGCONT')
      // At once, as a balancer does that has not noticed either.
      cluster.splitter.targets = all
      await Bun.sleep(unnoticedMs)
      isOver = true
      ends.push(...(await calling))
    }
    const counts = ledger.counts()
    const answered = ends.filter(({ answer }) => answer?.result !== undefined)
    const unasked = ends.filter(isUnasked)
    const refused = ends.filter((end) => isRefused(end) && !isUnasked(end))
    const unsure = ends.filter(({ answer }) => /may have run/.test(answer?.error?.message ?? ''))
    const slowest = answered.map(({ tookMs }) => tookMs)
    console.log(
      `  ${rounds} standstills, ${ends.length} calls: ${answered.length} answered, ${unsure.length} that may have run, ${unasked.length} whose question was gone, ${refused.length} refused; answers after ${spread(slowest)}`,
    )
    expect(answered.length + unasked.length + refused.length + unsure.length).toBe(ends.length)
    expect(ledger.repeated()).toEqual([])
    expect(
      refused.filter(({ nonce }) => counts.has(nonce)).map(({ nonce, answer }) => [nonce, answer]),
    ).toEqual([])
    expect(answered.filter(({ nonce }) => counts.get(nonce) !== 1)).toEqual([])
    await poll('every session to work', async () => {
      const last = await Promise.all(
        [...kinds].map(([kind, send], at) => sendOnce(kind, send, `last-${at}-${performance.now()}`)),
      )
      return last.every(({ answer }) => answer?.result !== undefined)
    })
  },
  300_000,
)
