/** Endpoints as OAuth resources: which URL is which, what an audience opens, where a challenge leads. */
import { describe, expect, test } from 'bun:test'
import { Resources } from '../../../src/identity/oauth/resources.ts'

const issuer = 'https://id.example.com'
const base = 'https://tools.example.com/gw'
const settings = { baseUrl: base, scopes: ['mcp'], issuers: [{ issuer, audiences: ['api://mcp'] }] }
const resources = new Resources(settings)

describe('the resource of a path', () => {
  test.each([
    { path: '/mcp-proxy/docs/stream', resource: '/mcp-proxy/docs/stream', why: 'the endpoint itself' },
    { path: '/mcp-proxy/docs/stream/', resource: '/mcp-proxy/docs/stream', why: 'no slash at the end' },
    { path: '/mcp-proxy/docs/stream/below', resource: '/mcp-proxy/docs/stream', why: 'what is below it' },
    { path: '/mcp-proxy/docs/sse', resource: '/mcp-proxy/docs/sse', why: 'the older endpoint' },
    { path: '/mcp-proxy/docs/message', resource: '/mcp-proxy/docs/sse', why: 'whose posts go elsewhere' },
    { path: '/mcp', resource: '/mcp', why: 'all servers' },
    { path: '/mcp/', resource: '/mcp', why: 'the same' },
    { path: '/mcp/sse', resource: '/mcp/sse', why: 'all servers, older' },
    { path: '/mcp/message', resource: '/mcp/sse', why: 'and its posts' },
    { path: '/mcp-proxy/docs', resource: null, why: 'no endpoint' },
    { path: '/mcp-proxy/docs/other', resource: null, why: 'no endpoint either' },
    { path: '/mcp-proxy/d%6fcs/stream', resource: null, why: 'a name that no server has' },
    { path: '/mcpx', resource: null, why: 'another path' },
  ])('$path: $why', ({ path, resource }) => {
    expect(Resources.pathOf(path)).toBe(resource)
  })
})

describe('what an audience opens', () => {
  const opens = (...audiences: string[]) => {
    const audience = resources.audienceOf(audiences, ['api://mcp'])
    return audience && { everywhere: audience.everywhere, places: [...audience.places] as readonly string[] }
  }

  test.each([
    { aud: `${base}/mcp-proxy/docs/stream`, places: ['docs'], why: 'one endpoint of a server' },
    { aud: `${base}/mcp-proxy/docs/sse`, places: ['docs'], why: 'the other one' },
    { aud: `${base}/mcp`, places: ['/mcp'], why: 'all servers together' },
    { aud: `${base}/mcp/sse`, places: ['/mcp'], why: 'the same' },
  ])('$aud: $why', ({ aud, places }) => {
    expect(opens(aud)).toEqual({ everywhere: false, places: [...places] })
  })

  test.each([
    { aud: `${base}/mcp-proxy/docs`, why: 'a parent of the endpoint' },
    { aud: base, why: 'the gateway, which is no audience here' },
    { aud: 'https://tools.example.com', why: 'its host' },
    { aud: `${base}/mcp-proxy/docs/stream/`, why: 'another URL, by a slash' },
    { aud: `${base}/mcp-proxy/docs/stream/below`, why: 'no resource' },
    { aud: `${base}/mcp-proxy/docs/stream?x`, why: 'no resource' },
    { aud: `${base}/mcp-proxy/docs/message`, why: 'no resource of its own' },
    { aud: `${base}/mcp-proxy/DOCS/../docs/stream`, why: 'not a URL that is written so' },
    { aud: 'https://tools.example.com/mcp-proxy/docs/stream', why: 'without the prefix' },
    { aud: 'http://tools.example.com/gw/mcp-proxy/docs/stream', why: 'in clear text' },
    { aud: 'https://tools.example.com.evil.example/gw/mcp-proxy/docs/stream', why: 'another host' },
    { aud: 'https://tools.example.com/gw2/mcp-proxy/docs/stream', why: 'a neighbour of the prefix' },
    { aud: 'api://mcp2', why: 'a configured one and more' },
    { aud: 'account', why: 'what Keycloak says when nobody tells it otherwise' },
  ])('nothing: $aud, $why', ({ aud }) => {
    expect(opens(aud)).toBeNull()
  })

  test('everything, where the settings name it', () => {
    expect(opens('account', 'api://mcp')).toEqual({ everywhere: true, places: [] })
  })

  test('each of several', () => {
    const places = opens(`${base}/mcp-proxy/docs/stream`, `${base}/mcp-proxy/files/sse`, 'account')
    expect(places).toEqual({ everywhere: false, places: ['docs', 'files'] })
  })
})

describe('metadata', () => {
  const wellKnown = '/.well-known/oauth-protected-resource'
  const metadata = {
    authorization_servers: [issuer],
    scopes_supported: ['mcp'],
    bearer_methods_supported: ['header'],
  }

  test.each(['/mcp-proxy/docs/stream', '/mcp-proxy/docs/sse', '/mcp', '/mcp/sse'])('of %s', (path) => {
    const found: unknown = resources.metadataAt(`${wellKnown}/gw${path}`)
    expect(found).toEqual({ resource: `${base}${path}`, ...metadata })
  })

  test.each([
    { path: wellKnown, why: 'the gateway is no resource of its own' },
    { path: `${wellKnown}/gw`, why: 'the same' },
    { path: `${wellKnown}/mcp-proxy/docs/stream`, why: 'without the prefix it is another resource' },
    { path: `${wellKnown}/gw/mcp-proxy/docs`, why: 'no endpoint' },
    { path: `${wellKnown}/gw/mcp-proxy/docs/stream/`, why: 'the resource has no slash at its end' },
    { path: `${wellKnown}/gw/mcp-proxy/docs/message`, why: 'posts belong to the resource sse' },
    { path: `${wellKnown}/gw/mcp-proxy/a%2fb/stream`, why: 'no server has such a name' },
    { path: `${wellKnown}x`, why: 'another document' },
  ])('none at $path: $why', ({ path }) => {
    expect(resources.metadataAt(path)).toBeNull()
  })

  test('of the gateway, where its URL is a configured audience', () => {
    const own = new Resources({ ...settings, issuers: [{ issuer, audiences: [base] }] })
    const expected = { resource: base, ...metadata }
    const found: unknown[] = [own.metadataAt(wellKnown), own.metadataAt(`${wellKnown}/gw`)]
    expect(found).toEqual([expected, expected])
  })

  test('without a prefix stands right behind the host, and names no scopes where there are none', () => {
    const plain = new Resources({ baseUrl: 'https://gw.example', scopes: [], issuers: settings.issuers })
    expect(plain.metadataAt(`${wellKnown}/mcp`)).toEqual({
      resource: 'https://gw.example/mcp',
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
    })
  })
})

describe('the challenge', () => {
  const metadata = 'https://tools.example.com/.well-known/oauth-protected-resource/gw/mcp-proxy/docs/stream'

  test('without a token: where the metadata is, and all scopes', () => {
    expect(resources.challenge('/mcp-proxy/docs/stream', null)).toBe(
      `Bearer resource_metadata="${metadata}", scope="mcp"`,
    )
  })

  test('with one: that it does not count', () => {
    const fault = { error: 'invalid_token', description: 'The token has expired.' } as const
    expect(resources.challenge('/mcp-proxy/docs/stream', fault)).toBe(
      `Bearer error="invalid_token", error_description="The token has expired.", resource_metadata="${metadata}", scope="mcp"`,
    )
  })

  test('names the scopes that are missing', () => {
    const fault = { error: 'insufficient_scope', description: 'x', scopes: ['a', 'b'] } as const
    expect(resources.challenge('/mcp-proxy/docs/stream', fault)).toContain('scope="a b"')
  })

  test('does not end early for what stands in it', () => {
    const fault = { error: 'invalid_token', description: 'a"b\\c\r\nd: é' } as const
    expect(resources.challenge('/mcp-proxy/docs/stream', fault)).toContain(
      "error_description=\"a'b'c''d: '\"",
    )
  })
})
