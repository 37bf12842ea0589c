/** What HTTP to a server shows of the gateway's certificates, and to whom. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { outgoingProxies } from '../../../../../src/net/outgoing-proxy.ts'
import { Cancellation } from '../../../../../src/upstream/transports/http/client/answer/cancellation.ts'
import { HttpClient } from '../../../../../src/upstream/transports/http/client/http-client.ts'
import { certificatesIn } from '../../../../support/certificates.ts'
import { temporaryDirectory } from '../../../../support/temporary-directory.ts'
import { startTlsServer } from '../../../../support/tls-server.ts'

const text = (path: string): string => readFileSync(path, 'utf8')

test('a redirect to another origin is shown no certificate, nor are the authorities of the definition asked there', async () => {
  using files = temporaryDirectory()
  const { ca, issue } = certificatesIn(files.path)
  const [own, alice] = [issue('own'), issue('alice')]
  await using other = await startTlsServer({ ...own, clientCa: ca })
  await using server = await startTlsServer({ ...own, clientCa: ca, leave: other.url })
  const tls = { ca: text(ca), cert: text(alice.cert), key: text(alice.key) }
  const request = { method: 'POST', protocolHeaders: {}, body: '{"id":1,"method":"ping"}' } as const
  const client = new HttpClient({ url: `${server.origin}/leave`, headers: {}, lineBytesMax: 1_000, tls })
  const left = await client.request({ ...request, cancellation: new Cancellation() }).then(String, String)
  expect(left).toContain('SELF_SIGNED_CERT_IN_CHAIN')
  expect([server.connections, other.connections, other.requests]).toEqual([['alice'], [], []])
  client.close()
})

test('clients with different certificates share no connection, one after the other and at once', async () => {
  using files = temporaryDirectory()
  const { ca, issue } = certificatesIn(files.path)
  await using server = await startTlsServer({ ...issue('own'), clientCa: ca })
  const clients = ['alice', 'bob'].map((name) => {
    const { cert, key } = issue(name)
    const tls = { ca: text(ca), cert: text(cert), key: text(key) }
    const headers = { authorization: name }
    return new HttpClient({ url: server.url, headers, lineBytesMax: 1_000, tls })
  })
  const ask = async (client: HttpClient) => {
    const request = { method: 'POST', protocolHeaders: {}, body: '{"id":1,"method":"ping"}' } as const
    await (await client.request({ ...request, cancellation: new Cancellation() })).pieces(1_000)
  }
  for (let round = 0; round < 20; round++) for (const client of clients) await ask(client)
  await Promise.all(
    Array.from({ length: 40 }, (_, at) => clients[at % 2]).map((client) => client && ask(client)),
  )
  expect(server.requests).toHaveLength(80)
  for (const { who, authorization } of server.requests) expect(who).toBe(authorization ?? '')
  // They are kept open and used again, each by its own.
  expect(server.connections.length).toBeLessThan(60)
  for (const client of clients) client.close()
})

test('an outgoing proxy passes the connection on, and the certificate is shown to the server behind it', async () => {
  using files = temporaryDirectory()
  const { ca, issue } = certificatesIn(files.path)
  const [alice, bob] = [issue('alice'), issue('bob')]
  await using server = await startTlsServer({ ...issue('own'), clientCa: ca })
  const asked: string[] = []
  const proxy = createServer((client) => {
    client.once('data', (head: Buffer) => {
      asked.push(head.toString('latin1').split('\r\n', 1)[0] ?? '')
      const through = connect(Number(new URL(server.url).port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connected\r\n\r\n')
        client.pipe(through).pipe(client)
      })
      for (const socket of [client, through]) socket.on('error', () => {})
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  const clients = [alice, bob].map(({ cert, key }) => {
    const tls = { ca: text(ca), cert: text(cert), key: text(key) }
    const proxies = outgoingProxies({ HTTPS_PROXY: `http://127.0.0.1:${port}` })
    return new HttpClient({ url: server.url, headers: {}, lineBytesMax: 1_000, tls, proxies })
  })
  const request = { method: 'POST', protocolHeaders: {}, body: '{"id":1,"method":"ping"}' } as const
  for (const client of [...clients, ...clients]) {
    const answer = await client.request({ ...request, cancellation: new Cancellation() })
    await answer.pieces(1_000)
  }
  expect(asked[0]).toBe(`CONNECT ${new URL(server.url).host} HTTP/1.1`)
  expect(server.requests.map(({ who }) => who)).toEqual(['alice', 'bob', 'alice', 'bob'])
  for (const client of clients) client.close()
  proxy.close()
})
