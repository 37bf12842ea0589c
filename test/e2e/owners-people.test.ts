/** People with tokens of an issuer: each has what they have stored, whichever token they come with; a key for a person has it too. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { openAsker } from '../support/askers.ts'
import { callerWays } from '../support/callers.ts'
import { startEchoingUpstream } from '../support/echoing-upstreams.ts'
import type { FaultHttp } from '../support/fault-http.ts'
import type { RunningGateway } from '../support/gateway.ts'
import { startIssuer, type TestIssuer } from '../support/issuer.ts'
import { startOAuthGateway } from '../support/oauth-gateway.ts'

const key = makeKeyText('forannaa')
let issuer: TestIssuer
let echo: FaultHttp
let gateway: RunningGateway

beforeAll(async () => {
  issuer = await startIssuer()
  echo = startEchoingUpstream('modern')
  gateway = await startOAuthGateway({
    via: 'executable',
    oauth: {
      issuers: [{ issuer: issuer.issuer, audiences: ['api://mcp'] }],
      access: [{ servers: ['echo'] }],
    },
    auth: {
      admin_tokens: ['a1'],
      keys: [
        {
          id: 'forannaa',
          name: 'for-ann',
          user: `${issuer.issuer} ann`,
          hash: hashOfKey(key),
          access: [{ servers: ['echo'] }],
        },
      ],
    },
    mcps: [
      {
        name: 'echo',
        transport: 'streamable-http',
        url: echo.url,
        headers: { 'X-User-Token': `$\{user.token}` },
      },
    ],
  })
})

afterAll(async () => {
  await gateway?.stop()
  for (const part of [issuer, echo]) await part?.[Symbol.asyncDispose]()
})

const tokenOf = (sub: string) => issuer.token('api://mcp', { sub })

async function store(token: string, value: string): Promise<number> {
  const answer = await fetch(`${gateway.url}/me/credentials/echo/token`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ value }),
  })
  await answer.arrayBuffer()
  return answer.status
}

async function told(token: string, way: (typeof callerWays)[number]): Promise<string> {
  await using asker = await openAsker(gateway.url, '/mcp-proxy/echo', way, token)
  return JSON.stringify(await asker.ask('tools/call', { name: 'echo', arguments: {} }))
}

test('each person is known by their own, with every token that they come with', async () => {
  expect(await store(await tokenOf('ann'), 'canary-ann')).toBe(204)
  expect(await store(await tokenOf('ben'), 'canary-ben')).toBe(204)
  for (const way of callerWays)
    for (const who of ['ann', 'ben'])
      expect([way, await told(await tokenOf(who), way)]).toEqual([
        way,
        expect.stringContaining(`canary-${who}`),
      ])
  expect(await told(await tokenOf('cat'), 'modern')).toContain(`Set it at ${gateway.url}/me`)
  expect(await told(key, 'modern')).toContain('canary-ann')
})

test('an admin means a person by issuer and subject', async () => {
  const owner = encodeURIComponent(`${issuer.issuer} ben`)
  const listed = await gateway.admin(`/credentials?owner=${owner}`, {
    headers: { authorization: 'Bearer a1' },
  })
  expect(await listed.json()).toMatchObject({
    credentials: [{ owner: expect.stringMatching(/^oauth:[\da-f]{32}$/), server: 'echo', name: 'token' }],
    count: 1,
  })
})
