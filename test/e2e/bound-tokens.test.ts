/**
 * Tokens that are bound to a key of the login (RFC 9449), on the executable: a proof with each request, to the
 * authorization server and to the server, with the nonce that either asks for; the key is kept with the login, sealed.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { askModern } from '../support/modern-client.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { TokenIssuer } from '../support/token-issuer.ts'

const folder = temporaryDirectory()
const headers = { authorization: 'Bearer a1' }
const client = { id: 'gateway', secret: 'secret-of-gateway' }
let issuer: TokenIssuer
let server: ProtectedServer
let gateway: RunningGateway
/** Whether both ends want nonces; how often the server goes on wanting others. */
const wantsNonces = true
let isNeverContent = false
let nonces = 0
let bindsTokens = true

interface Proof {
  readonly payload: JWTPayload & { readonly htm?: string; readonly htu?: string; readonly ath?: string }
  readonly thumbprint: string
  readonly grant?: string | null
}
const atIssuer: Proof[] = []
const atServer: Proof[] = []

async function readProof(text: string | null): Promise<Proof> {
  const { payload, protectedHeader } = await jwtVerify(text ?? '', EmbeddedJWK, { typ: 'dpop+jwt' })
  const { jwk = {} } = protectedHeader
  if ('d' in jwk) throw new Error('the private key was shown')
  return { payload, thumbprint: await calculateJwkThumbprint(jwk as never) }
}

const start = () =>
  startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: {
      mcp_proxy: {
        auth: { admin_tokens: ['a1'] },
        storage: { path: folder.path },
      },
      mcps: [
        server.definition('reports', {
          ...{ grant: 'client_credentials', issuer: issuer.issuer, client, dpop: true },
        }),
        server.definition('tracker', { dpop: true }),
      ].map((definition) => ({ ...definition, healthCheckEnabled: false, autoReconnect: false })),
    },
  })

beforeAll(async () => {
  issuer = new TokenIssuer({ clients: { [client.id]: client.secret } })
  server = new ProtectedServer(issuer, { era: 'modern' })
  issuer.answer = async (asked, request) => {
    if (!asked.path.endsWith('/token')) return undefined
    const proof = await readProof(request.headers.get('dpop'))
    atIssuer.push({ ...proof, grant: asked.form.get('grant_type') })
    if (wantsNonces && proof.payload['nonce'] !== 'nonce-as')
      return Response.json(
        { error: 'use_dpop_nonce' },
        { status: 400, headers: { 'dpop-nonce': 'nonce-as' } },
      )
    const usual = issuer.usual(asked)
    const body = (await usual.json()) as Record<string, unknown>
    return Response.json(bindsTokens ? { ...body, token_type: 'DPoP' } : body, { status: usual.status })
  }
  const proofs = new WeakSet<Request>()
  server.answer = (_message, request) => {
    const text = request.headers.get('dpop')
    if (text === null || proofs.has(request)) return undefined
    proofs.add(request)
    const nonce = (JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as JWTPayload)[
      'nonce'
    ]
    if (!isNeverContent && (!wantsNonces || nonce === 'nonce-rs')) return undefined
    return new Response(null, {
      status: 401,
      headers: {
        'www-authenticate': 'DPoP error="use_dpop_nonce"',
        'dpop-nonce': isNeverContent ? `nonce-${++nonces}` : 'nonce-rs',
      },
    })
  }
  gateway = await start()
}, 60_000)
afterAll(async () => {
  await gateway?.stop()
  await server?.[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function call(name: string): Promise<string> {
  const { answer } = await askModern(gateway.face(name, 'stream'), 'tools/call', {
    params: { name: 'whoami', arguments: {} },
  })
  return JSON.stringify(answer)
}

/** What came to the server since, with a token. */
async function proofsSince(from: number, subject: string): Promise<Proof[]> {
  const bound = server.seen
    .slice(from)
    .filter(({ token }) => token !== null && issuer.holder(token)?.subject === subject)
  expect(bound.length).toBeGreaterThan(0)
  expect(bound.every(({ headers }) => headers.get('authorization')?.startsWith('DPoP ') === true)).toBe(true)
  return await Promise.all(bound.map(({ headers }) => readProof(headers.get('dpop'))))
}

describe('each request proves that the gateway has the key', () => {
  test('to the authorization server and to the server, with the nonce that each asks for', async () => {
    const from = server.seen.length
    expect(await call('reports')).toContain('gateway')
    expect(await call('reports')).toContain('gateway')
    atServer.push(...(await proofsSince(from, 'gateway')))
    expect(atIssuer[0]?.payload).toMatchObject({ htm: 'POST', htu: `${issuer.issuer}/token` })
    expect(atIssuer.at(-1)?.payload['nonce']).toBe('nonce-as')
    const last = server.seen.findLast(({ token }) => token !== null)
    const ath = createHash('sha256')
      .update(last?.token ?? '')
      .digest('base64url')
    expect(atServer.at(-1)?.payload).toMatchObject({ htm: 'POST', htu: server.url, nonce: 'nonce-rs', ath })
    expect(new Set(atServer.map(({ payload }) => payload.jti)).size).toBe(atServer.length)
    expect(new Set(atServer.map(({ thumbprint }) => thumbprint))).toEqual(
      new Set([atIssuer.at(-1)?.thumbprint ?? '']),
    )
  })

  test('and a server that is content with no nonce is asked three times, not for ever', async () => {
    isNeverContent = true
    const from = server.seen.length
    expect(await call('reports')).toContain('error')
    expect(server.seen.slice(from).filter(({ method }) => method === 'tools/call').length).toBeLessThan(4)
    isNeverContent = false
    expect(await call('reports')).toContain('gateway')
  })
})

describe('the key of a login', () => {
  test('is kept with it, sealed: after a restart its refresh token and its tokens go with the same', async () => {
    const path = '/mcps/tracker/login'
    const begun = await gateway.admin(path, { method: 'POST', headers, body: { how: 'paste' } })
    const { url } = (await begun.json()) as { url: string }
    issuer.lifetimeS = 2
    const answer = issuer.approve(url, 'ada').href
    expect((await gateway.admin(path, { method: 'POST', headers, body: { answer } })).status).toBe(200)
    const keyFor = (wanted: string) => atIssuer.findLast(({ grant }) => grant === wanted)?.thumbprint
    const key = keyFor('authorization_code')
    expect(key).not.toBe(atServer.at(-1)?.thumbprint)
    await gateway.stop()
    for (const file of readdirSync(folder.path, { recursive: true, encoding: 'utf8' })) {
      const text =
        Bun.file(join(folder.path, file)).size > 0 ? readFileSync(join(folder.path, file), 'latin1') : ''
      expect(`${file}: ${text.includes('"P-256"')}`).toBe(`${file}: false`)
    }
    issuer.expireAll()
    issuer.lifetimeS = 300
    gateway = await start()
    const from = server.seen.length
    expect(await call('tracker')).toContain('ada')
    expect(keyFor('refresh_token')).toBe(key)
    const shown = await proofsSince(from, 'ada')
    expect(new Set(shown.map(({ thumbprint }) => thumbprint))).toEqual(new Set([key ?? '']))
  }, 20_000)

  test('is of no use where tokens are bound to none, and that is said', async () => {
    bindsTokens = false
    const begun = await gateway.admin('/mcps/tracker/login', {
      method: 'POST',
      headers,
      body: { how: 'paste' },
    })
    const { url } = (await begun.json()) as { url: string }
    const ended = await gateway.admin('/mcps/tracker/login', {
      ...{ method: 'POST', headers },
      body: { answer: issuer.approve(url, 'ada').href },
    })
    expect(await ended.text()).toContain(
      'gives tokens that are bound to no key: leave oauth.dpop of the server out',
    )
    bindsTokens = true
  })
})
