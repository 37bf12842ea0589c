/** The heuristics as a table: what must be hidden, what must stay readable, and why. */
import { describe, expect, test } from 'bun:test'
import { isSecretLooking, isSecretName } from '../../src/registry/secret-looking.ts'

describe('names that announce a secret', () => {
  test.each([
    'token',
    'TOKEN',
    'api-key',
    'apiKey',
    'API_KEY',
    'APIKey',
    'apikey',
    'x-api-key',
    'GITHUB_PERSONAL_ACCESS_TOKEN',
    'githubToken',
    'mytoken',
    'password',
    'PGPASSWORD',
    'db-pass',
    'passwd',
    'pwd',
    'client_secret',
    'clientSecret',
    'AWS_SECRET_ACCESS_KEY',
    'access_key',
    'private-key',
    'signingKey',
    'Authorization',
    'auth',
    'bearer',
    'Cookie',
    'sessionId',
    'connectionString',
    'connection-string',
    'SENTRY_DSN',
    'sig',
    'credential',
    'google_credentials',
    'webhook-url',
    'key',
    'license-key',
  ])('%s', (name) => {
    expect(isSecretName(name)).toBe(true)
  })

  test.each([
    { name: 'port', why: 'a number' },
    { name: 'author', why: 'begins like auth' },
    { name: 'authority', why: 'begins like auth' },
    { name: 'compass', why: 'ends like pass' },
    { name: 'passive', why: 'begins like pass' },
    { name: 'keyboard', why: 'begins like key' },
    { name: 'monkey', why: 'ends like key' },
    { name: 'tokenizer', why: 'begins like token' },
    { name: 'design', why: 'holds sig' },
    { name: 'pinned', why: 'begins like pin' },
    { name: 'secretary', why: 'begins like secret' },
    { name: 'allowed-directory', why: 'a path' },
    { name: 'NODE_ENV', why: 'a mode' },
    { name: 'max-old-space-size', why: 'a size' },
    { name: '', why: 'nothing' },
    { name: 'token'.repeat(30), why: 'longer than any name, and looked at no further' },
  ])('not $name: $why', ({ name }) => {
    expect(isSecretName(name)).toBe(false)
  })
})

describe('text that is a secret by its looks', () => {
  // Assembled from halves, so that scanners of source code do not take these rows for leaked keys.
  const made = (prefix: string, rest: string): string => prefix + rest

  test.each([
    { text: made('ghp', '_16C7e42F292c6912E7710c838347Ae178B4a'), why: 'GitHub, personal' },
    { text: made('github', '_pat_11ABCDEFG0abcdefghij_klmnopq'), why: 'GitHub, fine-grained' },
    { text: made('glpat', '-aaaaaaaaaaaaaaaaaaaa'), why: 'GitLab; the prefix is enough' },
    { text: made('sk', '-proj-abcdefgh'), why: 'OpenAI; the prefix is enough' },
    { text: made('sk', '_live_4eC39HqLyjWDarjtT1zdp7dc'), why: 'Stripe' },
    { text: made('xoxb', '-1234567890-abcdefgh'), why: 'Slack' },
    { text: made('AKIA', 'IOSFODNN7EXAMPLE'), why: 'AWS key id' },
    {
      text: made('wJalrXUtn', 'FEMI/K7MDENG/bPxRfiCYEXAMPLEKEY').replace('w', 'W'),
      why: 'AWS secret, with slashes',
    },
    { text: made('AIza', 'SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY'), why: 'Google' },
    { text: made('hf', '_abcdefghijklmnop'), why: 'Hugging Face' },
    { text: made('npm', '_abcdefghijklmnop'), why: 'npm' },
    { text: made('eyJ', 'hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc'), why: 'a JSON web token' },
    { text: '3f2504e0-4f89-11d3-9a0c-0305e82c3301', why: 'a UUID: many vendors use one as a key' },
    { text: 'd41d8cd98f00b204e9800998ecf8427e', why: '128 bits in hex' },
    { text: '48210937561938475620', why: 'a number longer than any count or date' },
    { text: 'MTIzNDU2Nzg5MGFiY2RlZmdoaWprbA==', why: 'padded base64' },
    { text: 'x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1', why: 'long and random' },
    { text: 'a8Kd_Lq93-xZ0pW7rT2vY5', why: 'long and random with punctuation' },
    { text: 'qWmZxTvBnRkLpYsDfGhJcVaEuIoXzQwM', why: 'letters only, but random ones' },
    { text: '/hooks/x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1/mcp', why: 'random, as a part of a path' },
  ])('$why', ({ text }) => {
    expect(isSecretLooking(text)).toBe(true)
  })

  test.each([
    { text: '@modelcontextprotocol/server-filesystem', why: 'a package' },
    { text: 'modelcontextprotocol/server-filesystem-2026.8.31', why: 'a package with a version' },
    { text: 'mcp-server-kubernetes-v2_beta', why: 'a name with a version' },
    { text: '/home/user/projects/my-long-project-name-2024/src', why: 'a path' },
    { text: '/var/lib/kubernetes/configuration/production.yaml', why: 'a path of words' },
    { text: 'internationalization', why: 'a long word' },
    { text: 'getUserAccountInformationFromDatabase', why: 'a camel-case name' },
    { text: '1234567890123456', why: 'a short number' },
    { text: '2026-01-31T23.59.59.000', why: 'a date' },
    { text: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa', why: 'no information' },
    { text: 'mydocs', why: 'short' },
    { text: '', why: 'nothing' },
  ])('not $text: $why', ({ text }) => {
    expect(isSecretLooking(text)).toBe(false)
  })
})
