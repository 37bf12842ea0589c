/** The console's doors: its page and files, signing in, and what the cookie opens and never does. */
import { describe, expect, test } from 'bun:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { type Front, type SettingsChange, startFront } from './front.ts'

const secured: SettingsChange = { auth: { globalTokens: ['g1'], adminTokens: ['a1'] } }
/** A browser that shows a page of the gateway. */
const ownPage = (front: Front) => ({ origin: front.url })

interface Shown {
  readonly asks: boolean
  readonly issuer: boolean
  readonly me: { readonly principal: string; readonly role: string; readonly csrf?: string } | null
  readonly gateway: { readonly version: string; readonly clientsAsked: boolean } | null
}

async function sessionOf(front: Front, headers: Record<string, string> = {}): Promise<Shown> {
  const answer = await front.send('/console/session', { headers })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Shown
}

async function signIn(front: Front, token: string): Promise<{ cookie: string; csrf: string }> {
  const answer = await front.send('/console/session', {
    method: 'POST',
    body: JSON.stringify({ token }),
    headers: ownPage(front),
  })
  expect(answer.status).toBe(200)
  const { me } = (await answer.json()) as Shown
  return { cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '', csrf: me?.csrf ?? '' }
}

function filesIn(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="([^"]*\/console\/[^"]+)"/g)].map(([, path = '']) => path)
}

describe('the page', () => {
  test('is there for everybody, says nothing of the gateway, and is kept by nobody', async () => {
    await using front = await startFront({ settings: secured })
    const answer = await front.send('/console')
    expect(answer.status).toBe(200)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    })
    expect(await answer.text()).not.toMatch(/compozy\/|\d+\.\d+\.\d+/)
  })

  test('may run no script but its own, and none that stands in it; no other page may frame it', async () => {
    await using front = await startFront({ settings: secured })
    const answer = await front.send('/console')
    const policy = new Map(
      (answer.headers.get('content-security-policy') ?? '').split('; ').map((directive) => {
        const [name = '', ...values] = directive.split(' ')
        return [name, values.join(' ')] as const
      }),
    )
    expect(Object.fromEntries(policy)).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': "'self'",
      'connect-src': "'self'",
      'img-src': "'self' data:",
      'media-src': 'data:',
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
      'require-trusted-types-for': "'script'",
      'trusted-types': "'none'",
    })
    expect(await answer.text()).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=/i)
  })

  test('loads less than 150 KiB, compressed as the browser takes it, under names that change with what is in them', async () => {
    await using front = await startFront({ settings: secured })
    const files = filesIn(await (await front.send('/console')).text())
    expect(files.map((path) => path.split('.').at(-1)).sort()).toEqual(['css', 'js'])
    const sizes: Record<string, number> = { br: 0, gzip: 0 }
    for (const path of files) {
      const plain = await fetchFile(front, path, 'identity')
      for (const [encoding, unpack] of [
        ['br', brotliDecompressSync],
        ['gzip', gunzipSync],
      ] as const) {
        const packed = await fetchFile(front, path, encoding)
        expect(packed.headers).toMatchObject({
          'content-encoding': encoding,
          'cache-control': 'public, max-age=31536000, immutable',
          vary: 'Accept-Encoding',
          'x-content-type-options': 'nosniff',
        })
        expect(Buffer.compare(unpack(packed.bytes), plain.bytes)).toBe(0)
        sizes[encoding] = (sizes[encoding] ?? 0) + packed.bytes.length
      }
      expect(plain.headers['content-encoding']).toBeUndefined()
    }
    expect(sizes['br']).toBeLessThan(150 * 1024)
    expect(sizes['gzip']).toBeLessThan(150 * 1024)
    expect((await front.send('/console/other.js')).status).toBe(404)
    expect((await front.send('/console/')).headers.get('content-type')).toContain('text/html')
    const head = await front.send('/console', { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('finds its files behind a proxy that puts something before all paths, whatever that is', async () => {
    const security = { trustedProxies: ['127.0.0.1'] }
    await using front = await startFront({ settings: { ...secured, security } })
    const html = await (await front.send('/console', { headers: { 'x-forwarded-prefix': '/tools' } })).text()
    expect(filesIn(html).every((path) => path.startsWith('/tools/console/'))).toBe(true)
    expect(html).toContain('<meta name="gateway-prefix" content="/tools">')
    const odd = await front.send('/console', { headers: { 'x-forwarded-prefix': '/"><script>1</script>' } })
    expect(await odd.text()).not.toContain('<script>1')
  })

  test('is not there where the console is switched off', async () => {
    await using front = await startFront({ settings: secured, console: false })
    for (const path of ['/console', '/console/', '/console/session', '/console/app.js']) {
      const answer = await front.send(path)
      expect([path, answer.status]).toEqual([path, 404])
      expect(await answer.json()).toMatchObject({ code: 'NOT_FOUND' })
    }
  })
})

async function fetchFile(
  front: Front,
  path: string,
  encoding: string,
): Promise<{ bytes: Uint8Array; headers: Record<string, string> }> {
  const answer = await fetch(front.url + path, {
    headers: { 'accept-encoding': encoding },
    decompress: false,
  })
  expect(answer.status).toBe(200)
  return { bytes: new Uint8Array(await answer.arrayBuffer()), headers: Object.fromEntries(answer.headers) }
}

describe('who may open it', () => {
  test.each([
    {
      why: 'the address is not in auth.admin_allow_ips',
      settings: { auth: { adminTokens: ['a1'], adminAllowIps: ['192.0.2.1'] } },
      headers: {},
      code: 'ADDRESS_FORBIDDEN',
    },
    {
      why: 'there are no admin tokens and somebody forwards',
      settings: {},
      headers: { 'x-forwarded-for': '192.0.2.1' },
      code: 'ADMIN_FORBIDDEN',
    },
    {
      why: 'there are no admin tokens and the name is none of this machine',
      settings: {},
      headers: { host: 'rebound.example' },
      code: 'ADMIN_FORBIDDEN',
    },
    {
      why: 'another site asks',
      settings: secured,
      headers: { origin: 'https://evil.example' },
      code: 'ORIGIN_FORBIDDEN',
    },
    {
      why: 'another site frames it',
      settings: secured,
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' },
      code: 'ORIGIN_FORBIDDEN',
    },
  ])('nobody where $why', async ({ settings, headers, code }) => {
    await using front = await startFront({ settings })
    for (const path of ['/console', '/console/session', '/console/app.js']) {
      const answer = await front.send(path, { headers: headers as Record<string, string> })
      expect([path, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
        path,
        403,
        code,
      ])
    }
  })

  test('a link on another site leads there', async () => {
    await using front = await startFront({ settings: secured })
    const answer = await front.send('/console', {
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' },
    })
    expect(answer.status).toBe(200)
    const sent = await front.send('/console/session', {
      method: 'POST',
      body: '{"token":"a1"}',
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' },
    })
    expect(sent.status).toBe(403)
  })

  test('without admin tokens this machine is an admin, who signs in nowhere', async () => {
    await using front = await startFront()
    const shown = await sessionOf(front)
    expect(shown).toMatchObject({ asks: false, me: { principal: 'anonymous', role: 'admin' } })
    expect(shown.me).not.toHaveProperty('csrf')
  })
})

describe('signing in', () => {
  test('nobody is told that nobody is signed in, and nothing else', async () => {
    await using front = await startFront({ settings: secured })
    expect(await sessionOf(front)).toEqual({ asks: true, issuer: false, me: null, gateway: null })
  })

  test.each([
    { base: null, cookie: /^compozy-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=28800$/ },
    {
      base: 'https://tools.example.com',
      cookie: /^__Host-compozy-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=28800; Secure$/,
    },
  ])('gives a cookie that no script reads and no other site sends ($base)', async ({ base, cookie }) => {
    await using front = await startFront({ settings: { ...secured, baseUrl: base } })
    const answer = await front.send('/console/session', {
      method: 'POST',
      body: '{"token":"a1"}',
      headers: { origin: base ?? front.url },
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.getSetCookie()).toEqual([expect.stringMatching(cookie)])
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await answer.text()).not.toContain('a1')
  })

  test.each([
    { why: 'a token of clients opens servers only', token: 'g1', status: 403, code: 'ADMIN_FORBIDDEN' },
    { why: 'nobody has this token', token: 'a2', status: 401, code: 'UNAUTHENTICATED' },
    { why: 'there is none', token: '', status: 401, code: 'UNAUTHENTICATED' },
  ])('is refused where $why', async ({ token, status, code }) => {
    await using front = await startFront({ settings: secured })
    const answer = await front.send('/console/session', {
      method: 'POST',
      body: JSON.stringify({ token }),
      headers: ownPage(front),
    })
    expect([answer.status, await answer.json()]).toMatchObject([status, { code }])
    expect(answer.headers.getSetCookie()).toEqual([])
  })

  test('is refused for a page of another site, and in clear text from elsewhere', async () => {
    await using front = await startFront({ settings: secured })
    const body = '{"token":"a1"}'
    const foreign = { method: 'POST', body, headers: { origin: 'https://evil.example' } }
    expect((await front.send('/console/session', foreign)).status).toBe(403)
    await using open = await startFront({ settings: { ...secured, baseUrl: 'http://tools.example.com' } })
    const clear = await open.send('/console/session', { method: 'POST', body })
    expect([clear.status, await clear.json()]).toMatchObject([403, { code: 'ADMIN_FORBIDDEN' }])
  })
})

describe('the cookie', () => {
  test('opens the admin API only beside the token of its page, for every method and for streams', async () => {
    await using front = await startFront({ settings: secured, servers: [{ name: 'files' }] })
    const { cookie, csrf } = await signIn(front, 'a1')
    const status = async (path: string, init: RequestInit) => {
      const answer = await front.send(path, init)
      await answer.body?.cancel()
      return answer.status
    }
    const own = { cookie, 'x-csrf-token': csrf }
    const { origin } = ownPage(front)
    for (const path of [
      '/admin/mcps',
      '/admin/events',
      '/admin/mcps/files/logs?follow=true',
      '/admin/metrics',
    ]) {
      expect([path, await status(path, { headers: { cookie } })]).toEqual([path, 403])
      expect([path, await status(path, { headers: { cookie, 'x-csrf-token': 'x' } })]).toEqual([path, 403])
      expect([path, await status(path, { headers: own })]).toEqual([path, 200])
    }
    const change = { method: 'DELETE' }
    const deleted = (headers: Record<string, string>) => status('/admin/mcps/nobody', { ...change, headers })
    expect(await deleted({ cookie, origin })).toBe(403)
    expect(await deleted(own)).toBe(403)
    expect(await deleted({ ...own, origin: 'https://evil.example' })).toBe(403)
    expect(await deleted({ ...own, origin })).toBe(404)
  })

  test('opens nothing at MCP endpoints', async () => {
    await using front = await startFront({ settings: secured, servers: [{ name: 'files' }] })
    const { cookie, csrf } = await signIn(front, 'a1')
    const headers = { cookie, 'x-csrf-token': csrf, ...ownPage(front) }
    expect(
      (await front.send('/mcp-proxy/files/stream', { method: 'POST', body: '{}', headers })).status,
    ).toBe(401)
  })

  test('ends with signing out, which takes the token of the page', async () => {
    await using front = await startFront({ settings: secured })
    const { cookie, csrf } = await signIn(front, 'a1')
    const out = (headers: Record<string, string>) =>
      front.send('/console/session', { method: 'DELETE', headers })
    expect((await out({ cookie, ...ownPage(front) })).status).toBe(403)
    const ended = await out({ cookie, 'x-csrf-token': csrf, ...ownPage(front) })
    expect(ended.status).toBe(204)
    expect(ended.headers.getSetCookie()).toEqual([expect.stringContaining('compozy-session=; ')])
    expect((await sessionOf(front, { cookie })).me).toBeNull()
    expect((await front.send('/admin/mcps', { headers: { cookie, 'x-csrf-token': csrf } })).status).toBe(401)
  })

  test('ends when its key is revoked, and when that gets another role', async () => {
    await using front = await startFront({ settings: secured })
    const admin = { authorization: 'Bearer a1' }
    const make = async (name: string, role: string) => {
      const answer = await front.send('/admin/keys', {
        method: 'POST',
        body: JSON.stringify({ name, role }),
        headers: admin,
      })
      const made = (await answer.json()) as { text: string; key: { id: string } }
      return { id: made.key.id, ...(await signIn(front, made.text)) }
    }
    const [revoked, promoted] = [await make('one', 'viewer'), await make('other', 'viewer')]
    for (const { cookie } of [revoked, promoted])
      expect((await sessionOf(front, { cookie })).me).toMatchObject({ role: 'viewer' })
    await front.send(`/admin/keys/${revoked.id}`, { method: 'DELETE', headers: admin })
    await front.send(`/admin/keys/${promoted.id}`, {
      method: 'PATCH',
      body: '{"role":"admin"}',
      headers: admin,
    })
    for (const { cookie, csrf } of [revoked, promoted]) {
      expect((await sessionOf(front, { cookie })).me).toBeNull()
      expect((await front.send('/admin/mcps', { headers: { cookie, 'x-csrf-token': csrf } })).status).toBe(
        401,
      )
    }
  })

  test('of a viewer changes nothing, of an operator only what runs', async () => {
    await using front = await startFront({ settings: secured, servers: [{ name: 'files' }] })
    const as = async (role: string) => {
      const answer = await front.send('/admin/keys', {
        method: 'POST',
        body: JSON.stringify({ name: role, role }),
        headers: { authorization: 'Bearer a1' },
      })
      const { cookie, csrf } = await signIn(front, ((await answer.json()) as { text: string }).text)
      return { cookie, 'x-csrf-token': csrf, ...ownPage(front) }
    }
    const status = async (method: string, path: string, headers: Record<string, string>) =>
      (await front.send(path, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) })).status
    const [viewer, operator] = [await as('viewer'), await as('operator')]
    expect(await status('GET', '/admin/mcps', viewer)).toBe(200)
    expect(await status('POST', '/admin/tools/call', viewer)).toBe(403)
    expect(await status('POST', '/admin/tools/call', operator)).toBe(400)
    expect(await status('POST', '/admin/try', operator)).toBe(403)
    expect(await status('POST', '/admin/mcps', operator)).toBe(403)
  })
})
