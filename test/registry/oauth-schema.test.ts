/** `oauth` of a definition: what fits together, what is shown of it, and to whom a secret goes back. */
import { describe, expect, test } from 'bun:test'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToStored, definitionToWire, secretValuesOf } from '../../src/registry/definition-wire.ts'
import { mergeMasked } from '../../src/registry/merge-masked.ts'

const wire = (oauth: unknown, more: object = {}) => ({
  name: 'docs',
  transport: 'streamable-http',
  url: 'https://mcp.example/mcp',
  oauth,
  ...more,
})

function parsed(oauth: unknown, more: object = {}): ServerDefinition {
  const result = parseDefinition(wire(oauth, more), { now: '' })
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.definition
}

test('nothing said is an account that all share, by a login in a browser, as a client that registers itself', () => {
  expect(parsed({}).oauth).toEqual({
    account: 'shared',
    grant: 'authorization_code',
    issuer: null,
    client: null,
    scopes: null,
    resource: 'auto',
    pkce: 'advertised',
    dpop: false,
    assertion: '',
    assertionType: null,
    audience: null,
    identityProvider: null,
  })
})

const secret = { id: 'gw', secret: 'k3y-of-the-gateway' }
const issuer = 'https://id.example/realms/a'

describe('is refused', () => {
  test.each<{ why: string; oauth: unknown; more?: object; field: string; says: string }>([
    {
      why: 'a server that is a process',
      oauth: {},
      more: { transport: 'stdio', command: 'x', url: '' },
      field: 'oauth',
      says: 'over HTTP',
    },
    { why: 'a field of another name', oauth: { acount: 'user' }, field: 'oauth', says: 'acount' },
    {
      why: 'a word that is none',
      oauth: { account: 'everybody' },
      field: 'oauth.account',
      says: 'shared, user',
    },
    {
      why: 'tokens from two places',
      oauth: {},
      more: { headers: { authorization: 'Bearer x' } },
      field: 'headers.Authorization',
      says: 'oauth',
    },
    {
      why: 'the token of a client',
      oauth: {},
      more: { forwardHeaders: ['Authorization'] },
      field: 'forwardHeaders',
      says: 'oauth',
    },
    {
      why: 'one connection for the accounts of all',
      oauth: { account: 'user' },
      more: { isolation: 'shared' },
      field: 'isolation',
      says: 'another',
    },
    {
      why: 'a user without a browser',
      oauth: { account: 'user', grant: 'client_credentials', issuer, client: secret },
      field: 'oauth.grant',
      says: 'authorization_code',
    },
    {
      why: 'a secret for whoever a server names',
      oauth: { client: secret },
      field: 'oauth.issuer',
      says: 'whoever a server names',
    },
    {
      why: 'own credentials without any',
      oauth: { grant: 'client_credentials' },
      field: 'oauth.client',
      says: 'id and secret',
    },
    {
      why: 'a secret and a key',
      oauth: { issuer, client: { ...secret, key: 'k' } },
      field: 'oauth.client',
      says: 'not both',
    },
    {
      why: 'a method without what it takes',
      oauth: { client: { id: 'a', method: 'private_key_jwt' } },
      field: 'oauth.client.key',
      says: 'private_key_jwt',
    },
    {
      why: 'an id that is a reference',
      oauth: { client: { id: '${file:/run/id}' } },
      field: 'oauth.client.id',
      says: 'no secret',
    },
    {
      why: 'an issuer with a query',
      oauth: { issuer: 'https://id.example/?a=1' },
      field: 'oauth.issuer',
      says: 'without query',
    },
    { why: 'an issuer that is no URL', oauth: { issuer: 'id.example' }, field: 'oauth.issuer', says: 'URL' },
    {
      why: 'a resource with a fragment',
      oauth: { resource: 'https://a.example/#x' },
      field: 'oauth.resource',
      says: 'fragment',
    },
    {
      why: 'a resource that is a word',
      oauth: { resource: 'off' },
      field: 'oauth.resource',
      says: 'auto, none',
    },
    {
      why: 'a scope with a space',
      oauth: { scopes: ['a b'] },
      field: 'oauth.scopes[0]',
      says: 'without spaces',
    },
    {
      why: 'an exchange at whoever a server names',
      oauth: { account: 'user', grant: 'token_exchange', client: { id: 'a' } },
      field: 'oauth.issuer',
      says: 'shown nothing that is exchanged',
    },
    {
      why: 'an exchange without a client that may',
      oauth: { account: 'user', grant: 'token_exchange', issuer },
      field: 'oauth.client',
      says: 'the client that may exchange',
    },
    {
      why: 'nothing to exchange',
      oauth: { grant: 'jwt_bearer', issuer },
      field: 'oauth.assertion',
      says: 'set account to user',
    },
    {
      why: 'an assertion in the place of each caller',
      oauth: { account: 'user', grant: 'jwt_bearer', issuer, assertion: 'x' },
      field: 'oauth.assertion',
      says: 'left out',
    },
    {
      why: 'an assertion that nobody asks for',
      oauth: { assertion: 'x' },
      field: 'oauth.assertion',
      says: 'set oauth.grant',
    },
    {
      why: 'an audience of a login',
      oauth: { audience: 'x' },
      field: 'oauth.audience',
      says: 'token_exchange',
    },
    {
      why: 'an identity provider of an exchange',
      oauth: {
        ...{ account: 'user', grant: 'token_exchange', issuer, client: { id: 'a' } },
        identityProvider: { issuer, client: { id: 'a' } },
      },
      field: 'oauth.identityProvider',
      says: 'jwt_bearer',
    },
    {
      why: 'a key for what is exchanged',
      oauth: { account: 'user', grant: 'jwt_bearer', issuer, dpop: true },
      field: 'oauth.dpop',
      says: 'is for logins',
    },
    {
      why: 'an identity provider that is no URL',
      oauth: {
        ...{ account: 'user', grant: 'jwt_bearer', issuer },
        identityProvider: { issuer: 'id', client: { id: 'a', secret: '***' } },
      },
      field: 'oauth.identityProvider.client.secret',
      says: 'send the value',
    },
    {
      why: 'a word of RFC 8693 with a dash',
      oauth: { grant: 'token-exchange' },
      field: 'oauth.grant',
      says: 'token_exchange',
    },
    {
      why: 'a mask that stands for nothing',
      oauth: { issuer, client: { id: 'a', secret: '***' } },
      field: 'oauth.client.secret',
      says: 'send the value',
    },
  ])('$why', ({ oauth, more, field, says }) => {
    const result = parseDefinition(wire(oauth, more), { now: '' })
    const problems = result.ok ? [] : result.problems
    expect(problems.find((problem) => problem.field === field)?.reason ?? JSON.stringify(problems)).toContain(
      says,
    )
  })
})

describe('secrets of a client', () => {
  const whole = parsed({ issuer, client: secret, scopes: ['read'] })

  test('are stored, not shown, and taken out of texts', () => {
    expect(definitionToStored(whole).oauth).toEqual({ issuer, client: secret, scopes: ['read'] })
    expect(definitionToWire(whole).oauth).toEqual({
      issuer,
      client: { id: 'gw', secret: '***' },
      scopes: ['read'],
    })
    expect(secretValuesOf(whole)).toContain(secret.secret)
  })

  test('of an exchange are stored, not shown, and go back to the same places alone', () => {
    const provider = { issuer: 'https://corp.example', client: { id: 'gw', secret: 'pr0vider-s3cret' } }
    const oauth = {
      grant: 'jwt_bearer',
      issuer,
      assertion: 'ass3rtion-of-the-robot',
      identityProvider: provider,
    }
    const robot = parsed(oauth)
    expect(definitionToStored(robot).oauth).toEqual(oauth as never)
    const shown = definitionToWire(robot)
    expect(JSON.stringify(shown)).not.toContain('s3cret')
    expect(JSON.stringify(shown)).not.toContain('ass3rtion')
    expect(secretValuesOf(robot)).toEqual(
      expect.arrayContaining(['ass3rtion-of-the-robot', 'pr0vider-s3cret']),
    )
    expect(JSON.stringify(mergeMasked(shown, robot))).toContain('ass3rtion')
    const moved = {
      ...shown,
      oauth: { ...shown.oauth, identityProvider: { ...provider, issuer: 'https://evil.example' } },
    }
    expect(JSON.stringify(mergeMasked(moved, robot))).not.toContain('ass3rtion')
  })

  test('of files stay references', () => {
    const referring = parsed({ issuer, client: { id: 'gw', secret: '${file:/run/secrets/gw}' } })
    expect(definitionToWire(referring).oauth?.client?.secret).toBe('${file:/run/secrets/gw}')
  })

  const back = { ...wire({ issuer, client: { id: 'gw', secret: '***' }, scopes: ['read', 'write'] }) }

  test.each<{ why: string; sent: object; restored: boolean }>([
    { why: 'the same place, with other scopes', sent: back, restored: true },
    { why: 'another origin', sent: { ...back, url: 'https://evil.example/mcp' }, restored: false },
    {
      why: 'another issuer',
      sent: { ...back, oauth: { ...(back.oauth as object), issuer: 'https://evil.example' } },
      restored: false,
    },
    { why: 'no issuer', sent: { ...back, oauth: { client: { id: 'gw', secret: '***' } } }, restored: false },
    {
      why: 'another client',
      sent: { ...back, oauth: { issuer, client: { id: 'other', secret: '***' } } },
      restored: false,
    },
  ])('go back to $why: $restored', ({ sent, restored }) => {
    const merged = JSON.stringify(mergeMasked(sent, whole))
    expect(merged.includes(secret.secret)).toBe(restored)
  })
})
