/** The chart as far as it can be judged without Helm: its values, and what its templates name. helm.test.ts renders it. */
import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import { version } from '../../package.json'
import { namedSettings } from '../../src/config/shape.ts'
import { loadedWithSecrets } from './replica-settings.ts'
import { at, readText, readYaml, repository } from './repository.ts'

describe('the chart', () => {
  const values = readYaml('deploy/helm/values.yaml')
  const check = new Ajv({ allErrors: true, strict: true }).compile(
    JSON.parse(readText('deploy/helm/values.schema.json')),
  )
  const templates = readdirSync(join(repository, 'deploy/helm/templates')).map((name) => ({
    name,
    text: readText(`deploy/helm/templates/${name}`),
  }))
  const everything = templates.map(({ text }) => text).join('\n')

  test('has the version of the program', () => {
    expect(readYaml('deploy/helm/Chart.yaml')).toMatchObject({
      name: 'mcp-proxy',
      version,
      appVersion: version,
    })
  })

  test('has values that keep their own schema', () => {
    check(values)
    expect(check.errors ?? []).toEqual([])
  })

  test.each([
    { why: 'the name of another chart for it', change: { replicas: 3 }, place: '' },
    { why: 'no replica', change: { replicaCount: 0 }, place: '/replicaCount' },
    { why: 'a number as text', change: { replicaCount: '3' }, place: '/replicaCount' },
    { why: 'a slip in the name of a section', change: { cluster: { enable: true } }, place: '/cluster' },
    { why: 'the public port', change: { cluster: { internalPort: 6001 } }, place: '/cluster/internalPort' },
    { why: 'a lease without a unit', change: { cluster: { lease: '4' } }, place: '/cluster/lease' },
    {
      why: 'a secret of 31 bytes',
      change: { secrets: { clusterSecret: ['x'.repeat(31)] } },
      place: '/secrets/clusterSecret/0',
    },
    {
      why: 'one secret instead of a list',
      change: { secrets: { globalTokens: 'token' } },
      place: '/secrets/globalTokens',
    },
    { why: 'a URL as host', change: { ingress: { host: 'https://a.example' } }, place: '/ingress/host' },
    { why: 'a server without a name', change: { mcps: [{ url: 'https://a.example' }] }, place: '/mcps/0' },
    {
      why: 'nobody who may reach it',
      change: { networkPolicy: { clients: [] } },
      place: '/networkPolicy/clients',
    },
    { why: 'a claim that is no name', change: { stateClaim: { claimName: 'state' } }, place: '/stateClaim' },
  ])('refuses $why', ({ change, place }) => {
    expect(check(change)).toBe(false)
    expect(check.errors?.map(({ instancePath }) => instancePath)).toContain(place)
  })

  test('describes each value once: templates use no other', () => {
    const used = new Set(
      [...everything.matchAll(/(?:\.|\$)Values((?:\.\w+)+)|\$values((?:\.\w+)+)/g)].map(
        ([, a, b]) => a ?? b ?? '',
      ),
    )
    expect(used.size).toBeGreaterThan(30)
    const missing = [...used].filter((path) => at(values, ...path.slice(1).split('.')) === undefined)
    // Free in form, so that the program judges it.
    expect(missing.toSorted()).toEqual(['.config.auth', '.config.workers'])
  })

  test('sets only variables that the gateway knows', () => {
    const known = namedSettings.map(({ env }) => env)
    const named = [
      ...new Set([...everything.matchAll(/name: ((?:MCP_PROXY|COMPOZY)_\w+)/g)].map(([, name = '']) => name)),
    ]
    expect(named.length).toBeGreaterThan(8)
    expect(named.filter((name) => !known.includes(name.replace(/_FILE$/, '')))).toEqual([])
  })

  test('has a default configuration that the gateway takes', async () => {
    const { config, mcps } = values as { config: object; mcps: unknown[] }
    const text = JSON.stringify({ mcp_proxy: { ...config, shutdown_timeout: '25s' }, mcps })
    expect((await loadedWithSecrets(text, {})).warnings).toEqual([])
  })
})
