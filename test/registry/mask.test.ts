/** What is shown of a definition, and what comes back when it is sent again. */
import { describe, expect, test } from 'bun:test'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToWire, secretValuesOf } from '../../src/registry/definition-wire.ts'
import { isMasked, maskArgs, maskUrl, maskValue } from '../../src/registry/mask.ts'
import { mergeMasked } from '../../src/registry/merge-masked.ts'
import { definitionOf, reference } from './definitions.ts'

describe('a value of env, headers or authTokens', () => {
  test.each<{ value: string; shown: string; why: string }>([
    { value: 'production', shown: '***', why: 'whatever its key or looks' },
    { value: '', shown: '', why: 'nothing is no secret' },
    {
      value: reference('TOKEN'),
      shown: reference('TOKEN'),
      why: 'a reference names a secret without being one',
    },
    { value: `Bearer ${reference('T')}`, shown: `Bearer ${reference('T')}`, why: 'a scheme and a reference' },
    {
      value: `${reference('U')}:${reference('P')}`,
      shown: `${reference('U')}:${reference('P')}`,
      why: 'two references',
    },
    { value: `abc${reference('T')}`, shown: '***', why: 'the literal half may be a secret' },
    { value: reference('T:-fallback'), shown: '***', why: 'the fallback may be a secret' },
    { value: reference('1T'), shown: '***', why: 'that is no name' },
    { value: `${reference('T')} x`, shown: '***', why: 'something follows the reference' },
  ])('$value becomes $shown: $why', ({ value, shown }) => {
    expect(maskValue(value)).toBe(shown)
  })
})

describe('a URL', () => {
  test.each([
    { url: 'https://h/mcp', shown: 'https://h/mcp', why: 'nothing to hide' },
    { url: 'https://u:p@h/mcp', shown: 'https://***:***@h/mcp', why: 'user and password' },
    { url: 'https://tok@h/mcp', shown: 'https://***@h/mcp', why: 'a token in place of a user' },
    { url: 'https://u:p:q@h:8/', shown: 'https://***:***:***@h:8/', why: 'a password with a colon' },
    { url: 'https://a@b@h/', shown: 'https://***@h/', why: 'the last @ ends the user' },
    { url: 'https://h/?a=1&b=2&c', shown: 'https://h/?a=***&b=***&c', why: 'every query value' },
    { url: 'https://h/?a=x=y&b=', shown: 'https://h/?a=***&b=', why: 'values with = and empty ones' },
    { url: 'https://h/?d41d8cd98f00b204e9800998ecf8427e', shown: 'https://h/?***', why: 'a bare key' },
    {
      url: 'https://h/s/x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1/mcp',
      shown: 'https://h/s/***/mcp',
      why: 'a key in the path',
    },
    { url: 'https://h/api;token=abc/mcp', shown: 'https://h/api;token=***/mcp', why: 'a path parameter' },
    { url: 'https://h/#abc', shown: 'https://h/#***', why: 'fragments carry tokens, too' },
    {
      url: `https://${reference('U')}:${reference('P')}@h/?k=${reference('K')}`,
      shown: `https://${reference('U')}:${reference('P')}@h/?k=${reference('K')}`,
      why: 'references stay',
    },
    { url: 'https://[::1]:8/a?k=v', shown: 'https://[::1]:8/a?k=***', why: 'IPv6 hosts' },
    { url: 'https://h?k=a/b@c', shown: 'https://h?k=***', why: 'an @ in the query is no user' },
  ])('$why', ({ url, shown }) => {
    expect(maskUrl(url)).toBe(shown)
  })
})

describe('arguments', () => {
  test.each<{ args: string[]; shown: string[]; why: string }>([
    { args: ['--token', 'abc'], shown: ['--token', '***'], why: 'what follows a secret flag' },
    { args: ['--token', '--verbose'], shown: ['--token', '***'], why: 'even if it looks like a flag' },
    {
      args: ['--token', reference('T')],
      shown: ['--token', reference('T')],
      why: 'unless it is a reference',
    },
    { args: ['--api-key=a b'], shown: ['--api-key=***'], why: 'a secret flag with its value' },
    { args: ['--api-key', '=', 'x'], shown: ['--api-key', '***', 'x'], why: 'only the next one' },
    { args: ['API_KEY=it is "long"'], shown: ['API_KEY=***'], why: 'an assignment, to its end' },
    {
      args: ['-e', 'MODE=fast'],
      shown: ['-e', 'MODE=***'],
      why: 'a variable for a container, whatever its name',
    },
    { args: ['--env=MODE=fast'], shown: ['--env=MODE=***'], why: 'the same in one piece' },
    { args: ['-e', 'HOME'], shown: ['-e', 'HOME'], why: 'a variable that is only passed on' },
    {
      args: ['--header', 'X-Team: blue'],
      shown: ['--header', 'X-Team: ***'],
      why: 'a header, whatever its name',
    },
    { args: ['-H', 'whole'], shown: ['-H', '***'], why: 'a header that cannot be read' },
    { args: ['--header=X-Team: blue'], shown: ['--header=X-Team: ***'], why: 'the same in one piece' },
    {
      args: ['--header', `Authorization: Bearer ${reference('T')}`],
      shown: ['--header', `Authorization: Bearer ${reference('T')}`],
      why: 'a header that is a reference',
    },
    { args: ['Authorization: Basic dTpw'], shown: ['Authorization: ***'], why: 'a header without its flag' },
    {
      args: ['say Bearer abcdef now'],
      shown: ['say Bearer *** now'],
      why: 'a scheme in the middle of a text',
    },
    { args: ['postgres://u:p@h/db'], shown: ['postgres://***:***@h/db'], why: 'a connection URL' },
    { args: ['postgres://u:p/w@h/db'], shown: ['postgres://***:***@h/db'], why: 'a slash in the password' },
    {
      args: ['--db=redis://:pw@h/0'],
      shown: ['--db=redis://***:***@h/0'],
      why: 'a connection URL in a flag',
    },
    {
      args: ['Server=h;Password=p w;Uid=u'],
      shown: ['Server=h;Password=***;Uid=u'],
      why: 'a connection string',
    },
    {
      args: ['host=h password=p w, x user=u'],
      shown: ['host=h password=*** user=u'],
      why: 'one with spaces',
    },
    { args: ['h:1,password=a,b,ssl=True'], shown: ['h:1,password=***,ssl=True'], why: 'one with commas' },
    { args: ['a "password": "never closed'], shown: ['a "password": ***'], why: 'an unclosed quote' },
    { args: ['{"url":"h","password":"a \\" b"}'], shown: ['{"url":"h","password":"***"}'], why: 'JSON' },
    { args: ['x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1'], shown: ['***'], why: 'a key without a name' },
    { args: ['--id=x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1'], shown: ['--id=***'], why: 'a key behind a harmless flag' },
    { args: ['-----BEGIN KEY-----\nabc'], shown: ['***'], why: 'a key file' },
    {
      args: [
        '-y',
        '@modelcontextprotocol/server-filesystem@2026.8.31',
        '--port',
        '8080',
        './work',
        '--dir=/srv/a',
      ],
      shown: [
        '-y',
        '@modelcontextprotocol/server-filesystem@2026.8.31',
        '--port',
        '8080',
        './work',
        '--dir=/srv/a',
      ],
      why: 'what people must be able to read',
    },
  ])('$why', ({ args, shown }) => {
    expect(maskArgs(args)).toEqual(shown)
  })

  test('are masked in time that grows with their length, not its square', () => {
    const long = 32_000
    const hard = [
      'a',
      '=',
      'a=',
      'a="',
      "a='",
      'Bearer ',
      'a://',
      '@:',
      reference('A'),
      '\\',
      '&',
      'a-',
      ' ',
    ].map((part) => part.repeat(Math.ceil(long / part.length)))
    const startedMs = performance.now()
    maskArgs(hard)
    hard.map((text) => maskUrl(`https://${text}`))
    expect(performance.now() - startedMs).toBeLessThan(2_000)
  })
})

describe('a mask where a value should be', () => {
  test.each(['***', '--key=***', 'Bearer ***', 'https://***:***@h/', 'https://h/?a=***&b=1', '"***"'])(
    '%s',
    (text) => {
      expect(isMasked(text)).toBe(true)
    },
  )
  test.each(['', '**', '****', 'a***', '***b', 'src/**/*.ts'])('not %s', (text) => {
    expect(isMasked(text)).toBe(false)
  })
})

describe('a definition that is sent back with its masks', () => {
  const stored = definitionOf({
    name: 'a',
    transport: 'stdio',
    command: 'run',
    args: ['--token', 'one', '--token', 'two', '--api-key=three', 'x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1', 'plain'],
    env: { A: 'alpha', B: 'beta' },
  })
  const http = definitionOf({
    name: 'a',
    transport: 'sse',
    url: 'https://u:p@h/a?k=one&k=two&z=three#frag',
    headers: { Authorization: 'Bearer x', 'X-Y': 'y' },
    authTokens: ['first', reference('SECOND'), 'third'],
  })

  test.each([
    {
      why: 'an argument added in front moves the others',
      from: stored,
      sent: { args: ['-v', '--token', '***', '--api-key=***'] },
      merged: { args: ['-v', '--token', '***', '--api-key=three'] },
    },
    {
      why: 'a removed one does, too, and a neighbour tells where a bare mask belongs',
      from: stored,
      sent: { args: ['--api-key=***', '***'] },
      merged: { args: ['--api-key=***', 'x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1'] },
    },
    {
      why: 'the same places keep their values',
      from: stored,
      sent: { args: ['--token', '***', '--token', '***', '--new'] },
      merged: { args: ['--token', 'one', '--token', 'two', '--new'] },
    },
    {
      why: 'a variable is found by its name, not its place',
      from: stored,
      sent: { env: { B: '***', C: '***', A: 'new' } },
      merged: { env: { B: 'beta', C: '***', A: 'new' } },
    },
    {
      why: 'a header is found whatever its case',
      from: http,
      sent: { headers: { authorization: '***' } },
      merged: { headers: { authorization: 'Bearer x' } },
    },
    {
      why: 'the rest of a URL may change around its masks',
      from: http,
      sent: { url: 'https://***:***@other/b?z=***&k=***&k=***&n=***#***' },
      merged: { url: 'https://u:p@other/b?z=three&k=one&k=two&n=***#frag' },
    },
    {
      why: 'a token is added beside the masked ones',
      from: http,
      sent: { authTokens: ['new', '***', '***'] },
      merged: { authTokens: ['new', 'first', 'third'] },
    },
    {
      why: 'a removed token leaves no telling which one was meant',
      from: http,
      sent: { authTokens: ['***', reference('SECOND')] },
      merged: { authTokens: ['***', reference('SECOND')] },
    },
    {
      why: 'what is not shaped like a definition passes through',
      from: http,
      sent: { url: 1, args: 'x', env: [], headers: null, authTokens: {}, extra: '***' },
      merged: { url: 1, args: 'x', env: [], headers: null, authTokens: {}, extra: '***' },
    },
  ])('$why', ({ from, sent, merged }) => {
    expect(mergeMasked(sent, from)).toEqual(merged)
  })

  test.each([{ input: [] }, { input: null }, { input: 1 }, { input: '***' }])(
    'passes $input through',
    ({ input }) => {
      expect(mergeMasked(input, stored)).toEqual(input)
    },
  )

  test('is refused, and the field named, where no stored value stands behind a mask', () => {
    const sent = { ...definitionToWire(stored), env: { NEW: '***' }, args: ['--key=***'] }
    const parsed = parseDefinition(mergeMasked(sent, stored), { now: stored.updatedAt })
    expect(parsed).toEqual({
      ok: false,
      problems: [
        { field: 'args[0]', reason: expect.stringContaining('mask') },
        { field: 'env.NEW', reason: expect.stringContaining('mask') },
      ],
    })
  })
})

test('the values to take out of what a server prints are exactly the hidden ones', () => {
  const definition = definitionOf({
    name: 'a',
    transport: 'streamable-http',
    url: `https://user:p%40ss@h/x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1/mcp?k=v%20w&r=${reference('R')}#frag`,
    headers: { Authorization: 'Bearer bear', Cookie: 'sid=jar; b=2', 'X-R': reference('R'), 'X-E': '' },
    env: { A: 'alpha' },
    args: ['--token', 'tok', '--api-key=key', 'plain'],
    authTokens: ['opener'],
  })
  expect(secretValuesOf(definition).sort()).toEqual(
    [
      '2',
      'Bearer bear',
      'alpha',
      'b=2',
      'bear',
      'frag',
      'jar',
      'key',
      'opener',
      'p%40ss',
      'p@ss',
      'sid=jar',
      'sid=jar; b=2',
      'tok',
      'user',
      'v w',
      'v%20w',
      btoa('user:p@ss'),
      'x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1',
    ].sort(),
  )
})
