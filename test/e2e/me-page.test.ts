/** The page at `/me` and the paths below it: signing in with a key, storing and removing, and no other site's page doing so. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'

const key = makeKeyText('adaadaad')
let gateway: RunningGateway

beforeAll(async () => {
  const script = resolve(import.meta.dir, '../support/environment-server.ts')
  const pipe = { transport: 'stdio', command: process.execPath, args: [script] }
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: {
          admin_tokens: ['a1'],
          keys: [
            {
              id: 'adaadaad',
              name: 'ada',
              user: 'ada',
              hash: hashOfKey(key),
              access: [{ servers: ['pipe'] }],
            },
          ],
        },
      },
      mcps: [
        {
          name: 'pipe',
          description: 'For <script>alert(1)</script> & "all"',
          ...pipe,
          env: { TOKEN: `$\{user.token}`, MORE: `$\{user.more}` },
        },
        { name: 'hidden', ...pipe, env: { TOKEN: `$\{user.token}` } },
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
})

const html = { accept: 'text/html,application/xhtml+xml' }

/** Signs in by the form of the page; the cookie of the session. */
async function signedIn(): Promise<string> {
  const answer = await fetch(`${gateway.url}/me/session`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: gateway.url, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: key }).toString(),
  })
  expect([answer.status, answer.headers.get('location')]).toEqual([303, `${gateway.url}/me`])
  return answer.headers.get('set-cookie')?.split(';')[0] ?? ''
}

async function pageOf(cookie: string): Promise<{ text: string; csrf: string; policy: string }> {
  const answer = await fetch(`${gateway.url}/me`, { headers: { ...html, cookie } })
  const text = await answer.text()
  const [, csrf = ''] = /name="csrf" value="([^"]+)"/.exec(text) ?? []
  return { text, csrf, policy: answer.headers.get('content-security-policy') ?? '' }
}

function send(cookie: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
  return fetch(`${gateway.url}/me/forms`, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      cookie,
      origin: gateway.url,
      'content-type': 'application/x-www-form-urlencoded',
      ...headers,
    },
    body: new URLSearchParams(fields).toString(),
  })
}

describe('the page', () => {
  test('asks a stranger who they are, and a program gets JSON', async () => {
    const page = await (await fetch(`${gateway.url}/me`, { headers: html })).text()
    expect(page).toContain('with a key')
    expect(page).not.toContain('pipe')
    const json = await fetch(`${gateway.url}/me`, { headers: { authorization: `Bearer ${key}` } })
    expect(await json.json()).toMatchObject({ principal: 'key:adaadaad' })
  })

  test('has a form for what each server takes that the user may use, and runs nothing', async () => {
    const { text, policy } = await pageOf(await signedIn())
    for (const part of ['pipe', 'token', 'more', 'not set']) expect(text).toContain(part)
    expect(text).not.toContain('hidden</h2>')
    expect(text).not.toContain('<script')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("form-action 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
  })

  test('stores and removes, and shows no value', async () => {
    const cookie = await signedIn()
    const { csrf } = await pageOf(cookie)
    const one = { csrf, server: 'pipe', name: 'token' }
    expect((await send(cookie, { ...one, action: 'set', value: 'canary-by-form' })).status).toBe(303)
    const { text } = await pageOf(cookie)
    expect(text).toMatch(/token <small>\(set \d{4}-\d\d-\d\d\)/)
    expect(text).not.toContain('canary')
    expect((await send(cookie, { ...one, action: 'remove', value: '' })).status).toBe(303)
    expect((await pageOf(cookie)).text).not.toContain('(set ')
    expect((await send(cookie, { csrf, action: 'sign-out' })).status).toBe(303)
    expect((await pageOf(cookie)).text).toContain('with a key')
  })

  test.each<{ why: string; spoil: (csrf: string) => { fields?: object; headers?: object; status: number } }>([
    { why: 'no token of the session', spoil: () => ({ fields: { csrf: '' }, status: 403 }) },
    { why: 'another token', spoil: (csrf) => ({ fields: { csrf: csrf.replace(/^./, '_') }, status: 403 }) },
    {
      why: 'a page of another site',
      spoil: () => ({ headers: { origin: 'https://evil.example' }, status: 403 }),
    },
    { why: 'no cookie', spoil: () => ({ headers: { cookie: '' }, status: 401 }) },
    { why: 'nothing that it knows', spoil: () => ({ fields: { action: 'drop' }, status: 400 }) },
    { why: 'a server that is hidden', spoil: () => ({ fields: { server: 'hidden' }, status: 404 }) },
    { why: 'an empty value', spoil: () => ({ fields: { value: '' }, status: 400 }) },
  ])('is refused a change with $why', async ({ spoil }) => {
    const cookie = await signedIn()
    const { csrf } = await pageOf(cookie)
    const { fields, headers, status } = spoil(csrf)
    const form = { csrf, server: 'pipe', name: 'token', action: 'set', value: 'canary-x', ...fields }
    const answer = await send(cookie, form, { ...headers })
    expect(answer.status).toBe(status)
    expect(await answer.text()).not.toContain('canary')
    expect((await pageOf(cookie)).text).not.toContain('(set ')
  })
})

describe('the paths', () => {
  const put = (headers: Record<string, string>, body = '{"value":"canary-y"}') =>
    fetch(`${gateway.url}/me/credentials/pipe/token`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })

  test('take a cookie with the token of its session and an Origin of the gateway alone', async () => {
    const cookie = await signedIn()
    const { csrf } = await pageOf(cookie)
    const origin = gateway.url
    expect((await put({ cookie })).status).toBe(403)
    expect((await put({ cookie, 'x-csrf-token': csrf })).status).toBe(403)
    expect((await put({ cookie, 'x-csrf-token': csrf, origin: 'https://evil.example' })).status).toBe(403)
    expect((await put({ cookie, 'x-csrf-token': csrf, origin })).status).toBe(204)
    expect((await put({ authorization: `Bearer ${key}` })).status).toBe(204)
  })

  test.each([
    { why: 'no JSON', body: 'canary' },
    { why: 'no value', body: '{}' },
    { why: 'a value that is no text', body: '{"value":1}' },
    { why: 'something else beside it', body: '{"value":"canary","more":1}' },
    { why: 'an empty value', body: '{"value":""}' },
    { why: 'NUL', body: '{"value":"canary\\u0000"}' },
    { why: 'more than there may be', body: JSON.stringify({ value: `canary${'x'.repeat(64 * 1024)}` }) },
  ])('refuse $why without repeating it', async ({ body }) => {
    const answer = await put({ authorization: `Bearer ${key}` }, body)
    const text = await answer.text()
    expect([answer.status, text.includes('canary')]).toEqual([400, false])
  })
})
