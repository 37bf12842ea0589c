/** What is given in exchange, against servers and authorization servers that lie. */
import { afterEach, describe, expect, test } from 'bun:test'
import type { CallerTokenPlace } from '../../../src/access/owner/caller-token.ts'
import { GatewayError } from '../../../src/errors.ts'
import { ExchangingIssuer } from '../../support/exchanging-issuer.ts'
import { type ProtectedOptions, ProtectedServer } from '../../support/protected-server.ts'
import { silentLog } from '../../support/upstream-parties.ts'
import { clientsOf, defined } from './clients.ts'

let open = new AsyncDisposableStack()
afterEach(async () => {
  await open.disposeAsync()
  open = new AsyncDisposableStack()
})

/** One person, `ada`, who has come with a token of the issuer, and a server that exchanges it. */
async function setUp(more: Readonly<Record<string, unknown>> = {}, options: ProtectedOptions = {}) {
  const issuer = open.use(await ExchangingIssuer.start())
  const server = open.use(new ProtectedServer(issuer, options))
  const oauth = {
    ...{ account: 'user', grant: 'token_exchange', issuer: issuer.issuer, client: issuer.client },
    ...more,
  }
  const definition = defined(server.definition('docs', oauth))
  const token = await issuer.tokenOf('ada', 'http://gateway')
  const given = { token, owner: 'ada', issuer: issuer.issuer, counts: true, expiresAtMs: Date.now() + 60_000 }
  const callers: CallerTokenPlace = { wanted: true, tokens: { of: () => given }, renewed: () => {} }
  const logged: string[] = []
  const log = { ...silentLog, warn: (...line: unknown[]) => void logged.push(JSON.stringify(line)) }
  const clients = clientsOf(() => definition, { log, callers })
  open.defer(() => clients.close())
  const source = clients.source(definition, 'ada')
  /** The token for the server, or the error. */
  const got = async (): Promise<string> => {
    try {
      return String(await source.current())
    } catch (thrown) {
      return thrown instanceof GatewayError ? `${thrown.code}: ${thrown.details}` : String(thrown)
    }
  }
  return { issuer, server, source, token, got, logged, clients, definition, given }
}

const bearer = (token: string) => Response.json({ access_token: token, token_type: 'Bearer' })

describe('the token of a caller', () => {
  test('that comes back as it was shown reaches no server', async () => {
    const { issuer, got, token } = await setUp()
    issuer.answer = (form) => bearer(form.get('subject_token') ?? '')
    const told = await got()
    expect(told).toContain('(the token that it was shown)')
    expect(told).not.toContain(token)
  })

  test('that is the assertion itself reaches no server either', async () => {
    const { issuer, got } = await setUp({ grant: 'jwt_bearer' })
    issuer.answer = (form) => bearer(form.get('assertion') ?? '')
    expect(await got()).toContain('(the token that it was shown)')
  })

  test('that stands in the code of an error is in no error and no line of the log, however long that is', async () => {
    const { issuer, got, token, logged } = await setUp()
    issuer.answer = (form) =>
      Response.json({ error: `no: ${form.get('subject_token')} ${'y'.repeat(100_000)}` }, { status: 400 })
    const told = await got()
    expect(told).toContain('(an error without a known code)')
    for (const text of [told, logged.join()]) {
      expect(text).not.toContain(token)
      expect(text.length).toBeLessThan(1_000)
    }
  })
})

/** What a server says in order to be given what opens another one. */
const lacks = {
  status: 403,
  challenge: 'Bearer error="insufficient_scope", scope="https://payroll.example/.default"',
  again: false,
} as const

describe('scopes that a server names are asked for', () => {
  test.each<{ why: string; oauth: Readonly<Record<string, unknown>>; asked: (string | null)[] }>([
    {
      why: 'where a resource bounds the token',
      oauth: {},
      asked: [null, 'https://payroll.example/.default'],
    },
    {
      why: 'where an audience does',
      oauth: { resource: 'none', audience: 'docs' },
      asked: [null, 'https://payroll.example/.default'],
    },
    { why: 'but not where nothing does', oauth: { resource: 'none' }, asked: [null] },
    {
      why: 'but not where nothing does: those of the definition alone are',
      oauth: { resource: 'none', scopes: ['docs'] },
      asked: ['docs'],
    },
    {
      why: 'but not for an assertion that is bounded by nothing',
      oauth: { grant: 'jwt_bearer', resource: 'none' },
      asked: [null],
    },
  ])('$why', async ({ oauth, asked }) => {
    const { issuer, source, got } = await setUp(oauth)
    let given = 0
    issuer.answer = () => bearer(`at-${given++}`)
    const token = await got()
    const refused = source.refused(token, lacks)
    if (asked.length === 1) await expect(refused).rejects.toThrow('do less than the call needs')
    else await refused
    expect(issuer.asked.map(({ form }) => form.get('scope'))).toEqual(asked)
  })

  test('nor in the challenge of a server to which nobody has come yet', async () => {
    const { issuer, server, got } = await setUp({ resource: 'none' }, { scopes: ['payroll'] })
    expect(await got()).toStartWith('at-')
    expect(server.seen).toHaveLength(1)
    expect(issuer.asked.map(({ form }) => form.get('scope'))).toEqual([null])
  })

  test('nor by the gateway as itself', async () => {
    const { issuer, source, got } = await setUp({
      ...{ account: 'shared', grant: 'client_credentials', resource: 'none' },
    })
    issuer.answer = () => bearer('at-own')
    await source.refused(null, { status: 401, challenge: 'Bearer scope="payroll"', again: false })
    expect(await got()).toBe('at-own')
    await expect(source.refused('at-own', lacks)).rejects.toThrow('do less than the call needs')
    expect(issuer.asked.map(({ form }) => form.get('scope'))).toEqual([null])
  })
})

describe('an answer that is odd', () => {
  test.each<{ why: string; expiresIn: string; asks: number }>([
    { why: 'a token that has ended as it comes is used once', expiresIn: '0', asks: 2 },
    { why: 'one that lives for ever lives as long as what was given for it', expiresIn: '1e12', asks: 1 },
    { why: 'a text that is a number', expiresIn: '"300"', asks: 1 },
  ])('$why', async ({ expiresIn, asks }) => {
    const { issuer, got } = await setUp()
    issuer.answer = () =>
      new Response(`{"access_token":"at-1","token_type":"bearer","expires_in":${expiresIn}}`, {
        headers: { 'content-type': 'application/json' },
      })
    expect([await got(), await got()]).toEqual(['at-1', 'at-1'])
    expect(issuer.asked).toHaveLength(asks)
  })
})

test.each([1e15, 1e300, -1e300])('an assertion that ends at %p is shown all the same', async (exp) => {
  const assertion = `e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.x`
  const shared = { account: 'shared', grant: 'jwt_bearer', client: undefined, assertion }
  const { issuer, got, clients, definition } = await setUp(shared)
  issuer.answer = () => bearer('at-1')
  expect(await got()).toContain(exp > 0 ? 'at-1' : '1970-01-01T00:00:00.000Z')
  expect(clients.view(definition, 'shared')?.expiresAt).toBeNull()
})
