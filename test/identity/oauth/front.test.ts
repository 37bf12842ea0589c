/** From a token to a principal, with a real authorization server on a socket that may do everything wrong. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import { createHash } from 'node:crypto'
import type { IssuerSettings } from '../../../src/config/auth/oauth-settings.ts'
import { GatewayError } from '../../../src/errors.ts'
import { OAuthFront } from '../../../src/identity/oauth/front.ts'
import { outgoingProxies } from '../../../src/net/outgoing-proxy.ts'
import { smallRequests } from '../../../src/upstream/transports/http/client/small-requests.ts'
import { issuerKey, startIssuer, type TestIssuer, unsignedToken } from '../../support/issuer.ts'

const baseUrl = 'https://tools.example.com'
const docs = { path: '/mcp-proxy/docs/stream', server: 'docs' }
const files = { path: '/mcp-proxy/files/stream', server: 'files' }
const every = { path: '/mcp', server: '' }
const docsUrl = `${baseUrl}${docs.path}`

interface FrontOptions {
  readonly settings?: Partial<IssuerSettings>
  readonly others?: readonly IssuerSettings[]
  readonly privateUpstreams?: 'allowed' | 'refused'
  readonly answerMs?: number
  readonly resolve?: (host: string) => Promise<readonly string[]>
}

function settingsOf(issuer: string, change: Partial<IssuerSettings> = {}): IssuerSettings {
  const claims = { groups: 'groups', scopes: 'scope' }
  return { issuer, audiences: [], clients: [], claims, jwksUri: null, introspection: null, ...change }
}

function frontFor(
  issuer: string,
  { settings = {}, others = [], privateUpstreams = 'allowed', answerMs, resolve }: FrontOptions = {},
) {
  let nowMs = 0
  const lines: string[] = []
  const note = (fields: unknown, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const front = new OAuthFront({
    baseUrl,
    scopes: ['mcp'],
    issuers: [settingsOf(issuer, settings), ...others],
    ask: smallRequests(
      { privateUpstreams, ...(resolve === undefined ? {} : { resolve }) },
      outgoingProxies({}),
      answerMs,
    ),
    log: { debug: note, info: note, warn: note, error: note },
    principalOf: (user) => ({ ...user, id: `${user.issuer} ${user.subject}` }) as never,
    nowMs: () => nowMs,
  })
  const identify = (token: string, place = docs, mayAsk: () => GatewayError | null = () => null) =>
    front.identify(token, createHash('sha256').update(token).digest(), place, mayAsk)
  return {
    front,
    lines,
    identify,
    /** The principal's id, or the code and the challenge of the refusal. */
    outcome: async (token: string, place = docs): Promise<string> => {
      const found = await identify(token, place)
      if (!(found instanceof GatewayError)) return found.id
      return `${found.code} ${/error="(\w+)"/.exec(String(Reflect.get(found, 'challenge')))?.[1] ?? ''}`.trim()
    },
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

const invalid = 'UNAUTHENTICATED invalid_token'
let issuer: TestIssuer
beforeAll(async () => {
  issuer = await startIssuer()
})
afterAll(() => issuer[Symbol.asyncDispose]())

describe('a token of the issuer', () => {
  test('is its subject, at the place that it is for and nowhere else', async () => {
    const { outcome } = frontFor(issuer.issuer)
    const token = await issuer.token(docsUrl)
    expect(await outcome(token)).toBe(`${issuer.issuer} alice`)
    expect(await outcome(token, files)).toBe(invalid)
    expect(await outcome(token, every)).toBe(invalid)
    const forAll = await issuer.token(`${baseUrl}/mcp`)
    expect(await outcome(forAll, every)).toBe(`${issuer.issuer} alice`)
    expect(await outcome(forAll)).toBe(invalid)
  })

  test('is for everything where its audience is configured', async () => {
    const { outcome } = frontFor(issuer.issuer, { settings: { audiences: ['api://mcp'] } })
    const token = await issuer.token('api://mcp')
    for (const place of [docs, files, every])
      expect(await outcome(token, place)).toBe(`${issuer.issuer} alice`)
  })

  test('is looked at once, and then known at once, until it ends', async () => {
    const { identify } = frontFor(issuer.issuer)
    const token = await issuer.token(docsUrl, {}, { lifetimeS: 1 })
    const first = identify(token)
    const second = identify(token)
    expect(first).toBeInstanceOf(Promise)
    const principal = await first
    expect(await second).toBe(principal)
    expect(identify(token)).toBe(principal)
    await Bun.sleep(1_050)
    const late = await identify(token)
    expect(late).toMatchObject({ code: 'UNAUTHENTICATED', details: 'The token has expired.' })
  })

  test('brings the claims that rules name, and its end', async () => {
    const { identify } = frontFor(issuer.issuer)
    const token = await issuer.token(docsUrl, { groups: ['eng'], scope: 'mcp other', exp: 4_000_000_000 })
    expect(await identify(token)).toMatchObject({
      issuer: issuer.issuer,
      subject: 'alice',
      claims: { groups: ['eng'], scopes: ['mcp', 'other'] },
      expiresAtMs: 4_000_000_000_000,
    })
  })

  test.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('may be signed with %s', async (algorithm) => {
    await using own = await startIssuer()
    const key = await issuerKey(algorithm)
    own.keys = [key.jwk]
    const { outcome } = frontFor(own.issuer)
    expect(await outcome(await own.token(docsUrl, {}, { key }))).toBe(`${own.issuer} alice`)
  })
})

describe('a token is refused', () => {
  const rows: readonly { why: string; token: () => Promise<string> | string }[] = [
    { why: 'nobody has signed it', token: () => unsignedToken({ alg: 'none' }, claimsFor(docsUrl), '') },
    {
      why: 'nobody has signed it, whatever it says',
      token: () => unsignedToken({ alg: 'ES256', kid: issuer.key.id }, claimsFor(docsUrl)),
    },
    { why: 'it is signed with the public key as a secret', token: () => signedWithPublicKey() },
    {
      why: 'somebody else has signed it under the name of the key',
      token: async () => issuer.token(docsUrl, {}, { key: await issuerKey('ES256', issuer.key.id) }),
    },
    {
      why: 'it brings its own key',
      token: async () => {
        const key = await issuerKey('ES256', 'own')
        return issuer.token(docsUrl, {}, { key, header: { jwk: key.jwk } })
      },
    },
    {
      why: 'it says where its key is',
      token: async () => {
        const key = await issuerKey('ES256', 'own')
        return issuer.token(docsUrl, {}, { key, header: { jku: `${issuer.issuer}/other-keys` } })
      },
    },
    {
      why: 'it names no key that the issuer has',
      token: async () => issuer.token(docsUrl, {}, { key: await issuerKey() }),
    },
    { why: 'it is of another issuer', token: () => issuer.token(docsUrl, { iss: 'https://evil.example' }) },
    {
      why: 'its issuer is spelled otherwise',
      token: () => issuer.token(docsUrl, { iss: `${issuer.issuer}/` }),
    },
    { why: 'its issuer is a list', token: () => issuer.token(docsUrl, { iss: [issuer.issuer] }) },
    { why: 'it has expired', token: () => issuer.token(docsUrl, {}, { lifetimeS: -1 }) },
    { why: 'it is for the parent of the endpoint', token: () => issuer.token(`${baseUrl}/mcp-proxy/docs`) },
    { why: 'it is for the gateway, which is no audience', token: () => issuer.token(baseUrl) },
    { why: 'it is for another server', token: () => issuer.token(`${baseUrl}/mcp-proxy/files/stream`) },
    { why: 'it is an ID token', token: () => issuer.token(docsUrl, { nonce: 'n' }) },
    { why: 'it is opaque, and nobody is asked about those', token: () => 'opaque' },
  ]
  for (const { why, token } of rows) {
    test(why, async () => {
      const { outcome } = frontFor(issuer.issuer)
      expect(await outcome(await token())).toBe(invalid)
    })
  }

  test('its claims were changed after it was signed', async () => {
    const { outcome } = frontFor(issuer.issuer)
    const [header, , signature] = (await issuer.token(docsUrl)).split('.')
    const payload = Buffer.from(JSON.stringify(claimsFor(docsUrl, { sub: 'bob' }))).toString('base64url')
    expect(await outcome(`${header}.${payload}.${signature}`)).toBe(invalid)
  })

  test('and the place that it names for its key is never asked', async () => {
    const { outcome } = frontFor(issuer.issuer)
    await outcome(
      await issuer.token(docsUrl, {}, { key: await issuerKey(), header: { jku: `${issuer.issuer}/jku` } }),
    )
    expect(issuer.asks('/jku')).toBe(0)
  })

  function claimsFor(aud: string, change: object = {}) {
    return { iss: issuer.issuer, sub: 'alice', aud, exp: Math.floor(Date.now() / 1_000) + 60, ...change }
  }

  async function signedWithPublicKey(): Promise<string> {
    const { SignJWT } = await import('jose')
    const secret = Buffer.from(JSON.stringify(issuer.key.jwk))
    return await new SignJWT(claimsFor(docsUrl))
      .setProtectedHeader({ alg: 'HS256', kid: issuer.key.id })
      .sign(secret)
  }
})

describe('two issuers', () => {
  test('sign for themselves: a key of one makes no token of the other, and equal subjects are two', async () => {
    await using other = await startIssuer()
    const { outcome } = frontFor(issuer.issuer, { others: [settingsOf(other.issuer)] })
    expect(await outcome(await issuer.token(docsUrl))).toBe(`${issuer.issuer} alice`)
    expect(await outcome(await other.token(docsUrl))).toBe(`${other.issuer} alice`)
    expect(await outcome(await other.token(docsUrl, { iss: issuer.issuer }))).toBe(invalid)
  })

  test('have audiences of their own', async () => {
    await using other = await startIssuer()
    const others = [settingsOf(other.issuer, { audiences: ['api://mcp'] })]
    const { outcome } = frontFor(issuer.issuer, { others })
    expect(await outcome(await other.token('api://mcp'))).toBe(`${other.issuer} alice`)
    expect(await outcome(await issuer.token('api://mcp'))).toBe(invalid)
  })
})

describe('an issuer that is wrong', () => {
  const unavailable = 'ISSUER_UNAVAILABLE'
  const rows: readonly { why: string; answer: TestIssuer['answer'] }[] = [
    {
      why: 'names another issuer in its metadata',
      answer: (path) =>
        path.includes('well-known')
          ? Response.json({ issuer: 'https://evil.example', jwks_uri: 'x' })
          : undefined,
    },
    {
      why: 'names itself with a slash more',
      answer: (path) =>
        path.includes('well-known')
          ? Response.json({ issuer: `${issuer.issuer}/`, jwks_uri: `${issuer.issuer}/keys` })
          : undefined,
    },
    {
      why: 'has metadata that is no JSON',
      answer: (path) => (path.includes('well-known') ? new Response('<html>') : undefined),
    },
    { why: 'answers 500', answer: () => new Response(null, { status: 500 }) },
    {
      why: 'has no metadata',
      answer: (path) => (path.includes('well-known') ? new Response(null, { status: 404 }) : undefined),
    },
    {
      why: 'has a key set of megabytes',
      answer: (path) => (path.endsWith('/keys') ? new Response('x'.repeat(3e6)) : undefined),
    },
    {
      why: 'has a key set that unfolds into megabytes',
      answer: (path) =>
        path.endsWith('/keys')
          ? new Response(Bun.gzipSync(Buffer.alloc(3e6, 120)), { headers: { 'content-encoding': 'gzip' } })
          : undefined,
    },
    {
      why: 'has keys that are none',
      answer: (path) => (path.endsWith('/keys') ? Response.json({ keys: 'x' }) : undefined),
    },
    {
      why: 'sends the request for keys into the metadata service of a cloud',
      answer: (path) =>
        path.endsWith('/keys') ? redirect('http://169.254.169.254/latest/meta-data') : undefined,
    },
    {
      why: 'names keys in the metadata service of a cloud',
      answer: (path) =>
        path.includes('well-known')
          ? Response.json({ issuer: issuer.issuer, jwks_uri: 'http://169.254.169.254/keys' })
          : undefined,
    },
    {
      why: 'names keys at another port of this machine',
      answer: (path) =>
        path.includes('well-known')
          ? Response.json({ issuer: issuer.issuer, jwks_uri: 'http://127.0.0.1:9/keys' })
          : undefined,
    },
    {
      why: 'redirects without end',
      answer: (path) => (path.endsWith('/keys') ? redirect(`${issuer.issuer}/keys`) : undefined),
    },
  ]
  for (const { why, answer } of rows) {
    test(`${why}: nobody comes in, and no token is called bad`, async () => {
      issuer.answer = answer
      const { outcome, lines } = frontFor(issuer.issuer)
      expect(await outcome(await issuer.token(docsUrl))).toBe(unavailable)
      expect(lines).toHaveLength(1)
      issuer.answer = () => undefined
    })
  }

  test('never answers: it is given up, by all who wait together', async () => {
    issuer.answer = (path) => (path.endsWith('/keys') ? new Promise(() => {}) : undefined)
    const { outcome } = frontFor(issuer.issuer, { answerMs: 200 })
    const startedMs = performance.now()
    const tokens = await Promise.all([issuer.token(docsUrl), issuer.token(docsUrl, { sub: 'bob' })])
    expect(await Promise.all(tokens.map((token) => outcome(token)))).toEqual([unavailable, unavailable])
    expect(performance.now() - startedMs).toBeWithin(190, 2_000)
    issuer.answer = () => undefined
  })

  test('is not reached at all where private addresses are refused', async () => {
    const before = issuer.asked.length
    const { outcome, lines } = frontFor(issuer.issuer, { privateUpstreams: 'refused' })
    expect(await outcome(await issuer.token(docsUrl))).toBe(unavailable)
    expect(issuer.asked).toHaveLength(before)
    expect(lines[0]).toContain('private_upstreams')
  })

  test('has a name that leads inward a moment later: only the address that was judged is connected to', async () => {
    await using own = await startIssuer()
    // No name server knows it: a connection that is made by name fails.
    const jwksUri = `${own.issuer.replace('127.0.0.1', 'issuer.test')}/keys`
    let resolved = 0
    const resolve = async () => [resolved++ === 0 ? '127.0.0.1' : '169.254.169.254']
    const { outcome, pass, lines } = frontFor(own.issuer, { settings: { jwksUri }, resolve })
    expect(await outcome(await own.token(docsUrl))).toBe(`${own.issuer} alice`)
    pass(30_000)
    expect(await outcome(await own.token(docsUrl, {}, { key: await issuerKey() }))).toBe(unavailable)
    expect(lines.join()).toContain('clouds serve credentials')
    expect(own.asks('/keys')).toBe(1)
  })

  test('goes away: known keys count for a day, and no token is called bad after it', async () => {
    await using own = await startIssuer()
    const { outcome, pass } = frontFor(own.issuer)
    expect(await outcome(await own.token(docsUrl))).toBe(`${own.issuer} alice`)
    own.answer = () => new Response(null, { status: 503 })
    pass(23 * 3_600_000)
    expect(await outcome(await own.token(docsUrl, { sub: 'bob' }))).toBe(`${own.issuer} bob`)
    pass(3_600_001)
    expect(await outcome(await own.token(docsUrl, { sub: 'carol' }))).toBe(unavailable)
  })

  test('takes a key back: what it has signed counts no more, known or not', async () => {
    await using own = await startIssuer()
    const { outcome, pass } = frontFor(own.issuer)
    const token = await own.token(docsUrl)
    expect(await outcome(token)).toBe(`${own.issuer} alice`)
    const next = await issuerKey()
    own.keys = [next.jwk]
    pass(30_000)
    expect(await outcome(await own.token(docsUrl, {}, { key: next }))).toBe(`${own.issuer} alice`)
    expect(await outcome(token)).toBe(invalid)
  })

  test('takes a key back while one client alone comes, with the same token: that ends within minutes', async () => {
    await using own = await startIssuer()
    const { outcome, pass } = frontFor(own.issuer)
    const token = await own.token(docsUrl, {}, { lifetimeS: 86_400 })
    expect(await outcome(token)).toBe(`${own.issuer} alice`)
    own.keys = [(await issuerKey()).jwk]
    try {
      setSystemTime(Date.now() + 601_000)
      pass(601_000)
      // Nobody waits for the new keys.
      expect(await outcome(token)).toBe(`${own.issuer} alice`)
      while ((await outcome(token)) !== invalid) await Bun.sleep(5)
      expect(own.asks('/keys')).toBe(2)
    } finally {
      setSystemTime()
    }
  })
})

test('10,000 tokens with keys that nobody has make one request for keys', async () => {
  await using own = await startIssuer()
  const { outcome } = frontFor(own.issuer)
  expect(await outcome(await own.token(docsUrl))).toBe(`${own.issuer} alice`)
  const [, payload] = (await own.token(docsUrl)).split('.')
  const forged = (n: number) =>
    `${Buffer.from(JSON.stringify({ alg: 'ES256', kid: `k${n}` })).toString('base64url')}.${payload}.AAAA`
  for (let n = 0; n < 10_000; n += 100) {
    const found = await Promise.all(Array.from({ length: 100 }, (_, at) => outcome(forged(n + at))))
    expect(new Set(found)).toEqual(new Set([invalid]))
  }
  expect(own.asks('/keys')).toBe(1)
})

describe('opaque tokens', () => {
  const introspection = (own: TestIssuer) => ({
    endpoint: `${own.issuer}/introspect`,
    clientId: 'gate way',
    clientSecret: 'canary:+%',
  })
  const active = () => ({
    sub: 'alice',
    aud: docsUrl,
    exp: Math.floor(Date.now() / 1_000) + 300,
    scope: 'mcp',
  })

  test('are asked about once a minute at most, and are who the issuer says', async () => {
    await using own = await startIssuer()
    own.introspections.set('opaque', active())
    const { outcome } = frontFor(own.issuer, { settings: { introspection: introspection(own) } })
    for (let n = 0; n < 10; n++) expect(await outcome('opaque')).toBe(`${own.issuer} alice`)
    expect(await outcome('opaque', files)).toBe(invalid)
    for (let n = 0; n < 10; n++) expect(await outcome('unknown')).toBe(invalid)
    expect(own.asks('/introspect')).toBe(2)
  })

  test('are asked about as the gateway, with its secret in the form of the specification', async () => {
    await using own = await startIssuer()
    let authorization: string | null = null
    own.answer = (_, request) => {
      authorization = request.headers.get('authorization')
      return undefined
    }
    await frontFor(own.issuer, { settings: { introspection: introspection(own) } }).outcome('opaque')
    expect(Buffer.from(String(authorization).slice(6), 'base64').toString()).toBe('gate+way:canary%3A%2B%25')
  })

  const rows: readonly { why: string; says: object; is: string }[] = [
    { why: 'no end', says: { exp: undefined }, is: invalid },
    { why: 'an end that has come', says: { exp: 1 }, is: invalid },
    { why: 'no audience', says: { aud: undefined }, is: invalid },
    { why: 'another audience', says: { aud: `${baseUrl}/mcp` }, is: invalid },
    { why: 'nobody', says: { sub: undefined }, is: invalid },
    { why: 'another issuer', says: { iss: 'https://evil.example' }, is: invalid },
    { why: 'a token that is bound to a key', says: { token_type: 'DPoP' }, is: invalid },
    { why: 'the same', says: { cnf: { jkt: 'x' } }, is: invalid },
    { why: 'an answer that is no truth value', says: { active: 'true' }, is: 'ISSUER_UNAVAILABLE' },
  ]
  for (const { why, says, is } of rows) {
    test(`do not count when the issuer says ${why}`, async () => {
      await using own = await startIssuer()
      own.introspections.set('opaque', { ...active(), ...says })
      const { outcome } = frontFor(own.issuer, { settings: { introspection: introspection(own) } })
      expect(await outcome('opaque')).toBe(is)
    })
  }

  test.each([
    { why: 'answers 401', answer: () => new Response(null, { status: 401 }) },
    { why: 'answers 500', answer: () => new Response(null, { status: 500 }) },
    { why: 'answers with no JSON', answer: () => new Response('x') },
    { why: 'sends the token elsewhere', answer: () => redirect('http://127.0.0.1:9/', 307) },
  ])('let nobody in when the issuer $why, and are not called bad', async ({ answer }) => {
    await using own = await startIssuer()
    own.answer = answer
    const { outcome, lines } = frontFor(own.issuer, { settings: { introspection: introspection(own) } })
    for (let n = 0; n < 3; n++) expect(await outcome('opaque')).toBe('ISSUER_UNAVAILABLE')
    expect(lines).toHaveLength(1)
    expect(lines.join()).not.toMatch(/canary|opaque/)
  })

  test('are not asked about when the way in says that it is too much', async () => {
    await using own = await startIssuer()
    const { identify } = frontFor(own.issuer, { settings: { introspection: introspection(own) } })
    const busy = new GatewayError('RATE_LIMITED', 'too often')
    expect(await identify('opaque', docs, () => busy)).toBe(busy)
    expect(own.asks('/introspect')).toBe(0)
  })
})

function redirect(location: string, status = 302): Response {
  return new Response(null, { status, headers: { location } })
}
