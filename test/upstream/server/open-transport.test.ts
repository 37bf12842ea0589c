/** What a definition and the environment together choose. */
import { describe, expect, test } from 'bun:test'
import { startRawHttp } from '../../support/fault-http.ts'

const source = `${import.meta.dir}/../../../src`

/** Sends one call to this URL in a process of its own, for which alone the environment is meant. */
async function callIn(env: Record<string, string>, url: string): Promise<string> {
  const script = `
    import { openTransport } from '${source}/upstream/server/open-transport.ts'
    const limits = { lineBytesMax: 1000 }
    const config = { limits, timeouts: { stopGraceMs: 1 } }
    const urlPolicy = { privateUpstreams: 'allowed' }
    const wire = openTransport({ name: 'a', transport: 'streamable-http', url: '${url}', headers: {} }, [], config, urlPolicy, {})
    const said = Promise.withResolvers()
    const receiver = {
      message: (text) => said.resolve(text),
      requestFailed: (_id, error) => said.resolve(error.details),
    }
    await wire.open(receiver, AbortSignal.timeout(5000))
    wire.send({ text: '{"jsonrpc":"2.0","id":1,"method":"call"}', requestId: 1, method: 'call' })
    console.log(await said.promise)
    await wire.close()`
  const child = Bun.spawn([process.execPath, '-e', script], { env, stdout: 'pipe', stderr: 'inherit' })
  return (await new Response(child.stdout).text()).trim()
}

function answering(text: string) {
  return startRawHttp((socket) => {
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    )
  })
}

describe('an outgoing proxy', () => {
  const rows = [
    { why: 'makes the connections in clear text', variable: 'http_proxy', noProxy: '', by: 'proxy' },
    { why: 'may be named in capitals', variable: 'HTTP_PROXY', noProxy: '', by: 'proxy' },
    { why: 'is left out for hosts in NO_PROXY', variable: 'http_proxy', noProxy: '127.0.0.1', by: 'server' },
    { why: 'of TLS alone has no say', variable: 'https_proxy', noProxy: '', by: 'server' },
  ]
  for (const { why, variable, noProxy, by } of rows) {
    test(why, async () => {
      await using server = await answering('{"by":"server"}')
      await using proxy = await answering('{"by":"proxy"}')
      const env = { [variable]: new URL(proxy.url).origin, NO_PROXY: noProxy }
      expect(await callIn(env, server.url)).toBe(`{"by":"${by}"}`)
      expect([server.bodies.length, proxy.bodies.length]).toEqual(by === 'proxy' ? [0, 1] : [1, 0])
    })
  }
})
