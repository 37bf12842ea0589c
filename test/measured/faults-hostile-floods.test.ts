/**
 * One server that says the same thing over and over, with three hundred sessions at it: calls of another server,
 * health and memory stay as they are on a gateway where nothing happens.
 */
import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { type Caller, openCaller } from '../support/callers.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { rssMib } from '../support/process-facts.ts'
import { RawClient } from '../support/raw-client.ts'
import { rawStdio } from '../support/supervised.ts'

const floodingServer = resolve(import.meta.dir, '../support/flooding-server.ts')
const floodMs = 3_000
/** Sessions that listen; the events of the others wait for them. */
const listeningMax = 20
/** Sessions that wait for an answer: fetch has 256 requests under way at most. */
const callingMax = 200
const rssMibMax = 256

interface Row {
  readonly kind: string
  readonly place: 'pipe' | 'standing' | 'answer'
  readonly why: string
  readonly sessions: number
  /** URIs that each session has asked for. */
  readonly uris?: number
  readonly logEnabled?: boolean
  /** Only when there is time for all. */
  readonly long?: true
}

const rows: readonly Row[] = [
  { kind: 'list_changed', place: 'pipe', sessions: 300, why: 'each was sent to three hundred clients' },
  { kind: 'logged', place: 'pipe', sessions: 300, why: 'each is, and none may be left out', long: true },
  {
    kind: 'updated',
    place: 'pipe',
    sessions: 1,
    uris: 10_000,
    why: 'each was compared with 10,000 URIs',
    long: true,
  },
  {
    kind: 'objects',
    place: 'pipe',
    sessions: 1,
    logEnabled: true,
    why: 'each was masked twice and logged',
    long: true,
  },
  { kind: 'blank lines', place: 'pipe', sessions: 1, why: 'they have no bytes', long: true },
  { kind: 'batch', place: 'pipe', sessions: 1, why: 'it holds 22 million messages' },
  {
    kind: 'batch',
    place: 'answer',
    sessions: 1,
    why: 'it holds 22 million messages, and no answer',
    long: true,
  },
  { kind: 'comments', place: 'standing', sessions: 300, why: 'no event comes of them', long: true },
  { kind: 'blank events', place: 'standing', sessions: 300, why: 'no event comes of them', long: true },
  { kind: 'other events', place: 'standing', sessions: 300, why: 'nobody asks for their type', long: true },
  { kind: 'no JSON', place: 'standing', sessions: 300, why: 'no message comes of them', long: true },
  { kind: 'changes', place: 'standing', sessions: 300, why: 'the same is said on every stream', long: true },
  { kind: 'ids', place: 'answer', sessions: 300, why: 'the calls are still waited for', long: true },
  { kind: 'changes', place: 'answer', sessions: 1, why: 'the call is still waited for', long: true },
  { kind: 'questions', place: 'answer', sessions: 1, why: 'each is answered' },
  {
    kind: 'questions',
    place: 'answer',
    sessions: 300,
    why: 'each is answered, on three hundred responses',
    long: true,
  },
  { kind: 'tiny chunks', place: 'answer', sessions: 300, why: 'six bytes bring one', long: true },
  { kind: 'unfinished', place: 'standing', sessions: 300, why: 'each stream held 63 MiB' },
]

/** One of each place and kind of cost in the suite. */
const wanted = process.env['FLOODS'] === 'all' ? rows : rows.filter(({ long }) => long !== true)

for (const row of wanted) {
  const { kind, place, why } = row
  test(`a flood of ${kind} (${place}) keeps nobody else waiting, though ${why}`, async () => {
    await using resources = new AsyncDisposableStack()
    const idle = resources.use(await startOthers())
    const gateway = resources.use(await startOthers())
    const others = [await openCaller(idle, 'good', 'stream'), await openCaller(gateway, 'good', 'stream')]
    for (const caller of others) resources.use(caller)
    await gateway.register(await definitionOf(row, resources))
    const sessions = await openSessions(gateway, row)
    for (const session of sessions) resources.use(session)
    // What is said while calls are answered reaches nobody, but for changes.
    const callers = sessions.slice(0, place === 'answer' ? callingMax : 1)
    const flooded = callers.map((session) =>
      session.request('flood', 'tools/call', { name: 'flood', arguments: {} }),
    )
    const settled = Promise.allSettled(flooded)
    const [atRest, meanwhile] = await measure([
      { gateway: idle, caller: others[0] as Caller },
      { gateway, caller: others[1] as Caller },
    ])
    expect(meanwhile?.callMs).toBeLessThan(50 + 2 * (atRest?.callMs ?? 0))
    expect(meanwhile?.healthMs).toBeLessThan(100 + 2 * (atRest?.healthMs ?? 0))
    expect(meanwhile?.peakMib).toBeLessThan(rssMibMax)
    for (const session of callers) await session.close()
    await settled
  }, 60_000)
}

function startOthers(): Promise<RunningGateway> {
  return startGatewayProcess({ via: 'executable', config: { mcps: [rawStdio('good')] } })
}

async function definitionOf(
  { kind, place, logEnabled = false }: Row,
  resources: AsyncDisposableStack,
): Promise<Record<string, unknown> & { name: string }> {
  const command = process.execPath
  if (place === 'pipe')
    return { name: 'loud', transport: 'stdio', command, args: [floodingServer, kind], logEnabled }
  const server = resources.use(startProcess({ command: [command, floodingServer, kind, place] }))
  const url = await server.line((line) => line.startsWith('http://'))
  return { name: 'loud', transport: 'streamable-http', url }
}

async function openSessions(gateway: RunningGateway, { sessions, uris = 0 }: Row): Promise<RawClient[]> {
  const opened: RawClient[] = []
  for (let n = 0; n < sessions; n++) opened.push(await RawClient.open(gateway.face('loud', 'stream')))
  for (const session of opened.slice(0, listeningMax)) await session.stand()
  for (const session of opened)
    for (let n = 0; n < uris; n += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, at) =>
          session.request(`${n + at}`, 'resources/subscribe', { uri: `file:///kept/${n + at}` }),
        ),
      )
  return opened
}

interface Figures {
  /** Of a hundred, ninety-nine were as quick. */
  readonly callMs: number
  readonly healthMs: number
  readonly peakMib: number
}

/** Calls the one after the other at the same time, so that what else this machine does slows both. */
async function measure(subjects: { gateway: RunningGateway; caller: Caller }[]): Promise<Figures[]> {
  const untilMs = performance.now() + floodMs
  return Promise.all(
    subjects.map(async ({ gateway, caller }) => {
      const [callsMs, healthsMs]: [number[], number[]] = [[], []]
      let peakMib = 0
      for (let n = 0; performance.now() < untilMs; n++) {
        callsMs.push(await took(() => caller.call(n, 'echo', { n })))
        healthsMs.push(await took(async () => void (await (await fetch(`${gateway.url}/healthz`)).text())))
        peakMib = Math.max(peakMib, rssMib(gateway.pid))
        await Bun.sleep(10)
      }
      return { callMs: quantile(callsMs), healthMs: quantile(healthsMs), peakMib }
    }),
  )
}

async function took(action: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now()
  await action()
  return performance.now() - startedAtMs
}

function quantile(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0
}
