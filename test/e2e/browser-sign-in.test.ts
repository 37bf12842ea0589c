/**
 * Signing in in a real browser, which has its own mind about cookies that come from other sites. `bun run
 * test:long:oauth` runs it, where Chromium is installed; what the gateway itself does is held by sign-in.test.ts.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { chromiumPath, type Page, startChromium } from '../support/chromium.ts'
import { inspectorRedirect, inspectSigningIn } from '../support/inspector.ts'
import { startOAuthGateway } from '../support/oauth-gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { selfSigned } from '../support/self-signed.ts'

const publicClient = {
  client_name: 'inspector',
  redirect_uris: [inspectorRedirect],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  application_type: 'native',
}
const wanted = process.env['SIGN_INS'] === 'all' && existsSync(chromiumPath)

/** What a person does on the pages of the authorization server. */
async function fillIn(page: Page, login: string): Promise<void> {
  await page.until(`document.querySelector('input[name=login]')`)
  await page.evaluate(`document.querySelector('input[name=login]').value = ${JSON.stringify(login)};
    document.querySelector('input[name=password]').value = 'x';
    document.querySelector('form').submit()`)
  await page.until(`document.querySelector('input[name=prompt][value=consent]')`)
  await page.evaluate(`document.querySelector('form').submit()`)
}

describe.skipIf(!wanted)('in Chromium', () => {
  test('a person comes back signed in, can use the admin API from a page of the gateway, and no other page can', async () => {
    const anyPort = 'http://127.0.0.1/oauth/callback/login'
    await using authority = await startAuthorizationServer({
      confidential: { gateway: { secret: 'secret', redirects: [anyPort] } },
      claims: () => ({ groups: ['admins'] }),
    })
    await using gateway = await startOAuthGateway({
      via: 'executable',
      oauth: {
        login: {
          issuer: authority.issuer,
          client_id: 'gateway',
          client_secret: 'secret',
          admin: { claims: { groups: ['admins'] } },
        },
      },
      mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
    })
    await using chromium = await startChromium()
    const { page } = chromium
    await page.open(`${gateway.url}/me/sign-in`)
    await fillIn(page, 'ada')
    await page.until(
      `location.href === '${gateway.url}/me' && document.body?.innerText.includes('"principal"')`,
    )
    const me = JSON.parse(await page.evaluate<string>('document.body.innerText')) as {
      csrf: string
      role: string
    }
    expect(me.role).toBe('admin')
    expect(await page.evaluate<string>('document.cookie')).toBe('')

    const call = (path: string, method: string, csrf: string) =>
      page.evaluate<number>(
        `fetch('${gateway.url}${path}', { method: '${method}', credentials: 'include',
          headers: { 'x-csrf-token': '${csrf}' } }).then((answer) => answer.status, () => 0)`,
      )
    expect(await call('/admin/mcps', 'GET', me.csrf)).toBe(200)
    expect(await call('/admin/mcps/nobody', 'DELETE', me.csrf)).toBe(404)
    expect(await call('/admin/mcps/nobody', 'DELETE', 'x')).toBe(403)

    // Another site on this machine: the browser asks first, and is told no.
    await page.open(`http://localhost:${new URL(authority.issuer).port}/.well-known/openid-configuration`)
    await page.until(`document.readyState === 'complete' && location.hostname === 'localhost'`)
    expect(await call('/admin/mcps', 'GET', me.csrf)).toBe(0)
    expect(await call('/me', 'GET', me.csrf)).toBe(0)

    await page.open(`${gateway.url}/me`)
    await page.until(`document.body?.innerText.includes('"principal"')`)
    expect(await call('/me/session', 'DELETE', me.csrf)).toBe(204)
    expect(await call('/me', 'GET', me.csrf)).toBe(401)
  }, 60_000)

  test.each([
    {
      why: 'is known to the authorization server',
      path: '/mcp-proxy/files/stream',
      client: ['--client-id', 'known'],
    },
    { why: 'registers itself', path: '/mcp', client: [] },
    { why: 'has a metadata document', path: '/mcp', client: ['--client-metadata-url', 'DOCUMENT'] },
  ])(
    'a person signs in for the inspector at $path, which $why',
    async ({ path, client }) => {
      const certificate = selfSigned()
      const documents = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        tls: certificate,
        fetch: (request): Response =>
          Response.json({
            ...publicClient,
            client_id: `https://localhost:${new URL(request.url).port}/inspector`,
          }),
      })
      const documentUrl = `https://localhost:${documents.port}/inspector`
      await using authority = await startAuthorizationServer({
        clients: { known: [inspectorRedirect] },
        ca: certificate.cert,
      })
      await using gateway = await startOAuthGateway({
        via: 'executable',
        oauth: { issuers: [{ issuer: authority.issuer }], scopes: ['mcp'], access: [{ servers: ['files'] }] },
        mcps: [{ name: 'files', transport: 'stdio', ...commandOfRawServer() }],
      })
      await using chromium = await startChromium()
      const told = client.map((argument) => argument.replace('DOCUMENT', documentUrl))
      const { exitCode, printed } = await inspectSigningIn(gateway.url + path, told, async (url) => {
        await chromium.page.open(url.href)
        await fillIn(chromium.page, 'alice')
      })
      expect([exitCode, printed.includes('"tools":[{"name"')]).toEqual([0, true])
      await documents.stop(true)
    },
    60_000,
  )
})
