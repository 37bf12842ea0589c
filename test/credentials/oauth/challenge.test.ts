import { expect, test } from 'bun:test'
import { bearerChallenge, scopesIn, unionOf } from '../../../src/credentials/oauth/challenge.ts'

test.each<{
  why: string
  header: string
  metadata: string | null
  scopes: string[] | null
}>([
  {
    why: 'as the specification has it',
    header: 'Bearer resource_metadata="https://a.example/m", scope="files:read files:write"',
    metadata: 'https://a.example/m',
    scopes: ['files:read', 'files:write'],
  },
  {
    why: 'without quotes, in other letters, over other spaces',
    header: 'bEaReR   Resource_Metadata = https://a.example/m ,error=insufficient_scope',
    metadata: 'https://a.example/m',
    scopes: null,
  },
  {
    why: 'another scheme before it, with parameters of the same names',
    header: 'Basic realm="x", scope="no", Bearer scope="yes"',
    metadata: null,
    scopes: ['yes'],
  },
  {
    why: 'another scheme behind it',
    header: 'Bearer scope="yes", DPoP scope="no", algs="ES256"',
    metadata: null,
    scopes: ['yes'],
  },
  { why: 'nothing but the scheme', header: 'Bearer', metadata: null, scopes: null },
  {
    why: 'a quoted comma, a quoted quote, a scheme within quotes',
    header: 'Bearer error_description="no, \\"Bearer scope=x\\" is none", scope="a"',
    metadata: null,
    scopes: ['a'],
  },
  {
    why: 'what is said twice counts as it is said first',
    header: 'Bearer scope="a", scope="b"',
    metadata: null,
    scopes: ['a'],
  },
  {
    why: 'credentials of another scheme in one piece',
    header: 'Negotiate abc==, Bearer scope="a"',
    metadata: null,
    scopes: ['a'],
  },
  { why: 'an empty list of scopes', header: 'Bearer scope=""', metadata: null, scopes: [] },
])('reads $why', ({ header, metadata, scopes }) => {
  expect(bearerChallenge(header)).toEqual({ resourceMetadata: metadata, scopes })
})

test.each(['', 'Basic realm="Bearer"', 'Basic Bearer="x"', `Bearer ${'x'.repeat(20_000)}`])(
  'finds no challenge for bearer tokens in %p',
  (header) => {
    expect(bearerChallenge(header)).toBeNull()
  },
)

test('takes time in step with the length of what is sent', () => {
  const startedAtMs = performance.now()
  for (const text of ['"\\', 'a=', '= ', 'Bearer "', ', '])
    bearerChallenge(`Bearer ${text.repeat(16_000 / text.length)}`)
  expect(performance.now() - startedAtMs).toBeLessThan(500)
})

test('leaves out what is no scope, and keeps to a bound', () => {
  expect(scopesIn('a  b "c" d\\e a \u0000')).toEqual(['a', 'b'])
  const many = Array.from({ length: 100 }, (_, at) => `s${at}`)
  expect(scopesIn(many.join(' '))).toHaveLength(64)
  expect(unionOf(['a', 'b'], ['b', 'c'])).toEqual(['a', 'b', 'c'])
})
