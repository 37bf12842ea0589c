/**
 * A stateless client that can be asked something, on a legacy server on a pipe: one process for all that it does at
 * once, and every question of the server's gets that client's answer, whichever of its calls carries it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern, Listening, type ModernPost, type ModernReply } from '../support/modern-client.ts'
import { startProcess } from '../support/process.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const server = resolve(import.meta.dir, '../support/one-state-server.ts')
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const directory = temporaryDirectory()
const capabilities = { elicitation: {}, sampling: {}, roots: {} }
let gateway: RunningGateway
/** Waits for a client's answers for a moment only. */
let hasty: RunningGateway
/** Has room for two calls that wait for their client. */
let narrow: RunningGateway

beforeAll(async () => {
  const start = (name: string, settings: object) =>
    startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { auth: { global_tokens: ['token-of-ada', 'token-of-bob'] }, ...settings },
        mcps: [{ name: 'one', transport: 'stdio', command: process.execPath, args: [server, tallyOf(name)] }],
      },
    })
  ;[gateway, hasty, narrow] = await Promise.all([
    start('usual', {}),
    start('hasty', { timeouts: { client_input: '300ms' } }),
    // Half of them are for one client.
    start('narrow', { limits: { parked_calls_max: 4 } }),
  ])
}, 30_000)
afterAll(async () => {
  await Promise.all([gateway.stop(), hasty.stop(), narrow.stop()])
  directory[Symbol.dispose]()
})

function tallyOf(name: string): string {
  return join(directory.path, name)
}

interface Heard {
  readonly pid: number
  readonly message: RpcMessage
}

/** What the processes of a gateway's server have heard, in order. */
function heard(name = 'usual'): Heard[] {
  if (!existsSync(tallyOf(name))) return []
  const whole = readFileSync(tallyOf(name), 'utf8').split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Heard)
}

/** The answers to a question, by its id. */
function answersTo(id: string, name = 'usual'): RpcMessage[] {
  return heard(name).flatMap(({ message }) =>
    message.method === undefined && message.id === id ? [message] : [],
  )
}

function call(
  tool: string,
  args: Readonly<Record<string, unknown>> = {},
  post: ModernPost & { at?: RunningGateway } = {},
): Promise<ModernReply> {
  const { at = gateway, ...rest } = post
  return callModern(at.face('one', 'stream'), tool, args, {
    token: 'token-of-ada',
    capabilities,
    id: crypto.randomUUID(),
    ...rest,
  })
}

/** Resolves once the server works on the call that holds this name. */
function holding(name: string, at = 'usual'): Promise<void> {
  const text = JSON.stringify({ name: 'hold', arguments: { name } }).slice(1, -1)
  return poll(`${name} to be held`, async () =>
    heard(at).some(({ message }) => JSON.stringify(message.params ?? null).includes(text)),
  )
}

interface InputRequest {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** What a user says: it repeats what was asked, so that an answer shows whose question it is for. */
function answerTo({ method, params }: InputRequest): unknown {
  const content = JSON.stringify(params)
  if (method === 'elicitation/create') return { action: 'accept', content: { content } }
  if (method === 'roots/list') return { roots: [] }
  return { role: 'assistant', model: 'm', content: { type: 'text', text: content } }
}

function inputsOf({ answer }: ModernReply): Record<string, InputRequest> {
  return (answer.result?.['inputRequests'] ?? {}) as Record<string, InputRequest>
}

function retryOf(reply: ModernReply): { params: Record<string, unknown> } {
  const responses = Object.entries(inputsOf(reply)).map(([key, request]) => [key, answerTo(request)])
  const inputResponses = Object.fromEntries(responses)
  return { params: { requestState: reply.answer.result?.['requestState'], inputResponses } }
}

/** Makes a call as a client does: it answers what it is asked until there is a result. */
async function complete(
  tool: string,
  args: Readonly<Record<string, unknown>> = {},
  post: ModernPost & { at?: RunningGateway } = {},
): Promise<unknown> {
  let reply = await call(tool, args, post)
  while (reply.answer.result?.['resultType'] === 'input_required')
    reply = await call(tool, args, { ...post, ...retryOf(reply) })
  return reply.answer.result?.structuredContent ?? reply.answer.error
}

const elicit = (message: string) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties: {} } },
})
const kinds = [
  elicit,
  () => ({ method: 'roots/list' }),
  (message: string) => ({
    method: 'sampling/createMessage',
    params: { messages: [{ role: 'user', content: { type: 'text', text: message } }], maxTokens: 1 },
  }),
]

describe('one process', () => {
  test('for fifty calls at once, whatever the client can be asked', async () => {
    const pids = await Promise.all(Array.from({ length: 50 }, () => complete('pid')))
    expect(new Set(pids.map((pid) => JSON.stringify(pid))).size).toBe(1)
    const { status } = (await (await gateway.admin('/mcps/one')).json()) as { status: { processes: number } }
    // The other one is the gateway's own.
    expect(status.processes).toBe(2)
  })

  test('so that a call finds what the one before it has left, while others run', async () => {
    const held = complete('hold', { name: 'browser' })
    await holding('browser')
    await complete('navigate', { to: 'https://a.example' })
    await complete('release', { name: 'browser' })
    await held
    expect(await complete('click')).toEqual({ page: 'https://a.example' })
  })

  test('for whoever names itself alike, and another for everybody else', async () => {
    const clientInfo = (name: string) => ({ 'io.modelcontextprotocol/clientInfo': { name, version: '1' } })
    const posts: ModernPost[] = [
      {},
      { token: 'token-of-bob' },
      { capabilities: { roots: {} } },
      { meta: clientInfo('somebody') },
      { meta: clientInfo('somebody else') },
    ]
    const pids = await Promise.all(posts.map((post) => complete('pid', {}, post)))
    expect(new Set(pids.map((pid) => JSON.stringify(pid))).size).toBe(posts.length)
    expect(await Promise.all(posts.map((post) => complete('pid', {}, post)))).toEqual(pids)
  })

  test('hears a subscription too: calls that follow each other are each told of, those of one moment together', async () => {
    const post = { token: 'token-of-ada', capabilities }
    const uris = { resourceSubscriptions: ['x://a'] }
    await using stream = await Listening.open(gateway.face('one', 'stream'), uris, post)
    const updates = () => stream.messages.filter(({ params }) => params?.['uri'] === 'x://a').length
    await Promise.all(Array.from({ length: 8 }, () => complete('touch', { uri: 'x://a' })))
    await poll('an update', async () => updates() >= 1)
    const before = updates()
    await complete('touch', { uri: 'x://a' })
    await poll('one more', async () => updates() > before)
  })

  test('passes a log message on with one of the calls that run', async () => {
    const held = call('hold', { name: 'log' }, { logLevel: 'debug' })
    await holding('log')
    const { before } = await call('log', { data: 'told' }, { logLevel: 'debug' })
    await complete('release', { name: 'log' })
    const all = [...before, ...(await held).before].filter(({ method }) => method === 'notifications/message')
    expect(all.map(({ params }) => params?.['data'])).toEqual(['told'])
  })
})

describe('a question', () => {
  test('of each of thirty calls at once gets the answer to that question', async () => {
    const marks = Array.from({ length: 30 }, (_, index) => `mark ${index}.`)
    const results = await Promise.all(
      marks.map((mark, index) => complete('ask', kinds[index % kinds.length]?.(mark) ?? {})),
    )
    for (const [index, result] of results.entries()) {
      expect(JSON.stringify(result)).toContain(
        index % kinds.length === 1 ? '"roots":[]' : (marks[index] ?? '?'),
      )
    }
  })

  test('reaches the client by a call that does not ask, and that call has its result', async () => {
    const held = call('hold', { name: 'carrier' })
    await holding('carrier')
    const asking = call('ask', elicit('who?'))
    const carrier = await held
    expect(Object.values(inputsOf(carrier)).map(({ params }) => params['message'])).toEqual(['who?'])
    // The server is done with the carrier before its client comes back.
    await complete('release', { name: 'carrier' })
    const back = call('hold', { name: 'carrier' }, retryOf(carrier))
    expect((await back).answer.result?.structuredContent).toEqual({ held: 'carrier' })
    expect(JSON.stringify((await asking).answer.result?.structuredContent)).toContain('who?')
  })

  test('goes on to another call when the one that carries it is answered before its client has heard', async () => {
    const held = call('hold', { name: 'brief' })
    await holding('brief')
    const asking = call('ask', { ...elicit('still?'), release: 'brief' })
    expect((await held).answer.result?.structuredContent).toEqual({ held: 'brief' })
    const reply = await asking
    expect(Object.values(inputsOf(reply)).map(({ params }) => params['message'])).toEqual(['still?'])
    const { answer } = await call('ask', { ...elicit('still?'), release: 'brief' }, retryOf(reply))
    expect(JSON.stringify(answer.result?.structuredContent)).toContain('still?')
  })

  test('goes on to another call when its client does not come back', async () => {
    const held = call('hold', { name: 'left' }, { at: hasty })
    await holding('left', 'hasty')
    const asking = complete('ask', elicit('anybody?'), { at: hasty })
    expect(inputsOf(await held)).not.toEqual({})
    expect(JSON.stringify(await asking)).toContain('anybody?')
    const cancelled = heard('hasty').filter(({ message }) => message.method === 'notifications/cancelled')
    expect(cancelled).toHaveLength(1)
  })

  test('goes on to another call when its client closes the response', async () => {
    const aborted = new AbortController()
    const held = call('hold', { name: 'closed' }, { signal: aborted.signal })
    held.catch(() => {})
    await holding('closed')
    aborted.abort()
    await poll('the cancel', async () =>
      heard().some(({ message }) => message.method === 'notifications/cancelled'),
    )
    // The server may go on with it for a while: it carries nothing more.
    expect(JSON.stringify(await complete('ask', elicit('you?')))).toContain('you?')
  })

  test('that the server withdraws is not answered, and the call that carried it goes on', async () => {
    const held = call('hold', { name: 'moot' })
    await holding('moot')
    const asking = call('ask', { ...elicit('moot?'), as: 'moot-question' })
    const carrier = await held
    await complete('withdraw', { as: 'moot-question' })
    const back = call('hold', { name: 'moot' }, retryOf(carrier))
    await complete('release', { name: 'moot' })
    expect((await back).answer.result?.structuredContent).toEqual({ held: 'moot' })
    expect((await asking).answer.result?.structuredContent).toEqual({})
    expect(answersTo('moot-question')).toEqual([])
  })

  test('with nothing but a subscription in flight is refused at once', async () => {
    const post = { token: 'token-of-ada', capabilities }
    await using _ = await Listening.open(gateway.face('one', 'stream'), { toolsListChanged: true }, post)
    await complete('askAfter', { as: 'late-question' })
    await poll('the refusal', async () => answersTo('late-question').length > 0)
    expect(answersTo('late-question')).toMatchObject([{ error: { code: -32603 } }])
  })

  test('on the standing stream of a server over HTTP rides on a call too', async () => {
    const upstream = startProcess({ command: [process.execPath, rawServer, '--transport', 'http'] })
    try {
      const { url } = JSON.parse(await upstream.line((line) => line.startsWith('{"url"'))) as { url: string }
      await gateway.register({ name: 'http', transport: 'streamable-http', url })
      const post = { token: 'token-of-ada', capabilities }
      const at = gateway.face('http', 'stream')
      const asking = { id: 'apart', ...elicit('apart?') }
      const slow = callModern(at, 'slow', { ms: 1_000 }, post)
      await poll('the call', async () => {
        const { answer } = await callModern(at, 'received', { part: '"slow"' }, post)
        return JSON.stringify(answer).includes('slow')
      })
      const messages = [{ jsonrpc: '2.0', ...asking }]
      const emit = callModern(at, 'emit', { messages, apart: true }, { ...post, id: 2 })
      const replies = await Promise.all([slow, emit])
      const inputs = replies.flatMap((reply) => Object.values(inputsOf(reply)))
      expect(inputs.map(({ params }) => params['message'])).toEqual(['apart?'])
    } finally {
      await upstream.kill()
    }
  })

  test('without room to wait for its answer ends one call, and no other', async () => {
    const parked = [
      await call('ask', elicit('1'), { at: narrow }),
      await call('ask', elicit('2'), { at: narrow }),
    ]
    expect(parked.map((reply) => reply.answer.result?.['resultType'])).toEqual([
      'input_required',
      'input_required',
    ])
    const held = call('hold', { name: 'room' }, { at: narrow })
    await holding('room', 'narrow')
    const asking = call('ask', elicit('3'), { at: narrow })
    const [carrier, asker] = await Promise.all([held, asking])
    expect(carrier.answer.error?.data).toMatchObject({ code: 'IN_FLIGHT_EXHAUSTED' })
    expect(asker.answer.result?.structuredContent).toMatchObject({
      error: { data: { code: 'IN_FLIGHT_EXHAUSTED' } },
    })
  })
})
