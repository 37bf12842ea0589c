/** What a definition and the environment together choose. */
import { describe, expect, test } from 'bun:test'
import { createSecretsOf } from '../../../src/upstream/server/open-transport.ts'
import { definitionOf } from '../../registry/definitions.ts'
import { startRawHttp } from '../../support/fault-http.ts'

const source = `${import.meta.dir}/../../../src`

/** Sends one call to this URL in a process of its own, for which alone the environment is meant. */
async function callIn(env: Record<string, string>, url: string): Promise<string> {
  const script = `
    import { openTransport } from '${source}/upstream/server/open-transport.ts'
    const limits = { lineBytesMax: 1000 }
    const config = { limits, timeouts: { stopGraceMs: 1 }, security: { childEnvironment: [] } }
    const urlPolicy = { privateUpstreams: 'allowed' }
    const wire = await openTransport({ name: 'a', transport: 'streamable-http', url: '${url}', headers: {}, env: {} }, [], config, urlPolicy, {})
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
    { why: 'may be the one for all', variable: 'ALL_PROXY', noProxy: '', by: 'proxy' },
    { why: 'for all may be written small', variable: 'all_proxy', noProxy: '', by: 'proxy' },
    { why: 'for all is left out as well', variable: 'all_proxy', noProxy: '127.0.0.1', by: 'server' },
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

  const secret = 'ada:pass-word-1@'
  const refusals = [
    {
      why: 'that wants credentials says so, and that it is the proxy',
      url: 'http://127.0.0.1:9/mcp',
      status: 407,
      said: '127.0.0.1:9 cannot be reached: the proxy answered HTTP 407: put its user and password into the URL in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.',
    },
    {
      why: 'that wants credentials for a tunnel says the same',
      url: 'https://127.0.0.1:9/mcp',
      status: 407,
      said: '127.0.0.1:9 cannot be reached through the proxy PROXY (the proxy answered HTTP 407: put its user and password into the URL in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY).',
    },
    {
      why: 'that cannot make a tunnel',
      url: 'https://127.0.0.1:9/mcp',
      status: 502,
      said: '127.0.0.1:9 cannot be reached through the proxy PROXY (the proxy answered CONNECT with HTTP 502).',
    },
    {
      why: 'that may have written the answer itself is named with it',
      url: 'http://127.0.0.1:9/mcp',
      status: 502,
      said: '127.0.0.1:9, through the proxy PROXY, answered HTTP 502',
    },
  ]
  for (const { why, url, status, said } of refusals) {
    test(why, async () => {
      await using proxy = await startRawHttp((socket) => {
        socket.end(`HTTP/1.1 ${status} it-is-me-${secret}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
      })
      const { host } = new URL(proxy.url)
      expect(await callIn({ ALL_PROXY: `http://${secret}${host}` }, url)).toBe(
        said.replace('the proxy PROXY', `the proxy ${host}`),
      )
    })
  }

  const unreached = [
    {
      proxy: 'http://127.0.0.1:1',
      why: 'nobody answers there',
      said: '127.0.0.1:1 (ECONNREFUSED): start that proxy, or name the host in NO_PROXY.',
    },
    {
      proxy: 'socks5://127.0.0.1:9',
      why: 'it is of another kind',
      said: '127.0.0.1:9 (it is neither an http nor an https proxy).',
    },
  ]
  for (const { proxy, why, said } of unreached) {
    test(`that cannot be used is named: ${why}`, async () => {
      expect(await callIn({ ALL_PROXY: proxy }, 'http://127.0.0.1:9/mcp')).toBe(
        `127.0.0.1:9 cannot be reached through the proxy ${said}`,
      )
    })
  }
})

describe('secrets that a process inherits', () => {
  test('are the credentials in proxies and indexes, and all that the setting adds', () => {
    const environment = {
      PATH: '/bin',
      HTTP_PROXY: 'http://ada:pass%2Fword@proxy.example:3128',
      https_proxy: 'bob:pass-word-2@proxy.example:3128',
      UV_INDEX: 'own=https://carol:pass-word-3@uv.example/simple second=https://uv.example/simple',
      PIP_EXTRA_INDEX_URL: 'https://pip.example/simple?key=pass-word-4',
      SERVICE_KEY: 'pass-word-5',
      OTHER_KEY: 'not named',
    }
    const definition = definitionOf({
      name: 'a',
      transport: 'stdio',
      command: 'run',
      env: { K: 'own-key-1' },
    })
    const secretsOf = createSecretsOf(environment, ['SERVICE_KEY', 'NOT_SET'])
    const secrets = secretsOf(definition)
    expect(secrets).toEqual(
      expect.arrayContaining([
        'own-key-1',
        'pass%2Fword',
        'pass/word',
        'pass-word-2',
        'pass-word-3',
        'pass-word-4',
      ]),
    )
    expect(secrets).toContain('pass-word-5')
    for (const shown of ['/bin', 'not named', 'proxy.example', 'proxy.example:3128', 'uv.example'])
      expect(secrets).not.toContain(shown)
    expect(secretsOf(definition)).toBe(secrets)
  })
})
