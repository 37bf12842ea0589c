/**
 * Servers that are called as whoever comes in: the gateway takes the caller's token to the issuer that it is of, and
 * gets one for the server in exchange. On the executable, over every way in, alone and in a group.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { openAsker } from '../support/askers.ts'
import { type CallerWay, callerWays } from '../support/callers.ts'
import { ExchangingIssuer, refusal } from '../support/exchanging-issuer.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { freePort } from '../support/oauth-gateway.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import type { RpcMessage } from '../support/raw-client.ts'

const key = makeKeyText('cicicici')
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
let issuer: ExchangingIssuer
let other: ExchangingIssuer
const servers = new Map<string, ProtectedServer>()
let gateway: RunningGateway

beforeAll(async () => {
  issuer = await ExchangingIssuer.start()
  other = await ExchangingIssuer.start()
  for (const era of ['legacy', 'modern'] as const) servers.set(era, new ProtectedServer(issuer, { era }))
  const oauth = {
    account: 'user',
    grant: 'token_exchange',
    issuer: issuer.issuer,
    client: issuer.client,
    audience: 'tracker-api',
    scopes: ['read'],
  }
  const port = await freePort()
  gateway = await startGatewayProcess({
    via: 'executable',
    args: ['--mcp-port', String(port)],
    config: {
      mcp_proxy: {
        base_url: `http://127.0.0.1:${port}`,
        auth: {
          admin_tokens: ['a1'],
          global_tokens: ['g1'],
          keys: [
            { id: 'cicicici', name: 'ci', hash: hashOfKey(key), user: 'ci', access: [{ servers: ['*'] }] },
          ],
          oauth: { issuers: [issuer, other].map(({ issuer }) => ({ issuer })), access: [{ servers: ['*'] }] },
        },
        logging: { level: 'debug' },
      },
      mcps: [
        ...[...servers].map(([name, server]) => server.definition(name, oauth)),
        { ...server('modern').definition('once', oauth), autoReconnect: false },
        { name: 'team', transport: 'group', members: [{ server: 'legacy' }, { server: 'modern' }] },
      ],
    },
  })
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  for (const server of servers.values()) await server[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
  await other?.[Symbol.asyncDispose]()
})
afterEach(() => {
  issuer.answer = () => undefined
  issuer.lifetimeS = 300
  issuer.delayMs = 0
})

function server(era: string): ProtectedServer {
  const found = servers.get(era)
  if (found === undefined) throw new Error(`no server ${era}`)
  return found
}

const endpointOf = (name: string, way: CallerWay): string =>
  `${gateway.url}/mcp-proxy/${name}/${way === 'sse' ? 'sse' : 'stream'}`

/** A token of this person for that endpoint. */
async function tokenFor(subject: string, name: string, way: CallerWay, lifetimeS?: number): Promise<string> {
  return await issuer.tokenOf(subject, endpointOf(name, way), lifetimeS)
}

async function whoami(token: string, name: string, tool: string, way: CallerWay): Promise<string> {
  await using asker = await openAsker(gateway.url, `/mcp-proxy/${name}`, way, token)
  return subjectIn(await asker.ask('tools/call', { name: tool, arguments: {} }))
}

/** What the figures say of exchanges for this server, by outcome. */
async function renewals(name: string): Promise<Record<string, number>> {
  const answer = await fetch(`${gateway.url}/metrics`, { headers: { authorization: 'Bearer a1' } })
  const lines = (await answer.text()).matchAll(
    new RegExp(`^compozy_login_renewals_total\\{server="${name}",outcome="(\\w+)"\\} (\\d+)$`, 'gm'),
  )
  return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]))
}

function subjectIn(answer: RpcMessage): string {
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  if (content === undefined || answer.result?.['isError'] === true) return JSON.stringify(answer)
  return (JSON.parse(content.text) as { subject: string }).subject
}

test('each caller is at the server as themselves, over every way in, in both eras, alone and in a group', async () => {
  for (const way of callerWays)
    for (const user of ['ada', 'bob']) {
      for (const era of ['legacy', 'modern'])
        expect(`${way} ${era} ${await whoami(await tokenFor(user, era, way), era, 'whoami', way)}`).toBe(
          `${way} ${era} ${user}`,
        )
      const token = await tokenFor(user, 'team', way)
      for (const era of ['legacy', 'modern'])
        expect(`${way} ${era} ${await whoami(token, 'team', `${era}__whoami`, way)}`).toBe(
          `${way} ${era} ${user}`,
        )
    }
})

test('the token of a caller reaches its issuer, and neither a server nor a line of the log', async () => {
  const token = await tokenFor('eve', 'legacy', 'stream')
  expect(await whoami(token, 'legacy', 'whoami', 'stream')).toBe('eve')
  const [asked] = issuer.asked.filter(({ form }) => form.get('subject_token') === token)
  expect(Object.fromEntries(asked?.form ?? [])).toEqual({
    grant_type: exchangeGrant,
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'tracker-api',
    resource: server('legacy').url,
    scope: 'read',
  })
  expect(asked?.authorization).toStartWith('Basic ')
  const shown = [...servers.values()].flatMap(({ seen }) =>
    seen.map(({ token, headers, params }) => JSON.stringify([token, [...headers], params])),
  )
  const told = gateway.lines().join('\n')
  const [, body = '', signature = ''] = token.split('.')
  for (const piece of [body, signature, issuer.secret]) {
    expect(shown.some((text) => text.includes(piece))).toBe(false)
    expect(told.includes(piece)).toBe(false)
  }
})

test('calls of one person at once wait for one exchange', async () => {
  issuer.delayMs = 100
  const token = await tokenFor('many', 'modern', 'modern')
  const calls = Array.from({ length: 20 }, () => whoami(token, 'modern', 'whoami', 'modern'))
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['many']))
  expect(issuer.asked.filter(({ form }) => form.get('subject_token') === token)).toHaveLength(1)
})

describe('who has no token to give is told whose', () => {
  test.each<{ why: string; token: () => Promise<string> | string; says: string }>([
    { why: 'a key', token: () => key, says: 'a key has none to give for it: come with one' },
    {
      why: 'a token of the configuration',
      token: () => 'g1',
      says: 'is nobody in particular: come with one',
    },
    {
      why: 'a person of another issuer',
      token: () => other.tokenOf('ada', endpointOf('modern', 'modern')),
      says: 'yours is of',
    },
  ])('$why', async ({ token, says }) => {
    const before = other.asked.length
    const answer = await whoami(await token(), 'modern', 'whoami', 'modern')
    expect(answer).toContain('CREDENTIAL_MISSING')
    expect(answer).toContain(issuer.issuer)
    expect(answer).toContain(says)
    expect(issuer.asked.filter(({ form }) => form.get('subject_token') === key)).toEqual([])
    expect(other.asked).toHaveLength(before)
  })
})

describe('an issuer that gives nothing', () => {
  test.each<{ why: string; answer: () => Response; says: string; asks: number; counts: string }>([
    {
      why: 'invalid_grant: the caller is told',
      answer: () => refusal('invalid_grant'),
      says: 'CREDENTIAL_MISSING',
      asks: 1,
      counts: 'ended',
    },
    {
      why: 'invalid_target: the place to look at is told',
      answer: () => refusal('invalid_target'),
      says: 'oauth.resource and oauth.audience',
      asks: 1,
      counts: 'refused',
    },
    {
      why: 'a client that may not',
      answer: () => refusal('unauthorized_client'),
      says: 'check oauth.client',
      asks: 1,
      counts: 'refused',
    },
    {
      why: 'an outage is tried more than once, and may be tried again',
      answer: () => new Response('down', { status: 503 }),
      says: 'retryAfterMs',
      asks: 3,
      counts: 'failed',
    },
    {
      why: 'a refresh token in the place of an access token',
      answer: () =>
        Response.json({
          access_token: 'rt-1',
          token_type: 'N_A',
          issued_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
        }),
      says: 'another kind of token',
      asks: 1,
      counts: 'refused',
    },
    {
      why: 'an ID token that calls itself a bearer token',
      answer: () =>
        Response.json({
          access_token: 'id-1',
          token_type: 'Bearer',
          issued_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        }),
      says: 'another kind of token',
      asks: 1,
      counts: 'refused',
    },
  ])('$why', async ({ answer, says, asks, counts }) => {
    const token = await tokenFor(`lost ${says}`, 'once', 'modern')
    const before = await renewals('once')
    issuer.answer = answer
    const told = await whoami(token, 'once', 'whoami', 'modern')
    expect(told).toContain(says)
    const now = await renewals('once')
    expect(Object.keys(now).filter((outcome) => now[outcome] !== before[outcome])).toEqual([counts])
    expect(issuer.asked.filter(({ form }) => form.get('subject_token') === token)).toHaveLength(asks)
    expect(server('modern').seen.some(({ token }) => token === 'rt-1' || token === 'id-1')).toBe(false)
  })

  test('is not asked again for what it has refused, and is for the next token', async () => {
    const refused = await tokenFor('again', 'once', 'modern')
    issuer.answer = () => refusal('invalid_grant')
    for (let at = 0; at < 3; at++)
      expect(await whoami(refused, 'once', 'whoami', 'modern')).toContain('come with a new one')
    expect(issuer.asked.filter(({ form }) => form.get('subject_token') === refused)).toHaveLength(1)
    issuer.answer = () => undefined
    expect(await whoami(await tokenFor('again', 'once', 'modern'), 'once', 'whoami', 'modern')).toBe('again')
  })
})

describe('a token that came in exchange', () => {
  test('that the server refuses is exchanged anew, and the call is sent once more', async () => {
    const token = await tokenFor('anew', 'modern', 'modern')
    expect(await whoami(token, 'modern', 'whoami', 'modern')).toBe('anew')
    issuer.expireAll()
    expect(await whoami(token, 'modern', 'whoami', 'modern')).toBe('anew')
    expect(issuer.asked.filter(({ form }) => form.get('subject_token') === token)).toHaveLength(2)
  })

  test('that lacks a scope is exchanged for one that has it', async () => {
    server('modern').toolScopes.set('write', ['write'])
    const token = await tokenFor('writer', 'modern', 'modern')
    expect(await whoami(token, 'modern', 'write', 'modern')).toBe('writer')
    const scopes = issuer.asked
      .filter(({ form }) => form.get('subject_token') === token)
      .map(({ form }) => form.get('scope'))
    expect(scopes).toEqual(['read', 'read write'])
  })

  test('ends with the one that it was given for, which is exchanged once; the next one brings another', async () => {
    const given = (token: string) => issuer.asked.filter(({ form }) => form.get('subject_token') === token)
    const short = await tokenFor('short', 'modern', 'modern', 2)
    const call = (token: string) => whoami(token, 'modern', 'whoami', 'modern')
    await poll('the first to have ended', async () => {
      const answer = await call(short).catch(() => 'UNAUTHENTICATED')
      return answer.includes('UNAUTHENTICATED')
    })
    expect(given(short)).toHaveLength(1)
    const next = await tokenFor('short', 'modern', 'modern')
    expect(await call(next)).toBe('short')
    expect(given(next)).toHaveLength(1)
  })

  test('and ends before that is asked for anew before it ends', async () => {
    issuer.lifetimeS = 2
    const token = await tokenFor('longer', 'modern', 'modern')
    await poll('a second exchange', async () => {
      expect(await whoami(token, 'modern', 'whoami', 'modern')).toBe('longer')
      return issuer.asked.filter(({ form }) => form.get('subject_token') === token).length > 1
    })
  })
})

test('nobody logs in there, and the commands and pages say so', async () => {
  const headers = { authorization: 'Bearer a1' }
  const answer = await gateway.admin('/mcps/modern/login', {
    method: 'POST',
    headers,
    body: { how: 'paste' },
  })
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain('takes a token in exchange (oauth.grant token_exchange)')
  const shown = (await (await gateway.admin('/mcps/modern', { headers })).json()) as Shown
  expect(shown.definition.oauth.client.secret).toBe('***')
  expect((await fetch(`${gateway.url}/connect/modern`)).status).toBe(404)
})

interface Shown {
  readonly definition: { readonly oauth: { readonly client: { readonly secret: string } } }
}
