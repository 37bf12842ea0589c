/** A Redis or a secret that is the wrong one: one line says so, and no gateway serves without what the others share. */
import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { runCommand } from '../cli/run-command.ts'
import { clusterSecret, startReplica } from '../support/cluster.ts'
import { redisProgram, startRedis } from '../support/redis-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Takes seconds: `bun run test:long:cluster`. */
const wanted = process.env['CLUSTER_FAULTS'] === '1' && redisProgram !== null

test.skipIf(!wanted)(
  'ends a start that cannot work with one line that says why',
  async () => {
    await using redis = await startRedis(['--requirepass', 'right'])
    const url = (password: string, database = '') => `redis://:${password}@127.0.0.1:${redis.port}${database}`
    await using http = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
    const [key, another] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
    await using gateway = await startReplica(redis, {
      via: 'executable',
      cluster: { redis: { url: url('right') } },
      env: { COMPOZY_SECRETS_KEY: key },
    })
    expect(gateway.lines().join()).toContain('listening')
    const ended = async (redisUrl: string, secret: string, secretsKey: string) => {
      using home = temporaryDirectory()
      const env = {
        MCP_PROXY_CLUSTER_REDIS_URL: redisUrl,
        MCP_PROXY_CLUSTER_SECRET: secret,
        MCP_PROXY_CLUSTER_ADVERTISE: '127.0.0.1:1',
        COMPOZY_SECRETS_KEY: secretsKey,
      }
      return await runCommand(['mcp-proxy', '--mcp-port', '0'], { via: 'executable', cwd: home.path, env })
    }
    const slips = [
      { url: url('wrong'), secret: clusterSecret, says: 'WRONGPASS' },
      { url: `redis://127.0.0.1:${redis.port}`, secret: clusterSecret, says: 'NOAUTH' },
      { url: url('right', '/99'), secret: clusterSecret, says: 'DB index is out of range' },
      {
        url: `redis://127.0.0.1:${http.port}`,
        secret: clusterSecret,
        says: 'what answers there is no Redis',
      },
      { url: `rediss://:right@127.0.0.1:${redis.port}`, secret: clusterSecret, says: 'begins with redis://' },
      {
        url: url('right').replace(/\d+$/, '1'),
        secret: clusterSecret,
        says: 'nobody listens at 127.0.0.1:1',
      },
      {
        url: url('right'),
        secret: 'x'.repeat(32),
        says: 'cluster.secret is another one than that of the replicas',
      },
      {
        url: url('right'),
        secret: clusterSecret,
        secretsKey: another,
        says: 'secrets.key is another one than that of the replicas',
      },
    ]
    await Promise.all(
      slips.map(async ({ url: redisUrl, secret, secretsKey = key, says }) => {
        const { exitCode, stderr } = await ended(redisUrl, secret, secretsKey)
        expect([exitCode, stderr.trim().split('\n').length]).toEqual([1, 1])
        expect(stderr).toContain(says)
      }),
    )
  },
  60_000,
)

test.skipIf(!wanted)(
  'a Redis that will lose what replicas share one day is told of in log and status',
  async () => {
    await using redis = await startRedis(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'])
    await using gateway = await startReplica(redis, { via: 'executable' })
    const says = 'set it to noeviction'
    expect(gateway.lines().filter((line) => line.includes(says))).toHaveLength(1)
    const options = { via: 'executable', cwd: gateway.directory } as const
    const shown = await runCommand(['cluster', 'status', '--url', gateway.url], options)
    expect([shown.exitCode, shown.stdout.includes(says)]).toEqual([1, true])
  },
  60_000,
)
