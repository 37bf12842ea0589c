/**
 * The state of a call that waits for its client's input opens that call, once, for the request that it was given
 * to; for anybody and anything else it opens nothing, and no call is ever made twice.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { askModern, callModern, type ModernPost, type ModernReply } from '../support/modern-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const directory = temporaryDirectory()
const capabilities = { elicitation: {} }
const question = { message: 'Your name?', requestedSchema: { type: 'object', properties: {} } }
let gateway: RunningGateway
/** The same servers behind another process. */
let other: RunningGateway
/** One that waits for nobody. */
let hasty: RunningGateway

beforeAll(async () => {
  ;[gateway, other, hasty] = await Promise.all([start('usual'), start('other'), start('hasty', '200ms')])
}, 30_000)

afterAll(async () => {
  await Promise.all([gateway.stop(), other.stop(), hasty.stop()])
  directory[Symbol.dispose]()
})

function start(name: string, clientInput = '1m'): Promise<RunningGateway> {
  const server = (called: string) => ({
    name: called,
    transport: 'stdio',
    command: process.execPath,
    args: [rawServer, '--tally', tallyOf(name, called)],
  })
  return startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: { global_tokens: ['token-of-ada', 'token-of-bob'] },
        timeouts: { client_input: clientInput },
        limits: { parked_calls_max: 6 },
      },
      mcps: [server('one'), server('two')],
    },
  })
}

function tallyOf(gatewayName: string, server: string): string {
  return join(directory.path, `${gatewayName}-${server}`)
}

/** How often the server was asked to call with this mark. */
function callsOf(mark: string, gatewayName = 'usual', server = 'one'): number {
  const path = tallyOf(gatewayName, server)
  if (!existsSync(path)) return 0
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line.includes('"tools/call"') && line.includes(mark)).length
}

interface Parked {
  readonly mark: string
  readonly args: Readonly<Record<string, unknown>>
  readonly state: string
  readonly key: string
}

/** Makes a call that asks its client. */
async function park(at: RunningGateway): Promise<Parked> {
  const mark = crypto.randomUUID()
  const args = { method: 'elicitation/create', params: question, mark }
  const { answer } = await call(at, args, {})
  expect(answer.result).toMatchObject({ resultType: 'input_required' })
  const [key = ''] = Object.keys(answer.result?.['inputRequests'] ?? {})
  return { mark, args, state: String(answer.result?.['requestState']), key }
}

function call(
  at: RunningGateway,
  args: Readonly<Record<string, unknown>>,
  params: Readonly<Record<string, unknown>>,
  post: ModernPost & { server?: string } = {},
): Promise<ModernReply> {
  const { server = 'one', ...rest } = post
  return callModern(at.face(server, 'stream'), 'ask', args, {
    id: crypto.randomUUID(),
    token: 'token-of-ada',
    capabilities,
    params,
    ...rest,
  })
}

function retryOf({ state, key }: Parked, name = 'Ada') {
  return {
    requestState: state,
    inputResponses: { [key]: { action: 'accept', content: { name } } },
  }
}

const misuses: { why: string; use: (parked: Parked) => Promise<ModernReply> }[] = [
  ...[0, 31, 32, 43, 44, 107].map((at) => ({
    why: `one character changed at ${at}`,
    use: (parked: Parked) => {
      const { state } = parked
      const changed = state[at] === '0' ? '1' : '0'
      return call(gateway, parked.args, {
        ...retryOf(parked),
        requestState: `${state.slice(0, at)}${changed}${state.slice(at + 1)}`,
      })
    },
  })),
  ...['', 'x', '{}', 'é'.repeat(108)].map((requestState) => ({
    why: `the state ${JSON.stringify(requestState.slice(0, 3))}`,
    use: (parked: Parked) => call(gateway, parked.args, { ...retryOf(parked), requestState }),
  })),
  ...[null, 7, true, {}, []].map((requestState) => ({
    why: `a state that is ${JSON.stringify(requestState)}`,
    use: (parked: Parked) => call(gateway, parked.args, { ...retryOf(parked), requestState }),
  })),
  {
    why: 'cut short',
    use: (parked) =>
      call(gateway, parked.args, { ...retryOf(parked), requestState: parked.state.slice(0, -1) }),
  },
  {
    why: 'with more behind it',
    use: (parked) => call(gateway, parked.args, { ...retryOf(parked), requestState: `${parked.state}0` }),
  },
  {
    why: 'by another principal',
    use: (parked) => call(gateway, parked.args, retryOf(parked), { token: 'token-of-bob' }),
  },
  {
    why: 'with another argument',
    use: (parked) => call(gateway, { ...parked.args, more: 1 }, retryOf(parked)),
  },
  {
    why: 'without an argument',
    use: ({ args: { mark: _, ...rest }, ...parked }) =>
      call(gateway, rest, retryOf({ ...parked, mark: '', args: {} })),
  },
  {
    why: 'with another tool',
    use: (parked) => call(gateway, parked.args, { ...retryOf(parked), name: 'echo' }),
  },
  {
    why: 'with a parameter that was not there',
    use: (parked) => call(gateway, parked.args, { ...retryOf(parked), extra: 1 }),
  },
  {
    why: 'with another method',
    use: (parked) =>
      askModern(gateway.face('one', 'stream'), 'prompts/get', {
        token: 'token-of-ada',
        capabilities,
        params: { name: 'ask', arguments: parked.args, ...retryOf(parked) },
      }),
  },
  {
    why: 'with a method that asks nothing',
    use: (parked) =>
      askModern(gateway.face('one', 'stream'), 'tools/list', {
        token: 'token-of-ada',
        params: { requestState: parked.state },
      }),
  },
  {
    why: 'at another server',
    use: (parked) => call(gateway, parked.args, retryOf(parked), { server: 'two' }),
  },
  { why: 'at another gateway', use: (parked) => call(other, parked.args, retryOf(parked)) },
]

describe('a requestState', () => {
  test('opens its call for nothing else, and its call all the same afterwards', async () => {
    const parked = await park(gateway)
    for (const { why, use } of misuses) {
      const { answer, status } = await use(parked)
      expect({ why, code: answer.error?.code, status }).toEqual({ why, code: -32602, status: 200 })
    }
    expect(callsOf(parked.mark)).toBe(1)
    expect(callsOf(parked.mark, 'usual', 'two')).toBe(0)
    expect(callsOf(parked.mark, 'other')).toBe(0)
    const { answer } = await call(gateway, parked.args, retryOf(parked))
    expect(answer.result?.structuredContent).toMatchObject({ result: { content: { name: 'Ada' } } })
    expect(callsOf(parked.mark)).toBe(1)
  })

  test('opens it once: replayed it opens nothing, while the call runs and when it is over', async () => {
    const parked = await park(gateway)
    const twice = await Promise.all([
      call(gateway, parked.args, retryOf(parked)),
      call(gateway, parked.args, retryOf(parked, 'Eve')),
    ])
    const codes = twice.map(({ answer }) => answer.error?.code ?? 0).toSorted()
    expect(codes).toEqual([-32602, 0])
    const again = await call(gateway, parked.args, retryOf(parked))
    expect(again.answer.error?.code).toBe(-32602)
    expect(callsOf(parked.mark)).toBe(1)
  })

  test('is good for the same parameters in another order, and for another client of the principal', async () => {
    const parked = await park(gateway)
    const args = Object.fromEntries(Object.entries(parked.args).toReversed())
    const { answer } = await call(gateway, args, retryOf(parked), { meta: { traceparent: 'x' } })
    expect(answer.error).toBeUndefined()
  })

  test('a new one comes with each round', async () => {
    const parked = await park(gateway)
    const unanswered = await call(gateway, parked.args, { requestState: parked.state, inputResponses: {} })
    expect(unanswered.answer.result).toMatchObject({ resultType: 'input_required' })
    const state = String(unanswered.answer.result?.['requestState'])
    expect(state).not.toBe(parked.state)
    expect((await call(gateway, parked.args, retryOf(parked))).answer.error?.code).toBe(-32602)
    expect((await call(gateway, parked.args, retryOf({ ...parked, state }))).answer.error).toBeUndefined()
    expect(callsOf(parked.mark)).toBe(1)
  })

  test('opens nothing when its time is up, and by then the server has its answer', async () => {
    const parked = await park(hasty)
    await poll('the cancel', async () => {
      const tally = readFileSync(tallyOf('hasty', 'one'), 'utf8')
      return tally.includes('notifications/cancelled')
    })
    const tally = readFileSync(tallyOf('hasty', 'one'), 'utf8').trim().split('\n')
    const refusal = tally.map((line) => JSON.parse(line)).find(({ error }) => error !== undefined)
    expect(refusal.error.code).toBe(-32603)
    const { answer } = await call(hasty, parked.args, retryOf(parked))
    expect(answer.error?.code).toBe(-32602)
    expect(callsOf(parked.mark, 'hasty')).toBe(1)
  })

  test('has its room: what finds none is refused, and its server is told at once', async () => {
    const parked = [await park(other), await park(other), await park(other)]
    const mark = crypto.randomUUID()
    const args = { method: 'elicitation/create', params: question, mark }
    const { answer, status } = await call(other, args, {})
    expect({ status, data: answer.error?.data }).toEqual({
      status: 200,
      data: { code: 'IN_FLIGHT_EXHAUSTED' },
    })
    const lines = () => readFileSync(tallyOf('other', 'one'), 'utf8').trim().split('\n')
    const { id } = JSON.parse(lines().find((line) => line.includes(mark)) ?? '{}')
    await poll('the cancel', async () =>
      lines().some((line) => line.includes('notifications/cancelled') && line.includes(`:${id}`)),
    )
    // Room is made by whoever comes back.
    const [first] = parked
    if (first === undefined) throw new Error('unreachable')
    expect((await call(other, first.args, retryOf(first))).answer.error).toBeUndefined()
    await park(other)
  })
})
