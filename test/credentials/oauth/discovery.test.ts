/** Who issues tokens for a server: every place that is asked, in its order, and everything that is not believed. */
import { describe, expect, test } from 'bun:test'
import { bearerChallenge } from '../../../src/credentials/oauth/challenge.ts'
import { covers, discover } from '../../../src/credentials/oauth/discovery.ts'
import { oauthOf } from '../../../src/registry/oauth/oauth-schema.ts'
import type { SmallRequest } from '../../../src/upstream/transports/http/client/small-requests.ts'

const server = 'https://mcp.example/team/mcp'
const byPath = 'https://mcp.example/.well-known/oauth-protected-resource/team/mcp'
const atRoot = 'https://mcp.example/.well-known/oauth-protected-resource'
const as = (path: string) => `https://as.example${path}`
const metadata = (issuer: string, more: object = {}) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  ...more,
})
const resource = (more: object = {}) => ({ resource: server, authorization_servers: [as('/t')], ...more })

/** Answers with these documents, numbers are statuses, and with 404 everywhere else. */
function world(documents: Readonly<Record<string, object | number>>) {
  const asked: SmallRequest[] = []
  const ask = async (request: SmallRequest) => {
    asked.push(request)
    const found = documents[request.url] ?? 404
    const [status, text] = typeof found === 'number' ? [found, ''] : [200, JSON.stringify(found)]
    return { status, text, mediaType: 'application/json', challenge: '' }
  }
  return { ask, asked, urls: () => asked.map(({ url }) => url) }
}

const found = (documents: Readonly<Record<string, object | number>>, oauth = {}, challenge = '') => {
  const { ask, asked, urls } = world(documents)
  return { authority: discover(ask, server, oauthOf(oauth), bearerChallenge(challenge)), asked, urls }
}

describe('places of the metadata of a server', () => {
  const issuer = { [as('/.well-known/oauth-authorization-server/t')]: metadata(as('/t')) }

  test('the challenge names one, and no other is asked', async () => {
    const { authority, urls } = found(
      { 'https://mcp.example/m.json': resource(), [byPath]: resource(), ...issuer },
      {},
      'Bearer resource_metadata="https://mcp.example/m.json"',
    )
    expect((await authority).issuer).toBe(as('/t'))
    expect(urls()[0]).toBe('https://mcp.example/m.json')
    expect(urls()).not.toContain(byPath)
  })

  test('else the one below its path comes before the root', async () => {
    const { authority, urls } = found({ [byPath]: resource(), [atRoot]: resource(), ...issuer })
    await authority
    expect(urls()).not.toContain(atRoot)
  })

  test('else the root', async () => {
    const { authority, urls } = found({ [atRoot]: resource(), ...issuer })
    await authority
    expect(urls().slice(0, 2)).toEqual([byPath, atRoot])
  })

  test('a place that a server names and has not is no reason to look elsewhere', async () => {
    const { authority } = found(
      { [byPath]: resource(), ...issuer },
      {},
      `Bearer resource_metadata="${atRoot}"`,
    )
    await expect(authority).rejects.toMatchObject({ code: 'UPSTREAM_UNAUTHORIZED' })
  })

  test('a server that fails is asked again later, and not taken for one without metadata', async () => {
    const { authority } = found({ [byPath]: 503, ...issuer })
    await expect(authority).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
  })

  test('without metadata its origin is tried as the authorization server', async () => {
    const own = 'https://mcp.example'
    const { authority } = found({ [`${own}/.well-known/oauth-authorization-server`]: metadata(own) })
    expect(await authority).toMatchObject({ issuer: own, resource: server })
  })
})

describe('places of the metadata of an authorization server', () => {
  test.each<{ why: string; issuer: string; order: string[] }>([
    {
      why: 'with a path',
      issuer: as('/t'),
      order: [
        as('/.well-known/oauth-authorization-server/t'),
        as('/.well-known/openid-configuration/t'),
        as('/t/.well-known/openid-configuration'),
      ],
    },
    {
      why: 'without one',
      issuer: as(''),
      order: [as('/.well-known/oauth-authorization-server'), as('/.well-known/openid-configuration')],
    },
  ])('$why', async ({ issuer, order }) => {
    const last = order.at(-1) ?? ''
    const { authority, urls } = found({
      [byPath]: resource({ authorization_servers: [issuer] }),
      [last]: metadata(issuer),
    })
    await authority
    expect(urls().slice(1)).toEqual(order)
  })
})

describe('what is not believed', () => {
  const at = as('/.well-known/oauth-authorization-server/t')

  test.each<{ why: string; documents: Record<string, object>; oauth?: object; says: string }>([
    {
      why: 'metadata of another issuer, to the last slash',
      documents: { [byPath]: resource(), [at]: metadata(as('/t/')) },
      says: 'names the issuer',
    },
    {
      why: 'a resource at another origin',
      documents: {
        [byPath]: resource({ resource: 'https://evil.example/team/mcp' }),
        [at]: metadata(as('/t')),
      },
      says: 'another resource',
    },
    {
      why: 'a resource whose path only begins alike',
      documents: { [byPath]: resource({ resource: 'https://mcp.example/te' }), [at]: metadata(as('/t')) },
      says: 'another resource',
    },
    {
      why: 'an authorization server in clear text behind TLS',
      documents: { [byPath]: resource({ authorization_servers: ['http://as.example/t'] }) },
      says: 'no https URL',
    },
    {
      why: 'a token endpoint in clear text behind TLS',
      documents: {
        [byPath]: resource(),
        [at]: metadata(as('/t'), { token_endpoint: 'http://as.example/token' }),
      },
      says: 'token_endpoint',
    },
    {
      why: 'an endpoint with credentials in it',
      documents: {
        [byPath]: resource(),
        [at]: metadata(as('/t'), { registration_endpoint: 'https://user@as.example/register' }),
      },
      says: 'registration_endpoint',
    },
    {
      why: 'metadata that names nobody',
      documents: { [byPath]: resource({ authorization_servers: [] }) },
      says: 'oauth.issuer',
    },
  ])('$why', async ({ documents, oauth = {}, says }) => {
    const { authority } = found(documents, oauth)
    await expect(authority).rejects.toThrow(says)
  })

  test('a pinned issuer counts whatever the server names, and the server has no say in where it lies', async () => {
    const { authority, asked } = found(
      { [byPath]: resource({ authorization_servers: ['https://evil.example'] }), [at]: metadata(as('/t')) },
      { issuer: as('/t') },
    )
    expect((await authority).issuer).toBe(as('/t'))
    expect(asked.map(({ url }) => url)).not.toContain('https://evil.example')
    expect(asked.at(-1)?.learnedFrom).toBe(as('/t'))
  })

  test('whoever is named is judged by who named it', async () => {
    const { authority, asked } = found({ [byPath]: resource(), [at]: metadata(as('/t')) })
    await authority
    expect(asked.map(({ learnedFrom }) => URL.parse(learnedFrom ?? '')?.hostname)).toEqual([
      'mcp.example',
      'mcp.example',
    ])
  })
})

describe('the resource that tokens are for', () => {
  const at = { [as('/.well-known/oauth-authorization-server/t')]: metadata(as('/t')) }

  test.each<{ why: string; oauth: object; says: object; is: string | null }>([
    {
      why: 'as the server writes it',
      oauth: {},
      says: { resource: 'https://mcp.example' },
      is: 'https://mcp.example',
    },
    { why: 'none, where the definition says so', oauth: { resource: 'none' }, says: {}, is: null },
    {
      why: 'the one of the definition, whatever the server says',
      oauth: { resource: 'api://one' },
      says: { resource: 'https://other.example' },
      is: 'api://one',
    },
  ])('$why', async ({ oauth, says, is }) => {
    const { authority } = found({ [byPath]: resource(says), ...at }, oauth)
    expect((await authority).resource).toBe(is)
  })

  test.each<[resource: string, covered: boolean]>([
    ['https://mcp.example', true],
    ['https://mcp.example/', true],
    ['https://mcp.example/team', true],
    ['https://mcp.example/team/mcp', true],
    ['https://mcp.example/team/mcp/', true],
    ['https://mcp.example/team/mcp/below', false],
    ['https://mcp.example/TEAM/mcp', false],
    ['https://mcp.example:444/team/mcp', false],
    ['http://mcp.example/team/mcp', false],
    ['https://mcp.example/team/mcp?x=1', false],
    ['urn:mcp', false],
    ['nonsense', false],
  ])('%s: %p', (named, covered) => {
    expect(covers(named, new URL(server))).toBe(covered)
  })
})
