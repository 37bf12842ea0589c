/** A name is connected to where it was judged, whatever its name server says a moment later. */
import { afterEach, describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../../../src/errors.ts'
import { GuardedRoutes, type UrlGuard } from '../../../../../src/upstream/transports/http/client/routes.ts'
import { createStreamableHttpTransport } from '../../../../../src/upstream/transports/http/streamable-http.ts'
import type { UpstreamTransport } from '../../../../../src/upstream/transports/transport.ts'
import { jsonAnswer, startFaultHttp } from '../../../../support/fault-http.ts'
import { openTransport } from '../../../../support/transport-session.ts'

const open: UpstreamTransport[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()))
})

function transportTo(url: string, guardUrl: UrlGuard): UpstreamTransport {
  const transport = createStreamableHttpTransport({ url, headers: {}, lineBytesMax: 1 << 20, guardUrl })
  open.push(transport)
  return transport
}

/** A name that no resolver knows: a connection that looked it up again would fail. */
const named = (origin: string) => `${origin.replace('127.0.0.1', 'upstream.invalid')}/mcp`

describe('a name that was judged', () => {
  test('is connected to at that address, and is told its name', async () => {
    await using http = startFaultHttp((request) => jsonAnswer(request))
    const session = await openTransport(transportTo(named(http.origin), async () => ['127.0.0.1']))
    await session.call('first')
    await session.call('second')
    expect(http.seen.map(({ headers }) => headers['host'])).toEqual(
      Array(2).fill(new URL(named(http.origin)).host),
    )
  })

  test('is tried at its other addresses when nobody listens at the first', async () => {
    await using http = startFaultHttp((request) => jsonAnswer(request))
    // Nothing listens on 127.0.0.2: the server is bound to one address.
    const session = await openTransport(
      transportTo(named(http.origin), async () => ['::1', '127.0.0.2', '127.0.0.1']),
    )
    await session.call('first')
    await session.call('second')
    expect(http.seen).toHaveLength(2)
  })

  test('is named in the error when nobody answers anywhere', async () => {
    const transport = transportTo('http://upstream.invalid:1/mcp', async () => ['127.0.0.1', '127.0.0.2'])
    const { recorder, start } = await openTransport(transport)
    start('call')
    const failed = await recorder.until((event) => event.kind === 'requestFailed')
    expect(failed).toMatchObject({
      error: {
        code: 'SERVER_UNAVAILABLE',
        details:
          'upstream.invalid:1 cannot be reached (ECONNREFUSED): nothing listens there: start the server, or check host and port in url.',
      },
    })
  })

  test('is judged at each hop of a redirect, and connected to there', async () => {
    await using other = startFaultHttp((request) => jsonAnswer(request))
    await using http = startFaultHttp(
      () => new Response(null, { status: 307, headers: { location: named(other.origin) } }),
    )
    const session = await openTransport(transportTo(http.url, async () => ['127.0.0.1']))
    await session.call('call')
    expect(other.seen.map(({ headers }) => headers['host'])).toEqual([new URL(named(other.origin)).host])
  })
})

describe('the way to a URL', () => {
  test.each([
    {
      url: 'http://name.example:81/a?b',
      addresses: ['192.0.2.1'],
      hrefs: ['http://192.0.2.1:81/a?b'],
      host: 'name.example:81',
      why: 'in clear text it goes to the address',
    },
    {
      url: 'http://name.example/a',
      addresses: ['2001:db8::1', '192.0.2.1'],
      hrefs: ['http://192.0.2.1/a', 'http://[2001:db8::1]/a'],
      host: 'name.example',
      why: 'IPv4 comes first',
    },
    {
      url: 'https://name.example/a',
      addresses: ['192.0.2.1'],
      hrefs: ['https://name.example/a'],
      host: null,
      why: 'over TLS the certificate holds it to its name',
    },
    {
      url: 'http://192.0.2.7/a',
      addresses: ['192.0.2.7'],
      hrefs: ['http://192.0.2.7/a'],
      host: null,
      why: 'an address leads nowhere else',
    },
    {
      url: 'http://[::1]:80/a',
      addresses: ['::1'],
      hrefs: ['http://[::1]/a'],
      host: null,
      why: 'nor does an IPv6 one',
    },
    {
      url: 'http://name.example/a',
      addresses: undefined,
      hrefs: ['http://name.example/a'],
      host: null,
      why: 'an outgoing proxy makes the connection',
    },
  ])('$url: $why', async ({ url, addresses, hrefs, host }) => {
    expect(await new GuardedRoutes(async () => addresses).judge(new URL(url))).toMatchObject({
      hrefs,
      host,
    } as never)
  })

  test('is not known once its origin failed, and is judged again', async () => {
    let judged = 0
    const routes = new GuardedRoutes(async () => [`192.0.2.${++judged}`])
    const url = new URL('http://name.example/a')
    const other = new URL('http://name.example/b')
    await routes.judge(url)
    expect((await routes.judge(other)).hrefs).toEqual(['http://192.0.2.1/b'])
    expect(routes.known(url)?.hrefs).toEqual(['http://192.0.2.1/a'])
    routes.forget(url)
    expect(routes.known(url)).toBeNull()
    expect((await routes.judge(url)).hrefs).toEqual(['http://192.0.2.2/a'])
  })

  test('is judged by where a redirect to it comes from', async () => {
    const asked: string[] = []
    const routes = new GuardedRoutes(async (url, from) => {
      asked.push(`${from?.host ?? 'nowhere'} → ${url.host}`)
      return ['192.0.2.1']
    })
    const [a, b] = [new URL('http://a.example/'), new URL('http://b.example/')]
    await routes.judge(b)
    await routes.judge(b, a)
    await routes.judge(new URL('http://b.example/other'), a)
    await routes.judge(new URL('http://b.example/other'), b)
    expect(asked).toEqual(['nowhere → b.example', 'a.example → b.example'])
  })

  test('is not there when the guard refuses', async () => {
    const routes = new GuardedRoutes(async () => {
      throw new GatewayError('URL_FORBIDDEN', 'no')
    })
    const url = new URL('http://name.example/')
    await expect(routes.judge(url)).rejects.toThrow('no')
    expect(routes.known(url)).toBeNull()
  })
})
