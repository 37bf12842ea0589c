/**
 * What deploy/ has for replicas that are one cluster must fit the program, and its parts each other: the manifests and
 * the Compose file. The chart has tests of its own (chart.test.ts, helm.test.ts).
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { defaultConfig } from '../support/default-config.ts'
import { startProcess } from '../support/process.ts'
import { freePort } from '../support/redis-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { finalStage } from './dockerfile.ts'
import { loadedWithSecrets as loaded } from './replica-settings.ts'
import { at, readText, readYaml, replaceOnce } from './repository.ts'

const defaults = defaultConfig({ terminal: false, stateDirectory: '/var/lib/compozy' })
const image = finalStage('distroless')

const gatewayFile = 'deploy/kubernetes/cluster/gateway.yaml'
const valkeyFile = 'deploy/kubernetes/cluster/valkey.yaml'
const gatewayText = readText(gatewayFile)
const gateway = objectsOf(gatewayFile)
const valkey = objectsOf(valkeyFile)
const pod = at(gateway('Deployment'), 'spec', 'template', 'spec')
const container = at(pod, 'containers', 0)
const valkeyPod = at(valkey('StatefulSet'), 'spec', 'template', 'spec')
const compose = readYaml('deploy/compose/cluster/compose.yaml')
const composeConfig = readText('deploy/compose/cluster/compozy.yaml')
const podConfig = String(at(gateway('ConfigMap'), 'data', 'compozy.yaml'))

/** The object of a kind that a file has once. */
function objectsOf(file: string): (kind: string) => unknown {
  const all = readYaml(file) as readonly { kind: string }[]
  return (kind) => {
    const found = all.filter((object) => object.kind === kind)
    if (found.length !== 1) throw new Error(`${file} has ${found.length} objects of the kind ${kind}`)
    return found[0]
  }
}

interface EnvironmentVariable {
  readonly name: string
  readonly value?: string
}

const podEnv = Object.fromEntries(
  (at(container, 'env') as EnvironmentVariable[]).map(({ name, value }) => [
    name,
    // As Kubernetes fills it in.
    (value ?? '10.0.0.7').replace('$(POD_IP)', '10.0.0.7'),
  ]),
)

function composeEnv(service: string): Readonly<Record<string, string>> {
  return at(compose, 'services', service, 'environment') as Record<string, string>
}

describe('the settings of replicas', () => {
  test.each([
    { where: 'the Deployment', text: podConfig, env: podEnv, address: '10.0.0.7:6002' },
    {
      where: 'gateway-1 of Compose',
      text: composeConfig,
      env: composeEnv('gateway-1'),
      address: 'replica-1:6002',
    },
    {
      where: 'gateway-2 of Compose',
      text: composeConfig,
      env: composeEnv('gateway-2'),
      address: 'replica-2:6002',
    },
  ])('of $where are taken without a warning', async ({ text, env, address }) => {
    const { config, warnings } = await loaded(text, env)
    expect(warnings).toEqual([])
    expect(config).toMatchObject({
      host: '0.0.0.0',
      port: defaults.port,
      shutdownTimeoutMs: 25_000,
      cluster: {
        redis: { url: 'redis://:0123456789abcdef@valkey:6379' },
        secret: ['0123456789abcdef'.repeat(4)],
        advertise: address,
      },
      secrets: { key: expect.stringContaining('AAAA') },
    })
  })

  test.each([
    {
      where: 'the ConfigMap',
      text: podConfig,
      suggestion: /^(\s*)# (base_url|security| {2}trusted_proxies)/gm,
    },
    { where: 'the Compose file', text: composeConfig, suggestion: /^(\s*)# (base_url)/gm },
  ])('that $where only suggests are valid', async ({ text, suggestion }) => {
    const suggested = text.replace(suggestion, '$1$2')
    expect(suggested).not.toBe(text)
    expect((await loaded(suggested, podEnv)).config.baseUrl).not.toBeNull()
  })
})

describe('the manifests for replicas', () => {
  const matching = (kind: string) => at(gateway(kind), 'spec', 'selector')
  const labels = at(gateway('Deployment'), 'spec', 'template', 'metadata', 'labels')
  const valkeyLabels = at(valkey('StatefulSet'), 'spec', 'template', 'metadata', 'labels')

  test('can be applied over those of the published example', () => {
    const before = readYaml('deploy/kubernetes/deployment.yaml')
    const ours = gateway('Deployment')
    // Neither may change once it is there.
    for (const path of [
      ['metadata', 'name'],
      ['spec', 'selector'],
    ])
      expect(at(ours, ...path)).toEqual(at(before, ...path))
    expect(at(gateway('Service'), 'metadata', 'name')).toBe('mcp-proxy')
    expect(at(ours, 'spec', 'replicas')).toBe(at(before, 'spec', 'replicas'))
  })

  test('replace one replica after the other, and leave one to those who drain nodes', () => {
    expect(at(gateway('Deployment'), 'spec', 'strategy')).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
    })
    expect(at(gateway('PodDisruptionBudget'), 'spec', 'maxUnavailable')).toBe(1)
  })

  test('send a client to any replica', () => {
    expect(at(gateway('Service'), 'spec', 'sessionAffinity')).toBe('None')
  })

  test('have labels that select each other', () => {
    expect(matching('Deployment')).toEqual({ matchLabels: labels })
    expect(matching('PodDisruptionBudget')).toEqual({ matchLabels: labels })
    expect(matching('Service')).toEqual(labels)
    expect(at(pod, 'topologySpreadConstraints', 0, 'labelSelector', 'matchLabels')).toEqual(labels)
    expect(at(gateway('NetworkPolicy'), 'spec', 'podSelector', 'matchLabels')).toEqual(labels)
    expect(at(valkey('StatefulSet'), 'spec', 'selector', 'matchLabels')).toEqual(valkeyLabels)
    expect(at(valkey('Service'), 'spec', 'selector')).toEqual(valkeyLabels)
    expect(at(valkey('NetworkPolicy'), 'spec', 'podSelector', 'matchLabels')).toEqual(valkeyLabels)
  })

  test('open the internal port to the other replicas alone', () => {
    const internal = (at(container, 'ports') as { name: string; containerPort: number }[]).find(
      ({ name }) => name === 'internal',
    )
    expect(podEnv['MCP_PROXY_CLUSTER_ADVERTISE']).toEndWith(`:${internal?.containerPort}`)
    const ports = at(gateway('Service'), 'spec', 'ports')
    expect(ports).toEqual([{ name: 'http', port: defaults.port, targetPort: 'http', appProtocol: 'http' }])
    const replicas = [{ podSelector: { matchLabels: labels } }]
    const ofInternal = (way: 'ingress' | 'egress') =>
      (at(gateway('NetworkPolicy'), 'spec', way) as { ports?: { port: unknown }[] }[]).filter((rule) =>
        rule.ports?.some(({ port }) => port === 'internal'),
      )
    const rulePorts = [{ port: 'internal', protocol: 'TCP' }]
    expect(ofInternal('ingress')).toEqual([{ from: replicas, ports: rulePorts } as never])
    expect(ofInternal('egress')).toEqual([{ to: replicas, ports: rulePorts } as never])
  })

  test('open Valkey to the replicas alone', () => {
    expect(at(valkey('NetworkPolicy'), 'spec')).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [{ podSelector: { matchLabels: labels } }], ports: [{ port: 'redis', protocol: 'TCP' }] },
      ],
      egress: [],
    })
    const way = {
      to: [{ podSelector: { matchLabels: valkeyLabels } }],
      ports: [{ port: 'redis', protocol: 'TCP' }],
    }
    expect(at(gateway('NetworkPolicy'), 'spec', 'egress')).toContainEqual(way as never)
  })

  test('give the gateway the time that it needs to stop in order', async () => {
    const { config } = await loaded(podConfig, podEnv)
    const stopMs = config.shutdownTimeoutMs + 3 * config.timeouts.stopGraceMs
    const preStopSeconds = Number(at(container, 'lifecycle', 'preStop', 'sleep', 'seconds'))
    const graceSeconds = Number(at(pod, 'terminationGracePeriodSeconds'))
    expect((graceSeconds - preStopSeconds) * 1000).toBeGreaterThan(stopMs)
    const composeGrace = at(compose, 'services', 'gateway-1', 'stop_grace_period')
    expect(Number(String(composeGrace).replace(/s$/, '')) * 1000).toBeGreaterThan(stopMs)
  })

  test('look at the gateway where it says what they ask', () => {
    const probe = (path: string) => ({ httpGet: { path, port: 'http' } })
    expect(container).toMatchObject({
      startupProbe: { ...probe('/livez'), periodSeconds: 2, failureThreshold: 30 },
      livenessProbe: probe('/livez'),
      readinessProbe: { ...probe('/healthz'), periodSeconds: 2 },
    })
  })

  test.each([
    { whose: 'the gateway', spec: pod },
    { whose: 'Valkey', spec: valkeyPod },
  ])('run $whose as nobody in particular on a read-only root without capabilities', ({ spec }) => {
    const [user, group] = image.user.split(':').map(Number)
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: user, runAsGroup: group, fsGroup: group },
    })
    expect(at(spec, 'containers', 0, 'securityContext')).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  test('use the keys of the Secret that their head makes, and mount state and configuration where the image has them', () => {
    const command = (text: string) =>
      text.match(/password=.*\n(?:.*\\\n)+.*redis-url=.*/)?.[0].replace(/^# {3}/gm, '')
    expect(command(readText('docs/SCALING.md'))).toBe(command(gatewayText) ?? '')
    const made = [...gatewayText.matchAll(/--from-literal=([\w-]+)=/g)].map(([, key]) => key).sort()
    const files = Object.values(podEnv).filter((value) => value.startsWith('/run/secrets/mcp-proxy/'))
    const used = [...files.map((path) => path.split('/').at(-1)), 'valkey-password'].sort()
    expect(made).toEqual(used)
    expect(JSON.stringify(at(valkeyPod, 'volumes'))).toContain('"key":"valkey-password"')
    const mounts = at(container, 'volumeMounts') as { name: string; mountPath: string }[]
    expect(Object.fromEntries(mounts.map(({ name, mountPath }) => [name, mountPath]))).toEqual({
      config: image.workdir,
      secrets: '/run/secrets/mcp-proxy',
      state: image.volumes[0] ?? '',
      tmp: '/tmp',
    })
    const host = /@([\w-]+):(\d+)"/.exec(gatewayText)
    expect(host?.slice(1)).toEqual([
      String(at(valkey('Service'), 'metadata', 'name')),
      String(at(valkey('Service'), 'spec', 'ports', 0, 'port')),
    ])
  })
})

const redisProgram = Bun.which('valkey-server') ?? Bun.which('redis-server')

describe.if(redisProgram !== null)('Valkey as the manifests start it', () => {
  const data = at(valkey('ConfigMap'), 'data') as Record<string, string>

  function start(place: string, port: number) {
    const script = (data['start.sh'] ?? '')
      .replaceAll('/etc/valkey', place)
      .replaceAll('/run/secrets/valkey', place)
      .replaceAll('valkey-server', redisProgram ?? '')
    const configuration = replaceOnce(data['valkey.conf'] ?? '', 'port 6379', `port ${port}`)
    return { 'start.sh': script, 'valkey.conf': configuration }
  }

  test('asks for the password, which stands in no command line', async () => {
    const port = await freePort()
    using place = temporaryDirectory({ password: 'password-of-valkey\n' })
    for (const [name, text] of Object.entries(start(place.path, port)))
      await Bun.write(join(place.path, name), text)
    await using server = startProcess({ command: ['/bin/sh', join(place.path, 'start.sh')], cwd: place.path })
    await server.line((line) => line.includes('Ready to accept connections'))
    expect(await say(port, 'PING\r\n')).toContain('-NOAUTH')
    const said = await say(
      port,
      'AUTH password-of-valkey\r\nCONFIG GET maxmemory-policy\r\nCONFIG GET save\r\n',
    )
    expect(said).toContain('noeviction')
    expect(await Bun.file(`/proc/${server.pid}/cmdline`).text()).not.toContain('password-of-valkey')
  })

  test('does not start without one', async () => {
    using place = temporaryDirectory({ password: '' })
    for (const [name, text] of Object.entries(start(place.path, 1)))
      await Bun.write(join(place.path, name), text)
    const { exitCode, stderr } = Bun.spawnSync(['/bin/sh', join(place.path, 'start.sh')])
    expect([exitCode, stderr.toString()]).toEqual([1, 'the key valkey-password of the Secret is empty\n'])
  })

  /** What it answers to these lines, on a connection of their own. */
  async function say(port: number, lines: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    let text = ''
    await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: {
        open: (socket) => void socket.write(`${lines}QUIT\r\n`),
        data: (_socket, bytes) => {
          text += bytes.toString()
        },
        close: () => resolve(text),
        error: (_socket, error) => reject(error),
      },
    })
    return await promise
  }
})

describe('the Compose file for two gateways', () => {
  test('gives both the same but their name and their state', () => {
    const differs = (service: string) => {
      const { environment, networks, volumes, ...same } = at(compose, 'services', service) as Record<
        string,
        unknown
      >
      return JSON.stringify(same)
    }
    expect(differs('gateway-2')).toBe(differs('gateway-1'))
    for (const number of [1, 2]) {
      const service = at(compose, 'services', `gateway-${number}`)
      expect(at(service, 'networks', 'internal', 'aliases')).toEqual([`replica-${number}`])
      expect(at(service, 'volumes')).toEqual([
        `./compozy.yaml:${image.workdir}/compozy.yaml:ro`,
        `state-${number}:${image.volumes[0]}`,
      ])
    }
  })

  test('keeps Valkey where clients and nginx are not', () => {
    expect(at(compose, 'services', 'valkey', 'networks')).toEqual(['internal'])
    expect(at(compose, 'services', 'nginx', 'networks')).toEqual(['front'])
    expect(at(compose, 'networks', 'internal')).toEqual({ internal: true })
    for (const service of ['gateway-1', 'gateway-2', 'valkey'])
      expect(at(compose, 'services', service, 'ports')).toBeUndefined()
  })

  test('names the secrets that its head makes', () => {
    const head = readText('deploy/compose/cluster/compose.yaml')
    const made = [...head.matchAll(/> secrets\/([\w-]+)/g)].map(([, name = '']) => name)
    expect(Object.keys(at(compose, 'secrets') as object).sort()).toEqual(made.toSorted())
    const used = ['gateway-1', 'valkey'].flatMap(
      (service) => at(compose, 'services', service, 'secrets') as string[],
    )
    expect([...new Set(used)].sort()).toEqual(made.toSorted())
  })

  test('has nginx in front of both, at the port of the program, with the times and bounds of the gateway', () => {
    const nginx = readText('deploy/compose/cluster/nginx.conf')
    for (const number of [1, 2]) expect(nginx).toContain(`server gateway-${number}:${defaults.port} resolve `)
    expect(nginx).toContain(`client_max_body_size ${defaults.limits.bodyBytesMax / 1_048_576}m;`)
    expect(nginx).toContain(`listen ${defaults.port};`)
    expect(at(compose, 'services', 'nginx', 'ports')).toEqual([`${defaults.port}:${defaults.port}`])
    expect(nginx).not.toMatch(/^\s*(ip_hash|hash|sticky)\b/m)
  })
})
