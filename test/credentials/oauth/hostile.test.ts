/** Servers and authorization servers that lie: where they send the gateway, how much and how slowly they answer. */
import { afterEach, describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import { type ProtectedOptions, ProtectedServer } from '../../support/protected-server.ts'
import { TokenIssuer, type TokenIssuerOptions } from '../../support/token-issuer.ts'
import { askWithin, clientsOf, defined } from './clients.ts'

/** Where credentials of machines in a cloud are. */
const inward = 'http://169.254.169.254/latest'
const answerMs = 400

let open = new AsyncDisposableStack()
afterEach(async () => {
  await open.disposeAsync()
  open = new AsyncDisposableStack()
})

function setUp(options: TokenIssuerOptions = {}, serverOptions: ProtectedOptions = {}) {
  const issuer = open.use(new TokenIssuer(options))
  const server = open.use(new ProtectedServer(issuer, serverOptions))
  let definition = defined(server.definition('docs'))
  const define = (oauth: Readonly<Record<string, unknown>>, url = server.url) => {
    definition = defined({ ...server.definition('docs', oauth), url })
    return definition
  }
  const clients = clientsOf(() => definition, { ask: askWithin(answerMs) })
  open.defer(() => clients.close())
  const begin = async (): Promise<string> => (await clients.beginShared('docs', 'paste')).url
  const finish = async (url: string): Promise<unknown> =>
    await clients.logins.finish(issuer.approve(url, 'ada').searchParams, null, null)
  const account = clients.accountFor(definition, 'shared')
  return { issuer, server, clients, account, define, begin, finish }
}

/** The code that it fails with, and within the time that such a request has. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  const fromMs = performance.now()
  const thrown: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(performance.now() - fromMs).toBeLessThan(5 * answerMs)
  return thrown instanceof GatewayError ? thrown.code : String(thrown)
}

const elsewhere = (to: string, status = 302) => new Response(null, { status, headers: { location: to } })

describe('is not sent inward', () => {
  test('by the metadata of a server', async () => {
    const { begin } = setUp({}, { metadata: { authorization_servers: [inward] } })
    expect(await codeOf(begin())).toBe('URL_FORBIDDEN')
  })

  test('by the metadata of an authorization server', async () => {
    const { begin, finish } = setUp({ metadata: { token_endpoint: `${inward}/token` } })
    expect(['URL_FORBIDDEN', 'SIGN_IN_FAILED']).toContain(await codeOf(begin().then(finish)))
  })

  test('by the place where clients are registered', async () => {
    const { begin } = setUp({ metadata: { registration_endpoint: `${inward}/register` } })
    expect(await codeOf(begin())).toBe('URL_FORBIDDEN')
  })

  test('by a redirect of the metadata', async () => {
    const { issuer, begin } = setUp()
    issuer.answer = ({ path }) => (path.includes('well-known') ? elsewhere(inward) : undefined)
    expect(await codeOf(begin())).toBe('URL_FORBIDDEN')
  })
})

test('what is posted to a token endpoint goes nowhere else', async () => {
  const { issuer, begin, finish } = setUp()
  const seen: string[] = []
  const thief = Bun.serve({
    port: 0,
    fetch: async (request) => {
      seen.push(await request.text())
      return Response.json({ access_token: 'x', token_type: 'Bearer' })
    },
  })
  open.defer(() => thief.stop(true))
  for (const status of [301, 302, 303, 307, 308]) {
    issuer.answer = ({ path }) => (path.endsWith('/token') ? elsewhere(String(thief.url), status) : undefined)
    expect(await codeOf(begin().then(finish))).toBe('SIGN_IN_FAILED')
  }
  expect(seen).toEqual([])
})

test('an address that is to be pasted ends no login in a browser that it leads to', async () => {
  const { issuer, clients, account, begin } = setUp()
  const back = issuer.approve(await begin(), 'somebody who was sent the link')
  for (const browser of [null, 'x'.repeat(43)])
    expect(await codeOf(clients.logins.finish(back.searchParams, browser, back.pathname))).toBe(
      'SIGN_IN_FAILED',
    )
  expect(issuer.asks('/token')).toEqual([])
  expect(account.state).toBe('needs_login')
})

test("a login that began before the definition named an issuer shows that one's secret to nobody else", async () => {
  const { issuer, define, begin, finish } = setUp()
  // The server's own authorization server calls the gateway what the other one does.
  issuer.answer = ({ path }) =>
    path.endsWith('/register') ? Response.json({ client_id: 'gateway' }, { status: 201 }) : undefined
  const url = await begin()
  define({ issuer: 'https://id.example.com', client: { id: 'gateway', secret: 'of-the-other-one' } })
  expect(await codeOf(finish(url))).toBe('SIGN_IN_FAILED')
  expect(issuer.asks('/token')).toEqual([])
})

test('a connection that outlives the move of its server to another place is shown no token for that one', async () => {
  const { issuer, clients, define, begin, finish } = setUp()
  const next = open.use(new ProtectedServer(issuer))
  const before = clients.source(define({}), 'shared')
  await finish(await begin())
  expect(await before.current()).toBeString()
  const after = clients.source(define({}, next.url), 'shared')
  expect(await after.current()).toBeNull()
  await finish(await begin())
  expect(await after.current()).toBeString()
  expect(await before.current()).toBeNull()
})

test('what a server has said of its tokens is forgotten where it moves to another place', async () => {
  const { issuer, server, account, define, begin } = setUp()
  const challenge = `Bearer resource_metadata="${server.origin}/elsewhere.json"`
  await account.refused(null, { status: 401, challenge, again: false }).catch(() => {})
  const next = open.use(new ProtectedServer(issuer, { place: 'path' }))
  define({}, next.url)
  expect(await begin()).toStartWith(issuer.issuer)
  expect(next.metadataAsked).not.toEqual([])
})

test('a token that comes while its server moves to another place is not shown there', async () => {
  const { issuer, clients, define, begin, finish } = setUp()
  const next = open.use(new ProtectedServer(issuer))
  const url = await begin()
  issuer.answer = ({ path }) => {
    if (path.endsWith('/token')) clients.source(define({}, next.url), 'shared')
    return undefined
  }
  await finish(url)
  expect(await clients.source(define({}, next.url), 'shared').current()).toBeNull()
})

/** Never ends, a byte at a time. */
const slow = () =>
  new Response(
    new ReadableStream({
      async pull(controller) {
        controller.enqueue(new TextEncoder().encode(' '))
        await Bun.sleep(20)
      },
    }),
    { headers: { 'content-type': 'application/json' } },
  )
const huge = () => Response.json({ padding: 'x'.repeat(1 << 20) })

describe.each([
  ['a huge answer', huge],
  ['one that never ends', slow],
  ['one that is no JSON', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
  ['JSON that is no object', () => Response.json(['access_token'])],
] as const)('%s', (_, answer) => {
  test('in place of metadata begins no login', async () => {
    const { issuer, begin } = setUp()
    issuer.answer = ({ path }) => (path.includes('well-known') ? answer() : undefined)
    expect(await codeOf(begin())).toMatch(/^(ISSUER_UNAVAILABLE|UPSTREAM_[A-Z]+|SERVER_UNAVAILABLE)$/)
  })

  test('in place of tokens ends no login that there is', async () => {
    const { issuer, account, begin, finish } = setUp()
    await finish(await begin())
    issuer.answer = ({ path }) => (path.endsWith('/token') ? answer() : undefined)
    expect(await codeOf(begin().then(finish))).toMatch(/^(SIGN_IN_FAILED|UPSTREAM_[A-Z]+)$/)
    expect(account.state).toBe('logged_in')
    expect(issuer.holder((await account.current()) ?? '')?.subject).toBe('ada')
  })
})
