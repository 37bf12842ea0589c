/** Several gateways that are one: what is read of it, and what is refused with which words. */
import { expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const secret = 'c1'.repeat(16)
const other = 'd2'.repeat(16)
const redis = { url: 'redis://valkey:6379' }
const whole = { redis, secret, advertise: '10.0.0.7:6002' }

async function load(cluster: unknown, env: Readonly<Record<string, string>> = {}, files = {}) {
  using directory = temporaryDirectory({
    'compozy.yaml': JSON.stringify({ mcp_proxy: { cluster } }),
    ...files,
  })
  const environment = { HOME: directory.path, ...env }
  return await loadConfig({ flags: {}, environment, directory: directory.path, terminal: false })
}

test('is off without a word of it', async () => {
  const { config } = await load({})
  expect(config.cluster).toEqual({
    redis: { url: null, sentinels: [], name: 'mymaster', tls: { ca: null } },
    secret: [],
    name: 'default',
    advertise: null,
    leaseMs: 4_000,
  })
})

test('takes what the design shows, from a file, variables and files of secrets alike', async () => {
  const file = await load(
    {
      redis: {
        url: 'rediss://user:pass@redis:6380/2',
        sentinels: ['sentinel-0:26379', '[fd00::1]:26379'],
        name: 'tools',
        tls: { ca: '/run/secrets/ca.pem' },
      },
      secret: ['${CLUSTER_SECRET}', other],
      name: 'eu-1',
      advertise: '${POD_IP}:6002',
      lease: '6s',
    },
    { CLUSTER_SECRET: secret, POD_IP: '10.0.0.7' },
  )
  expect(file.config.cluster).toMatchObject({
    secret: [secret, other],
    advertise: '10.0.0.7:6002',
    leaseMs: 6_000,
  })
  const variables = await load(
    {},
    {
      MCP_PROXY_CLUSTER_REDIS_URL: redis.url,
      MCP_PROXY_CLUSTER_SECRET_FILE: 'secret',
      MCP_PROXY_CLUSTER_ADVERTISE: '[fd00::7]:6002',
    },
    { secret: `${secret}\n` },
  )
  expect(variables.config.cluster).toMatchObject({
    redis,
    secret: [secret],
    advertise: '[fd00::7]:6002',
  })
})

test('is not for a gateway of several processes', async () => {
  for (const workers of ['2', 'auto'])
    await expect(load(whole, { MCP_PROXY_WORKERS: workers })).rejects.toThrow(
      `mcp_proxy.workers is ${workers}, but a replica of a cluster is one process; leave it at 1, and start more replicas`,
    )
  expect((await load(whole, { MCP_PROXY_WORKERS: '1' })).config.workers).toBe(1)
})

test.each([
  {
    why: 'a secret that can be guessed',
    cluster: { ...whole, secret: 'short' },
    says: 'has 5 bytes, fewer than 32; make one',
  },
  {
    why: 'one of two secrets',
    cluster: { ...whole, secret: [secret, 'short'] },
    says: 'entry 2 has 5 bytes',
  },
  { why: 'a secret in an open list', cluster: { ...whole, secret: `${secret},` }, says: 'entry 2 is empty' },
  { why: 'no secret', cluster: { ...whole, secret: undefined }, says: 'needs secret' },
  { why: 'nowhere to be reached', cluster: { ...whole, advertise: undefined }, says: 'needs advertise' },
  {
    why: 'every address is no address',
    cluster: { ...whole, advertise: '0.0.0.0:6002' },
    says: 'must be the address of this replica alone, such as ${POD_IP}:6002',
  },
  { why: 'an address without port', cluster: { ...whole, advertise: '10.0.0.7' }, says: 'with a port' },
  {
    why: 'a port that there is not',
    cluster: { ...whole, advertise: '10.0.0.7:66000' },
    says: 'with a port',
  },
  { why: 'no Redis', cluster: { secret, advertise: '10.0.0.7:6002' }, says: 'has secret but no redis.url' },
  {
    why: 'the URL of a page',
    cluster: { ...whole, redis: { url: 'http://valkey:6379' } },
    says: 'must be a redis:// or rediss:// URL',
  },
  {
    why: 'a name without a scheme',
    cluster: { ...whole, redis: { url: 'valkey:6379' } },
    says: 'must be a redis:// or rediss:// URL',
  },
  {
    why: 'a path that is no number',
    cluster: { ...whole, redis: { url: 'redis://valkey/cache' } },
    says: 'number of a database',
  },
  {
    why: 'an authority for a connection without TLS',
    cluster: { ...whole, redis: { ...redis, tls: { ca: '/ca.pem' } } },
    says: 'write rediss:',
  },
  {
    why: 'a sentinel without port',
    cluster: { ...whole, redis: { ...redis, sentinels: ['sentinel'] } },
    says: 'is no host or address with a port',
  },
  {
    why: 'a name that is no key of Redis',
    cluster: { ...whole, name: 'EU {1}' },
    says: 'lower-case letters',
  },
  { why: 'a lease shorter than a hiccup', cluster: { ...whole, lease: '500ms' }, says: 'from 2s to 1m' },
])('refuses in one line what cannot work: $why', async ({ cluster, says }) => {
  const thrown: unknown = await load(cluster).catch((reason: unknown) => reason)
  expect(thrown).toBeInstanceOf(ConfigError)
  const { message, faults } = thrown as ConfigError
  expect(faults).toHaveLength(1)
  expect(message).toContain(says)
  // A password may be part of it.
  expect(message).not.toContain(secret)
})
