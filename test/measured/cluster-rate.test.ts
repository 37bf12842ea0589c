/** A rate that counts over all replicas, as clients meet it. */
import { expect, test } from 'bun:test'
import { startReplica } from '../support/cluster.ts'
import { redisProgram, startRedis } from '../support/redis-server.ts'

/** Takes seconds: `bun run test:long:cluster`. */
const wanted = process.env['CLUSTER_FAULTS'] === '1' && redisProgram !== null
const rate = { per_second: 200, burst: 20 }
const seconds = 5

test.skipIf(!wanted)(
  'all replicas together let through what the rate says: no request more, and at most 5 in 100 fewer',
  async () => {
    await using redis = await startRedis()
    const options = { via: 'executable', settings: { limits: { rate } }, untilReady: false } as const
    const gateways = await Promise.all([1, 2, 3].map(() => startReplica(redis, options)))
    const ask = async (at: number): Promise<number> => {
      const { status } = await fetch(`${gateways[at % 3]?.url}/mcp-proxy/none/stream`, { method: 'DELETE' })
      return status
    }
    let passed = 0
    let refused = 0
    const beganMs = performance.now()
    const endsMs = beganMs + seconds * 1_000
    let lastMs = 0
    const asking = async (at: number): Promise<void> => {
      while (performance.now() < endsMs) {
        const status = await ask(at)
        lastMs = performance.now()
        if (status === 429) {
          refused++
          await Bun.sleep(5)
        } else passed++
      }
    }
    await Promise.all(Array.from({ length: 16 }, (_, at) => asking(at)))
    const most = ((lastMs - beganMs) / 1_000) * rate.per_second + rate.burst
    console.log(`  ${passed} of ${Math.floor(most)} requests were let through, ${refused} refused`)
    expect(passed).toBeLessThanOrEqual(Math.ceil(most))
    expect(passed).toBeGreaterThan(most * 0.95)
    await Promise.all(gateways.map((gateway) => gateway.stop()))
  },
  60_000,
)
