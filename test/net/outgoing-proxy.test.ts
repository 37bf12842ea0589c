import { describe, expect, test } from 'bun:test'
import { outgoingProxies } from '../../src/net/outgoing-proxy.ts'

const clear = 'http://server.example/mcp'
const tls = 'https://server.example/mcp'

describe('the proxy of a request', () => {
  test.each([
    { environment: {}, url: clear, name: null, why: 'none is named' },
    { environment: { HTTP_PROXY: 'http://p:3128' }, url: clear, name: 'p:3128', why: 'in clear text' },
    { environment: { HTTP_PROXY: 'http://p:3128' }, url: tls, name: null, why: 'each scheme has its own' },
    { environment: { https_proxy: 'http://p:1' }, url: tls, name: 'p:1', why: 'over TLS' },
    { environment: { ALL_PROXY: 'http://p:1' }, url: clear, name: 'p:1', why: 'all is for clear text' },
    { environment: { all_proxy: 'http://p:1' }, url: tls, name: 'p:1', why: 'and for TLS' },
    {
      environment: { HTTPS_PROXY: 'http://own:1', ALL_PROXY: 'http://all:1' },
      url: tls,
      name: 'own:1',
      why: 'what is named for the scheme wins',
    },
    {
      environment: { http_proxy: 'http://lower:1', HTTP_PROXY: 'http://upper:1' },
      url: clear,
      name: 'lower:1',
      why: 'lower case wins',
    },
    {
      environment: { HTTP_PROXY: '', ALL_PROXY: 'http://all:1' },
      url: clear,
      name: 'all:1',
      why: 'an empty variable says nothing',
    },
    { environment: { HTTP_PROXY: 'p:3128' }, url: clear, name: 'p:3128', why: 'the scheme may be left out' },
    { environment: { HTTP_PROXY: 'http://p' }, url: clear, name: 'p:80', why: 'a port may be left out' },
    {
      environment: { HTTP_PROXY: 'http://ada:secret-1@p:3128' },
      url: clear,
      name: 'p:3128',
      why: 'credentials are no part of the name',
    },
    { environment: { HTTP_PROXY: 'http://' }, url: clear, name: null, why: 'it is no URL' },
    ...[
      { exempt: '*', name: null },
      { exempt: 'server.example', name: null },
      { exempt: 'SERVER.example', name: null },
      { exempt: '.example', name: null },
      { exempt: 'example', name: null },
      { exempt: 'a, example ,b', name: null },
      { exempt: 'server.example:80', name: null },
      { exempt: 'server.example:8080', name: 'p:1' },
      { exempt: 'erver.example', name: 'p:1' },
      { exempt: ' , ', name: 'p:1' },
    ].map(({ exempt, name }) => ({
      environment: { HTTP_PROXY: 'http://p:1', NO_PROXY: exempt },
      url: clear,
      name,
      why: `NO_PROXY is "${exempt}"`,
    })),
  ])('is $name for $url: $why', ({ environment, url, name }) => {
    expect(outgoingProxies(environment).of(new URL(url))?.name ?? null).toBe(name)
  })

  test('keeps its credentials for the connection', () => {
    const proxies = outgoingProxies({ HTTP_PROXY: 'http://ada:secret-1@p:3128' })
    expect(proxies.of(new URL(clear))?.href).toBe('http://ada:secret-1@p:3128/')
    expect(proxies.carriesClearText).toBe(true)
  })
})
