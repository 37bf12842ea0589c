/**
 * Servers whose authorization server takes an assertion (RFC 7523): one that the identity provider of a company makes of
 * a caller's token, one that a workload finds in a file, and the token of a caller as it is. On the executable.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openAsker } from '../support/askers.ts'
import { ExchangingIssuer, refusal } from '../support/exchanging-issuer.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { freePort } from '../support/oauth-gateway.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const folder = temporaryDirectory()
const file = join(folder.path, 'workload.jwt')
/** Of the company, and of the server. */
let provider: ExchangingIssuer
let issuer: ExchangingIssuer
let server: ProtectedServer
let gateway: RunningGateway

/** As Kubernetes does: another file takes its place. */
function putAssertion(text: string): void {
  writeFileSync(`${file}.new`, `${text}\n`)
  renameSync(`${file}.new`, file)
}

beforeAll(async () => {
  provider = await ExchangingIssuer.start()
  issuer = await ExchangingIssuer.start()
  issuer.trusted.push(provider)
  server = new ProtectedServer(issuer, { era: 'modern' })
  putAssertion(await provider.tokenOf('workload', issuer.issuer, -5))
  const port = await freePort()
  const common = { grant: 'jwt_bearer', issuer: issuer.issuer }
  const identityProvider = { issuer: provider.issuer, client: provider.client }
  gateway = await startGatewayProcess({
    via: 'executable',
    args: ['--mcp-port', String(port)],
    untilReady: false,
    config: {
      mcp_proxy: {
        base_url: `http://127.0.0.1:${port}`,
        auth: {
          admin_tokens: ['a1'],
          global_tokens: ['g1'],
          oauth: {
            issuers: [{ issuer: provider.issuer, audiences: [issuer.issuer] }],
            access: [{ servers: ['*'] }],
          },
        },
      },
      mcps: [
        {
          ...server.definition('company', {
            ...common,
            account: 'user',
            client: issuer.client,
            identityProvider,
          }),
          autoReconnect: false,
        },
        server.definition('workload', { ...common, assertion: `\${file:${file}}` }),
        { ...server.definition('behalf', { ...common, account: 'user' }), autoReconnect: false },
        server.definition('trusting', {
          ...{ account: 'user', grant: 'jwt_bearer', issuer: provider.issuer, client: provider.client },
        }),
      ],
    },
  })
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  await server?.[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function whoami(token: string, name: string): Promise<string> {
  await using asker = await openAsker(gateway.url, `/mcp-proxy/${name}`, 'modern', token)
  const answer = await asker.ask('tools/call', { name: 'whoami', arguments: {} })
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  if (content === undefined || answer.result?.['isError'] === true) return JSON.stringify(answer)
  return (JSON.parse(content.text) as { subject: string }).subject
}

const tokenFor = (subject: string, name: string): Promise<string> =>
  provider.tokenOf(subject, `${gateway.url}/mcp-proxy/${name}/stream`)

describe('people of a company', () => {
  test('are each at the server as themselves, by an assertion that their provider makes for it', async () => {
    for (const user of ['ada', 'bob']) {
      const token = await tokenFor(user, 'company')
      expect(await whoami(token, 'company')).toBe(user)
      const [first] = provider.asked.filter(({ form }) => form.get('subject_token') === token)
      expect(Object.fromEntries(first?.form ?? [])).toMatchObject({
        requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
        audience: issuer.issuer,
        resource: server.url,
      })
      expect(issuer.asked.some(({ form }) => form.toString().includes(token))).toBe(false)
    }
  })

  test('who may not use the server are told by whom', async () => {
    provider.answer = () => refusal('access_denied')
    expect(await whoami(await tokenFor('eve', 'company'), 'company')).toContain(
      `${provider.issuer} gives no token for company (access_denied)`,
    )
    provider.answer = () => undefined
  })
})

describe('a workload', () => {
  test('whose assertion has ended is told so, and nobody is asked with it', async () => {
    const answer = await whoami('g1', 'workload')
    expect(answer).toContain('oauth.assertion) has ended at')
    expect(issuer.asked.some(({ form }) => form.get('client_id') !== null)).toBe(false)
  })

  test('is let in by the next one that stands in the file, without a client of its own', async () => {
    const assertion = await provider.tokenOf('workload', issuer.issuer)
    putAssertion(assertion)
    await poll('the new assertion', async () => (await whoami('g1', 'workload')) === 'workload', 15_000)
    const [asked] = issuer.asked.filter(({ form }) => form.get('assertion') === assertion)
    expect(Object.fromEntries(asked?.form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion,
      resource: server.url,
    })
    expect(asked?.authorization).toBeNull()
  }, 20_000)
})

describe('the token of a caller as it is', () => {
  test('is shown to the issuer that it came from', async () => {
    const token = await tokenFor('ada', 'trusting')
    await whoami(token, 'trusting')
    const [asked] = provider.asked.filter(({ form }) => form.get('assertion') === token)
    expect(asked?.form.get('requested_token_use')).toBe('on_behalf_of')
  })

  test('is shown to no other, whatever a definition says', async () => {
    const token = await tokenFor('ada', 'behalf')
    expect(await whoami(token, 'behalf')).toContain('to which alone it may be shown')
    expect(issuer.asked.some(({ form }) => form.get('assertion') === token)).toBe(false)
  })
})
