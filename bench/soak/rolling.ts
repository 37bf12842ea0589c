/**
 * `bun run soak --rolling`: three replicas are replaced one after the other under full load, and then again.
 *
 *   --sessions 200 --streams 100 --rate 500 --rounds 3
 *   --upgrade-from FILE   begins with this executable, and replaces it by the other one; both speak the same version of
 *                         what replicas say to each other (src/cluster/wire-version.ts)
 *
 * Prints what failed, which events were missed, what ran twice, and how long calls took: those that may have waited for
 * a new process of their session (cold) apart from the others. Exits 1 when anything failed.
 */
import { percentiles, ReplicaTraffic, ranTwice } from '../../test/support/replica-traffic.ts'
import { startReplicas } from '../../test/support/replicas.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { startTalliedServers } from './tallied-servers.ts'

export interface RollingOptions {
  readonly sessions: number
  readonly streams: number
  readonly callsPerSecond: number
  /** How often three replicas are replaced. */
  readonly rounds: number
  readonly executable: string
  readonly upgradeFrom: string | null
}

const steadyMs = 2_000

/** Whether nothing failed. */
export async function rollingRestart(options: RollingOptions): Promise<boolean> {
  const { sessions, streams, callsPerSecond, rounds, executable, upgradeFrom } = options
  using directory = temporaryDirectory()
  const servers = await startTalliedServers(directory.path)
  await using cluster = await startReplicas({
    program: upgradeFrom ?? executable,
    settings: { shutdown_timeout: '25s', limits: { processes_max: 1_000, processes_per_client_max: 500 } },
    mcps: servers.mcps,
  })
  const endpoints = [cluster.face('stdio', 'stream'), cluster.face('http', 'stream')]
  const traffic = new ReplicaTraffic({ endpoints, sessions, listening: streams, asked: 4, callsPerSecond })
  await traffic.start()
  console.log(`${sessions} sessions are open`)
  await Bun.sleep(steadyMs)
  report('before', traffic)
  let gateways = [...cluster.gateways]
  for (let round = 0; round < rounds; round++) {
    const next = []
    for (const gateway of gateways) {
      const startedMs = performance.now()
      next.push(await cluster.replace(gateway, executable))
      report(`replaced in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`, traffic)
    }
    gateways = next
  }
  await Bun.sleep(steadyMs)
  await traffic.stop()
  await servers.stop()
  return summary(traffic, ranTwice(servers.tally))
}

let reported = 0

function report(what: string, traffic: ReplicaTraffic): void {
  const [warm, cold] = [percentiles(traffic.warmMs), percentiles(traffic.coldMs)]
  console.log(
    `${what}: ${traffic.calls - reported} calls, ${traffic.failed} failed so far; p50 ${warm.p50} ms, p99 ${warm.p99} ms, most ${warm.most} ms; at a new process p50 ${cold.p50} ms, p99 ${cold.p99} ms (${traffic.coldMs.length})`,
  )
  reported = traffic.calls
  all.warm.push(...traffic.warmMs)
  all.cold.push(...traffic.coldMs)
  traffic.warmMs = []
  traffic.coldMs = []
}

const all = { warm: [] as number[], cold: [] as number[] }

function summary(traffic: ReplicaTraffic, twice: readonly string[]): boolean {
  report('after', traffic)
  // Never, twice, or behind a later one.
  const missed = [...traffic.missed(), ...traffic.astray()]
  const [warm, cold] = [percentiles(all.warm), percentiles(all.cold)]
  for (const { nonce, text, startedMs, endedMs } of traffic.failures.slice(0, 20))
    console.log(`failed after ${Math.round(endedMs - startedMs)} ms: ${nonce}: ${text}`)
  for (const tale of missed.slice(0, 10)) console.log(`missed: ${tale}`)
  for (const wrong of traffic.wrong.slice(0, 10)) console.log(`wrong: ${wrong}`)
  console.log(
    JSON.stringify(
      {
        calls: traffic.calls,
        failed: traffic.failed,
        wrong: traffic.wrong.length,
        ranTwice: twice.length,
        events: traffic.told,
        missedEvents: missed.length,
        othersMs: warm,
        atANewProcessMs: { ...cold, calls: all.cold.length },
      },
      null,
      2,
    ),
  )
  return traffic.failed + traffic.wrong.length + twice.length + missed.length === 0
}
