/** TLS at the gateway's own port: who gets in, what commands trust, and a certificate that is renewed. */
import { describe, expect, test } from 'bun:test'
import { readFileSync, renameSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { runCommand } from '../cli/run-command.ts'
import { certificatesIn, openssl } from '../support/certificates.ts'
import { poll, repository, startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const text = (path: string): string => readFileSync(path, 'utf8')

/** The name in the certificate that a new connection is shown, or why there is none. */
function shownAt(url: string, ca: string): Promise<string> {
  const { port } = new URL(url)
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port: Number(port), servername: 'localhost', ca: text(ca) }
    const socket = connectTls(options, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.end()
    })
    socket.on('error', (error) => resolve(error.message))
  })
}

/** A request that is over only when its connection is. */
function post(url: string, ca: string, body: object, session?: string): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(session && { 'mcp-session-id': session }),
  }
  const init = {
    method: 'POST',
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', ...body }),
    keepalive: false,
  }
  return fetch(url, { ...init, tls: { ca: text(ca) } })
}

const slow = {
  name: 'slow',
  transport: 'stdio',
  command: process.execPath,
  args: [join(repository, 'test/support/environment-server.ts')],
}

describe('a port with a certificate', () => {
  test('speaks https alone, and a renewed certificate is shown without a restart while calls and streams go on', async () => {
    using files = temporaryDirectory()
    const { ca, issue } = certificatesIn(files.path)
    const [one, two] = [issue('one'), issue('two')]
    const [cert, key] = [join(files.path, 'tls.crt'), join(files.path, 'tls.key')]
    symlinkSync(one.cert, cert)
    symlinkSync(one.key, key)
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcp_proxy: { tls: { cert_file: cert, key_file: key } }, mcps: [slow] },
    })
    const { url } = gateway
    expect(url).toStartWith('https://127.0.0.1:')
    const tls = { ca: text(ca) }
    const ready = async () => (await fetch(`${url}/readyz`, { tls })).status === 200
    await poll('readiness', ready, 8_000)
    expect((await fetch(`${url}/admin/mcps/slow`, { tls })).status).toBe(200)
    expect((await fetch(`${url}/admin/../mcp%2f`, { tls })).status).not.toBe(200)
    expect((await fetch(`${url}/nothing`, { tls })).status).toBe(404)
    // Under which URL it is reached is told to clients.
    const sse = await fetch(`${url}/mcp-proxy/slow/sse`, { tls })
    expect(sse.status).toBe(200)
    const reader = (sse.body ?? new ReadableStream<Uint8Array>()).getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('event: endpoint')

    // In clear text nothing is answered at all.
    const answered = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
        socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'),
      )
      let got = ''
      socket.on('data', (chunk) => {
        got += chunk
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(got))
    })
    expect(answered).toBe('')

    const face = `${url}/mcp-proxy/slow/stream`
    const clientInfo = { name: 'test', version: '1' }
    const hello = {
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo },
    }
    const session = (await post(face, ca, hello)).headers.get('mcp-session-id') ?? ''
    const call = { id: 2, method: 'tools/call', params: { name: 'token', arguments: { ms: 4_500 } } }
    const called = post(face, ca, call, session).then((response) => response.text())
    expect(await shownAt(url, ca)).toBe('one')
    const swap = (path: string, target: string) => {
      symlinkSync(target, `${path}.new`)
      renameSync(`${path}.new`, path)
    }
    // Half of a pair is none.
    swap(cert, two.cert)
    process.kill(gateway.pid, 'SIGHUP')
    await poll(
      'the fault',
      async () => gateway.lines().some((line) => line.includes('the port shows the old one')),
      8_000,
    )
    expect(await shownAt(url, ca)).toBe('one')
    swap(key, two.key)
    await poll('the new certificate', async () => (await shownAt(url, ca)) === 'two', 8_000)
    expect(await called).toContain('"result"')
    const again = await post(face, ca, { ...call, params: { name: 'token', arguments: {} } }, session)
    expect(await again.text()).toContain('"result"')
    await reader.cancel()
    expect(await gateway.stop()).toBe(0)
  }, 60_000)

  test('is known to commands by the certificate of its configuration, and by no other', async () => {
    using files = temporaryDirectory()
    openssl(
      files.path,
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=tools.example.com',
      '-keyout',
      'own.key',
      '-out',
      'own.pem',
    )
    const other = certificatesIn(files.path).issue('other')
    const config = (cert: string, key: string) => ({ mcp_proxy: { tls: { cert_file: cert, key_file: key } } })
    const [cert, key] = [join(files.path, 'own.pem'), join(files.path, 'own.key')]
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: config(cert, key),
    })
    const port = new URL(gateway.url).port
    const run = (cwd: string, env: Record<string, string>, ...args: string[]) =>
      runCommand(args, { via: 'executable', cwd, env })
    const here = gateway.directory
    expect((await run(here, {}, 'healthcheck', '--mcp-port', port)).exitCode).toBe(0)
    expect((await run(here, {}, 'servers', 'list', '--mcp-port', port)).exitCode).toBe(0)
    const unknown = await run(files.path, {}, 'servers', 'list', '--url', `https://localhost:${port}`)
    expect([unknown.exitCode, unknown.stderr]).toEqual([
      4,
      expect.stringContaining('name a PEM file with its authority in COMPOZY_CA_FILE'),
    ])
    const clear = await run(files.path, {}, 'servers', 'list', '--url', `http://localhost:${port}`)
    expect([clear.exitCode, clear.stderr]).toEqual([
      4,
      expect.stringContaining('if it speaks TLS, name it with https://'),
    ])
    using elsewhere = temporaryDirectory({ 'compozy.yaml': JSON.stringify(config(other.cert, other.key)) })
    const impostor = await run(
      elsewhere.path,
      { COMPOZY_CA_FILE: cert },
      'servers',
      'list',
      '--mcp-port',
      port,
    )
    expect([impostor.exitCode, impostor.stderr]).toEqual([
      4,
      expect.stringContaining('does not have the certificate of tls.cert_file'),
    ])
  }, 60_000)

  test('that asks clients for one lets nobody else in, and commands show its own', async () => {
    using files = temporaryDirectory()
    const { ca, issue } = certificatesIn(files.path)
    const [own, alice] = [issue('own'), issue('alice')]
    const tls = { cert_file: own.cert, key_file: own.key, client_ca_file: ca }
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: { mcp_proxy: { tls } },
    })
    const { url, directory } = gateway
    const bare = await fetch(`${url}/healthz`, { tls: { ca: text(ca) } }).then(({ status }) => status, String)
    expect(bare).toContain('EPROTO')
    const shown = { ca: text(ca), cert: text(alice.cert), key: text(alice.key) }
    expect((await fetch(`${url}/healthz`, { tls: shown })).status).toBe(200)
    const { port } = new URL(url)
    const env = { COMPOZY_CA_FILE: ca }
    const asked = await runCommand(['healthcheck', '--mcp-port', port], {
      via: 'executable',
      cwd: directory,
      env,
    })
    expect([asked.exitCode, asked.stderr]).toEqual([0, ''])
    const named = { ...env, COMPOZY_CERT_FILE: alice.cert, COMPOZY_KEY_FILE: alice.key }
    const args = ['healthcheck', '--url', `https://localhost:${port}`]
    expect((await runCommand(args, { via: 'executable', cwd: files.path, env: named })).exitCode).toBe(0)
  }, 30_000)
})
