/** Servers that say far too much, or nothing: the gateway stays small, the others are served, each shows why. */
import { expect, test } from 'bun:test'
import { openCaller } from '../support/callers.ts'
import { jsonAnswer, type SeenRequest, startFaultHttp, welcome } from '../support/fault-http.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { rssMib } from '../support/process-facts.ts'
import { faultStdio, rawStdio, statusOf } from '../support/supervised.ts'

const rssMibMax = 256
const slowed = '(more output than anybody asked for: from here on it is read slowly)'

const ill = [
  { mode: 'stdout-flood', says: 'no answer to initialize', tail: slowed },
  { mode: 'deaf', says: 'no answer to initialize', tail: null },
  {
    mode: 'exit-at-once',
    says: 'exited with code 3: set FILES_ROOT',
    tail: 'set FILES_ROOT',
  },
]
const talkative = [
  { mode: 'flood-and-answer', tail: slowed, answers: true },
  { mode: 'garbage-flood', tail: 'all work and no play makes a dull server', answers: true },
  // Whatever it says from there on belongs to that line.
  {
    mode: 'endless-line',
    tail: '… (the rest of a very long line was skipped)',
    answers: false,
  },
  { mode: 'stderr-flood', tail: 'all work and no play makes a dull server', answers: true },
  { mode: 'garbage', tail: 'Server listening…', answers: true },
]

test('servers that flood, babble, die or say nothing cost neither memory nor the others', async () => {
  const settings = { startTimeout: '2s', reconnectDelay: '1s' }
  await using gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: {
      mcp_proxy: { timeouts: { stop_grace: '500ms' } },
      mcps: [
        rawStdio('good'),
        rawStdio('large'),
        ...[...ill, ...talkative].map(({ mode }) => faultStdio(mode, mode, settings)),
      ],
    },
  })
  await using good = await openCaller(gateway, 'good', 'stream')
  await using large = await openCaller(gateway, 'large', 'stream')
  let peakMib = 0
  const sampling = setInterval(() => {
    peakMib = Math.max(peakMib, rssMib(gateway.pid))
  }, 20)
  // A line of 100 MB besides, in the middle of it all.
  const huge = Bun.sleep(1_000).then(() => large.call('huge', 'large', { bytes: 100_000_000 }))
  const latenciesMs: number[] = []
  const untilMs = performance.now() + 5_000
  for (let n = 0; performance.now() < untilMs; n++) {
    const secret = `good ${n}`
    const sentAtMs = performance.now()
    const { answer } = await good.call(n, 'echo', { secret })
    latenciesMs.push(performance.now() - sentAtMs)
    expect(answer.result?.structuredContent).toEqual({ secret })
    await Bun.sleep(5)
  }
  expect((await huge).answer.error?.message).toContain('more than 67108864 bytes (limits.line_bytes_max)')
  // Nothing of the answer itself stands among what the server says to people.
  const said = (await statusOf(gateway, 'large')).stderrTail
  expect(said).toEqual(['(a line of more than 67108864 bytes on stdout was skipped)', slowed])
  for (const { mode, tail, answers } of talkative) {
    if (answers) {
      // Its answers stand behind what it floods, and come all the same.
      await using caller = await openCaller(gateway, mode, 'stream')
      const { answer } = await caller.call('still', 'echo', { secret: mode })
      expect(answer.result).toMatchObject({ name: 'echo', arguments: { secret: mode } })
    }
    const { status, stderrTail } = await statusOf(gateway, mode)
    expect([mode, status, stderrTail.some((line) => line.includes(tail))]).toEqual([mode, 'connected', true])
  }
  for (const { mode, says, tail } of ill) {
    await poll(`${mode} to fail`, async () => (await statusOf(gateway, mode)).lastError !== null)
    const { lastError, stderrTail } = await statusOf(gateway, mode)
    expect(lastError).toContain(says)
    if (tail !== null) expect(stderrTail).toContain(tail)
  }
  clearInterval(sampling)
  console.log(`peak of memory beside eight ill servers: ${peakMib.toFixed(1)} MiB, at most ${rssMibMax}`)
  expect(peakMib).toBeLessThan(rssMibMax)
  const median = latenciesMs.toSorted((a, b) => a - b)[latenciesMs.length >> 1]
  expect(latenciesMs.length).toBeGreaterThan(100)
  expect(median).toBeLessThan(50)
})

function notKnown(request: SeenRequest): Response | null {
  const { id } = request.message
  return id === undefined
    ? null
    : Response.json({ jsonrpc: '2.0', id, error: { code: -32601, message: 'unknown' } })
}

test('an HTTP server that floods its standing stream is read slowly', async () => {
  const frame = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/x', params: { fill: 'x'.repeat(64_000) } })}\n\n`
  let sent = 0
  await using fault = startFaultHttp((request) => {
    if (request.method === 'GET') {
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += frame.length
          controller.enqueue(Buffer.from(frame))
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    return (
      welcome(request) ??
      (request.message.method === 'tools/call' ? jsonAnswer(request, { ok: true }) : notKnown(request))
    )
  })
  await using gateway = await startGatewayProcess({ via: 'executable' })
  await gateway.register({ name: 'web', transport: 'streamable-http', url: fault.url })
  await using caller = await openCaller(gateway, 'web', 'stream')
  await poll('the flood to be slowed', async () =>
    (await statusOf(gateway, 'web')).stderrTail.includes(slowed),
  )
  // What is in the buffers between here and there passes at once, then the pace is that of the reader.
  await poll('the pace', async () => {
    const before = sent
    await Bun.sleep(500)
    return sent - before < 10 * 1024 * 1024
  })
  expect((await caller.call(1, 'any', {})).answer.result).toEqual({ ok: true })
  expect(rssMib(gateway.pid)).toBeLessThan(rssMibMax)
})
