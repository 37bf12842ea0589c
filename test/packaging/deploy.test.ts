/** What stands in deploy/ must fit the program: names, ports, paths, commands and times. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { configVariable } from '../../src/config/environment.ts'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { namedSettings } from '../../src/config/shape.ts'
import { defaultConfig } from '../support/default-config.ts'
import { startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { finalStage } from './dockerfile.ts'
import { at, programPath, readText, readYaml, replaceOnce, repository } from './repository.ts'

const defaults = defaultConfig({ terminal: false, stateDirectory: '/var/lib/compozy' })
/** Calls may finish until the first, then processes are asked three times: end of input, TERM, KILL. */
const stopMsMax = defaults.shutdownTimeoutMs + 3 * defaults.timeouts.stopGraceMs

const compose = at(readYaml('deploy/compose/compose.yaml'), 'services', 'mcp-proxy')
const deployment = readYaml('deploy/kubernetes/deployment.yaml')
const pod = at(deployment, 'spec', 'template', 'spec')
const container = at(pod, 'containers', 0)
const service = readYaml('deploy/kubernetes/service.yaml')
const secret = readYaml('deploy/kubernetes/secret.yaml')
const configMap = readYaml('deploy/kubernetes/configmap.yaml')
const networkPolicy = readYaml('deploy/kubernetes/networkpolicy.yaml')
const unit = readUnit('deploy/systemd/compozy-mcp-proxy.service')
const nginx = readText('deploy/nginx/compozy-mcp-proxy.conf')
const caddyfile = readText('deploy/caddy/Caddyfile')
const image = finalStage('distroless')

const containerEnv = Object.fromEntries(
  (at(container, 'env') as { name: string; value: string }[]).map(({ name, value }) => [name, value]),
)
const composeEnv = at(compose, 'environment') as Record<string, string>
const unitEnv = Object.fromEntries(
  (unit['Service']?.['Environment'] ?? []).flatMap((line) => line.split(' ')).map((pair) => pair.split('=')),
) as Record<string, string>

/** Sections to keys to values; a key may come several times. */
/** What the gateway makes of an environment in an empty directory. */
function loadedWith(environment: Readonly<Record<string, string>>, directory: string): Promise<LoadedConfig> {
  return loadConfig({ flags: {}, environment, directory, terminal: false })
}

function readUnit(path: string): Record<string, Record<string, string[]>> {
  const sections: Record<string, Record<string, string[]>> = {}
  let section: Record<string, string[]> = {}
  for (const line of readText(path).split('\n')) {
    const header = /^\[(\w+)\]$/.exec(line)?.[1]
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (header !== undefined) {
      section = {}
      sections[header] = section
    } else if (key !== undefined) {
      section[key] = [...(section[key] ?? []), value ?? '']
    }
  }
  return sections
}

function seconds(text: unknown): number {
  const [, number, unitName] = /^(\d+)(s|m|h)$/.exec(String(text)) ?? []
  return Number(number) * ({ s: 1, m: 60, h: 3600 }[unitName ?? ''] ?? Number.NaN)
}

describe('variables', () => {
  test.each([
    { where: 'the image', env: image.env },
    { where: 'the Compose file', env: composeEnv },
    { where: 'the Deployment', env: containerEnv },
    { where: 'the unit', env: unitEnv },
  ])('$where sets only variables that the gateway knows', ({ env }) => {
    const known = [...namedSettings.map((setting) => setting.env), configVariable]
    const ours = Object.keys(env).filter(
      (name) => /^(?:MCP_PROXY|COMPOZY)_/.test(name) && name !== 'COMPOZY_IMAGE',
    )
    expect(ours.filter((name) => !known.includes(name.replace(/_FILE$/, '')))).toEqual([])
  })

  test('their values are taken without a warning', async () => {
    using place = temporaryDirectory({ tokens: 'one,two\n' })
    for (const env of [image.env, composeEnv, containerEnv, unitEnv]) {
      const files = Object.entries(env).map(([name, value]) => [
        name,
        name.endsWith('_FILE') ? join(place.path, 'tokens') : value,
      ])
      expect((await loadedWith(Object.fromEntries(files), place.path)).warnings).toEqual([])
    }
  })

  test('the image listens on every interface, which the program alone does not', () => {
    expect(image.env['MCP_PROXY_HOST']).toBe('0.0.0.0')
    expect(defaults.host).toBe('127.0.0.1')
    for (const env of [composeEnv, containerEnv]) expect(env['MCP_PROXY_HOST']).toBe('0.0.0.0')
    expect(unitEnv['MCP_PROXY_HOST']).toBeUndefined()
  })
})

describe('commands', () => {
  test.each([
    { where: 'the image', command: image.command },
    { where: 'the Compose file', command: at(compose, 'command') },
    { where: 'the Deployment', command: at(container, 'args') },
    {
      where: 'the unit',
      command: unit['Service']?.['ExecStart']?.[0]?.replace('/usr/local/bin/', '').split(' '),
    },
  ])('$where starts compozy mcp-proxy', ({ command }) => {
    expect(command).toEqual(['compozy', 'mcp-proxy'])
  })

  test('the Deployment leaves the init of the image in place', () => {
    expect(at(container, 'command')).toBeUndefined()
    expect(image.entrypoint).toEqual(['tini', '-s', '--'])
  })

  test('the health check of image and Compose file is a command of the program', () => {
    expect(image.healthcheck).toEqual(['compozy', 'healthcheck'])
    expect(at(compose, 'healthcheck', 'test')).toEqual(['CMD', 'compozy', 'healthcheck'])
    for (const command of ['mcp-proxy', 'healthcheck']) {
      const { exitCode } = Bun.spawnSync([
        process.execPath,
        join(repository, 'src/main.ts'),
        command,
        '--help',
      ])
      expect({ command, exitCode }).toEqual({ command, exitCode: 0 })
    }
  })
})

describe('ports and probes', () => {
  test('everything names the port of the program', () => {
    const port = defaults.port
    expect(image.ports).toEqual([String(port)])
    expect(at(compose, 'ports')).toEqual([`${port}:${port}`])
    expect(at(container, 'ports')).toEqual([{ name: 'http', containerPort: port }])
    expect(containerEnv['MCP_PROXY_PORT']).toBe(String(port))
    expect(at(service, 'spec', 'ports', 0)).toMatchObject({ port, targetPort: 'http' })
    expect(at(networkPolicy, 'spec', 'ingress', 0, 'ports', 0, 'port')).toBe('http')
    expect(nginx).toContain(`server 127.0.0.1:${port};`)
    expect(caddyfile).toContain(`reverse_proxy 127.0.0.1:${port} {`)
  })

  test('the probes have the times of the reference, and the gateway answers them', async () => {
    const probe = (path: string) => ({ httpGet: { path, port: 'http' } })
    // A gateway that stops is not ready, and alive.
    expect(at(container, 'livenessProbe')).toEqual({
      ...probe('/livez'),
      initialDelaySeconds: 30,
      periodSeconds: 10,
    })
    expect(at(container, 'readinessProbe')).toEqual({
      ...probe('/healthz'),
      initialDelaySeconds: 5,
      periodSeconds: 5,
    })
    await using gateway = await startGatewayProcess()
    for (const path of ['/livez', '/healthz']) {
      const answer = await fetch(gateway.url + path)
      expect([path, answer.status, await answer.json()]).toEqual([path, 200, { status: 'ok' }])
    }
  })

  test('the liveness probe that the reference prints does not end a gateway that stops in order', () => {
    // Its period and Kubernetes' own threshold of three failures.
    expect(defaults.shutdownTimeoutMs).toBeLessThan(3 * 10_000)
  })

  test('the resources are those of the reference', () => {
    expect(at(container, 'resources')).toEqual({
      requests: { memory: '64Mi', cpu: '50m' },
      limits: { memory: '256Mi', cpu: '200m' },
    })
  })
})

describe('configuration and tokens', () => {
  test.each([
    { where: 'the Compose file', text: readText('deploy/compose/compozy.yaml') },
    { where: 'the ConfigMap', text: String(at(configMap, 'data', 'compozy.yaml')) },
  ])('the compozy.yaml of $where is valid, and so is what it only suggests', async ({ text }) => {
    const suggested = text.replace(/^(\s*)# (base_url|security| {2}trusted_proxies)/gm, '$1$2')
    for (const content of [text, suggested]) {
      using place = temporaryDirectory({ 'compozy.yaml': content })
      const input = { flags: {}, environment: {}, directory: place.path, terminal: false }
      expect((await loadConfig(input)).warnings).toEqual([])
    }
    expect(suggested).not.toBe(text)
  })

  test('it is mounted where the image works, and state where the image keeps it', () => {
    expect(at(compose, 'volumes')).toEqual([
      `./compozy.yaml:${image.workdir}/compozy.yaml:ro`,
      `state:${image.volumes[0]}`,
    ])
    const mounts = at(container, 'volumeMounts') as { name: string; mountPath: string }[]
    const path = (name: string) => mounts.find((mount) => mount.name === name)?.mountPath
    expect({ config: path('config'), state: path('state') }).toEqual({
      config: image.workdir,
      state: image.volumes[0] ?? '',
    })
    expect(finalStage('full').volumes).toEqual([...image.volumes, '/home/nonroot'])
  })

  test('token files are mounted where the variables say', () => {
    const names = ['global-tokens', 'admin-tokens']
    const variables = ['MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE', 'MCP_PROXY_ADMIN_TOKENS_FILE']
    expect(variables.map((name) => composeEnv[name])).toEqual(names.map((name) => `/run/secrets/${name}`))
    expect(at(compose, 'secrets')).toEqual(names)
    expect(variables.map((name) => containerEnv[name])).toEqual(
      names.map((name) => `/run/secrets/mcp-proxy/${name}`),
    )
    expect(Object.keys(at(secret, 'stringData') as object)).toEqual(names)
  })

  test('the Secret as shipped opens nothing: the gateway refuses to start with it', async () => {
    for (const [name, value] of Object.entries(at(secret, 'stringData') as Record<string, string>)) {
      using place = temporaryDirectory({ [name]: value })
      const env = { MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: join(place.path, name) }
      await expect(loadedWith(env, place.path)).rejects.toThrow('is empty')
    }
  })
})

describe('the ingress', () => {
  const ingress = readYaml('deploy/kubernetes/ingress/ingress.yaml')

  test('leads all of a host to the Service, the paths of OAuth among them', () => {
    expect(at(ingress, 'spec', 'rules')).toEqual([
      {
        host: 'gateway.example.com',
        http: {
          paths: [
            {
              path: '/',
              pathType: 'Prefix',
              backend: {
                service: {
                  name: at(service, 'metadata', 'name'),
                  port: { number: at(service, 'spec', 'ports', 0, 'port') },
                },
              },
            },
          ],
        },
      },
    ])
  })

  test('keeps events moving, and sends no call twice', () => {
    const annotations = at(ingress, 'metadata', 'annotations') as Record<string, string>
    const told = (name: string) => annotations[`nginx.ingress.kubernetes.io/${name}`]
    expect(told('proxy-buffering')).toBe('off')
    expect(told('proxy-next-upstream')).toBe('off')
    expect(Number(told('proxy-read-timeout')) * 1000).toBeGreaterThanOrEqual(
      4 * defaults.timeouts.heartbeatMs,
    )
    expect(told('proxy-body-size')).toBe(`${defaults.limits.bodyBytesMax / 1_048_576}m`)
  })
})

describe('logs', () => {
  const rotation = readText('deploy/logrotate/compozy-mcp-proxy')
  const path = '/var/log/compozy/mcp-proxy.log'

  test('the file that is rotated is the one that the reference reads and the unit makes room for', () => {
    expect(readText('docs/reference/mcp-proxy-commands.txt')).toContain(path)
    expect(rotation).toContain(`\n${path} {\n`)
    expect(readText('docs/DEPLOYMENT.md')).toContain(`logging: { file: ${path} }`)
    expect(path).toStartWith(`/var/log/${unit['Service']?.['LogsDirectory']?.[0]}/`)
  })

  test('it is moved, not copied under the gateway, which makes the next one', () => {
    expect(rotation).toContain('\n    nocreate\n')
    expect(rotation).toContain('\n    delaycompress\n')
    expect(rotation).not.toMatch(/^\s*(copytruncate|create)\b/m)
  })
})

describe('times', () => {
  test('nobody kills the gateway while it still stops in order', () => {
    const preStopSeconds = Number(at(container, 'lifecycle', 'preStop', 'sleep', 'seconds'))
    const graceSeconds = {
      compose: seconds(at(compose, 'stop_grace_period')),
      kubernetes: Number(at(pod, 'terminationGracePeriodSeconds')) - preStopSeconds,
      systemd: seconds(unit['Service']?.['TimeoutStopSec']?.[0]),
    }
    for (const grace of Object.values(graceSeconds)) expect(grace * 1000).toBeGreaterThan(stopMsMax)
  })

  test('the Service keeps a client at its pod for longer than a session may idle', () => {
    const stick = at(service, 'spec', 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds')
    expect(Number(stick) * 1000).toBeGreaterThan(defaults.timeouts.sessionIdleMs)
  })

  test('nginx bears silence for longer than the gateway keeps it', () => {
    const bears = seconds(/proxy_read_timeout (\w+);/.exec(nginx)?.[1])
    expect(bears * 1000).toBeGreaterThanOrEqual(4 * defaults.timeouts.heartbeatMs)
  })

  test('reverse proxies let go of an idle connection sooner than the gateway', () => {
    const idleSeconds = /idleSecondsDefault = (\d+)/.exec(readText('src/http/listener.ts'))?.[1]
    for (const text of [nginx, readText('deploy/compose/cluster/nginx.conf')])
      expect(seconds(/keepalive_timeout (\w+);/.exec(text)?.[1])).toBeLessThan(Number(idleSeconds))
    expect(seconds(/\tkeepalive (\w+)/.exec(caddyfile)?.[1])).toBeLessThan(Number(idleSeconds))
  })

  test('both reverse proxies take bodies as large as the gateway does', () => {
    const mib = defaults.limits.bodyBytesMax / 1024 / 1024
    expect(nginx).toContain(`client_max_body_size ${mib}m;`)
    // A bound of Caddy's own turns some of the gateway's answers 413 into 502.
    expect(caddyfile).not.toContain('max_size')
  })
})

describe('confinement', () => {
  test('Compose and Kubernetes run it as nobody in particular on a read-only root without capabilities', () => {
    expect(compose).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      tmpfs: ['/tmp'],
    })
    expect(at(pod, 'securityContext')).toEqual({
      runAsNonRoot: true,
      runAsUser: Number(image.user.split(':')[0]),
      runAsGroup: Number(image.user.split(':')[1]),
      fsGroup: Number(image.user.split(':')[1]),
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(at(container, 'securityContext')).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false })
  })

  test('the labels of the Kubernetes objects select each other', () => {
    const labels = at(deployment, 'spec', 'template', 'metadata', 'labels')
    expect(at(deployment, 'spec', 'selector', 'matchLabels')).toEqual(labels)
    expect(at(service, 'spec', 'selector')).toEqual(labels)
    expect(at(networkPolicy, 'spec', 'podSelector', 'matchLabels')).toEqual(labels)
    const volumes = JSON.stringify(at(pod, 'volumes'))
    expect(volumes).toContain(`"configMap":{"name":"${at(configMap, 'metadata', 'name')}"}`)
    expect(volumes).toContain(`"secretName":"${at(secret, 'metadata', 'name')}"`)
  })

  test('the unit keeps HOME in its state directory and grants no capability', () => {
    const state = `/var/lib/${unit['Service']?.['StateDirectory']?.[0]}`
    expect(unitEnv['HOME']).toBe(state)
    expect(image.volumes).toContain(state)
    expect(unit['Service']?.['CapabilityBoundingSet']).toEqual([''])
  })
})

const analyze = programPath('systemd-analyze')

describe.if(analyze !== null)('systemd-analyze', () => {
  const name = 'compozy-mcp-proxy.service'
  const analyzed = (...args: readonly string[]) => {
    // The program need not be installed on the machine that tests.
    const text = replaceOnce(
      readText(`deploy/systemd/${name}`),
      '=/usr/local/bin/compozy',
      `=${process.execPath}`,
    )
    using place = temporaryDirectory({ [name]: text })
    const { exitCode, stdout, stderr } = Bun.spawnSync([analyze ?? '', ...args, join(place.path, name)])
    return { exitCode, output: `${stdout}${stderr}` }
  }

  test('finds no fault with the unit', () => {
    expect(analyzed('verify', '--man=no')).toEqual({ exitCode: 0, output: '' })
  })

  test('gives it an exposure of at most 1.5, where 10 is a service without any confinement', () => {
    const { output } = analyzed('security', '--offline=true')
    expect(Number(/Overall exposure level for \S+ ([\d.]+)/.exec(output)?.[1])).toBeLessThanOrEqual(1.5)
  })
})
