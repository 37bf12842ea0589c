/** Sends the suite down one way through the gateway and compares with the direct run. */
import { resolve } from 'node:path'
import type { Eras } from '../support/dual-era-server.ts'
import { type GatewayForm, startGatewayProcess } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { startReplicas } from '../support/replicas.ts'
import { type Comparison, compare, judge, type Loss } from './compare.ts'
import { mappingOf, startMemberAdapter } from './member-adapter.ts'
import {
  type AuthorizationPair,
  type ClientPair,
  excused,
  excusedOfReplicas,
  owed,
  type Pair,
  type ServerPair,
} from './pairs.ts'
import { startSseAdapter } from './sse-adapter.ts'
import { testClient, testServer, type Verdicts } from './suite.ts'

const fixture = resolve(import.meta.dir, '../support/dual-era-server.ts')
const client = `${process.execPath} ${resolve(import.meta.dir, 'suite-client.ts')}`

/** So many replicas behind a splitter stand for the gateway; one is just a gateway. */
const replicas = Number(process.env['CONFORMANCE_REPLICAS'] ?? 1)

/** The fixture over HTTP, as a process of its own. */
export interface HttpFixture extends AsyncDisposable {
  readonly url: string
}

export interface PairReport extends Comparison {
  readonly pair: Pair
  /** Losses that break the promise. */
  readonly broken: readonly Loss[]
  /** Losses with an excuse, and those of scenarios that this pair does not owe. */
  readonly tolerated: readonly Loss[]
}

/** Starts the fixture and waits for its URL. */
export async function startHttpFixture(era: Eras, transport: 'http' | 'sse' = 'http'): Promise<HttpFixture> {
  const process: RunningProcess = startProcess({ command: fixtureCommand(era, transport) })
  const line = await process.line((text) => text.startsWith('{"url"'))
  const { url } = JSON.parse(line) as { url: string }
  return { url, [Symbol.asyncDispose]: () => process.kill() }
}

function fixtureCommand(era: Eras, transport: 'http' | 'sse' | 'stdio'): string[] {
  return [process.execPath, fixture, '--transport', transport, '--era', era]
}

/** Direct runs, each made once: against the unrestricted fixture over HTTP, or the suite's own mocks. */
export class Baselines implements AsyncDisposable {
  private readonly runs = new Map<string, Promise<Verdicts>>()
  private readonly fixture = startHttpFixture('both')

  constructor(private readonly scenarios: readonly string[] = []) {}

  of(pair: Pair): Promise<Verdicts> {
    const key = `${pair.kind} ${pair.requirements}`
    const run = this.runs.get(key) ?? this.run(pair)
    this.runs.set(key, run)
    return run
  }

  private async run(pair: Pair): Promise<Verdicts> {
    if (pair.kind !== 'server') return testClient(client, pair.requirements, pair.scenarios)
    return testServer((await this.fixture).url, pair.requirements, this.scenarios)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.fixture)[Symbol.asyncDispose]()
  }
}

/** Runs one pair through a gateway of its own, so that one way cannot spoil the next. */
export async function runPair(
  pair: Pair,
  via: GatewayForm,
  baselines: Baselines,
  scenarios: readonly string[] = [],
): Promise<PairReport> {
  if (pair.kind === 'authorization') return await runAuthorization(pair, via, scenarios)
  const direct = await baselines.of(pair)
  const proxied =
    pair.kind === 'client' ? await driveClient(pair, via) : await testFixture(pair, via, scenarios)
  const comparison = compare(direct, proxied)
  const tolerable = (loss: Loss) =>
    excused(pair, loss) || !owed(pair, loss) || (replicas > 1 && excusedOfReplicas(pair, loss))
  return {
    pair,
    ...comparison,
    broken: comparison.losses.filter((loss) => !tolerable(loss)),
    tolerated: comparison.losses.filter(tolerable),
  }
}

async function runAuthorization(
  pair: AuthorizationPair,
  via: GatewayForm,
  scenarios: readonly string[],
): Promise<PairReport> {
  const chosen =
    scenarios.length === 0 ? pair.scenarios : pair.scenarios.filter((name) => scenarios.includes(name))
  const comparison = judge(chosen, await driveClient({ ...pair, scenarios: chosen }, via))
  return { pair, ...comparison, broken: comparison.losses, tolerated: [] }
}

/** The suite's mock servers come and go, so the client registers each one over the admin API. */
async function driveClient(pair: ClientPair | AuthorizationPair, via: GatewayForm): Promise<Verdicts> {
  await using gateway = await startGatewayProcess({ via })
  // No revision lists what is an extension.
  const flags = pair.kind === 'authorization' && pair.isExtension ? ['--force'] : []
  return await testClient(client, pair.requirements, pair.scenarios, { GATEWAY_URL: gateway.url }, flags)
}

async function testFixture(
  pair: ServerPair,
  via: GatewayForm,
  scenarios: readonly string[],
): Promise<Verdicts> {
  await using stack = new AsyncDisposableStack()
  const { mcps, asked } = await behind(pair, stack)
  const gateway = stack.use(
    replicas > 1
      ? await startReplicas({ count: replicas, mcps })
      : await startGatewayProcess({ via, config: { mcps } }),
  )
  let url = gateway.face(asked, pair.face)
  if (pair.face === 'sse') url = inFront(startSseAdapter(url), stack)
  if (pair.group === 'four') url = inFront(startMemberAdapter(url, mappingOf(memberOf(pair))), stack)
  return await testServer(url.href, pair.requirements, scenarios)
}

function inFront(adapter: { url: string; stop(): Promise<void> }, stack: AsyncDisposableStack): URL {
  stack.defer(() => adapter.stop())
  return new URL(adapter.url)
}

type Definition = Readonly<Record<string, unknown>>

/** What the gateway has, and under which name it is asked. */
async function behind(
  pair: ServerPair,
  stack: AsyncDisposableStack,
): Promise<{ mcps: Definition[]; asked: string }> {
  if (pair.group === 'four') {
    const four = (['legacy', 'modern'] as const).flatMap((era) =>
      (['stdio', 'http'] as const).map((upstream) => ({ era, upstream })),
    )
    const mcps = await Promise.all(four.map((member) => definitionOf(memberOf(member), member, stack)))
    // The suite tries the first tool of its kind that it finds: the one that is asked about comes first.
    const isAsked = (member: Upstream) => Number(memberOf(member) !== memberOf(pair))
    const members = four
      .toSorted((a, b) => isAsked(a) - isAsked(b))
      .map((member) => ({ server: memberOf(member) }))
    return { mcps: [...mcps, { name: 'group', transport: 'group', members }], asked: 'group' }
  }
  const fixture = await definitionOf('fixture', pair, stack)
  if (pair.group === 'none') return { mcps: [fixture], asked: 'fixture' }
  const group = { name: 'group', transport: 'group', naming: 'plain', members: [{ server: 'fixture' }] }
  return { mcps: [fixture, group], asked: 'group' }
}

type Upstream = Pick<ServerPair, 'era' | 'upstream'>

function memberOf({ era, upstream }: Upstream): string {
  return `${era}-${upstream}`
}

async function definitionOf(
  name: string,
  { era, upstream }: Upstream,
  stack: AsyncDisposableStack,
): Promise<Definition> {
  if (upstream === 'stdio') {
    const [command, ...args] = fixtureCommand(era, 'stdio')
    return { name, transport: 'stdio', command, args }
  }
  const { url } = stack.use(await startHttpFixture(era, upstream))
  return { name, transport: upstream === 'sse' ? 'sse' : 'streamable-http', url }
}
