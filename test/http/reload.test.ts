/** Rotation: new rules count at once, and who lost its token is told apart from who kept it. */
import { describe, expect, test } from 'bun:test'
import { anonymous } from '../../src/access/principal.ts'
import { digestOf, TokenTable } from '../../src/access/tokens.ts'
import { attachContext, type RequestContext } from '../../src/http/context.ts'
import { createAccess } from '../../src/http/hooks/access.ts'
import { compileRules } from '../../src/http/hooks/rules.ts'
import { doorOf, rulesWith, type SettingsChange, settingsWith, startFront } from './front.ts'

const tokens = (...globalTokens: string[]): SettingsChange => ({ auth: { globalTokens } })
const path = '/mcp-proxy/files/stream'
const holderOfA = new TokenTable(['a'], 'client').find(digestOf('a'))?.id ?? ''

/** Whether a session of this principal, at this server, may go on under the rules. */
function admits(rules: SettingsChange, principalId: string, own: readonly string[] = []): boolean {
  const door = doorOf({ authTokens: own })
  const access = createAccess(rulesWith(), { of: () => door, names: () => ['files'] })
  access.reload(rulesWith(rules), null)
  return access.admits(principalId, null, 'files', false)
}

describe('reloading the rules', () => {
  test('swaps tokens for all requests from then on', async () => {
    await using front = await startFront({ settings: tokens('old', 'kept') })
    const ask = async (token: string) =>
      (await front.send(path, { headers: { authorization: `Bearer ${token}` } })).status
    expect([await ask('old'), await ask('kept'), await ask('new')]).toEqual([200, 200, 401])
    front.access.reload(rulesWith(tokens('kept', 'new')), null)
    expect([await ask('old'), await ask('kept'), await ask('new')]).toEqual([401, 200, 200])
  })

  test('swaps allow-lists and trusted proxies', async () => {
    await using front = await startFront()
    const ask = () => front.send('/admin/mcps').then(({ status }) => status)
    expect(await ask()).toBe(200)
    front.access.reload(rulesWith({ auth: { adminAllowIps: ['192.0.2.1'] } }), null)
    expect(await ask()).toBe(403)
  })

  test.each([
    { why: 'its token is kept', rules: tokens('a', 'b'), who: holderOfA, own: [], stays: true },
    { why: 'its token is gone', rules: tokens('b'), who: holderOfA, own: [], stays: false },
    {
      why: 'no token is asked for any more',
      rules: tokens(),
      who: holderOfA,
      own: [],
      stays: false,
    },
    { why: 'tokens are asked for at last', rules: tokens('a'), who: 'anonymous', own: [], stays: false },
    { why: 'it stays open', rules: tokens(), who: 'anonymous', own: [], stays: true },
    {
      why: 'the server has tokens of its own now',
      rules: tokens(),
      who: 'anonymous',
      own: ['s'],
      stays: false,
    },
    {
      why: 'the server still takes its token',
      rules: tokens('b'),
      who: holderOfA,
      own: ['a'],
      stays: true,
    },
    {
      why: 'the server took another one',
      rules: tokens('b'),
      who: holderOfA,
      own: ['s'],
      stays: false,
    },
    {
      why: 'its token is for admins from now on',
      rules: { auth: { globalTokens: ['b'], adminTokens: ['a'] } },
      who: holderOfA,
      own: [],
      stays: false,
    },
  ])('ends exactly the sessions of those who may no longer come: $why', ({ rules, who, own, stays }) => {
    expect(admits(rules, who, own)).toBe(stays)
  })

  test('does not refill the rate of a client', async () => {
    const limits = { rate: { perSecond: 1, burst: 2 } }
    await using front = await startFront({ settings: { limits } })
    const ask = () => front.send(path).then(({ status }) => status)
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429])
    front.access.reload(rulesWith({ limits }), null)
    expect(await ask()).toBe(429)
    front.access.reload(rulesWith({}), null)
    expect(await ask()).toBe(200)
  })
})

describe('compiling the rules', () => {
  test('names every setting at fault, and nothing is half taken', () => {
    const settings = settingsWith({
      baseUrl: 'ftp://x',
      auth: { adminAllowIps: ['10.0.0.0/33', 'office'] },
      security: { trustedProxies: ['proxy'], allowedHosts: ['a b'], allowedOrigins: ['app.example'] },
    })
    const compiled = compileRules(settings)
    if (compiled.ok) expect.unreachable()
    expect(compiled.errors).toEqual([
      'security.trusted_proxies: "proxy": not an IP address or CIDR block, such as 10.0.0.0/8 or ::1',
      'auth.admin_allow_ips: "10.0.0.0/33": the prefix length must be a whole number from 0 to 32',
      'auth.admin_allow_ips: "office": not an IP address or CIDR block, such as 10.0.0.0/8 or ::1',
      'base_url: "ftp://x" is no http or https URL without query',
      'security.allowed_origins: "app.example" is no web origin, such as https://app.example',
      'security.allowed_hosts: "a b" is no host name, such as gateway.example',
    ])
  })

  test('passes on the warnings of a network with host bits', () => {
    const compiled = compileRules(settingsWith({ auth: { adminAllowIps: ['10.0.0.1/8'] } }))
    if (!compiled.ok) expect.unreachable()
    expect(compiled.warnings).toEqual([
      'auth.admin_allow_ips: "10.0.0.1/8" has host bits set; taken as the network 10.0.0.0/8',
    ])
  })

  test.each([
    { host: '0.0.0.0', globalTokens: [], warns: true },
    { host: '::', globalTokens: [], warns: true },
    { host: '192.0.2.1', globalTokens: [], warns: true },
    { host: '0.0.0.0', globalTokens: ['g1'], warns: false },
    { host: '127.0.0.1', globalTokens: [], warns: false },
    { host: '::1', globalTokens: [], warns: false },
    { host: 'localhost', globalTokens: [], warns: false },
  ])('warns once when $host is open to the network: $warns', ({ host, globalTokens, warns }) => {
    const compiled = compileRules(settingsWith({ host, auth: { globalTokens } }))
    if (!compiled.ok) expect.unreachable()
    expect(compiled.exposure?.includes('auth.global_tokens') ?? false).toBe(warns)
  })
})

test('warns of a token that makes admins of clients', () => {
  const warningsOf = (adminTokens: readonly string[]) => {
    const compiled = compileRules(settingsWith({ auth: { globalTokens: ['a', 'b'], adminTokens } }))
    return compiled.ok ? compiled.warnings : expect.unreachable()
  }
  expect(warningsOf(['c'])).toEqual([])
  expect(warningsOf(['c', 'b'])).toEqual([
    expect.stringContaining('auth.global_tokens and in auth.admin_tokens'),
  ])
})

test('headers go upstream when listed, and never with a token of this gateway', () => {
  const rules = rulesWith({ auth: { globalTokens: ['global'], adminTokens: ['admin'] } })
  const own = doorOf({ authTokens: ['theirs'] })
  const access = createAccess(rules, {
    of: (name) => (name === 'own' ? own : undefined),
    names: () => ['own'],
  })
  const send = (authorization: string) => {
    const request = new Request('http://localhost/', { headers: { authorization, cookie: 'a=b' } })
    attachContext(request, { principal: anonymous } as RequestContext)
    return access.headersForUpstream(request, ['authorization'])
  }
  for (const token of ['global', 'admin', 'theirs']) expect(send(`Bearer ${token}`)).toEqual({})
  expect(send('Bearer upstream')).toEqual({ authorization: 'Bearer upstream' })
})
