/** What an access token and a key cost at the door of a small call, beside a configured token: at most 3 µs. */
import { expect, test } from 'bun:test'
import { refusedItem } from '../../src/access/items.ts'
import { type ReachFields, reachOf } from '../../src/access/reach.ts'
import { type Access, createAccess } from '../../src/http/hooks/access.ts'
import { readTarget } from '../../src/http/hooks/target.ts'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { IdentityOpener } from '../../src/identity/open-identity.ts'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import { keyOf } from '../../src/registry/access/key-schema.ts'
import { ruleOf } from '../../src/registry/access/rule-schema.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { doorOf, rulesWith } from '../http/front.ts'
import { defaultConfig } from '../support/default-config.ts'
import { startIssuer } from '../support/issuer.ts'

const baseUrl = 'http://127.0.0.1:1'
const url = `${baseUrl}/mcp-proxy/files/stream`
const requestsPerRound = 4_000
/** The quickest round counts: what else the machine does only makes rounds slower. */
const rounds = 40
const rulesInForce = 200
const log = { debug() {}, info() {}, warn() {}, error() {} }
const place = { store: createMemoryStore(), directory: null }

test('an access token of a kilobyte, with 200 rules, costs at most 3 µs more than a configured token', async () => {
  await using issuer = await startIssuer()
  const { auth } = defaultConfig({ stateDirectory: '/', terminal: false })
  const settings = {
    issuer: issuer.issuer,
    audiences: ['api'],
    clients: [],
    claims: { groups: 'groups' },
    jwksUri: null,
    introspection: null,
  }
  const rule = ruleOf({ who: { claims: { groups: ['eng'] } }, servers: ['files'] })
  const access = Array.from({ length: rulesInForce }, () => rule)
  const door = doorOf({ name: 'files' })
  const servers = { of: () => door, names: () => ['files'] }
  const byIssuer = rulesWith({ baseUrl, auth: { oauth: { ...auth.oauth, issuers: [settings], access } } })
  const people = new IdentityOpener(log, { privateUpstreams: 'allowed' }, () => byIssuer.settings, place)
  const withIssuer = createAccess(byIssuer, servers, await people.open(byIssuer.settings))
  const withToken = createAccess(rulesWith({ baseUrl, auth: { globalTokens: ['configured'] } }), servers)

  const target = readTarget(url)
  if (target === null) throw new Error('the target is one')
  const requestWith = (token: string) =>
    new Request(url, { method: 'POST', headers: { host: '127.0.0.1:1', authorization: `Bearer ${token}` } })
  const token = await issuer.token('api', { groups: ['eng'], pad: 'p'.repeat(700) })
  const [signed, configured] = [requestWith(token), requestWith('configured')]
  expect(await withIssuer.admit(signed, target, '127.0.0.1').refusal).toBeNull()
  expect(withIssuer.admit(signed, target, '127.0.0.1').refusal).toBeNull()

  const microseconds = (chain: typeof withIssuer, request: Request): number => {
    const startedMs = performance.now()
    for (let n = 0; n < requestsPerRound; n++) chain.admit(request, target, '127.0.0.1')
    return ((performance.now() - startedMs) * 1_000) / requestsPerRound
  }
  const times = Array.from({ length: rounds }, () => ({
    signed: microseconds(withIssuer, signed),
    configured: microseconds(withToken, configured),
  }))
  const quickest = (which: 'signed' | 'configured') => Math.min(...times.map((time) => time[which]))
  expect(quickest('signed') - quickest('configured')).toBeLessThan(3)
})

test('a key, one of 1,000, with 200 rules, costs a call at most 3 µs more than a configured token', async () => {
  const door: ReachFields & ReturnType<typeof doorOf> = { ...doorOf({ name: 'files' }), toolFilter: null }
  const servers = { of: () => door, names: () => ['files'] }
  const rules = Array.from({ length: rulesInForce - 1 }, (_, n) => ({
    servers: ['files'],
    tools: [`tool-${n}`],
  }))
  const wire = { name: 'ci', access: [...rules, { servers: ['files'], tools: ['echo'] }] }
  const texts = Array.from({ length: 1_000 }, (_, n) => makeKeyText(`k${String(n).padStart(7, '0')}`))
  const keys = texts.map((text, n) => ({
    ...keyOf(text.slice(4, 12), { ...wire, name: `ci-${n}` }, Date.now() + 60_000),
    hash: hashOfKey(text),
  }))
  const keyed = rulesWith({ baseUrl, auth: { keys } })
  const opener = new IdentityOpener(log, { privateUpstreams: 'allowed' }, () => keyed.settings, place)
  await opener.open(keyed.settings)
  const withKeys = createAccess(
    keyed,
    servers,
    null,
    () => null,
    () => opener.keys,
  )
  const withToken = createAccess(rulesWith({ baseUrl, auth: { globalTokens: ['configured'] } }), servers)

  const target = readTarget(url)
  const params = { name: 'echo', arguments: {} }
  const message = scanMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }))
  if (target === null || message === null) throw new Error('both are')
  const tools = { known: () => null, reread: async () => null }
  const requestWith = (token: string) =>
    new Request(url, { method: 'POST', headers: { host: '127.0.0.1:1', authorization: `Bearer ${token}` } })
  const call = (chain: Access, request: Request): unknown => {
    const { context, refusal } = chain.admit(request, target, '127.0.0.1')
    return refusal ?? refusedItem(reachOf(context.principal.grants, door), message, tools)
  }
  const [key, configured] = [requestWith(texts[700] ?? ''), requestWith('configured')]
  expect([call(withKeys, key), call(withToken, configured)]).toEqual([null, null])
  const microseconds = (chain: Access, request: Request): number => {
    const startedMs = performance.now()
    for (let n = 0; n < requestsPerRound; n++) call(chain, request)
    return ((performance.now() - startedMs) * 1_000) / requestsPerRound
  }
  const times = Array.from({ length: rounds }, () => [
    microseconds(withKeys, key),
    microseconds(withToken, configured),
  ])
  const quickest = (which: 0 | 1) => Math.min(...times.map((time) => time[which] ?? 0))
  expect(quickest(0) - quickest(1)).toBeLessThan(3)
})
