/** The revision of the policy is another one when somebody may do something else, and the same otherwise. */
import { expect, test } from 'bun:test'
import { PolicyRevision, revisionOf } from '../../src/audit/policy-revision.ts'
import type { Config } from '../../src/config/schema.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { defaultConfig } from '../support/default-config.ts'

const config = defaultConfig({ stateDirectory: '/', terminal: false })
const server = (change: object = {}): ServerDefinition => {
  const wire = { name: 'docs', transport: 'stdio', command: 'cat', authTokens: ['a', 'b'], ...change }
  const parsed = parseDefinition(wire, { now: new Date(0).toISOString() })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}
const auth = (change: Partial<Config['auth']>): Config => ({ ...config, auth: { ...config.auth, ...change } })
const before = revisionOf(config, [server()], {})

test.each([
  { why: 'a token', now: revisionOf(auth({ globalTokens: ['t'] }), [server()], {}) },
  { why: 'an admin token', now: revisionOf(auth({ adminTokens: ['t'] }), [server()], {}) },
  { why: 'an address', now: revisionOf(auth({ adminAllowIps: ['10.0.0.0/8'] }), [server()], {}) },
  { why: 'a token of a server', now: revisionOf(config, [server({ authTokens: ['a'] })], {}) },
  { why: 'an address of a server', now: revisionOf(config, [server({ allowedIPs: ['10.0.0.1'] })], {}) },
  { why: 'a rule of a server', now: revisionOf(config, [server({ access: [{ tools: ['a'] }] })], {}) },
  { why: 'a filter', now: revisionOf(config, [server({ toolFilter: { mode: 'allow', list: [] } })], {}) },
  { why: 'a server more', now: revisionOf(config, [server(), server({ name: 'files' })], {}) },
  { why: 'pinning', now: revisionOf({ ...config, pinning: 'on' }, [server()], {}) },
  { why: 'a server that is pinned', now: revisionOf(config, [server({ pin: true })], {}) },
  { why: 'a key', now: revisionOf(config, [server()], { keys: ['gz7k2m4q'] }) },
  { why: 'another default group', now: revisionOf({ ...config, defaultGroup: false }, [server()], {}) },
])('$why changes it', ({ now }) => {
  expect(now).toMatch(/^[\da-f]{12}$/)
  expect(now).not.toBe(before)
})

test.each([
  { why: 'another order of tokens', now: revisionOf(config, [server({ authTokens: ['b', 'a'] })], {}) },
  { why: 'a description', now: revisionOf(config, [server({ description: 'Other.' })], {}) },
  { why: 'another command', now: revisionOf(config, [server({ command: 'dog' })], {}) },
])('$why does not', ({ now }) => {
  expect(now).toBe(before)
})

test('another order of servers does not, and it is made once for each change', () => {
  const [docs, files] = [server(), server({ name: 'files' })]
  expect(revisionOf(config, [docs, files], {})).toBe(revisionOf(config, [files, docs], {}))
  let made = 0
  let version = 0
  const revision = new PolicyRevision({
    settings: { config },
    definitions: () => {
      made++
      return [docs]
    },
    others: () => ({}),
    version: () => version,
  })
  expect([revision.text, revision.text]).toEqual([before, before])
  version++
  expect(revision.text).toBe(before)
  expect(made).toBe(2)
})
