/** The executable as a messenger: where registered URLs, redirects and announced endpoints cannot send it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import {
  type Answer,
  eventStream,
  type FaultHttp,
  jsonAnswer,
  type SeenRequest,
  startFaultHttp,
  welcome,
} from '../support/fault-http.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { selfSigned } from '../support/self-signed.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const certificate = selfSigned()
let place: TemporaryDirectory
let gateway: RunningGateway
let upstream: FaultHttp
let other: FaultHttp
let tls: ReturnType<typeof Bun.serve>

/** An old server without sessions of its own. */
function serves(request: SeenRequest): Answer {
  if (request.message.method === 'server/discover') return new Response(null, { status: 404 })
  return welcome(request) ?? jsonAnswer(request)
}

beforeAll(async () => {
  place = temporaryDirectory()
  writeFileSync(join(place.path, 'ca.pem'), certificate.cert)
  upstream = startFaultHttp((request) => {
    const [path, ...query] = request.path.split('?')
    const location = decodeURIComponent(query.join('?'))
    if (path === '/endpoint') {
      const stream = eventStream()
      stream.send(`event: endpoint\ndata: ${location}\n\n`)
      return stream.response
    }
    if (path === '/moved') return serves(request)
    return new Response(null, { status: Number(path?.slice(1)), headers: { location } })
  })
  other = startFaultHttp(serves)
  tls = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: certificate,
    fetch: () => new Response(null, { status: 307, headers: { location: `${other.origin}/downgraded` } }),
  })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { storage: { type: 'memory' } } },
    env: { NODE_EXTRA_CA_CERTS: join(place.path, 'ca.pem') },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([upstream, other].map((each) => each?.[Symbol.asyncDispose]()))
  await tls?.stop(true)
  place?.[Symbol.dispose]()
})

let registered = 0

/** Registers a server and gives what its status says once it has failed or connected. */
async function fateOf(
  definition: Readonly<Record<string, unknown>>,
  admin: RunningGateway['admin'] = gateway.admin,
): Promise<string> {
  const name = `s${++registered}`
  const body = { name, transport: 'streamable-http', autoReconnect: false, ...definition }
  const added = await admin('/mcps', { method: 'POST', body })
  if (added.status !== 201) return `${added.status} ${await added.text()}`
  let said = ''
  await poll(`${name} to settle`, async () => {
    const { status } = (await (await admin(`/mcps/${name}`)).json()) as {
      status: { status: string; lastError: string | null }
    }
    said = `${status.status}: ${status.lastError}`
    return status.status === 'connected' || status.status === 'error'
  })
  return said
}

const metadata = 'The gateway does not connect there'

describe('a registered URL', () => {
  test.each([
    'http://169.254.169.254/latest/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:169.254.169.254]/',
    'http://2852039166/',
    'http://0251.0376.0251.0376/',
    'http://0xa9fea9fe/',
    'http://169.254.43518/',
    'http://metadata.google.internal/',
    'http://0.0.0.0:1/',
    'http:\\\\169.254.169.254\\',
  ])('to %s is refused with 422', async (url) => {
    const said = await fateOf({ url })
    expect(said).toStartWith('422 ')
    expect(said).toContain('URL_FORBIDDEN')
  })

  test('with another scheme is refused with 400', async () => {
    for (const url of ['file:///etc/passwd', 'gopher://127.0.0.1/', 'javascript:alert(1)'])
      expect(await fateOf({ url })).toStartWith('400 ')
  })
})

describe('a redirect', () => {
  test.each([
    {
      status: 307,
      location: 'http://169.254.169.254/latest/meta-data/',
      says: metadata,
      why: 'the metadata service',
    },
    { status: 308, location: 'http://[fd00:ec2::254]/', says: metadata, why: 'over IPv6' },
    { status: 307, location: 'http://[::ffff:a9fe:a9fe]/', says: metadata, why: 'mapped into IPv6' },
    { status: 307, location: 'http://2852039166/', says: metadata, why: 'as one number' },
    { status: 307, location: 'http://0251.0376.0251.0376/', says: metadata, why: 'in octal' },
    { status: 307, location: '//169.254.169.254/', says: metadata, why: 'without a scheme' },
    { status: 307, location: 'http://a:b@169.254.169.254/', says: metadata, why: 'with credentials' },
    { status: 307, location: 'http://metadata.google.internal/', says: metadata, why: 'by name' },
    { status: 307, location: 'file:///etc/passwd', says: 'redirects to file:', why: 'a file' },
    { status: 307, location: 'ftp://127.0.0.1/', says: 'redirects to ftp:', why: 'another protocol' },
    { status: 307, location: 'http://[', says: 'cannot be followed', why: 'nowhere' },
    {
      status: 302,
      location: 'http://169.254.169.254/',
      says: 'HTTP 302|no server/discover',
      why: 'one that would turn POST into GET',
    },
  ])('to $why is not followed: $status $location', async ({ status, location, says }) => {
    const url = `${upstream.origin}/${status}?${encodeURIComponent(location)}`
    const said = await fateOf({ url })
    expect(said).toStartWith('error: ')
    expect(said).toMatch(new RegExp(says))
    expect(said).not.toMatch(/etc\/passwd|a:b@/)
  })

  test('in two steps to the metadata service is not followed either', async () => {
    const second = `/307?${encodeURIComponent('http://169.254.169.254/')}`
    expect(await fateOf({ url: `${upstream.origin}/307?${encodeURIComponent(second)}` })).toContain(metadata)
  })

  test('from https to http is refused, and nothing arrives there', async () => {
    expect(await fateOf({ url: `https://localhost:${tls.port}/mcp` })).toBe(
      `error: localhost:${tls.port} redirects to http: which is refused: register the URL at which it answers.`,
    )
    expect(other.seen.filter(({ path }) => path === '/downgraded')).toEqual([])
  })

  test('to another port of this machine is not followed, and nothing arrives there', async () => {
    const url = `${upstream.origin}/307?${encodeURIComponent(`${other.origin}/moved`)}`
    for (const transport of ['streamable-http', 'sse'])
      expect(await fateOf({ url, transport })).toContain('another port of this machine')
    expect(other.seen.filter(({ path }) => path === '/moved')).toEqual([])
  })

  test('to another origin takes no credentials of the definition along', async () => {
    const moved = `${upstream.origin.replace('127.0.0.1', 'localhost')}/moved`
    const url = `${upstream.origin.replace('//', '//u:canary-password@')}/307?${encodeURIComponent(moved)}`
    const headers = { 'X-Key': 'canary-key', Cookie: 'sid=canary-cookie' }
    expect(await fateOf({ url, headers })).toStartWith('connected')
    const arrived = upstream.seen.filter(({ path }) => path === '/moved')
    expect(arrived.length).toBeGreaterThan(0)
    expect(JSON.stringify(arrived)).not.toMatch(/canary|dTpjYW5hcnk/)
    const sent = upstream.seen.filter(({ headers: { cookie } }) => cookie === 'sid=canary-cookie')
    expect(sent.length).toBeGreaterThan(0)
  })
})

describe('an SSE server', () => {
  test.each([
    'http://169.254.169.254/m',
    '//127.0.0.1:1/m',
    'https://127.0.0.1/m',
    'file:///m',
    'ORIGIN@evil.example/m',
  ])('that announces %s as its endpoint is not spoken to', async (endpoint) => {
    const target = endpoint.replace('ORIGIN', upstream.origin)
    const url = `${upstream.origin}/endpoint?${encodeURIComponent(target)}`
    expect(await fateOf({ url, transport: 'sse' })).toContain('announced an endpoint of another origin')
  })

  test('that redirects its stream to the metadata service is not followed', async () => {
    const url = `${upstream.origin}/307?${encodeURIComponent('http://169.254.169.254/')}`
    expect(await fateOf({ url, transport: 'sse' })).toContain(metadata)
  })
})

describe.each([
  { way: 'over connections of its own', env: {} },
  {
    way: 'over fetch, as where an outgoing proxy is configured',
    env: { http_proxy: 'http://127.0.0.1:9', NO_PROXY: '*' },
  },
])('the gateway itself, $way', ({ env }) => {
  const interfaces = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const onIpv6 = interfaces.some(({ address }) => address === '::1')
  /** Every way to name this machine that its network settings allow. */
  const hosts = [
    '127.0.0.1',
    '127.0.0.2',
    '127.1',
    '2130706433',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    ...interfaces
      .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
      .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address)),
  ]
  let open: RunningGateway
  let port: string

  /** By a loopback name, under which alone it takes admin requests without tokens. */
  const admin: RunningGateway['admin'] = (path, { method = 'GET', body, headers } = {}) =>
    fetch(`http://127.0.0.1:${port}/admin${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const victimPaths = ['/admin/mcps/victim', '/mcp-proxy/victim/stream', '/mcp-proxy/victim/sse']

  beforeAll(async () => {
    open = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: { storage: { type: 'memory' } } },
      args: ['--mcp-host', onIpv6 ? '::' : '0.0.0.0'],
      env,
      untilReady: false,
    })
    port = new URL(open.url).port
    const victim = { name: 'victim', transport: 'streamable-http', url: `${other.origin}/victim` }
    expect((await admin('/mcps', { method: 'POST', body: victim })).status).toBe(201)
  })
  afterAll(() => open?.stop())

  test.each(hosts)('is not what a redirect to %s leads to', async (host) => {
    for (const transport of ['streamable-http', 'sse'])
      for (const path of victimPaths) {
        const location = encodeURIComponent(`http://${host}:${port}${path}`)
        const said = await fateOf({ url: `${upstream.origin}/307?${location}`, transport }, admin)
        expect(said).toMatch(/^error: 127\.0\.0\.1:\d+ redirects to .*, which is this gateway itself\./)
      }
  })

  test.each(hosts)('is no server to register by the name of %s', async (host) => {
    for (const transport of ['streamable-http', 'sse'])
      for (const path of victimPaths) {
        const said = await fateOf({ url: `http://${host}:${port}${path}`, transport }, admin)
        expect(said).toStartWith('422 ')
        expect(said).toContain('is this gateway itself')
      }
  })

  test('lets nobody in without tokens whom a server was led to it by a way of its own', async () => {
    await using forwarder = await startForwarder(Number(port))
    const url = `http://127.0.0.1:${forwarder.port}/admin/mcps`
    expect(await fateOf({ url, transport: 'sse' }, admin)).toContain('HTTP 403')
    // The same way without a server between is this machine's own.
    expect((await fetch(url)).status).toBe(200)
  })

  test('is reached by no request of a session that a server redirects, nor by the end of that session', async () => {
    const own = `http://127.0.0.1:${port}`
    const led = (path: string) => new Response(null, { status: 307, headers: { location: own + path } })
    await using sly = startFaultHttp((request) => {
      if (request.method === 'DELETE') return led('/admin/mcps/victim')
      if (request.message.method === 'tools/call') return led('/mcp-proxy/victim/stream')
      return request.method === 'POST' && request.message.id !== undefined ? serves(request) : null
    })
    const name = `sly${++registered}`
    const definition = { name, transport: 'streamable-http', url: sly.url, isolation: 'session' }
    expect((await admin('/mcps', { method: 'POST', body: definition })).status).toBe(201)
    const client = await RawClient.open(new URL(`${own}/mcp-proxy/${name}/stream`))
    const { answer } = await client.callTool('led', 'any', {})
    expect(answer.error?.message).toContain('redirects to')
    await client.close()
    await sly.request(({ method }) => method === 'DELETE')
    await open.stop()
    const paths = open
      .lines()
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
      .map(({ path }) => path)
    expect(paths).toContain(`/mcp-proxy/${name}/stream`)
    expect(paths.filter((path) => victimPaths.includes(String(path)))).toEqual([])
  })
})

/** Passes bytes on to a port of this machine, as published ports and tunnels do. */
async function startForwarder(to: number): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => {
    const onward = connect(to, '127.0.0.1')
    socket.pipe(onward).pipe(socket)
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

test('private networks are out of reach where they are refused, for the API and for the file', async () => {
  await using closed = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { security: { private_upstreams: 'refused' }, storage: { type: 'memory' } },
      mcps: [{ name: 'inside', transport: 'streamable-http', url: `${other.origin}/inside` }],
    },
  })
  for (const url of [
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://10.0.0.1/',
    'http://[::1]/',
    'http://[fd12::1]/',
  ]) {
    const body = { name: 'a', transport: 'sse', url }
    const answer = await closed.admin('/mcps', { method: 'POST', body })
    expect(answer.status).toBe(422)
    expect(await answer.text()).toContain('security.private_upstreams')
  }
  const { status } = (await (await closed.admin('/mcps/inside')).json()) as {
    status: Record<string, unknown>
  }
  expect(status).toMatchObject({
    status: 'error',
    lastError: expect.stringContaining('security.private_upstreams'),
  })
  expect(other.seen.filter(({ path }) => path === '/inside')).toEqual([])
})
