/** What HTTP to a server shows of the gateway's certificates, and to whom. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
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
