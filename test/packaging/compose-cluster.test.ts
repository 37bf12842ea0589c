/**
 * What deploy/compose/cluster starts, without its containers: two gateways with the environment and the configuration
 * of the Compose file, a real Redis, and nginx with the shipped configuration, where both are installed. FIGURES_CALLS
 * lets a real Prometheus answer the queries of the dashboard of replicas as well (`bun run test:long:figures`).
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { prometheusProgram, startPrometheus } from '../support/prometheus.ts'
import { RawClient } from '../support/raw-client.ts'
import { freePort, type RedisServer, redisProgram, startRedis } from '../support/redis-server.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'
import { dashboardQueries } from './dashboards.ts'
import { at, programPath, readText, readYaml, replaceOnce } from './repository.ts'

setDefaultTimeout(60_000)

const nginx = programPath('nginx')
const possible = nginx !== null && redisProgram !== null
if (!possible) console.log('nginx or Redis is not installed: what Compose starts is left out')

const token = 'token-of-a-client'
const adminToken = 'token-of-an-admin'
const promtool = programPath('promtool')
const queries = process.env['FIGURES_CALLS'] !== undefined && prometheusProgram !== null
const server = {
  name: 'raw',
  transport: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dir, '../support/raw-server.ts')],
}

/** One gateway of the Compose file, which others know by an address of this machine. */
async function startGateway(service: string, secrets: string): Promise<RunningGateway> {
  const compose = readYaml('deploy/compose/cluster/compose.yaml')
  const shipped = at(compose, 'services', service, 'environment') as Record<string, string>
  const env = Object.fromEntries(
    Object.entries(shipped).map(([name, value]) => [name, value.replace('/run/secrets', secrets)]),
  )
  const config = readYaml('deploy/compose/cluster/compozy.yaml') as { mcp_proxy: { security: object } }
  return await startGatewayProcess({
    via: 'executable',
    env: {
      ...env,
      MCP_PROXY_HOST: '127.0.0.1',
      MCP_PROXY_CLUSTER_ADVERTISE: `127.0.0.1:${await freePort()}`,
    },
    // nginx is at an address of this machine, not of Docker.
    config: {
      mcp_proxy: { ...config.mcp_proxy, security: { trusted_proxies: ['127.0.0.1'] } },
      mcps: [server],
    },
  })
}

/** nginx as it ships, with these gateways for those of Compose; `sent` says where it has sent requests to the server. */
async function startNginx(directory: string, gateways: readonly RunningGateway[]) {
  const port = await freePort()
  let text = readText('deploy/compose/cluster/nginx.conf')
  // Docker's own, and what nginx asks it for.
  text = replaceOnce(text, 'resolver 127.0.0.11 valid=2s;', '')
  for (const [index, { url }] of gateways.entries())
    text = replaceOnce(text, `server gateway-${index + 1}:6001 resolve `, `server ${new URL(url).host} `)
  text = replaceOnce(text, 'listen 6001;', `listen 127.0.0.1:${port};`)
  text = text.replaceAll('/tmp/', `${directory}/`)
  // Ours is a socket, which cannot be opened by this name.
  const log = join(directory, 'access.log')
  text = replaceOnce(text, '/dev/stdout', log)
  await Bun.write(join(directory, 'nginx.conf'), text)
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const command = [nginx ?? '', '-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')]
  const running = startProcess({ command: [...command, '-g', `daemon off; ${user}`], cwd: directory })
  const url = `http://127.0.0.1:${port}`
  await poll('nginx to listen', async () => (await fetch(`${url}/healthz`).catch(() => null))?.status === 200)
  const sent = () =>
    readFileSync(log, 'utf8')
      .split('\n')
      .flatMap((line) => / "\w+ \/mcp-proxy\/raw\/stream" \d+ (.+) [\d.]+$/.exec(line)?.[1] ?? [])
  return { running, url, sent }
}

describe.if(possible)('two gateways behind nginx', () => {
  let place: TemporaryDirectory
  let redis: RedisServer
  let gateways: RunningGateway[]
  let proxy: Awaited<ReturnType<typeof startNginx>>
  let face: URL

  beforeAll(async () => {
    redis = await startRedis(['--requirepass', 'password-of-valkey'])
    place = temporaryDirectory({
      'global-tokens': `${token}\n`,
      'admin-tokens': `${adminToken}\n`,
      'cluster-secret': `${'0123456789abcdef'.repeat(4)}\n`,
      'secrets-key': `${Buffer.alloc(32, 7).toString('base64')}\n`,
      'redis-url': `redis://:password-of-valkey@127.0.0.1:${redis.port}\n`,
    })
    gateways = await Promise.all(
      ['gateway-1', 'gateway-2'].map((service) => startGateway(service, place.path)),
    )
    proxy = await startNginx(place.path, gateways)
    face = new URL(`${proxy.url}/mcp-proxy/raw/stream`)
  })

  afterAll(async () => {
    await proxy?.running.kill()
    for (const gateway of gateways ?? []) await gateway.kill()
    await redis?.[Symbol.asyncDispose]()
    place?.[Symbol.dispose]()
  })

  async function call(client: RawClient, id: number): Promise<unknown> {
    const { answer } = await client.request(id, 'tools/call', { name: 'mirror', arguments: { id } })
    return answer.result === undefined ? answer : 'answered'
  }

  test('send the requests of one session to both, and each is answered', async () => {
    await using client = await RawClient.open(face, { token })
    for (let id = 0; id < 12; id++) expect(await call(client, id)).toBe('answered')
    await poll('nginx has logged them', async () => proxy.sent().length >= 13)
    const counts = gateways.map(({ url }) => proxy.sent().filter((to) => to === new URL(url).host).length)
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(5)
  })

  test.if(promtool !== null)('have figures that promtool finds nothing wrong with', async () => {
    const headers = { authorization: `Bearer ${adminToken}` }
    const page = async () => await (await fetch(`${gateways[0]?.url}/metrics`, { headers })).text()
    await poll('both to be seen', async () => (await page()).includes('compozy_cluster_members 2\n'))
    const check = Bun.spawn([promtool ?? '', 'check', 'metrics'], {
      stdin: new Blob([await page()]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const said = `${await check.stdout.text()}${await check.stderr.text()}`
    expect([await check.exited, said]).toEqual([0, ''])
  })

  test.if(queries)('answer every query of the dashboard of replicas in a real Prometheus', async () => {
    await using prometheus = await startPrometheus(
      gateways.map(({ url }) => url),
      adminToken,
    )
    await using client = await RawClient.open(face, { token })
    // A rate needs two samples, and calls between them.
    for (let round = 0; round < 4; round++) {
      for (let id = 0; id < 4; id++) await call(client, 10 * round + id)
      await Bun.sleep(1_000)
    }
    for (const query of dashboardQueries('replicas'))
      expect([query, (await prometheus.ask(query)).length > 0]).toEqual([query, true])
  })

  test('show themselves to whoever asks at one of them', async () => {
    // As in the container: the token is that of its configuration.
    const env = { MCP_PROXY_ADMIN_TOKENS_FILE: join(place.path, 'admin-tokens') }
    const command = [...commandOf('executable'), 'cluster', 'status', '--url', gateways[0]?.url ?? '']
    const asked = Bun.spawn(command, { env, cwd: place.path, stdout: 'pipe', stderr: 'pipe' })
    expect([await asked.exited, await asked.stderr.text()]).toEqual([0, ''])
    expect((await asked.stdout.text()).match(/ serving /g)).toHaveLength(2)
  })

  test('go on with every session while one of them is stopped, without a failed call', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.open(face, { token })))
    const failed: unknown[] = []
    let calls = 0
    let stopped = false
    const callOn = async (client: RawClient): Promise<void> => {
      for (let id = 0, last = false; !last; id++, calls++) {
        // One more when it is gone.
        last = stopped
        const outcome = await call(client, id).catch(String)
        if (outcome !== 'answered') failed.push(outcome)
      }
    }
    const calling = clients.map(callOn)
    const exitCode = await gateways[0]?.stop()
    stopped = true
    await Promise.all(calling)
    expect([failed, exitCode]).toEqual([[], 0])
    expect(calls).toBeGreaterThan(100)
    for (const client of clients) await client[Symbol.asyncDispose]()
  })
})
