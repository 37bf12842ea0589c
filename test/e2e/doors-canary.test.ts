/**
 * A canary in every place where the executable keeps a secret, servers that repeat all that they were given,
 * and everything that leaves the gateway: log lines at the lowest level, answers, errors, figures, commands, the
 * environment of other servers. No canary may be in any of it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runCommand } from '../cli/run-command.ts'
import { documentedFetch } from '../support/api-document.ts'
import {
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  welcome,
} from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { askModern } from '../support/modern-client.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const telling = resolve(import.meta.dir, '../support/telling-server.ts')
/** Every secret has this word in it, and a place of its own behind it. */
const word = 'canary'
const canary = (place: string) => `${word}-${place}-7Fq2`
/** How the same word looks in base64 at each of the three places where it can begin. */
const inBase64 = ['Y2FuYXJ5', 'NhbmFye', 'jYW5hcn']
const found = new RegExp([word, ...inBase64].join('|'))

const env = {
  KEY: canary('env'),
  QUOTED: `a"${canary('quoted')}\\b`,
  PEM: `-----BEGIN KEY-----\n${canary('pem-first-line-of-it')}\n${canary('pem-second-line-of-it')}\n-----END KEY-----\n`,
}
const args = [
  '--api-key',
  canary('flag'),
  `--password=${canary('pair')}`,
  `postgres://u:${canary('dsn')}@db.example/x`,
  '--header',
  `X-Key: ${canary('header-argument')}`,
  JSON.stringify({ password: canary('json') }),
]
const headers = {
  Authorization: `Bearer ${canary('bearer')}`,
  'X-Key': canary('header'),
  Cookie: `sid=${canary('cookie')}; b=1`,
}
const authTokens = [canary('server-token')]
const globalToken = canary('global-token')
const adminToken = canary('admin-token')
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

let place: TemporaryDirectory
let upstream: FaultHttp
let gateway: RunningGateway
/** Everything that has left the gateway, by what it was. */
const left: { what: string; text: string }[] = []

const stdio = (name: string, mode: string, ...rest: string[]) => ({
  name,
  transport: 'stdio',
  command: process.execPath,
  args: [telling, mode, ...rest],
  logEnabled: true,
  reconnectDelay: '100ms',
})
const secretStdio = (name: string, mode: string) => ({ ...stdio(name, mode, ...args), env, authTokens })
const http = (name: string, path: string, transport = 'streamable-http') => ({
  name,
  transport,
  url: `${upstream.origin.replace('//', `//user:${canary('url-password')}@`)}/${path}/${canary('Zk83ndpwq0smx9w1')}?key=${canary('query')}&p=${encodeURIComponent(`${canary('encoded')} /+`)}`,
  headers,
  authTokens,
  logEnabled: true,
  reconnectDelay: '100ms',
})

/** What a server repeats of its request, as far as it goes. */
const repeat = (request: SeenRequest) => JSON.stringify({ path: request.path, headers: request.headers })
const rpcRefusal = (request: SeenRequest, status: number) =>
  Response.json(
    {
      jsonrpc: '2.0',
      id: request.message.id ?? null,
      error: { code: -32600, message: repeat(request), data: { ...request.headers } },
    },
    { status },
  )

function answerTelling(request: SeenRequest): Response | null {
  const [, kind] = request.path.split('/')
  const serves = kind === 'serves' || kind === 'fails-calls'
  if (request.message.method === 'server/discover' && serves) return new Response(null, { status: 404 })
  if (serves && request.method === 'GET') return new Response(repeat(request), { status: 405 })
  switch (kind) {
    case 'serves':
      if (request.message.method === 'tools/list')
        return jsonAnswer(request, { tools: [{ name: 'tell', inputSchema: {} }] })
      return welcome(request) ?? (request.message.method === 'tools/call' ? rpcRefusal(request, 400) : null)
    case 'fails-calls':
      return welcome(request) ?? (request.message.method === 'tools/call' ? rpcRefusal(request, 500) : null)
    case 'refuses':
      return rpcRefusal(request, 400)
    case 'unauthorized':
      return new Response(repeat(request), { status: 401, headers: { 'www-authenticate': repeat(request) } })
    case 'text':
      return new Response(repeat(request), { status: 500 })
    case 'page':
      return new Response(repeat(request), { headers: { 'content-type': `text/html; x=${canary('type')}` } })
    case 'moved':
      return new Response(null, {
        status: 307,
        headers: { location: `http://u:${canary('moved')}@169.254.169.254/?${canary('moved')}` },
      })
    default: {
      const stream = eventStream()
      stream.send(
        `event: endpoint\ndata: http://u:${canary('endpoint')}@evil.example/?${canary('endpoint')}\n\n`,
      )
      return stream.response
    }
  }
}

beforeAll(async () => {
  place = temporaryDirectory({ global: `${globalToken}\n` })
  upstream = startFaultHttp(answerTelling)
  const dump = (name: string) => stdio(name, 'dump', join(place.path, name))
  gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: {
      mcp_proxy: { logging: { level: 'debug' } },
      mcps: [
        secretStdio('serves', 'serve'),
        secretStdio('refuses', 'refuse'),
        secretStdio('crashes', 'crash'),
        secretStdio('crashes-on-call', 'crash-on-call'),
        { ...secretStdio('missing', 'serve'), command: `API_KEY=${canary('command')}` },
        http('http-serves', 'serves'),
        http('http-fails-calls', 'fails-calls'),
        http('http-refuses', 'refuses'),
        http('http-unauthorized', 'unauthorized'),
        http('http-text', 'text'),
        http('http-page', 'page'),
        http('http-moved', 'moved'),
        http('sse-endpoint', 'endpoint', 'sse'),
        http('sse-refuses', 'refuses', 'sse'),
        {
          ...http('nowhere', 'x'),
          url: `http://u:${canary('nowhere')}@no-such-host.invalid/?key=${canary('nowhere')}`,
        },
        { ...http('closed', 'x'), url: `https://u:${canary('closed')}@127.0.0.1:1/?key=${canary('closed')}` },
        dump('other'),
      ],
    },
    env: {
      MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: join(place.path, 'global'),
      MCP_PROXY_ADMIN_TOKENS: adminToken,
      SOME_SECRET: canary('gateway-environment'),
      BUN_OPTIONS: '--smol',
      HTTP_PROXY_PASSWORD: canary('proxy'),
    },
  })
  await poll(
    'the servers to have been tried',
    async () => (await documentedFetch(`${gateway.url}/readyz`)).status === 200,
  )
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.[Symbol.asyncDispose]()
  place?.[Symbol.dispose]()
})

/** The surroundings of each canary, for whoever has to find its way out. */
function canariesIn(what: string, text: string): string[] {
  return [...text.matchAll(new RegExp(`.{0,60}(?:${found.source}).{0,30}`, 'g'))].map(
    ([around]) => `${what}: ${around}`,
  )
}

async function keep(what: string, response: Response): Promise<number> {
  const head = JSON.stringify([...response.headers])
  left.push({ what, text: `${head}\n${await response.text()}` })
  return response.status
}

async function admin(method: string, path: string, body?: unknown): Promise<number> {
  const init = { method, headers: bearer(adminToken), ...(body !== undefined && { body }) }
  return keep(`${method} /admin${path}`, await gateway.admin(path, init))
}

const hello = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
}

/** Servers whose answers are messages over a pipe, which pass as they are, whatever they tell. */
const speakers = ['serves', 'crashes-on-call']

/** A client's whole visit to a server, whatever comes of it. */
async function visit(name: string): Promise<void> {
  const url = gateway.face(name, 'stream')
  const send = (message: unknown, more: Record<string, string> = {}) =>
    fetch(url, {
      method: 'POST',
      headers: { ...bearer(globalToken), ...more, 'content-type': 'application/json' },
      body: JSON.stringify(message),
    })
  const greeting = await send(hello)
  const session = { 'mcp-session-id': greeting.headers.get('mcp-session-id') ?? 'none' }
  if (!speakers.includes(name)) await keep(`${name}: initialize`, greeting)
  await keep(
    `${name}: initialized`,
    await send({ jsonrpc: '2.0', method: 'notifications/initialized' }, session),
  )
  const call = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'tell', arguments: {} } }
  if (name !== 'serves') await keep(`${name}: tools/call`, await send(call, session))
  if (speakers.includes(name)) return
  const modern = await askModern(url, 'prompts/list', { token: globalToken })
  left.push({ what: `${name}: modern`, text: modern.text })
}

describe('no canary leaves the gateway', () => {
  const names = () => [
    'serves',
    'crashes-on-call',
    'http-serves',
    'http-fails-calls',
    'http-refuses',
    'nowhere',
    'closed',
    'refuses',
    'crashes',
    'missing',
    'http-page',
    'http-moved',
    'sse-endpoint',
  ]

  test('while clients visit every server', async () => {
    await Promise.all(names().map(visit))
    expect(left.flatMap(({ what, text }) => canariesIn(what, text))).toEqual([])
    expect(left.length).toBeGreaterThan(40)
  })

  test('while an admin looks, calls, registers, replaces and deletes', async () => {
    expect(await admin('GET', '/mcps')).toBe(200)
    expect(await admin('GET', '/tools')).toBe(200)
    expect(await admin('GET', '/metrics')).toBe(200)
    await keep('/metrics', await fetch(`${gateway.url}/metrics`, { headers: bearer(adminToken) }))
    await keep('/readyz', await documentedFetch(`${gateway.url}/readyz`))
    for (const name of names()) {
      expect(await admin('GET', `/mcps/${name}`)).toBe(200)
      await admin('POST', '/tools/call', { mcpName: name, toolName: 'tell', arguments: {} })
    }
    const mine = { ...secretStdio('mine', 'serve'), forwardHeaders: ['X-User'] }
    expect(await admin('POST', '/mcps', mine)).toBe(201)
    expect(await admin('PUT', '/mcps/mine', { ...mine, env: { ...env, NEW: canary('replaced') } })).toBe(200)
    expect(await admin('DELETE', '/mcps/mine')).toBe(204)
    const wrong = [
      { ...mine, env: { ...env, BAD: `***` } },
      { ...mine, env: { 'BAD=NAME': canary('bad-name') } },
      { ...mine, args: [`${canary('nul')}\u0000`] },
      { ...mine, authTokens: [`${canary('space')} x`] },
      { ...mine, transport: 'sse', command: '', args: [], url: `ftp://u:${canary('ftp')}@h/` },
      {
        ...mine,
        transport: 'sse',
        command: '',
        args: [],
        url: `http://u:${canary('meta')}@169.254.169.254/?${canary('meta')}`,
      },
      { ...mine, headers: { 'X-Key': `${canary('line')}\r\nX-Evil: 1` } },
      { ...mine, command: `PASSWORD=${canary('no-command')} npx` },
      { ...mine, timeout: canary('timeout') },
    ]
    for (const definition of wrong) expect(await admin('POST', '/mcps', definition)).toBeWithin(400, 423)
    expect(await admin('POST', '/mcps', `{"name":"x","env":{"K":"${canary('broken-json')}"`)).toBe(400)
    expect(left.flatMap(({ what, text }) => canariesIn(what, text))).toEqual([])
  })

  test('in answers to whoever brings a token to the wrong place', async () => {
    const asks: [string, RequestInit][] = [
      [`/admin/mcps?token=${adminToken}`, {}],
      ['/admin/mcps', { headers: bearer(globalToken) }],
      ['/mcp-proxy/serves/stream', { headers: bearer(adminToken) }],
      ['/mcp-proxy/serves/stream', { headers: { authorization: `Basic ${btoa(`u:${globalToken}`)}` } }],
      [
        `/mcp-proxy/serves/message?sessionId=${canary('session')}`,
        { method: 'POST', headers: bearer(globalToken), body: '{}' },
      ],
      [
        '/mcp-proxy/serves/stream',
        { method: 'POST', headers: bearer(globalToken), body: `{"broken":"${canary('body')}` },
      ],
      [
        '/mcp-proxy/serves/stream',
        {
          headers: {
            ...bearer(globalToken),
            'mcp-session-id': canary('session-id'),
            accept: 'text/event-stream',
          },
        },
      ],
    ]
    for (const [path, init] of asks) {
      const answer = await documentedFetch(gateway.url + path, init)
      expect(answer.status).toBeWithin(400, 500)
      await keep(path.split('?', 1)[0] ?? '', answer)
    }
    expect(left.flatMap(({ what, text }) => canariesIn(what, text))).toEqual([])
  })

  test.each([
    { command: 'config print' },
    { command: 'config print --json' },
    { command: 'servers list' },
    { command: 'servers list --json' },
    { command: 'servers tools --json' },
    { command: 'servers call http-serves tell' },
    { command: 'servers call serves tell --json' },
    { command: 'servers try refuses' },
    { command: 'servers get serves' },
    { command: 'servers get crashes --json' },
    { command: 'servers logs serves' },
    { command: 'servers logs crashes --json' },
    { command: 'servers export' },
    { command: 'servers export --variables' },
    { command: 'servers restart refuses' },
    { command: 'doctor' },
  ])('in what "compozy $command" prints', async ({ command }) => {
    const given = command.split(' ')
    const target = given[0] === 'servers' ? ['--url', gateway.url] : []
    const printed = await runCommand([...given, ...target], {
      via: 'executable',
      cwd: gateway.directory,
      env: {
        MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: join(place.path, 'global'),
        MCP_PROXY_ADMIN_TOKENS: adminToken,
      },
    })
    expect(canariesIn('printed', printed.stdout + printed.stderr)).toEqual([])
    expect((printed.stdout + printed.stderr).length).toBeGreaterThan(20)
  })

  test('in any line of its log, at the lowest level', async () => {
    const log = gateway.lines().join('\n')
    // The servers have told, and what they told was heard.
    for (const said of [
      'started with',
      'exited with code 3',
      'cannot serve',
      'answered HTTP 500',
      'no-such-host.invalid',
    ])
      expect(log).toContain(said)
    expect(gateway.lines().flatMap((line) => canariesIn('log', line))).toEqual([])
  })

  test('in the environment of another server, which has nothing but what it needs', () => {
    const names = Object.keys(JSON.parse(readFileSync(join(place.path, 'other'), 'utf8')) as object)
    expect(names.filter((name) => !/^(?:PATH|HOME|LANG|TMPDIR|TZ|LC_\w+)$/.test(name))).toEqual([])
    expect(readFileSync(join(place.path, 'other'), 'utf8')).not.toMatch(found)
  })
})

describe('a start that fails says why, without the secret beside it', () => {
  const server = (more: object) => ({
    mcps: [{ ...stdio('a', 'serve'), env: { KEY: canary('k') }, ...more }],
  })
  test.each([
    { why: 'a bad name', config: server({ name: 'a b' }) },
    { why: 'an unknown field', config: server({ tokn: canary('field') }) },
    {
      why: 'a header with a line break',
      config: server({
        transport: 'sse',
        command: '',
        args: [],
        url: 'http://h/',
        headers: { A: `${canary('h')}\n` },
      }),
    },
    {
      why: 'a URL of another kind',
      config: server({ transport: 'sse', command: '', args: [], url: `ftp://u:${canary('u')}@h/` }),
    },
    { why: 'an argument with NUL', config: server({ args: [canary('a'), `${canary('b')}\u0000`] }) },
    { why: 'a token with a space', config: { mcp_proxy: { auth: { admin_tokens: [`${canary('t')} x`] } } } },
    {
      why: 'a token that is a map',
      config: { mcp_proxy: { auth: { admin_tokens: { [canary('m')]: canary('v') } } } },
    },
    { why: 'tokens in place of the map', config: { mcp_proxy: { auth: canary('s') } } },
    {
      why: 'a variable that is not set',
      config: server({ env: { KEY: `${canary('k')}-\${NOT_SET_AT_ALL}` } }),
    },
    { why: 'broken YAML', config: `mcp_proxy:\n  auth: { admin_tokens: ["${canary('y')}]\n` },
    {
      why: 'a token that YAML takes for an alias',
      config: `mcp_proxy:\n  auth: { admin_tokens: [*${canary('y')}] }\n`,
    },
    {
      why: 'a token twice under one key',
      config: `mcp_proxy:\n  auth: { admin_tokens: ${canary('a')}, admin_tokens: ${canary('b')} }\n`,
    },
    { why: 'a variable with a space', env: { MCP_PROXY_ADMIN_TOKENS: `good,${canary('v')} x` } },
    { why: 'a file with a space', env: { MCP_PROXY_ADMIN_TOKENS_FILE: 'secret' } },
    { why: 'a flag with a space', args: ['--mcp-admin-tokens', `${canary('f')} x`] },
    { why: 'a mistyped flag with its value', args: [`--mcp-admin-token=${canary('f')}`] },
    {
      why: 'a base URL with credentials',
      args: ['--mcp-base-url', `http://u:${canary('b')}@h/?${canary('b')}`],
    },
  ])('$why', async ({ config, env: given, args: flags = [] }) => {
    using directory = temporaryDirectory({ secret: `${canary('file')} x` })
    if (config !== undefined)
      writeFileSync(
        join(directory.path, 'compozy.yaml'),
        typeof config === 'string' ? config : JSON.stringify(config),
      )
    const { exitCode, stdout, stderr } = await runCommand(['mcp-proxy', '--mcp-port', '0', ...flags], {
      via: 'executable',
      cwd: directory.path,
      ...(given !== undefined && { env: given }),
    })
    expect([1, 2]).toContain(exitCode)
    expect(stderr).toMatch(/^compozy: .{10,}\n$/)
    expect(canariesIn('printed', stdout + stderr)).toEqual([])
  })
})
