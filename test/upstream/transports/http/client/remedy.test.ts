/** What a person is told to do about a server that cannot be reached, and what counts as not reached. */
import { describe, expect, test } from 'bun:test'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { GatewayError } from '../../../../../src/errors.ts'
import { Cancellation } from '../../../../../src/upstream/transports/http/client/answer/cancellation.ts'
import {
  breakRemedy,
  meansUnsent,
  reachRemedy,
} from '../../../../../src/upstream/transports/http/client/answer/remedy.ts'
import { HttpClient } from '../../../../../src/upstream/transports/http/client/http-client.ts'
import { selfSigned } from '../../../../support/self-signed.ts'

const url = new URL('https://one.example/mcp')

test.each([
  ['ECONNREFUSED', 'nothing listens there: start the server, or check host and port in url'],
  [
    'EHOSTUNREACH',
    'no way leads there: check the host in url, and network, VPN and firewall of this machine',
  ],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    "its certificate comes from an authority that is unknown here: put the authority's (PEM) into a file and name the file in tls.ca of the server, or for all servers in NODE_EXTRA_CA_CERTS before the gateway starts",
  ],
  ['CERT_HAS_EXPIRED', 'its certificate has expired: renew it there, or set the clock of this machine'],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'its certificate is for another host name: write that name in url, or give the server a certificate for this one',
  ],
])('%s: nothing was sent, and %s', (code, told) => {
  expect(meansUnsent(code)).toBe(true)
  expect(reachRemedy(code, url, false)).toBe(told)
})

test('a connection that broke off is none that was never made', () => {
  // EPROTO is also what fetch says when the connection is broken into after the request was sent.
  for (const code of ['ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'EPROTO', 'toString', ''])
    expect(meansUnsent(code)).toBe(false)
})

test('what refuses is the proxy, where one is asked', () => {
  expect(reachRemedy('ECONNREFUSED', url, true)).toBe('start that proxy, or name the host in NO_PROXY')
  expect(reachRemedy('EHOSTUNREACH', url, true)).toBe('')
})

describe('the first request of a wire', () => {
  /** What a request to this server fails with; the scheme is that of the URL. */
  async function failureAt(server: Server, scheme: 'http' | 'https', host = 'localhost'): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = new HttpClient({
      url: `${scheme}://${host}:${port}/mcp`,
      headers: {},
      lineBytesMax: 1_000,
      guardUrl: async () => ['127.0.0.1'],
    })
    try {
      await client.request({
        method: 'POST',
        protocolHeaders: {},
        body: '{}',
        cancellation: new Cancellation(),
      })
      return 'answered'
    } catch (thrown) {
      return (thrown as GatewayError).details.replaceAll(String(port), 'PORT')
    } finally {
      client.close()
      server.close()
    }
  }

  const tls = () => createTlsServer(selfSigned(), (_, response) => void response.end())
  test.each<{ why: string; server: () => Server; scheme: 'http' | 'https'; told: string }>([
    {
      why: 'in clear text to a port of TLS',
      server: tls,
      scheme: 'http',
      told: 'The connection to localhost:PORT failed (ECONNRESET): it ends connections without an answer: if it speaks TLS write https:// in url, else check the port.',
    },
    {
      why: 'over TLS to a port of clear text',
      server: () =>
        createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
      scheme: 'https',
      told: `The connection to localhost:PORT failed (EPROTO): ${breakRemedy(url, '(EPROTO)')}.`,
    },
    {
      why: 'to something that is no HTTP at all',
      server: () => createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n')),
      scheme: 'http',
      told: 'The connection to localhost:PORT failed (InvalidHTTPResponse, the status line cannot be read): what answers there does not speak HTTP: check the port in url, and whether it wants https://.',
    },
    {
      why: 'to a certificate that nobody vouches for',
      server: tls,
      scheme: 'https',
      told: `localhost:PORT cannot be reached (DEPTH_ZERO_SELF_SIGNED_CERT): ${reachRemedy('DEPTH_ZERO_SELF_SIGNED_CERT', url, false)}.`,
    },
  ])('$why', async ({ server, scheme, told }) => {
    expect(await failureAt(server(), scheme)).toBe(told)
  })

  test('that broke off says nothing of the URL once the server has answered another', () => {
    expect(breakRemedy(url, 'ECONNRESET')).toBe(
      'it ends connections without an answer: check host and port in url',
    )
  })
})

test('a wire that gets no answer says how far it came', async () => {
  let answers = false
  const server = createServer((socket) =>
    socket.on('data', () => answers && socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n')),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = new HttpClient({ url: `http://${host}/mcp`, headers: {}, lineBytesMax: 1_000 })
  const ask = (cancellation: Cancellation) =>
    client.request({ method: 'POST', protocolHeaders: {}, body: '{}', cancellation })
  const connected = new Promise((resolve) => server.once('connection', resolve))
  expect(client.silence()).toBe(
    `${host} takes no connection: check host and port in url, and whether a firewall drops what is sent there`,
  )
  const givenUp = new Cancellation()
  const asked = ask(givenUp).catch(() => null)
  await connected
  while (client.silence().includes('no connection')) await Bun.sleep(1)
  expect(client.silence()).toBe(
    `${host} takes connections, and answers nothing on them: look whether it hangs, and check the port in url`,
  )
  givenUp.cancel()
  await asked
  answers = true
  ;(await ask(new Cancellation())).discard()
  expect(client.silence()).toBe(`${host} takes requests, and has not answered this one`)
  client.close()
  server.close()
})
