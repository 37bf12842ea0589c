/**
 * The chart as the real Helm renders it, and every manifest and Compose file as those programs read them that take
 * them. Asked for with HELM=1 (`bun run test:long:helm`): building Helm takes minutes once. What can be judged without
 * is in chart.test.ts and replicas.test.ts.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { deploymentTools } from '../clients/toolchain.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { at, programPath, readText, readYaml, repository } from './repository.ts'

setDefaultTimeout(1_800_000)

const asked = process.env['HELM'] === '1'
const possible = asked && programPath('go') !== null
if (asked && !possible) console.log('Go is not installed: the chart is not rendered')

const chart = join(repository, 'deploy/helm')
/** What everybody has to give. */
const tokens = { globalTokens: ['global-token'], adminTokens: ['admin-token'] }
const sealing = { clusterSecret: ['0123456789abcdef'.repeat(4)], secretsKey: `${'A'.repeat(43)}=` }
const secrets = { ...tokens, ...sealing, valkeyPassword: '0123456789abcdef' }
const external = { ...tokens, ...sealing, redisUrl: 'rediss://user:pw@redis.example.com:6379' }

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function ran(command: readonly string[], stdin = ''): Promise<Ended> {
  const child = Bun.spawn([...command], { stdin: new Blob([stdin]), stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, out, err }
}

interface KubernetesObject {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

describe.if(possible)('the chart', () => {
  let tools: string

  beforeAll(async () => {
    tools = await deploymentTools()
  })

  async function template(values: object, release = 'mcp-proxy'): Promise<Ended> {
    using place = temporaryDirectory({ 'values.json': JSON.stringify(values) })
    const command = ['template', release, chart, '--namespace', 'tools', '--kube-version', '1.30.0']
    return await ran([join(tools, 'helm'), ...command, '--values', join(place.path, 'values.json')])
  }

  async function rendered(values: object, release?: string): Promise<string> {
    const { code, out, err } = await template(values, release)
    expect([code, err]).toEqual([0, ''])
    return out
  }

  /** What a strict API server has against it, with how many objects it has read. */
  async function judged(text: string): Promise<[string, string]> {
    const { out, err } = await ran([join(tools, 'deployment-check'), 'kubernetes'], text)
    return [out, err]
  }

  function objectsIn(text: string): KubernetesObject[] {
    const documents = Bun.YAML.parse(text)
    return (Array.isArray(documents) ? documents : [documents]).filter((object) => object !== null)
  }

  function ofKind(text: string, kind: string, name = 'mcp-proxy'): unknown {
    return objectsIn(text).find((object) => object.kind === kind && object.metadata.name === name)
  }

  test('has nothing that lint finds', async () => {
    using place = temporaryDirectory({ 'values.json': JSON.stringify({ secrets }) })
    const lint = ['lint', '--strict', chart, '--values', join(place.path, 'values.json')]
    const { code, out, err } = await ran([join(tools, 'helm'), ...lint])
    expect([code, `${out}${err}`]).toEqual([
      0,
      expect.stringContaining('1 chart(s) linted, 0 chart(s) failed'),
    ])
    expect(out).not.toMatch(/\[(WARNING|ERROR)\]/)
  })

  test('renders what the manifests for replicas say', async () => {
    const values = { secrets: { existingSecret: 'mcp-proxy' }, image: { tag: 'latest' } }
    const ours = objectsIn(await rendered(values))
    const plain = ['gateway', 'valkey'].flatMap((name) =>
      objectsIn(readText(`deploy/kubernetes/cluster/${name}.yaml`)),
    )
    const order = (objects: readonly unknown[]) =>
      Object.fromEntries(
        objects.map((object) => [
          `${at(object, 'kind')} ${at(object, 'metadata', 'name')}`,
          comparable(object),
        ]),
      )
    expect(order(ours)).toEqual(order(plain))
  })

  test.each([
    { why: 'as it stands', values: { secrets }, objects: 10 },
    {
      why: 'with a Redis of one’s own',
      values: { secrets: external, valkey: { enabled: false } },
      objects: 6,
    },
    {
      why: 'alone',
      values: {
        secrets: tokens,
        cluster: { enabled: false },
        replicaCount: 1,
        podDisruptionBudget: { enabled: false },
      },
      objects: 5,
    },
    {
      why: 'alone with a disk',
      values: {
        secrets: tokens,
        cluster: { enabled: false },
        replicaCount: 1,
        stateClaim: 'state',
      },
      objects: 6,
    },
    {
      why: 'with everything',
      values: {
        secrets: { existingSecret: 'tokens' },
        processes: true,
        replicaCount: 5,
        imagePullSecrets: [{ name: 'registry' }],
        cluster: {
          ipv6: true,
          internalPort: 7000,
          name: 'tools',
          lease: '10s',
          redis: { sentinels: ['sentinel-0:26379', 'sentinel-1:26379'], ca: { configMap: 'redis-ca' } },
        },
        valkey: { enabled: false },
        config: { metrics: { public: true }, security: { trusted_proxies: ['10.0.0.0/8'] } },
        mcps: [{ name: 'docs', transport: 'streamable-http', url: 'https://docs.example.com/mcp' }],
        ingress: { enabled: true, host: 'gateway.example.com', tlsSecret: 'gateway-tls' },
        serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
        networkPolicy: { egress: [{ to: [{ ipBlock: { cidr: '10.1.0.0/16' } }], ports: [{ port: 6379 }] }] },
        service: { annotations: { example: 'yes' } },
        podAnnotations: { example: 'yes' },
        podLabels: { team: 'tools' },
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ key: 'tools', operator: 'Exists' }],
        affinity: { nodeAffinity: {} },
        priorityClassName: 'high',
        extraEnv: [{ name: 'DOCS_TOKEN', value: 'x' }],
        extraVolumes: [{ name: 'more', emptyDir: {} }],
        extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
      },
      objects: 7,
    },
  ])('renders objects that a strict API server takes: $why', async ({ values, objects }) => {
    expect(await judged(await rendered(values))).toEqual(['', `${objects} objects\n`])
  })

  test('names the objects of each release apart', async () => {
    const names = objectsIn(await rendered({ secrets }, 'team-a')).map(({ metadata }) => metadata.name)
    expect(new Set(names)).toEqual(new Set(['team-a-mcp-proxy', 'team-a-mcp-proxy-valkey']))
    const url = at(
      ofKind(await rendered({ secrets }, 'team-a'), 'Secret', 'team-a-mcp-proxy'),
      'stringData',
      'redis-url',
    )
    expect(url).toBe('redis://:0123456789abcdef@team-a-mcp-proxy-valkey:6379')
  })

  test('keeps clients at their pod where it is no cluster, and only there', async () => {
    const alone = await rendered({
      secrets: tokens,
      cluster: { enabled: false },
      ingress: { enabled: true, host: 'a.example' },
    })
    expect(at(ofKind(alone, 'Service'), 'spec', 'sessionAffinity')).toBe('ClientIP')
    expect(JSON.stringify(ofKind(alone, 'Ingress'))).toContain('upstream-hash-by')
    expect(alone).not.toContain('CLUSTER')
    const cluster = await rendered({ secrets, ingress: { enabled: true, host: 'a.example' } })
    expect(at(ofKind(cluster, 'Service'), 'spec', 'sessionAffinity')).toBe('None')
    expect(cluster).not.toContain('upstream-hash-by')
  })

  test('has new pods for new settings of the cluster, and none for what is read again', async () => {
    const podOf = async (values: object) =>
      JSON.stringify(at(ofKind(await rendered({ secrets, ...values }), 'Deployment'), 'spec', 'template'))
    const before = await podOf({})
    expect(await podOf({ config: { logging: { level: 'debug' } } })).toBe(before)
    expect(await podOf({ secrets: { ...secrets, globalTokens: ['another-token'] } })).toBe(before)
    expect(await podOf({ secrets: { ...secrets, clusterSecret: ['fedcba9876543210'.repeat(4)] } })).not.toBe(
      before,
    )
    expect(before).not.toContain(secrets.valkeyPassword)
  })

  test.each([
    { why: 'no tokens', values: {}, says: 'secrets.globalTokens: give at least one token' },
    {
      why: 'no admin tokens',
      values: { secrets: { globalTokens: ['global-token'] } },
      says: 'secrets.adminTokens: give',
    },
    {
      why: 'no secret',
      values: { secrets: tokens },
      says: 'secrets.clusterSecret: give one that all replicas have',
    },
    {
      why: 'no key',
      values: { secrets: { ...secrets, secretsKey: '' } },
      says: 'secrets.secretsKey: give the key that stored credentials are sealed with',
    },
    {
      why: 'no password',
      values: { secrets: { ...secrets, valkeyPassword: '' } },
      says: 'secrets.valkeyPassword: give at least 16 letters',
    },
    {
      why: 'a password that is no part of a URL',
      values: { secrets: { ...secrets, valkeyPassword: 'p@ssword/with:signs' } },
      says: 'secrets.valkeyPassword: give at least 16 letters',
    },
    {
      why: 'no Redis',
      values: { secrets: { ...secrets, valkeyPassword: '' }, valkey: { enabled: false } },
      says: 'secrets.redisUrl: give the redis:// or rediss:// URL',
    },
    {
      why: 'two of them',
      values: { secrets: { ...secrets, redisUrl: 'redis://a' } },
      says: 'with it, valkey.enabled=false',
    },
    {
      why: 'a Secret and values',
      values: { secrets: { existingSecret: 'a', globalTokens: ['global-token'] } },
      says: 'secrets.globalTokens does not count beside secrets.existingSecret',
    },
    {
      why: 'replicas of several processes',
      values: { secrets, config: { workers: 2 } },
      says: 'config.workers: a replica of a cluster is one process',
    },
    {
      why: 'a setting that the chart makes',
      values: { secrets, config: { shutdown_timeout: '5s' } },
      says: 'config.shutdown_timeout: the chart sets it; use the value shutdownSeconds',
    },
    {
      why: 'tokens in the ConfigMap',
      values: { secrets, config: { auth: { admin_tokens: ['x'] } } },
      says: 'config.auth.admin_tokens: tokens do not belong into a ConfigMap',
    },
    {
      why: 'an ingress without a name',
      values: { secrets, ingress: { enabled: true } },
      says: 'ingress.host: give the name',
    },
    {
      why: 'one disk for two',
      values: { secrets, stateClaim: 'state' },
      says: 'stateClaim: a claim belongs to one pod',
    },
    { why: 'a slip', values: { secrets, replicas: 3 }, says: "additional properties 'replicas' not allowed" },
    { why: 'a wrong type', values: { secrets, replicaCount: 'three' }, says: '/replicaCount' },
  ])('says in one line what is wrong: $why', async ({ values, says }) => {
    const { code, err } = await template(values)
    expect(code).toBe(1)
    expect(err).toContain(says)
    for (const secret of ['p@ssword', '0123456789abcdef']) expect(err).not.toContain(secret)
  })
})

describe.if(possible)('the files without a chart', () => {
  let check: string

  beforeAll(async () => {
    check = join(await deploymentTools(), 'deployment-check')
  })

  test.each([...new Bun.Glob('deploy/kubernetes/**/*.yaml').scanSync(repository)])(
    'a strict API server takes %s',
    async (file) => {
      const { out, err } = await ran([check, 'kubernetes'], readText(file))
      expect([out, err]).toEqual(['', expect.stringMatching(/^[1-9]\d* objects\n$/)])
    },
  )

  test('a strict API server does not take a slip', async () => {
    const slip = readText('deploy/kubernetes/service.yaml').replace('sessionAffinity:', 'sessionAfinity:')
    expect((await ran([check, 'kubernetes'], slip)).out).toContain('unknown field "spec.sessionAfinity"')
  })

  test.each(['deploy/compose', 'deploy/compose/cluster'])('Compose takes that of %s', async (folder) => {
    using place = temporaryDirectory({ 'compose.yaml': readText(`${folder}/compose.yaml`) })
    const { out, err } = await ran([check, 'compose', join(place.path, 'compose.yaml')])
    const { length } = Object.keys(at(readYaml(`${folder}/compose.yaml`), 'services') as object)
    expect([out, err]).toEqual(['', `${length} services\n`])
  })
})

/**
 * An object without what only a chart has: its labels for those of the manifests, the checks of what takes a restart,
 * the policy for pulling, and what the manifests leave to their defaults.
 */
function comparable(object: unknown): unknown {
  const text = JSON.stringify(object, (key, value: unknown) => {
    if (key === 'annotations' || key === 'imagePullPolicy') return undefined
    if (key !== 'labels' && key !== 'matchLabels' && key !== 'selector') return value
    const component = at(value, 'app.kubernetes.io/component')
    if (component === undefined) return value
    return { app: component === 'valkey' ? 'mcp-proxy-valkey' : 'mcp-proxy' }
  })
  const plain = JSON.parse(text) as { spec?: Record<string, unknown>; data?: Record<string, unknown> }
  if (at(plain, 'kind') === 'Service' && plain.spec !== undefined) {
    const { type: _, ...spec } = plain.spec
    plain.spec = spec
  }
  const configuration = plain.data?.['compozy.yaml']
  if (plain.data !== undefined && typeof configuration === 'string')
    plain.data['compozy.yaml'] = Bun.YAML.parse(configuration)
  const env = at(plain, 'spec', 'template', 'spec', 'containers', 0, 'env')
  const usual = ['MCP_PROXY_CLUSTER_NAME', 'MCP_PROXY_CLUSTER_LEASE']
  if (Array.isArray(env)) {
    const kept = env.filter(({ name }: { name: string }) => !usual.includes(name))
    env.splice(0, env.length, ...kept)
  }
  return plain
}
