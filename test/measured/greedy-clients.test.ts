/**
 * A client that takes all it can get of one kind: it is refused, or loses what it leaves lying, in time for the
 * gateway to stay small; another client notices nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { readEvents } from '../support/event-reader.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { callModern, sendModern } from '../support/modern-client.ts'
import { rssMib } from '../support/process-facts.ts'
import { RawClient, type RpcMessage } from '../support/raw-client.ts'
import { requestText } from '../support/slow-reader.ts'
import { RestartableHttp, rawStdio } from '../support/supervised.ts'

/** All answers of a test would be 768 MiB beside the gateway itself. */
const rssMibMax = 384
const tokens = ['greedy', 'parking', 'modest'] as const
const kib = 1024

interface Refusal {
  readonly error?: { readonly message: string; readonly data?: { readonly code?: string } }
}

/** What a response says, whatever its status: the code of its error, or `ok`. */
async function codeOf(response: Response): Promise<string> {
  const text = await response.text()
  const line = text.split('\n').findLast((one) => one.startsWith('data: {'))
  const { error } = JSON.parse(line?.slice('data: '.length) ?? text) as Refusal
  return error === undefined ? 'ok' : (error.data?.code ?? error.message)
}

/** True for a subscription; a request of any kind that was accepted is answered with 200 all the same. */
function standsOpen(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') === true
}

function start(limits: Readonly<Record<string, unknown>>, mcps = [rawStdio('raw')]): Promise<RunningGateway> {
  return startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { auth: { global_tokens: tokens }, limits }, mcps },
  })
}

function initializeText(pad: number, capabilities: object = {}): string {
  const clientInfo = { name: 'x'.repeat(pad), version: '1' }
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo }
  return JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
}

function initialize(
  url: URL,
  token: (typeof tokens)[number],
  pad = 1,
  capabilities: object = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
    },
    body: initializeText(pad, capabilities),
  })
}

describe('answers that nobody reads', () => {
  const answers = 32
  /** The system takes some 10 MiB of each from the gateway before anybody reads. */
  const answerBytes = 24 * kib * kib
  let http: RestartableHttp
  let gateway: RunningGateway

  beforeAll(async () => {
    http = await RestartableHttp.start()
    gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { auth: { global_tokens: tokens } },
        mcps: [
          rawStdio('pipe'),
          { name: 'http', transport: 'streamable-http', url: http.url },
          rawStdio('other'),
        ],
      },
    })
  }, 30_000)

  afterAll(async () => {
    await gateway.stop()
    await http.kill()
  })

  test.each(['pipe', 'http'])(
    'of a server over %s are held up to the share of their client',
    async (server) => {
      const url = gateway.face(server, 'stream')
      const greedy = await RawClient.open(url, { token: 'greedy' })
      await using modest = await RawClient.open(gateway.face('other', 'stream'), { token: 'modest' })
      const before = await bytesRead(url, greedy, answerBytes)
      expect(before).toBeGreaterThan(answerBytes)
      const called = await figure(gateway, 'total', server)
      const sockets = Array.from({ length: answers }, (_, id) => unread(url, greedy, id, answerBytes))
      let peakMib = 0
      await poll(
        'the calls',
        async () => {
          peakMib = Math.max(peakMib, rssMib(gateway.pid))
          const { secret } = await modest.call<{ secret: string }>('n', 'echo', { secret: 'n' })
          expect(secret).toBe('n')
          return allAnswered(gateway, server, called + answers)
        },
        60_000,
      )
      expect(peakMib).toBeLessThan(rssMibMax)
      // Each gets its whole answer, or is told why not, or sees its connection break: half an answer never ends well.
      const texts = await Promise.all(sockets.map(readRest))
      const refused = texts.filter((text) => text.includes('BYTES_EXHAUSTED'))
      const whole = texts.filter((text) => text.length > answerBytes && text.endsWith(lastChunk))
      const cut = texts.filter((text) => !refused.includes(text) && !text.endsWith(lastChunk))
      expect(refused.length).toBeGreaterThan(answers / 4)
      expect(refused[0]).toContain('limits.held_bytes_per_client_max')
      expect(whole.length).toBeGreaterThan(1)
      expect(refused.length + whole.length + cut.length).toBe(answers)
      // What was read is not held any more.
      expect(await bytesRead(url, greedy, answerBytes)).toBe(before)
      await greedy.close()
    },
    90_000,
  )

  test('of which nothing is read for seconds are cut for the sake of the next one', async () => {
    const url = gateway.face('pipe', 'stream')
    await using greedy = await RawClient.open(url, { token: 'greedy' })
    const called = await figure(gateway, 'total', 'pipe')
    const sockets: Socket[] = []
    for (let id = 0; id < 8; id++) {
      sockets.push(unread(url, greedy, id, answerBytes))
      await poll('the call', () => allAnswered(gateway, 'pipe', called + id + 1))
    }
    await poll('room', () =>
      bytesRead(url, greedy, answerBytes).then(
        () => true,
        () => false,
      ),
    )
    // Which of them has stood still for longest is not known here; those that were refused hold nothing.
    const texts = await Promise.all(sockets.map(readRest))
    const cut = texts.filter((text) => !text.includes('BYTES_EXHAUSTED') && !text.endsWith(lastChunk))
    expect(cut.length).toBeGreaterThan(0)
    for (const text of cut) expect(text.length).toBeLessThan(answerBytes)
  }, 60_000)

  test('of clients that leave make room at once, also when they leave before it has come', async () => {
    const url = gateway.face('pipe', 'stream')
    await using greedy = await RawClient.open(url, { token: 'greedy' })
    const before = await bytesRead(url, greedy, answerBytes)
    for (let round = 0; round < 6; round++) {
      const sockets = Array.from({ length: 4 }, (_, id) => unread(url, greedy, id, answerBytes))
      // The first has begun, the others are on their way.
      await new Promise((resolve) => sockets[0]?.once('readable', resolve))
      for (const socket of sockets) socket.destroy()
      await poll('the calls', async () => (await figure(gateway, 'in_flight', 'pipe')) === 0)
    }
    expect(await bytesRead(url, greedy, answerBytes)).toBe(before)
  }, 60_000)
})

const lastChunk = '0\r\n\r\n'

/** A connection that has sent its call and reads nothing. */
function unread(url: URL, client: RawClient, id: number, bytes: number): Socket {
  const params = { name: 'large', arguments: { bytes } }
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
  const socket = connect(Number(url.port), url.hostname)
  socket.on('error', () => {})
  socket.pause()
  // A client that takes no stream, so that the answer is one body.
  socket.write(requestText(url, { ...client.headers(), accept: 'application/json' }, body))
  return socket
}

function readRest(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const done = () => {
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const end = chunk.subarray(-5).toString('latin1')
      if (end === lastChunk || end.endsWith('}')) done()
    })
    socket.once('close', done)
    socket.resume()
  })
}

/** Reads one as fast as it comes; rejects with what is said instead of it. */
async function bytesRead(url: URL, client: RawClient, bytes: number): Promise<number> {
  const text = await (
    await client.post(
      JSON.stringify({
        jsonrpc: '2.0',
        id: 'read',
        method: 'tools/call',
        params: { name: 'large', arguments: { bytes } },
      }),
      { headers: { accept: 'application/json' } },
    )
  ).text()
  if (!text.includes('"structuredContent"')) throw new Error(`${url}: ${text.slice(0, 300)}`)
  return text.length
}

/** True once so many calls of this server have begun, and none of them waits for its answer. */
async function allAnswered(gateway: RunningGateway, server: string, calls: number): Promise<boolean> {
  const begun = await figure(gateway, 'total', server)
  return begun >= calls && (await figure(gateway, 'in_flight', server)) === 0
}

/** One of the figures of a server in /metrics. */
async function figure(gateway: RunningGateway, name: string, server: string): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
  return Number(new RegExp(`compozy_mcp_requests_${name}\\{server="${server}"\\} (\\d+)`).exec(metrics)?.[1])
}

describe('texts that are kept', () => {
  let gateway: RunningGateway
  let url: URL
  beforeAll(async () => {
    gateway = await start({ held_bytes_per_client_max: '1MiB' })
    url = gateway.face('raw', 'stream')
  }, 30_000)
  afterAll(() => gateway.stop())

  test('of `initialize` have a bound of their own', async () => {
    const long = await initialize(url, 'greedy', 65 * kib)
    expect([long.status, await codeOf(long)]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
  })

  test('of `initialize` fill the share of their client, and go with the session', async () => {
    const ids: string[] = []
    for (;;) {
      const response = await initialize(url, 'greedy', 60 * kib)
      const id = response.headers.get('mcp-session-id')
      const code = await codeOf(response)
      if (code !== 'ok') {
        expect([response.status, code, response.headers.get('retry-after')]).toEqual([
          429,
          'BYTES_EXHAUSTED',
          '5',
        ])
        break
      }
      ids.push(id ?? '')
    }
    expect(ids).toHaveLength(17)
    await using _ = await RawClient.open(url, { token: 'modest' })
    for (const id of ids)
      await fetch(url, {
        method: 'DELETE',
        headers: { authorization: 'Bearer greedy', 'mcp-session-id': id },
      })
    expect(await codeOf(await initialize(url, 'greedy', 60 * kib))).toBe('ok')
  })

  test('of subscriptions fill the share of their client, and go with the URI', async () => {
    const greedy = await RawClient.open(url, { token: 'greedy' })
    const about = (n: number, method = 'resources/subscribe') =>
      greedy
        .request(n, method, { uri: `${n}:`.padEnd(8 * kib, 'x') })
        .then(({ answer }) => (answer.error?.data as { code?: string } | undefined)?.code ?? 'ok')
    const long = await greedy.request('long', 'resources/subscribe', { uri: 'x'.repeat(8 * kib + 1) })
    expect(long.answer.error).toMatchObject({ code: -32602, data: { code: 'PARAMS_REFUSED' } })
    let kept = 0
    // The same one again takes nothing.
    while (kept < 200 && (await about(kept)) === 'ok' && (await about(kept)) === 'ok') kept++
    expect(kept).toBeWithin(100, 129)
    expect(await about(kept)).toBe('BYTES_EXHAUSTED')
    await using modest = await RawClient.open(url, { token: 'modest' })
    expect((await modest.request(1, 'resources/subscribe', { uri: 'file:///a' })).answer.result).toEqual({})
    expect(await about(0, 'resources/unsubscribe')).toBe('ok')
    expect(await about(kept)).toBe('ok')
    await greedy.close()
    await using next = await RawClient.open(url, { token: 'greedy' })
    expect(
      (await next.request(1, 'resources/subscribe', { uri: 'x'.repeat(8 * kib) })).answer.result,
    ).toEqual({})
  })

  test('of subscriptions without a session likewise', async () => {
    const listen = (token: string, uris: readonly string[], signal: AbortSignal) =>
      sendModern(url, 'subscriptions/listen', {
        token,
        signal,
        params: { notifications: { resourceSubscriptions: uris } },
      })
    const uris = Array.from({ length: 30 }, (_, n) => `${n}:`.padEnd(8 * kib, 'x'))
    const closing = new AbortController()
    const { signal } = closing
    const tooLong = await listen('greedy', ['x'.repeat(8 * kib + 1)], signal)
    expect(await tooLong.text()).toContain('at most 8192 characters')
    /** Once its client has read that the subscription stands, nothing but what was asked for is held. */
    const outcomeOf = async (token: string) => {
      const response = await listen(token, uris, signal)
      if (!standsOpen(response) || response.body === null) return codeOf(response)
      await readEvents(response.body).next()
      return 'ok'
    }
    const outcomes: string[] = []
    for (let n = 0; n < 5; n++) outcomes.push(await outcomeOf('greedy').catch(() => 'cut'))
    expect(outcomes.slice(0, 2)).toEqual(['ok', 'ok'])
    expect(outcomes[4]).not.toBe('ok')
    expect(await outcomeOf('modest')).toBe('ok')
    closing.abort()
    await poll('the room', async () => {
      const again = new AbortController()
      const response = await listen('greedy', uris, again.signal)
      again.abort()
      return standsOpen(response)
    })
  })

  test('of parked calls fill the share of their client, whose other calls go on', async () => {
    const ask = (token: string, id: number) =>
      callModern(
        url,
        'ask',
        { method: 'roots/list', params: {}, ballast: 'x'.repeat(100 * kib) },
        { id, token, capabilities: { roots: {} } },
      )
    const outcomes: string[] = []
    for (let id = 0; id < 12; id++) {
      const { answer } = await ask('parking', id)
      outcomes.push(String(answer.result?.['resultType'] ?? codeIn(answer)))
    }
    expect(outcomes).toEqual([
      ...Array.from({ length: 10 }, () => 'input_required'),
      'BYTES_EXHAUSTED',
      'BYTES_EXHAUSTED',
    ])
    expect((await ask('modest', 1)).answer.result?.['resultType']).toBe('input_required')
    const { answer } = await callModern(url, 'echo', { secret: 's' }, { token: 'parking' })
    expect(answer.result?.structuredContent).toEqual({ secret: 's' })
  })
})

function codeIn({ error }: RpcMessage): unknown {
  return (error?.data as { code?: string } | undefined)?.code
}

test('large requests under way fill the share of their client, and are let go with their answers', async () => {
  await using gateway = await start({ held_bytes_per_client_max: '1MiB' })
  const url = gateway.face('raw', 'stream')
  await using greedy = await RawClient.open(url, { token: 'greedy' })
  await using modest = await RawClient.open(url, { token: 'modest' })
  const args = { ms: 1_000, ballast: 'x'.repeat(100 * kib) }
  const outcomes = await Promise.all(
    Array.from(
      { length: 12 },
      async (_, id) => codeIn((await greedy.callTool(id, 'slow', args)).answer) ?? 'ok',
    ),
  )
  expect(outcomes.toSorted()).toEqual([
    ...Array.from({ length: 2 }, () => 'BYTES_EXHAUSTED'),
    ...Array.from({ length: 10 }, () => 'ok'),
  ])
  expect(await modest.call('m', 'slow', { ...args, ms: 1 })).toEqual({ slept: 1 })
  expect(await greedy.call('g', 'slow', { ...args, ms: 1 })).toEqual({ slept: 1 })
})

test('a progress token that would travel back in megabytes is refused', async () => {
  await using gateway = await start({})
  await using client = await RawClient.open(gateway.face('raw', 'stream'), { token: 'greedy' })
  const { answer } = await client.callTool(1, 'burst', { count: 3 }, 'x'.repeat(32 * kib))
  expect(answer.error).toMatchObject({ code: -32602, data: { code: 'PARAMS_REFUSED' } })
})

describe('a share of one client', () => {
  test('of the child processes leaves half of them to the others', async () => {
    await using gateway = await start({ processes_max: 9 }, [rawStdio('raw'), rawStdio('other')])
    const url = gateway.face('raw', 'stream')
    const outcomes: string[] = []
    for (let n = 0; n < 6; n++) outcomes.push(await codeOf(await initialize(url, 'greedy', 1, { roots: {} })))
    expect(outcomes).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'PROCESSES_EXHAUSTED'])
    const other = await initialize(gateway.face('other', 'stream'), 'modest', 1, { roots: {} })
    expect(await codeOf(other)).toBe('ok')
    const refused = await initialize(gateway.face('other', 'stream'), 'greedy', 1, { roots: {} })
    expect(refused.status).toBe(503)
    expect(await refused.text()).toContain('limits.processes_per_client_max')
  }, 30_000)

  test('of the child processes can be set, and comes back with the session', async () => {
    await using gateway = await start({ processes_per_client_max: 1 })
    const url = gateway.face('raw', 'stream')
    const first = await RawClient.open(url, { token: 'greedy', capabilities: { roots: {} } })
    expect(await codeOf(await initialize(url, 'greedy', 1, { roots: {} }))).toBe('PROCESSES_EXHAUSTED')
    await first.close()
    await poll(
      'the process to end',
      async () => (await codeOf(await initialize(url, 'greedy', 1, { roots: {} }))) === 'ok',
    )
  }, 30_000)

  test('of the subscriptions without a session is that of sessions', async () => {
    await using gateway = await start({ sessions_per_client_max: 3 })
    const url = gateway.face('raw', 'stream')
    const closing = new AbortController()
    const listen = (token: string) =>
      sendModern(url, 'subscriptions/listen', {
        token,
        signal: closing.signal,
        params: { notifications: { toolsListChanged: true } },
      })
    const stand: boolean[] = []
    for (let n = 0; n < 3; n++) stand.push(standsOpen(await listen('greedy')))
    expect(stand).toEqual([true, true, true])
    const refused = await listen('greedy')
    expect([refused.status, await codeOf(refused)]).toEqual([200, 'SESSIONS_EXHAUSTED'])
    expect(standsOpen(await listen('modest'))).toBe(true)
    closing.abort()
  })

  test.each([
    { why: 'one host owns a whole /64', addresses: ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2'], one: true },
    { why: 'another /64 is another client', addresses: ['2001:db8:0:1::1', '2001:db8:0:2::1'], one: false },
    { why: 'an IPv4 address is one client', addresses: ['192.0.2.1', '192.0.2.2'], one: false },
    { why: 'a mapped IPv4 is that IPv4', addresses: ['192.0.2.1', '::ffff:192.0.2.1'], one: true },
  ])('is counted by address behind a trusted proxy: $why', async ({ addresses, one }) => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: {
          security: { trusted_proxies: ['127.0.0.1'] },
          limits: { sessions_per_client_max: 1 },
        },
        mcps: [rawStdio('raw')],
      },
    })
    const codes: string[] = []
    for (const address of addresses) {
      const response = await fetch(gateway.face('raw', 'stream'), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'x-forwarded-for': address,
        },
        body: initializeText(1),
      })
      codes.push(await codeOf(response))
    }
    expect(codes).toEqual(['ok', one ? 'SESSIONS_EXHAUSTED' : 'ok'])
  })
})

describe('a result', () => {
  const resultBytesMax = 256 * kib
  let gateway: RunningGateway
  let http: RestartableHttp
  beforeAll(async () => {
    http = await RestartableHttp.start()
    gateway = await start({ result_bytes_max: '256KiB' }, [
      rawStdio('pipe'),
      { name: 'http', transport: 'streamable-http', url: http.url } as never,
    ])
  }, 30_000)
  afterAll(async () => {
    await gateway.stop()
    await http.kill()
  })

  test.each(
    ['pipe', 'http'].flatMap((server) =>
      [undefined, 'p'].map((token) => ({ server, token, as: token === undefined ? 'a body' : 'a stream' })),
    ),
  )('over $server as $as is bounded, and the error names the bound', async ({ server, token }) => {
    await using client = await RawClient.open(gateway.face(server, 'stream'), { token: 'modest' })
    const fits = await client.callTool(1, 'large', { bytes: resultBytesMax - kib }, token)
    expect(fits.answer.error).toBeUndefined()
    const { answer } = await client.callTool(2, 'large', { bytes: resultBytesMax }, token)
    expect(answer.error).toEqual({
      code: -31502,
      message:
        'Result too large: The server answered with more than 262144 bytes (limits.result_bytes_max). Ask for less, or for a part of it.',
      data: { code: 'RESULT_TOO_LARGE' },
    })
    expect(await client.call(3, 'echo', { secret: 'next' })).toEqual({ secret: 'next' })
  })

  test('for a client without a session likewise', async () => {
    const { answer } = await callModern(
      gateway.face('pipe', 'stream'),
      'large',
      { bytes: resultBytesMax },
      { token: 'modest' },
    )
    expect(codeIn(answer)).toBe('RESULT_TOO_LARGE')
  })
})
