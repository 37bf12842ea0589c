/** What a configuration that was read again changes. */
import { describe, expect, test } from 'bun:test'
import type { Config } from '../../src/config/schema.ts'
import { buildConfig, namedSettings, valueAt } from '../../src/config/shape.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { planReload } from '../../src/reload/plan.ts'
import { SettingsInForce } from '../../src/reload/settings.ts'
import { definitionOf } from '../registry/definitions.ts'
import { defaultConfig } from '../support/default-config.ts'

const defaults = defaultConfig({ terminal: false, stateDirectory: '/state' })
const server = (name: string, extra: object = {}): ServerDefinition =>
  definitionOf({ name, transport: 'stdio', command: 'x', ...extra })
const withServers = (...servers: ServerDefinition[]): Config => ({ ...defaults, servers })

/** What only the next start can take. All others apply at once; each is a promise of the contract. */
const takesRestart = [
  'host',
  'port',
  'secrets.dirs',
  'security.child_environment',
  'workers',
  'cluster.redis.url',
  'cluster.redis.sentinels',
  'cluster.redis.name',
  'cluster.redis.tls.ca',
  'cluster.secret',
  'cluster.name',
  'cluster.advertise',
  'cluster.lease',
  'secrets.key',
  'secrets.key_file',
  'storage.path',
  'storage.type',
  'tls.cert_file',
  'tls.key_file',
  'tls.client_ca_file',
]

/** Another value of the same type. */
function other(value: unknown): unknown {
  if (typeof value === 'boolean') return !value
  if (typeof value === 'number') return value + 1
  if (Array.isArray(value)) return [...value, 'another']
  return value === null ? 'another' : `${value}-other`
}

describe('a setting', () => {
  test.each(namedSettings.map((named) => [named.key, named] as const))(
    '%s that has changed is reported once, and is in force exactly if it is reported so',
    (key, named) => {
      const read = buildConfig(
        ({ path, key: each }) => (each === key ? other(valueAt(defaults, path)) : valueAt(defaults, path)),
        [],
      )
      const { config, report } = planReload({ config: defaults, stored: [] }, read)
      const restart = takesRestart.includes(key)
      expect(report.applied.settings).toEqual(restart ? [] : [key])
      expect(report.needsRestart).toEqual(restart ? [key] : [])
      expect(report.unchanged.settings).toEqual(
        namedSettings.filter((each) => each.key !== key).map((each) => each.key),
      )
      expect(valueAt(config, named.path)).toEqual(valueAt(restart ? defaults : read, named.path))
    },
  )

  test('that waits for a restart is named again with each reload until then', () => {
    const read: Config = { ...defaults, port: 7000 }
    const first = planReload({ config: defaults, stored: [] }, read)
    expect(planReload({ config: first.config, stored: [] }, read).report.needsRestart).toEqual(['port'])
  })
})

describe('servers', () => {
  const rows: {
    why: string
    before?: ServerDefinition[]
    after?: ServerDefinition[]
    stored?: string[]
    added?: string[]
    changed?: string[]
    removed?: string[]
    unchanged?: string[]
  }[] = [
    { why: 'a new one is added', after: [server('a')], added: ['a'] },
    { why: 'one that is gone is removed', before: [server('a')], removed: ['a'] },
    { why: 'the same one is left alone', before: [server('a')], after: [server('a')], unchanged: ['a'] },
    {
      why: 'the dates of a file say nothing about a server in it',
      before: [server('a')],
      after: [{ ...server('a'), createdAt: '2030-01-01T00:00:00Z', updatedAt: '2030-01-01T00:00:00Z' }],
      unchanged: ['a'],
    },
    {
      why: 'order says nothing either',
      before: [server('a'), server('b')],
      after: [server('b'), server('a')],
      unchanged: ['b', 'a'],
    },
    {
      why: 'an argument counts',
      before: [server('a'), server('b')],
      after: [server('a', { args: ['-v'] }), server('b')],
      changed: ['a'],
      unchanged: ['b'],
    },
    {
      why: 'a token of its own counts',
      before: [server('a')],
      after: [server('a', { authTokens: ['t'] })],
      changed: ['a'],
    },
    {
      why: 'a variable that is gone counts',
      before: [server('a', { env: { A: '1', B: '2' } })],
      after: [server('a', { env: { A: '1' } })],
      changed: ['a'],
    },
    {
      why: 'another name is another server',
      before: [server('a')],
      after: [server('b')],
      added: ['b'],
      removed: ['a'],
    },
    {
      why: 'one of the file takes the place of a registered one',
      after: [server('a')],
      stored: ['a'],
      changed: ['a'],
    },
    {
      why: 'a registered one comes back when that of the file goes',
      before: [server('a')],
      stored: ['a'],
      changed: ['a'],
    },
    {
      why: 'a registered one that is hidden all the time is not spoken of',
      before: [server('a')],
      after: [server('a')],
      stored: ['a'],
      unchanged: ['a'],
    },
    { why: 'registered ones go on', after: [server('a')], stored: ['r'], added: ['a'], unchanged: ['r'] },
  ]

  test.each(rows)('$why', ({ before = [], after = [], stored = [], ...said }) => {
    const { report } = planReload({ config: withServers(...before), stored }, withServers(...after))
    expect(report.applied.servers).toEqual({
      added: said.added ?? [],
      changed: said.changed ?? [],
      removed: said.removed ?? [],
    })
    expect(report.unchanged.servers).toEqual(said.unchanged ?? [])
    expect(report.applied.settings).toEqual([])
  })

  test('that are untouched keep their definition, and the date of it', () => {
    const before = server('a')
    const { config } = planReload(
      { config: withServers(before), stored: [] },
      withServers({ ...before, updatedAt: '2030-01-01T00:00:00Z' }, server('b')),
    )
    expect(config.servers[0]).toBe(before)
    expect(config.servers[1]?.name).toBe('b')
  })
})

test('limits and time-outs stay in one object, which whoever holds it reads anew', () => {
  const settings = new SettingsInForce(defaults)
  const { bounds } = settings
  settings.take({
    ...defaults,
    limits: { ...defaults.limits, sessionsMax: 3 },
    timeouts: { ...defaults.timeouts, callIdleMs: 4 },
  })
  expect(settings.bounds).toBe(bounds)
  expect([bounds.sessionsMax, bounds.callIdleMs]).toEqual([3, 4])
  // No limit has the name of a time-out.
  expect(Object.keys(bounds)).toHaveLength(
    Object.keys(defaults.limits).length + Object.keys(defaults.timeouts).length,
  )
})
