/** Keys in the configuration: what is read, what is refused with which words, what is shown, and which doors they guard. */
import { describe, expect, test } from 'bun:test'
import { unknownNames } from '../../src/config/doubts.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { namedSettings } from '../../src/config/shape.ts'
import { compileRules } from '../../src/http/hooks/rules.ts'
import { openedDoors } from '../../src/reload/opened-doors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const hash = `sha256:${'0a'.repeat(32)}`
const ci = { id: 'a1b2c3d4', name: 'ci', hash, access: [{ servers: ['docs'] }] }

async function load(keys: unknown, more: object = {}, env: Record<string, string> = {}): Promise<Config> {
  const text = JSON.stringify({ mcp_proxy: { ...more, auth: { keys } } })
  return await loadText(keys === undefined ? JSON.stringify({ mcp_proxy: more }) : text, env)
}

async function loadText(text: string, env: Record<string, string> = {}): Promise<Config> {
  using directory = temporaryDirectory({ 'compozy.yaml': text })
  const environment = { HOME: directory.path, ...env }
  const sources = { flags: {}, environment, directory: directory.path, terminal: false }
  return (await loadConfig(sources)).config
}

test('an entry has the defaults of a key that is made over the API, but for its end', async () => {
  const [key] = (await load([ci])).auth.keys
  const rule = { who: null, servers: ['docs'], tools: null, prompts: null, resources: null, readOnly: false }
  expect(key).toEqual({
    id: 'a1b2c3d4',
    name: 'ci',
    hash,
    user: null,
    role: null,
    access: [rule],
    rate: null,
    inFlight: null,
    expiresAtMs: null,
  })
})

test('an entry is spelled as over the API, in a file as in a variable', async () => {
  const whole = {
    ...ci,
    user: 'svc-ci',
    expires: '2027-03-01',
    access: [{ servers: ['docs'], tools: ['search_*'], readOnly: true }],
    rate: { perSecond: 10 },
    inFlight: 4,
  }
  const [key] = (await load([whole])).auth.keys
  expect(key).toMatchObject({
    expiresAtMs: Date.UTC(2027, 2, 1),
    rate: { perSecond: 10, burst: 10 },
    inFlight: 4,
    access: [{ tools: ['search_*'], readOnly: true }],
  })
  const byVariable = await load(undefined, {}, { MCP_PROXY_AUTH_KEYS: JSON.stringify([whole]) })
  expect(byVariable.auth.keys).toEqual([key] as never)
})

test('a date without quotes is a date in YAML, and means the same', async () => {
  const yaml = `mcp_proxy:\n  auth:\n    keys:\n      - { id: a1b2c3d4, name: ci, hash: "${hash}", expires: 2027-03-01, access: [{ servers: [docs] }] }\n`
  expect((await loadText(yaml)).auth.keys[0]?.expiresAtMs).toBe(Date.UTC(2027, 2, 1))
})

describe('it is refused', () => {
  test.each<{ why: string; keys: unknown; says: string }>([
    {
      why: 'an id in capitals',
      keys: [{ ...ci, id: 'A1B2C3D4' }],
      says: 'entry 1: id must be eight lower case',
    },
    {
      why: 'a text where a hash belongs',
      keys: [{ ...ci, hash: 'cpz_a1b2c3d4_secret' }],
      says: 'entry 1: hash must be sha256:',
    },
    { why: 'no hash', keys: [{ ...ci, hash: undefined }], says: 'entry 1: hash is required' },
    { why: 'a word that is near', keys: [{ ...ci, acess: [] }], says: 'did you mean access?' },
    { why: 'snake case', keys: [{ ...ci, in_flight: 1 }], says: 'did you mean inFlight?' },
    {
      why: 'a rule without servers',
      keys: [{ ...ci, access: [{}] }],
      says: 'entry 1: access[0].servers is required',
    },
    {
      why: 'a rule about whom',
      keys: [{ ...ci, access: [{ who: {}, servers: [] }] }],
      says: 'entry 1: access[0].who',
    },
    { why: 'a role and access', keys: [{ ...ci, role: 'admin' }], says: 'make two keys' },
    {
      why: 'the same id twice',
      keys: [ci, { ...ci, name: 'cd' }],
      says: 'entry 2: entry 1 has the id or name a1b2c3d4',
    },
    {
      why: 'the same name twice',
      keys: [ci, { ...ci, id: 'a1b2c3d5' }],
      says: 'entry 2: entry 1 has the id or name ci',
    },
    {
      why: 'the id of one as the name of another',
      keys: [ci, { ...ci, id: 'a1b2c3d5', name: 'a1b2c3d4' }],
      says: 'entry 2',
    },
    { why: 'a day that is none', keys: [{ ...ci, expires: '2027-02-30' }], says: 'no day of any calendar' },
    { why: 'a map', keys: { ci }, says: 'must be a list' },
    { why: 'no text in a variable', keys: 'x', says: 'a variable has it as JSON' },
  ])('$why', async ({ keys, says }) => {
    await expect(load(keys)).rejects.toThrow(says)
  })

  test('and never with what was written in the place of a hash', async () => {
    const refused = await load([{ ...ci, hash: 'cpz_canary' }]).catch((thrown: unknown) => String(thrown))
    expect(refused).not.toContain('canary')
  })
})

test('what is shown of it reads back as the same', async () => {
  const { auth } = await load([
    { ...ci, user: 'svc', expires: '2027-03-01', rate: { perSecond: 2, burst: 9 }, inFlight: 4 },
  ])
  const row = namedSettings.find(({ key }) => key === 'auth.keys')
  const shown = row?.setting.kind.shown?.(auth.keys as never)
  expect((await load(shown)).auth.keys).toEqual(auth.keys)
})

describe('the doors that keys guard', () => {
  const role = { id: 'a1b2c3d5', name: 'ops', hash, role: 'viewer' }
  test.each<{ why: string; before: unknown[]; after: unknown[]; more?: object; opened: string[] }>([
    { why: 'the last key goes', before: [ci], after: [], opened: ['auth.keys'] },
    { why: 'the last key for servers goes', before: [ci, role], after: [role], opened: ['auth.keys'] },
    { why: 'the last key with a role goes', before: [ci, role], after: [ci], opened: ['auth.keys'] },
    { why: 'one of two goes', before: [ci, { ...ci, id: 'a1b2c3d6', name: 'cd' }], after: [ci], opened: [] },
    { why: 'one comes', before: [], after: [ci], opened: [] },
  ])('$why: $opened', async ({ before, after, opened }) => {
    expect(openedDoors(await load(before), await load(after))).toEqual(opened)
  })

  const narrow = {
    ...ci,
    expires: '2027-03-01',
    access: [{ servers: ['docs'], tools: ['a'], resources: ['x'], readOnly: true }],
  }
  test.each<{ why: string; after: object; opened: string[] }>([
    { why: 'nothing', after: narrow, opened: [] },
    { why: 'its end', after: { ...narrow, expires: undefined }, opened: ['expires of key ci'] },
    { why: 'its rules, which opens nothing', after: { ...narrow, access: undefined }, opened: [] },
    {
      why: 'what narrows its rule',
      after: { ...narrow, access: [{ servers: ['docs'] }] },
      opened: ['access of key ci'],
    },
    {
      why: 'its resources alone',
      after: { ...narrow, access: [{ servers: ['docs'], tools: ['a'], readOnly: true }] },
      opened: ['access of key ci'],
    },
    {
      why: 'a tool, for another',
      after: { ...narrow, access: [{ ...narrow.access[0], tools: ['b', 'c'] }] },
      opened: [],
    },
  ])('a key of which a half-written file lacks $why: $opened', async ({ after, opened }) => {
    expect(openedDoors(await load([narrow]), await load([after]))).toEqual(opened)
  })

  test.each<{ why: string; after: object; opened: string[] }>([
    { why: 'is without rules', after: {}, opened: ['access of docs'] },
    { why: 'has a rule for everybody', after: { access: [{ tools: ['a'] }] }, opened: ['access of docs'] },
    {
      why: 'has a rule for all tools',
      after: { access: [{ who: { keys: ['ci'] } }] },
      opened: ['access of docs'],
    },
    { why: 'has no rule left, so that nobody comes in', after: { access: [] }, opened: [] },
    { why: 'names another key', after: { access: [{ who: { keys: ['cd'] }, tools: ['a'] }] }, opened: [] },
  ])('a server that $why: $opened', async ({ after, opened }) => {
    const docs = (more: object) =>
      loadText(JSON.stringify({ mcps: [{ name: 'docs', transport: 'stdio', command: 'x', ...more }] }))
    const before = await docs({ access: [{ who: { keys: ['ci'] }, tools: ['a'] }] })
    expect(openedDoors(before, await docs(after))).toEqual(opened)
  })

  test('a key stands in for tokens, and tokens for keys', async () => {
    const tokens = async (auth: object) => await loadText(JSON.stringify({ mcp_proxy: { auth } }))
    expect(openedDoors(await tokens({ global_tokens: ['g1'] }), await load([ci]))).toEqual([])
    expect(openedDoors(await load([ci]), await tokens({ global_tokens: ['g1'] }))).toEqual([])
    expect(openedDoors(await tokens({ admin_tokens: ['a1'] }), await load([role]))).toEqual([])
    expect(openedDoors(await load([role]), await load([ci]))).toEqual(['auth.keys'])
  })

  test('to the network without a token or a key is warned of, with a key it is not', async () => {
    const warnings = async (keys: unknown[]) => {
      const compiled = compileRules(await load(keys, { host: '0.0.0.0' }))
      return compiled.ok ? (compiled.exposure ?? '') : ''
    }
    expect(await warnings([])).toContain('everyone who reaches this address')
    expect(await warnings([role])).toContain('everyone who reaches this address')
    expect(await warnings([ci])).toBe('')
  })
})

test('names of servers in keys, and of keys in servers, that nobody has are doubted', async () => {
  const definition = (name: string, access: object[]) => ({ name, transport: 'stdio', command: 'x', access })
  const mcps = [definition('docs', [{ who: { keys: ['ci', 'a1b2c3d4', 'cii'] } }]), definition('files', [])]
  const keys = [{ ...ci, access: [{ servers: ['docs', 'flies', 'team-*'] }] }]
  const config = await loadText(JSON.stringify({ mcp_proxy: { auth: { keys } }, mcps }))
  expect(unknownNames(config, config.servers)).toEqual([
    'key ci: no server is named flies, and its rule opens nothing there; did you mean files?',
    'access of docs: no key has the name or id cii; did you mean ci?',
  ])
  expect(unknownNames(config, config.servers, [...config.auth.keys, { id: 'k', name: 'cii' }])).toHaveLength(
    1,
  )
})
