/** People who sign in at the executable, at a real authorization server: what they may do, and when that ends. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AuthorizationServer, startAuthorizationServer } from '../support/authorization-server.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { startOAuthGateway } from '../support/oauth-gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

/** Of a native client on this machine any port counts (RFC 8252, 7.3). */
const anyPort = 'http://127.0.0.1/oauth/callback/login'

let authority: AuthorizationServer
let gateway: RunningGateway
beforeAll(async () => {
  authority = await startAuthorizationServer({
    confidential: { gateway: { secret: 'canary-secret', redirects: [anyPort] } },
    claims: (login) => ({ groups: [login === 'ada' ? 'admins' : 'people'] }),
  })
  gateway = await startOAuthGateway({
    via: 'executable',
    oauth: {
      login: {
        issuer: authority.issuer,
        client_id: 'gateway',
        client_secret: 'canary-secret',
        admin: { claims: { groups: ['admins'] } },
        viewer: { claims: { groups: ['people'] } },
      },
    },
    auth: { admin_tokens: ['a1'] },
    settings: { logging: { level: 'debug' }, audit: { file: 'audit.log' } },
    mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
  })
}, 60_000)
afterAll(async () => {
  await gateway.stop()
  await authority[Symbol.asyncDispose]()
})

interface Person {
  readonly headers: Record<string, string>
  me(): Promise<Response>
}

async function signIn(login: string): Promise<Person> {
  const begun = await fetch(`${gateway.url}/me/sign-in`, { redirect: 'manual' })
  const pending = begun.headers.get('set-cookie')?.split(';')[0] ?? ''
  const back = await authority.signIn(new URL(begun.headers.get('location') ?? ''), login)
  const done = await fetch(back, { headers: { cookie: pending, 'sec-fetch-site': 'cross-site' } })
  expect(done.status).toBe(200)
  const cookie = done.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const me = () => fetch(`${gateway.url}/me`, { headers: { cookie } })
  const { csrf } = (await (await me()).json()) as { csrf: string }
  return { headers: { cookie, origin: gateway.url, 'x-csrf-token': csrf }, me }
}

const admin = (person: Person, path: string, method = 'GET', body?: unknown) =>
  gateway.admin(path, { method, headers: person.headers, ...(body === undefined ? {} : { body }) })

test('an admin registers and removes a server, a viewer sees it, and each change names who made it', async () => {
  const ada = await signIn('ada')
  const vic = await signIn('vic')
  const definition = { name: 'more', transport: 'stdio', ...commandOfRawServer() }
  expect((await admin(vic, '/mcps', 'POST', definition)).status).toBe(403)
  expect((await admin(ada, '/mcps', 'POST', definition)).status).toBe(201)
  expect(JSON.stringify(await (await admin(vic, '/mcps')).json())).toContain('"more"')
  expect((await admin(ada, '/mcps/more', 'DELETE')).status).toBe(204)
  const { principal } = (await (await ada.me()).json()) as { principal: string }
  const change = gateway.lines().find((line) => line.includes('"mcp":"more"') && line.includes(principal))
  expect(change).toBeDefined()
  expect(gateway.lines().join()).not.toContain('canary')
})

test('signing out ends what was opened in the name of the cookie within a second', async () => {
  const vic = await signIn('vic')
  const events = await fetch(`${gateway.url}/admin/events`, { headers: vic.headers })
  expect(events.status).toBe(200)
  const ended = events.text().then(() => performance.now())
  const out = await fetch(`${gateway.url}/me/session`, { method: 'DELETE', headers: vic.headers })
  const outMs = performance.now()
  expect(out.status).toBe(204)
  expect((await ended) - outMs).toBeLessThan(1_000)
  expect((await vic.me()).status).toBe(401)
})

test('the audit says who signed in, changed what, was refused and signed out', async () => {
  const lines = () =>
    readFileSync(join(gateway.directory, 'audit.log'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  await poll('the sign-out', async () => lines().some(({ event }) => event === 'sign-out'))
  const of = (login: string) => lines().filter(({ name }) => name === `${authority.issuer} ${login}`)
  const told = (login: string) =>
    of(login).map(({ event, action, role, code }) => [event, action, role, code].filter(Boolean).join(' '))
  expect(told('ada')).toEqual(['sign-in admin', 'admin POST /admin/mcps', 'admin DELETE /admin/mcps/more'])
  expect(told('vic')).toEqual([
    'sign-in viewer',
    'refused POST /admin/mcps ADMIN_FORBIDDEN',
    'sign-in viewer',
    'sign-out',
  ])
  expect(of('ada')[0]?.['principal']).toMatch(/^oauth:[\da-f]{32}$/)
})

test('a role that is taken away counts no more, from the moment the configuration is read', async () => {
  const ada = await signIn('ada')
  expect((await admin(ada, '/mcps/nobody', 'DELETE')).status).toBe(404)
  const file = join(gateway.directory, 'compozy.yaml')
  const before = readFileSync(file, 'utf8')
  const config = JSON.parse(before)
  config.mcp_proxy.auth.oauth.login.admin.claims.groups = ['nobody']
  const reload = async (text: string) => {
    writeFileSync(file, text)
    const headers = { authorization: 'Bearer a1' }
    expect((await gateway.admin('/reload', { method: 'POST', headers })).status).toBe(200)
  }
  await reload(JSON.stringify(config))
  expect((await admin(ada, '/mcps/nobody', 'DELETE')).status).toBe(403)
  config.mcp_proxy.auth.oauth.login = {}
  await reload(JSON.stringify(config))
  expect((await ada.me()).status).toBe(401)
  await reload(before)
})
