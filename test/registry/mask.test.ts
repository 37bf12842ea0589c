/** What is shown of a definition, and what comes back when it is sent again. */
import { describe, expect, test } from 'bun:test'
import type { ServerDefinition } from '../../src/registry/definition.ts'
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
  const stdio = definitionOf({
    name: 'a',
    transport: 'stdio',
    command: 'run --password=canary-command',
    args: ['--token', 'canary-one', '--api-key=canary-two', 'plain'],
    env: { A: 'canary-alpha', B: 'canary-beta', REGION: reference('REGION') },
    headers: { 'X-Kept': 'canary-unsent' },
    authTokens: ['opener'],
  })
  const http = definitionOf({
    name: 'a',
    transport: 'sse',
    url: 'https://canary-u:canary-p@h:8443/x?k=canary-one&k=canary-two&z=canary-three#canary-frag',
    headers: { Authorization: 'Bearer canary-x', 'X-Y': 'canary-y' },
    env: { A: 'canary-alpha' },
    authTokens: ['first', reference('SECOND'), 'third'],
  })
  const bare = definitionOf({
    name: 'a',
    transport: 'streamable-http',
    url: 'https://h/mcp',
    headers: { K: 'canary' },
  })

  /** What GET shows, with some fields replaced or, with undefined, left out. */
  function edited(from: ServerDefinition, edit: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return JSON.parse(JSON.stringify({ ...definitionToWire(from), ...edit }))
  }

  describe('gets its secrets back', () => {
    const env = { REGION: reference('REGION'), B: '***', A: '***' }
    test.each<{ why: string; from: ServerDefinition; edit: Record<string, unknown> }>([
      { why: 'when nothing was changed', from: stdio, edit: {} },
      { why: 'whatever the order of the variables', from: stdio, edit: { env } },
      { why: 'with a value sent as it is stored', from: stdio, edit: { env: { ...env, A: 'canary-alpha' } } },
      {
        why: 'when only what neither runs nor sends was changed',
        from: stdio,
        edit: { description: 'new', tags: { a: 'b' }, logEnabled: true, timeout: '9s', isolation: 'shared' },
      },
      {
        why: 'when only doors and forwarded headers were changed',
        from: http,
        edit: { authTokens: ['new'], forwardHeaders: ['X-User'], toolFilter: { mode: 'allow', list: [] } },
      },
    ])('$why', ({ from, edit }) => {
      const { createdAt, updatedAt } = from
      const parsed = parseDefinition(mergeMasked(edited(from, edit), from), {
        now: updatedAt,
        previous: from,
      })
      expect(parsed).toMatchObject({ ok: true, definition: { createdAt } })
      if (!parsed.ok) return
      for (const field of ['command', 'args', 'env', 'url', 'headers'] as const)
        expect(parsed.definition[field]).toEqual(from[field])
    })

    test.each<{ why: string; from: ServerDefinition; sent: Record<string, unknown>; url: string }>([
      {
        why: 'another path and other parameters of the same origin',
        from: http,
        sent: { url: 'https://***:***@h:8443/b?z=***&k=***&k=***&n=***#***' },
        url: 'https://canary-u:canary-p@h:8443/b?z=canary-three&k=canary-one&k=canary-two&n=***#canary-frag',
      },
      {
        why: 'the same origin in another spelling',
        from: http,
        sent: { url: 'HTTPS://H:08443/b?z=***' },
        url: 'HTTPS://H:08443/b?z=canary-three',
      },
      {
        why: 'a port that goes without saying',
        from: bare,
        sent: { url: 'https://h:443/v2' },
        url: 'https://h:443/v2',
      },
    ])('$why', ({ from, sent, url }) => {
      const headers = Object.fromEntries(Object.keys(from.headers).map((name) => [name, '***']))
      expect(mergeMasked({ transport: from.transport, ...sent, headers }, from)).toEqual({
        transport: from.transport,
        url,
        headers: { ...from.headers },
      })
    })

    test('a header whatever its case, and beside changed ones', () => {
      const { transport } = http
      const url = maskUrl(http.url)
      const sent = { transport, url, headers: { authorization: '***', 'X-Y': 'new', 'X-New': 'new' } }
      expect(mergeMasked(sent, http)).toEqual({
        transport,
        url: http.url,
        headers: { authorization: 'Bearer canary-x', 'X-Y': 'new', 'X-New': 'new' },
      })
    })
  })

  describe('gets none back, and the fields are named, when', () => {
    const shownArgs = ['--token', '***', '--api-key=***', 'plain']
    const shownEnv = { A: '***', B: '***', REGION: reference('REGION') }
    const started = ['command', 'args[1]', 'args[2]', 'env.A', 'env.B']
    const sent = ['url', 'headers.Authorization', 'headers.X-Y']
    const args = (...list: string[]) => ({ args: list })
    test.each<{ why: string; from: ServerDefinition; edit: Record<string, unknown>; fields: string[] }>([
      {
        why: 'another host is to receive them',
        from: http,
        edit: { url: 'https://***:***@other:8443/x?k=***&k=***&z=***#***' },
        fields: sent,
      },
      { why: 'another port', from: http, edit: { url: 'https://***:***@h/x' }, fields: sent },
      {
        why: 'the same host in clear text',
        from: http,
        edit: { url: 'http://***:***@h:8443/x' },
        fields: sent,
      },
      {
        why: 'a name below the stored one',
        from: http,
        edit: { url: 'https://***:***@h.evil.example:8443/' },
        fields: sent,
      },
      {
        why: 'a host that stands behind the stored one as if it were a password',
        from: http,
        edit: { url: 'https://h:8443@evil.example/?k=***' },
        fields: sent,
      },
      {
        why: 'a host behind a backslash, which one reader takes for a path',
        from: http,
        edit: { url: 'https://evil.example\\@h:8443/?k=***' },
        fields: sent,
      },
      {
        why: 'another host without a secret in its own URL',
        from: http,
        edit: { url: 'https://evil.example/' },
        fields: sent.slice(1),
      },
      {
        why: 'another transport',
        from: http,
        edit: { transport: 'streamable-http' },
        fields: ['env.A', ...sent],
      },
      {
        why: 'a program instead of a server',
        from: http,
        edit: { transport: 'stdio', command: 'env', url: undefined },
        fields: ['env.A', ...sent.slice(1)],
      },
      {
        why: 'a server instead of a program',
        from: stdio,
        edit: { transport: 'sse', command: undefined, url: 'https://evil.example/' },
        fields: [...started.slice(1), 'headers.X-Kept'],
      },
      { why: 'another command', from: stdio, edit: { command: 'env' }, fields: started.slice(1) },
      { why: 'an argument more', from: stdio, edit: args(...shownArgs, '--debug'), fields: started },
      {
        why: 'an argument more in front',
        from: stdio,
        edit: args('--require=/tmp/x', ...shownArgs),
        fields: ['command', 'args[2]', 'args[3]', 'env.A', 'env.B'],
      },
      {
        why: 'an argument less',
        from: stdio,
        edit: args('--token', '***', '--api-key=***'),
        fields: started,
      },
      {
        why: 'another argument',
        from: stdio,
        edit: args('--token', '***', '--api-key=***', 'https://evil.example'),
        fields: started,
      },
      {
        why: 'a secret behind another flag',
        from: stdio,
        edit: args('--print', '***', '--api-key=***', 'plain'),
        fields: started,
      },
      {
        why: 'no argument at all',
        from: stdio,
        edit: { args: undefined },
        fields: ['command', 'env.A', 'env.B'],
      },
      ...['PATH', 'NODE_OPTIONS', 'LD_PRELOAD', 'HTTPS_PROXY', 'OPENAI_BASE_URL', 'LOG_LEVEL'].map(
        (name) => ({
          why: `another ${name}`,
          from: stdio,
          edit: { env: { ...shownEnv, [name]: 'x' } },
          fields: started,
        }),
      ),
      {
        why: 'another value of a variable',
        from: stdio,
        edit: { env: { ...shownEnv, A: 'new' } },
        fields: ['command', 'args[1]', 'args[2]', 'env.B'],
      },
      {
        why: 'another reference in a variable',
        from: stdio,
        edit: { env: { ...shownEnv, REGION: 'x' } },
        fields: started,
      },
      {
        why: 'a variable less',
        from: stdio,
        edit: { env: { A: '***', B: '***' } },
        fields: started,
      },
      {
        why: 'a secret under another name',
        from: stdio,
        edit: { env: { A: '***', C: '***', REGION: reference('REGION') } },
        fields: ['command', 'args[1]', 'args[2]', 'env.A', 'env.C'],
      },
    ])('$why', ({ from, edit, fields }) => {
      const merged = mergeMasked(edited(from, edit), from)
      const taken = from === http ? ['url', 'headers'] : ['command', 'args', 'env']
      for (const field of taken)
        expect(JSON.stringify((merged as Record<string, unknown>)[field] ?? null)).not.toContain('canary')
      const parsed = parseDefinition(merged, { now: from.updatedAt, previous: from })
      if (parsed.ok) throw new Error('it was taken')
      expect(
        parsed.problems
          .filter(({ reason }) => reason.includes('mask'))
          .map(({ field }) => field)
          .sort(),
      ).toEqual([...fields].sort())
      for (const { reason } of parsed.problems.filter(({ reason }) => reason.includes('mask')))
        expect(reason).toEndWith('send the value of the secret again')
    })
  })

  test.each([
    {
      why: 'a token is added beside the masked ones',
      sent: { authTokens: ['new', '***', '***'] },
      merged: { authTokens: ['new', 'first', 'third'] },
    },
    {
      why: 'a token is sent nowhere, so it stays when the server moves',
      sent: { url: 'https://evil.example/', authTokens: ['***', reference('SECOND'), '***'] },
      merged: { url: 'https://evil.example/', authTokens: ['first', reference('SECOND'), 'third'] },
    },
    {
      why: 'a removed token leaves no telling which one was meant',
      sent: { authTokens: ['***', reference('SECOND')] },
      merged: { authTokens: ['***', reference('SECOND')] },
    },
    {
      why: 'what is not shaped like a definition passes through',
      sent: { url: 1, args: 'x', env: [], headers: null, authTokens: {}, extra: '***' },
      merged: { url: 1, args: 'x', env: [], authTokens: {}, extra: '***' },
    },
  ])('$why', ({ sent, merged }) => {
    expect(mergeMasked(sent, http)).toEqual(merged)
  })

  test.each([{ input: [] }, { input: null }, { input: 1 }, { input: '***' }])(
    'passes $input through',
    ({ input }) => {
      expect(mergeMasked(input, stdio)).toEqual(input)
    },
  )
})

test('the values to take out of what a server prints are the hidden ones that are long enough to be worth it', () => {
  const definition = definitionOf({
    name: 'a',
    transport: 'streamable-http',
    url: `https://user:p%40ss@h/x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1/mcp?k=v%20w&r=${reference('R')}#frag`,
    headers: { Authorization: 'Bearer bear', Cookie: 'sid=jar; b=2', 'X-R': reference('R'), 'X-E': '' },
    // Behind a name that says so four characters are enough; a switch is none.
    env: { A: 'alpha', DB_PW: 'abcde', PIN: '1234', MODE: 'debug', USE_TOKEN: 'true', LONG: 'longer' },
    args: ['--token', 'tok', '--api-key=key', 'plain'],
    authTokens: ['opener'],
  })
  expect(secretValuesOf(definition).toSorted()).toEqual(
    [
      'Bearer bear',
      '1234',
      'abcde',
      'bear',
      'frag',
      'longer',
      'opener',
      'p%40ss',
      'p@ss',
      'sid=jar',
      'sid=jar; b=2',
      btoa('user:p@ss'),
      'x7Kp2Qm9Lz4Rt8Wv3Yb6Nc1',
    ].sort(),
  )
})
