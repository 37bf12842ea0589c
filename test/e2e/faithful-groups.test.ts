/**
 * Many clients of one group, of both eras, with the same ids and tokens: every call reaches one member, and nothing of
 * it anybody else. `FAITHFUL_CALLS=100000` makes the full run with a hundred clients; the default fits the suite.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern } from '../support/modern-client.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { RawClient, type RpcId, type RpcMessage } from '../support/raw-client.ts'

const callsTotal = Number(process.env['FAITHFUL_CALLS'] ?? 1_000)
const clientsTotal = callsTotal > 10_000 ? 100 : 20
const callsPerClient = Math.ceil(callsTotal / clientsTotal)

const raw = resolve(import.meta.dir, '../support/raw-server.ts')
const modernRaw = resolve(import.meta.dir, '../support/modern-raw-server.ts')
const members = ['http-1', 'http-2', 'pipe', 'modern-1', 'modern-2'] as const
type MemberName = (typeof members)[number]

let upstreams: RunningProcess[]
let gateway: RunningGateway
let url: URL

beforeAll(async () => {
  upstreams = [0, 1].map(() => startProcess({ command: [process.execPath, raw, '--transport', 'http'] }))
  const urls = await Promise.all(
    upstreams.map(
      async (upstream) => JSON.parse(await upstream.line((line) => line.startsWith('{"url"'))).url,
    ),
  )
  const pipe = (name: string, program: string) => {
    return { name, transport: 'stdio', command: process.execPath, args: [program], isolation: 'shared' }
  }
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [
        { name: 'http-1', transport: 'streamable-http', url: urls[0] },
        { name: 'http-2', transport: 'streamable-http', url: urls[1] },
        pipe('pipe', raw),
        pipe('modern-1', modernRaw),
        pipe('modern-2', modernRaw),
      ],
    },
  })
  url = new URL('/mcp', gateway.url)
}, 60_000)

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await Promise.all(upstreams.map((upstream) => upstream.kill()))
}, 60_000)

/** What a call asks for: the tool, and what its server must say with the secret in it. */
const asks = (server: MemberName, secret: string) =>
  server.startsWith('modern')
    ? ({ tool: 'ask', args: { rounds: 1, params: { of: secret } } } as const)
    : ({ tool: 'ask', args: { method: 'roots/list', params: { of: secret } } } as const)

const rootsOf = (params: Readonly<Record<string, unknown>> | undefined) => ({
  roots: [{ uri: `file:///${String(params?.['of'])}` }],
})

interface Tally {
  answers: number
  foreign: number
  lost: number
}

test('everybody counts from 0, and hears only of its own calls, questions and progress', async () => {
  const clients = Array.from({ length: clientsTotal }, (_, index) =>
    index % 4 === 3 ? modernChatter(index) : legacyChatter(index),
  )
  const tallies = await Promise.all(clients)
  const total = (field: keyof Tally) => tallies.reduce((sum, tally) => sum + tally[field], 0)
  expect({ answers: total('answers'), foreign: total('foreign'), lost: total('lost') }).toEqual({
    answers: callsPerClient * clientsTotal,
    foreign: 0,
    lost: 0,
  })
  await using witness = await RawClient.open(url)
  for (const name of ['http-1', 'http-2', 'pipe'] as const) {
    const { found } = await witness.call<{ found: { text: string }[] }>(1, `${name}__received`, {
      part: '-at-',
    })
    const strangers = found.filter(({ text }) => !text.includes(`-at-${name}-`))
    expect(strangers).toEqual([])
  }
}, 600_000)

async function legacyChatter(index: number): Promise<Tally> {
  const tally = { answers: 0, foreign: 0, lost: 0 }
  await using client = await RawClient.open(url, {
    capabilities: { roots: {} },
    answer: ({ params }) => rootsOf(params),
  })
  for (let count = 0; count < callsPerClient; count++) {
    const id: RpcId = index % 2 === 0 ? count : String(count)
    const { server, secret, tool, args } = callOf(index, count)
    const exchange = await client.callTool(id, `${server}__${tool}`, args, id)
    const questions = exchange.before.filter(({ method }) => method === 'roots/list')
    judge(tally, secret, exchange, tool === 'ask' ? questions.length : progressOf(exchange.before, id))
    if (exchange.answer.id !== id) tally.foreign++
  }
  return tally
}

async function modernChatter(index: number): Promise<Tally> {
  const tally = { answers: 0, foreign: 0, lost: 0 }
  for (let count = 0; count < callsPerClient; count++) {
    const id: RpcId = index % 2 === 0 ? count : String(count)
    const { server, secret, tool, args } = callOf(index, count)
    const post = { id, meta: { progressToken: id }, capabilities: { roots: {} } }
    let exchange = await callModern(url, `${server}__${tool}`, args, post)
    let asked = 0
    while (exchange.answer.result?.['resultType'] === 'input_required') {
      asked++
      const { inputRequests, requestState } = exchange.answer.result as unknown as {
        inputRequests: Record<string, RpcMessage>
        requestState: string
      }
      const inputResponses = Object.fromEntries(
        Object.entries(inputRequests).map(([key, { params }]) => [key, rootsOf(params)]),
      )
      exchange = await callModern(url, `${server}__${tool}`, args, {
        ...post,
        params: { inputResponses, requestState },
      })
    }
    judge(tally, secret, exchange, tool === 'ask' ? asked : progressOf(exchange.before, id))
  }
  return tally
}

function callOf(index: number, count: number) {
  const server = members[(index + count) % members.length] ?? 'pipe'
  const secret = `client-${index}-call-${count}-at-${server}-`
  // A connection that all clients share can ask nobody.
  const echoes = server === 'pipe' || (!server.startsWith('modern') && count % 3 === 0)
  return { server, secret, ...(echoes ? { tool: 'echo', args: { secret } } : asks(server, secret)) }
}

function progressOf(before: readonly RpcMessage[], id: RpcId): number {
  return before.filter(({ params }) => params?.['progressToken'] === id).length
}

/** `heard`: the one question or step of progress that belongs to the call. */
function judge(
  tally: Tally,
  secret: string,
  { before, answer }: { readonly before: readonly RpcMessage[]; readonly answer: RpcMessage },
  heard: number,
): void {
  tally.answers++
  const text = JSON.stringify([before, answer])
  const secrets = new Set(text.match(/client-\d+-call-\d+-at-[\w-]+?-(?=["\\])/g) ?? [])
  for (const found of secrets) if (found !== secret) tally.foreign++
  if (!secrets.has(secret) || heard !== 1) tally.lost++
}
