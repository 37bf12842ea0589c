/** What an access token costs at the door of a small call, beside a configured token: at most 3 µs. */
import { expect, test } from 'bun:test'
import { createAccess } from '../../src/http/hooks/access.ts'
import { readTarget } from '../../src/http/hooks/target.ts'
import { IdentityOpener } from '../../src/identity/open-identity.ts'
import { ruleOf } from '../../src/registry/access/rule-schema.ts'
import { doorOf, rulesWith } from '../http/front.ts'
import { defaultConfig } from '../support/default-config.ts'
import { startIssuer } from '../support/issuer.ts'

const baseUrl = 'http://127.0.0.1:1'
const url = `${baseUrl}/mcp-proxy/files/stream`
const requestsPerRound = 4_000
/** The quickest round counts: what else the machine does only makes rounds slower. */
const rounds = 40
const rulesInForce = 200

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
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const people = new IdentityOpener(log, { privateUpstreams: 'allowed' }, () => byIssuer.settings)
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
