/** What a token must say to count, one row for each rule. */
import { describe, expect, test } from 'bun:test'
import { judgeClaims, readToken } from '../../../src/identity/oauth/token-claims.ts'
import { unsignedToken } from '../../support/issuer.ts'

const nowS = 1_800_000_000
const settings = { clients: [], claims: { groups: 'groups', scopes: 'scope' } }
const good = { iss: 'https://id.example', sub: 'alice', aud: 'api', exp: nowS + 60 }
const header = { alg: 'RS256', kid: 'k1', typ: 'at+jwt' }

describe('a token as it is read', () => {
  test('gives algorithm, key and issuer', () => {
    expect(readToken(unsignedToken(header, good))).toEqual({
      algorithm: 'RS256',
      keyId: 'k1',
      issuer: 'https://id.example',
      payload: good,
    })
  })

  test.each([
    { why: 'the usual type', typ: 'JWT' },
    { why: 'none at all', typ: undefined },
    { why: 'the whole media type', typ: 'application/at+jwt' },
  ])('of $why is taken', ({ typ }) => {
    expect(readToken(unsignedToken({ ...header, typ }, good))).toHaveProperty('issuer')
  })

  test.each([
    { why: 'nobody has signed it', header: { ...header, alg: 'none' } },
    { why: 'a published key would sign it', header: { ...header, alg: 'HS256' } },
    { why: 'a published key would sign it', header: { ...header, alg: 'HS512' } },
    { why: 'an algorithm has one spelling', header: { ...header, alg: 'rs256' } },
    { why: 'that curve is not asked for', header: { ...header, alg: 'ES256K' } },
    { why: 'an assertion is for an authorization server', header: { ...header, typ: 'oauth-id-jag+jwt' } },
    { why: 'a proof of possession is no token', header: { ...header, typ: 'dpop+jwt' } },
    { why: 'an introspection is no token', header: { ...header, typ: 'token-introspection+jwt' } },
    { why: 'an entity statement is no token', header: { ...header, typ: 'entity-statement+jwt' } },
    { why: 'a logout token is for a client', header: { ...header, typ: 'logout+jwt' } },
    { why: 'a type is a text', header: { ...header, typ: ['JWT'] } },
    { why: 'what is critical must be understood', header: { ...header, crit: ['b64'], b64: false } },
    { why: 'a key is named by a text', header: { ...header, kid: { a: 1 } } },
  ])('is refused: $why', ({ header }) => {
    expect(readToken(unsignedToken(header, good))).toHaveProperty('refused')
  })

  test('is refused without an issuer, and with two', () => {
    for (const iss of [undefined, ['https://id.example'], 7]) {
      expect(readToken(unsignedToken(header, { ...good, iss }))).toHaveProperty('refused')
    }
  })

  test.each([
    { why: 'an opaque token', token: 'abcdef' },
    { why: 'two parts', token: 'a.b' },
    { why: 'an encrypted token', token: 'a.b.c.d.e' },
    { why: 'a header that is no JSON', token: 'abc.def.ghi' },
    { why: 'a header that is a list', token: unsignedToken([], good) },
    { why: 'an empty header', token: `.${unsignedToken(header, good).split('.')[1]}.AAAA` },
  ])('is left to the issuer: $why', ({ token }) => {
    expect(readToken(token)).toBeNull()
  })
})

describe('claims', () => {
  test('of the least that counts', () => {
    expect(judgeClaims(good, settings, nowS)).toEqual({
      subject: 'alice',
      audiences: ['api'],
      expiresAtS: nowS + 60,
      claims: { groups: [], scopes: [] },
    })
  })

  test.each([
    { why: 'no end', change: { exp: undefined } },
    { why: 'an end that is a text', change: { exp: String(nowS + 60) } },
    { why: 'an end that is no number', change: { exp: null } },
    { why: 'an end that has come', change: { exp: nowS } },
    { why: 'a beginning that has not', change: { nbf: nowS + 61 } },
    { why: 'a beginning that is a text', change: { nbf: '0' } },
    { why: 'an issue in the future', change: { iat: nowS + 61 } },
    { why: 'no subject', change: { sub: undefined } },
    { why: 'an empty subject', change: { sub: '' } },
    { why: 'a subject that is a number', change: { sub: 7 } },
    { why: 'an endless subject', change: { sub: 'a'.repeat(513) } },
    { why: 'no audience', change: { aud: undefined } },
    { why: 'an empty list of audiences', change: { aud: [] } },
    { why: 'an audience that is no text', change: { aud: ['api', 7] } },
    { why: 'an audience that is a map', change: { aud: { api: true } } },
    { why: 'a key that its sender must prove to have', change: { cnf: { jkt: 'x' } } },
    { why: 'a sign of an ID token', change: { nonce: 'n' } },
    { why: 'another one', change: { at_hash: 'h' } },
    { why: 'a third one', change: { c_hash: 'h' } },
    { why: 'what Keycloak calls its ID tokens', change: { typ: 'ID' } },
    { why: 'what Keycloak calls its refresh tokens', change: { typ: 'Refresh' } },
    { why: 'what Cognito calls its ID tokens', change: { token_use: 'id' } },
    { why: 'a sign of a logout token', change: { events: {} } },
  ])('are refused: $why', ({ change }) => {
    expect(judgeClaims({ ...good, ...change }, settings, nowS)).toHaveProperty('refused')
  })

  test.each([
    { why: 'a beginning within the minute', change: { nbf: nowS + 60 } },
    { why: 'an issue within the minute', change: { iat: nowS + 60 } },
    { why: 'several audiences', change: { aud: ['account', 'api'] } },
    { why: 'what Keycloak calls its access tokens', change: { typ: 'Bearer' } },
  ])('are taken: $why', ({ change }) => {
    expect(judgeClaims({ ...good, ...change }, settings, nowS)).toHaveProperty('subject')
  })

  test.each([
    { why: 'client_id', claims: { client_id: 'inspector' } },
    { why: 'azp', claims: { azp: 'inspector' } },
    { why: 'appid', claims: { appid: 'inspector' } },
    { why: 'cid', claims: { cid: 'inspector' } },
  ])('of a listed client are taken by $why', ({ claims }) => {
    const listed = { ...settings, clients: ['inspector'] }
    expect(judgeClaims({ ...good, ...claims }, listed, nowS)).toHaveProperty('subject')
  })

  test.each([
    { why: 'another one', claims: { client_id: 'other' } },
    { why: 'none', claims: {} },
    { why: 'a list', claims: { client_id: ['inspector'] } },
    { why: 'another one first', claims: { client_id: 'other', azp: 'inspector' } },
  ])('of clients that are not listed are refused: $why', ({ claims }) => {
    const listed = { ...settings, clients: ['inspector'] }
    expect(judgeClaims({ ...good, ...claims }, listed, nowS)).toHaveProperty('refused')
  })

  test.each([
    { why: 'a list', token: { groups: ['a', 'b'] }, values: ['a', 'b'] },
    { why: 'one text', token: { groups: 'a b' }, values: ['a b'] },
    { why: 'texts among others', token: { groups: ['a', 7, null, { b: 1 }] }, values: ['a'] },
    { why: 'a map', token: { groups: { a: true } }, values: [] },
  ])('that rules name have values: $why', ({ token, values }) => {
    expect(judgeClaims({ ...good, ...token }, settings, nowS)).toMatchObject({ claims: { groups: values } })
  })

  test.each([
    { why: 'words of one text', token: { scope: 'a  b' }, values: ['a', 'b'] },
    { why: 'a list', token: { scope: ['a', 'b'] }, values: ['a', 'b'] },
    { why: 'under the name that Entra gives it', token: { scp: 'a b' }, values: ['a', 'b'] },
    { why: 'under the name that Okta gives it', token: { scp: ['a', 'b'] }, values: ['a', 'b'] },
    { why: 'the whole name first', token: { scope: '', scp: 'a' }, values: [] },
  ])('scopes: $why', ({ token, values }) => {
    expect(judgeClaims({ ...good, ...token }, settings, nowS)).toMatchObject({ claims: { scopes: values } })
  })

  test.each([
    { why: 'a path', path: 'realm_access.roles', token: { realm_access: { roles: ['eng'] } } },
    {
      why: 'a whole name with dots',
      path: 'https://x.example/groups',
      token: { 'https://x.example/groups': ['eng'] },
    },
    { why: 'a whole name before a path', path: 'a.b', token: { 'a.b': ['eng'], a: { b: ['other'] } } },
  ])('are found by $why', ({ path, token }) => {
    const mapped = { ...settings, claims: { groups: path } }
    expect(judgeClaims({ ...good, ...token }, mapped, nowS)).toMatchObject({ claims: { groups: ['eng'] } })
  })

  test('are never found in what every object has', () => {
    const mapped = { ...settings, claims: { groups: 'constructor.name', others: '__proto__' } }
    expect(judgeClaims(good, mapped, nowS)).toMatchObject({ claims: { groups: [], others: [] } })
  })
})
