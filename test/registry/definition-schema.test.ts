/** The wire form of a definition: what is taken, what is refused, and in which words. */
import { describe, expect, test } from 'bun:test'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { sentenceOf } from '../../src/registry/problems.ts'
import { definitionOf } from './definitions.ts'

const now = '2026-01-02T03:04:05.000Z'
const stdio = { name: 'a', transport: 'stdio', command: 'run' }
const http = { name: 'a', transport: 'sse', url: 'https://h/' }

/** The problems of one input as a sentence; empty when it is taken. */
function refusal(input: unknown, allowCwd = false): string {
  const parsed = parseDefinition(input, { now, allowCwd })
  return parsed.ok ? '' : sentenceOf(parsed.problems)
}

test('fills in every default', () => {
  expect(parseDefinition(stdio, { now })).toEqual({
    ok: true,
    definition: {
      name: 'a',
      description: '',
      transport: 'stdio',
      command: 'run',
      args: [],
      env: {},
      cwd: null,
      url: '',
      headers: {},
      timeoutMs: null,
      autoReconnect: true,
      maxReconnects: 0,
      reconnectDelayMs: 5_000,
      healthCheckEnabled: true,
      healthCheckIntervalMs: 30_000,
      logEnabled: false,
      toolFilter: null,
      tags: {},
      isolation: 'auto',
      affinity: 'auto',
      onOwnerLoss: 'restart',
      startTimeoutMs: 120_000,
      forwardHeaders: [],
      authTokens: [],
      authTokensOnly: false,
      allowedIPs: [],
      requireAuth: false,
      pin: null,
      access: null,
      group: null,
      createdAt: now,
      updatedAt: now,
    },
  })
})

test('takes what a Go client sends for fields that it never set', () => {
  const zero = {
    ...stdio,
    description: '',
    args: null,
    env: null,
    url: '',
    headers: null,
    timeout: 0,
    reconnectDelay: 0,
    healthCheckInterval: 0,
    maxReconnects: 0,
    toolFilter: null,
    tags: null,
    authTokens: null,
    allowedIPs: null,
    requireAuth: false,
    createdAt: '0001-01-01T00:00:00Z',
    updatedAt: '0001-01-01T00:00:00Z',
  }
  expect(definitionOf(zero)).toEqual({ ...definitionOf(stdio) })
})

test('keeps createdAt of the definition that it replaces, and believes no date from outside', () => {
  const previous = { ...definitionOf(stdio), createdAt: '2020-01-01T00:00:00.000Z' }
  const parsed = parseDefinition({ ...stdio, createdAt: '1999', updatedAt: '1999' }, { now, previous })
  expect(parsed).toMatchObject({ definition: { createdAt: '2020-01-01T00:00:00.000Z', updatedAt: now } })
})

test('keeps a variable called __proto__ a variable', () => {
  const input: unknown = JSON.parse('{"name":"a","transport":"stdio","command":"x","env":{"__proto__":"y"}}')
  const parsed = parseDefinition(input, { now })
  if (!parsed.ok) throw new Error(sentenceOf(parsed.problems))
  expect(Object.entries(parsed.definition.env)).toEqual([['__proto__', 'y']])
})

describe('names', () => {
  test.each(['a', 'A9', 'a.b_c-d', '0', 'x'.repeat(64), 'constructor'])('%s is one', (name) => {
    expect(refusal({ ...stdio, name })).toBe('')
  })
  test.each(['', '.', '-a', '_a', 'a b', 'a/b', '../a', 'ä', 'a\n', 'x'.repeat(65), '__proto__'])(
    '%j is none',
    (name) => {
      expect(refusal({ ...stdio, name })).toBe(
        'name: must be 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit',
      )
    },
  )
})

describe('durations', () => {
  test.each<{ timeout: unknown; ms: number | null }>([
    { timeout: '30s', ms: 30_000 },
    { timeout: '1h30m', ms: 5_400_000 },
    { timeout: '500ms', ms: 500 },
    { timeout: '1.5s', ms: 1_500 },
    { timeout: 30_000_000_000, ms: 30_000 },
    { timeout: 1_000_000, ms: 1 },
    { timeout: 86_400_000_000_000, ms: 86_400_000 },
    { timeout: 0, ms: null },
    { timeout: null, ms: null },
  ])('$timeout is $ms ms', ({ timeout, ms }) => {
    expect(definitionOf({ ...stdio, timeout }).timeoutMs).toBe(ms)
  })

  test.each<{ timeout: unknown; says: string; why: string }>([
    { timeout: 30_000, says: '30000 means nanoseconds here; write "30s"', why: 'meant as milliseconds' },
    { timeout: 30, says: '30 means nanoseconds here; write "30s"', why: 'meant as seconds' },
    { timeout: 1_500, says: '1500 means nanoseconds here; write "1s500ms"', why: 'meant as milliseconds' },
    { timeout: 999_999, says: '999999 means nanoseconds here; write "16m39s999ms"', why: 'just below' },
    { timeout: -1, says: 'must be between 1ms and 24h', why: 'negative' },
    { timeout: 1e300, says: 'must be between 1ms and 24h', why: 'for ever' },
    { timeout: '0s', says: 'must be between 1ms and 24h', why: 'nothing' },
    { timeout: '25h', says: 'must be between 1ms and 24h', why: 'longer than a day' },
    { timeout: '30', says: 'must be a duration such as "30s", "500ms" or "1h30m"', why: 'no unit' },
    { timeout: 'soon', says: 'must be a duration such as "30s", "500ms" or "1h30m"', why: 'a word' },
    {
      timeout: 1.5,
      says: 'must be a duration such as "30s", or an integer of nanoseconds',
      why: 'a fraction',
    },
    { timeout: true, says: 'must be a duration such as "30s", or an integer of nanoseconds', why: 'a truth' },
  ])('$timeout is refused: $why', ({ timeout, says }) => {
    expect(refusal({ ...stdio, timeout })).toBe(`timeout: ${says}`)
  })
})

describe('what does not fit is refused by the name of its field', () => {
  test.each<{ why: string; input: unknown; says: string; allowCwd?: boolean }>([
    { why: 'nothing', input: undefined, says: 'input: must be an object' },
    { why: 'null', input: null, says: 'input: must be an object' },
    { why: 'a text', input: 'x', says: 'input: must be an object' },
    {
      why: 'an empty object',
      input: {},
      says: 'name: is required: 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit; transport: is required: one of stdio, sse, streamable-http, group',
    },
    {
      why: 'a mistyped field',
      input: { ...stdio, heathCheckEnabled: true },
      says: 'heathCheckEnabled: is not a known field; did you mean healthCheckEnabled?',
    },
    {
      why: 'a field in another spelling',
      input: { ...stdio, tool_filter: null, max_reconnects: 1 },
      says: 'max_reconnects: is not a known field; did you mean maxReconnects?',
    },
    { why: 'a foreign field', input: { ...stdio, '': 1 }, says: '"": is not a known field' },
    {
      why: 'an unknown transport',
      input: { ...stdio, transport: 'websocket' },
      says: 'transport: must be one of stdio, sse, streamable-http, group',
    },
    {
      why: 'no command',
      input: { ...stdio, command: ' ' },
      says: 'command: is required for transport stdio',
    },
    {
      why: 'a URL beside a command',
      input: { ...stdio, url: 'http://h/' },
      says: 'url: does not go with transport stdio; use sse or streamable-http',
    },
    {
      why: 'a command beside a URL',
      input: { ...http, command: 'x' },
      says: 'command: does not go with transport sse; use stdio',
    },
    { why: 'no URL', input: { ...http, url: '' }, says: 'url: is required for transport sse' },
    {
      why: 'a file',
      input: { ...http, url: 'file:///etc/passwd' },
      says: 'url: must be an http or https URL',
    },
    { why: 'no URL at all', input: { ...http, url: 'h' }, says: 'url: must be an http or https URL' },
    {
      why: 'a line break that the URL parser would drop',
      input: { ...http, url: 'https://h/\nx' },
      says: 'url: must not contain spaces or control characters',
    },
    {
      why: 'arguments that are no texts',
      input: { ...stdio, args: ['a', ['b']] },
      says: 'args[1]: must be a string of at most 32768 characters',
    },
    {
      why: 'too many arguments',
      input: { ...stdio, args: Array(257).fill('') },
      says: 'args: must be a list of at most 256 strings',
    },
    { why: 'NUL in an argument', input: { ...stdio, args: ['a\0b'] }, says: 'args[0]: must not contain NUL' },
    { why: 'NUL in a variable', input: { ...stdio, env: { A: '\0' } }, says: 'env.A: must not contain NUL' },
    {
      why: 'a variable with =',
      input: { ...stdio, env: { 'A=B': '' } },
      says: 'env."A=B": is not an environment variable name',
    },
    {
      why: 'a number in env that the parser has rounded',
      input: { ...stdio, env: { A: 2 ** 60 } },
      says: 'env.A: must be a string; put it in quotes',
    },
    {
      why: 'a number in env that is written in another way than it is read',
      input: { ...stdio, env: { A: 1e-7 } },
      says: 'env.A: must be a string; put it in quotes',
    },
    {
      why: 'a token made of digits, of which YAML may have dropped some',
      input: { ...stdio, authTokens: [123456] },
      says: 'authTokens[0]: must be a string; put it in quotes',
    },
    {
      why: 'tokens of its own alone, and none of them',
      input: { ...stdio, authTokensOnly: true },
      says: 'authTokensOnly: needs authTokens beside it: no other token opens the server',
    },
    {
      why: 'a network that is none',
      input: { ...stdio, allowedIPs: ['10.0.0.0/8', '10.0.0.0/33'] },
      says: 'allowedIPs[1]: is wrong: the prefix length must be a whole number from 0 to 32',
    },
    {
      why: 'addresses in one text',
      input: { ...stdio, allowedIPs: '10.0.0.0/8' },
      says: 'allowedIPs: must be a list of at most 256 strings',
    },
    {
      why: 'addresses under another spelling, which would restrict nobody',
      input: { ...stdio, allowed_ips: ['10.0.0.0/8'] },
      says: 'allowed_ips: is not a known field; did you mean allowedIPs?',
    },
    {
      why: 'a truth in words at a door',
      input: { ...stdio, pin: 'on' },
      says: 'pin: must be true or false',
    },
    {
      why: 'a truth in words',
      input: { ...stdio, requireAuth: 'true' },
      says: 'requireAuth: must be true or false',
    },
    {
      why: 'NUL in the command',
      input: { ...stdio, command: 'a\0' },
      says: 'command: must not contain line breaks or NUL',
    },
    {
      why: 'a header name with a space',
      input: { ...http, headers: { 'A B': '' } },
      says: 'headers."A B": is not an HTTP header name',
    },
    {
      why: 'a header that ends the line',
      input: { ...http, headers: { A: 'x\r\nB: y' } },
      says: 'headers.A: must not contain line breaks or NUL',
    },
    {
      why: 'a header outside Latin-1',
      input: { ...http, headers: { A: '→' } },
      says: 'headers.A: must contain only Latin-1 text; encode anything else',
    },
    {
      why: 'a header twice',
      input: { ...http, headers: { 'X-A': '1', 'x-a': '2' } },
      says: 'headers.x-a: stands twice; header names do not differ by case',
    },
    {
      why: 'a header that frames the message',
      input: { ...http, headers: { 'Content-Length': '1' } },
      says: 'headers.Content-Length: is set by the gateway itself',
    },
    {
      why: 'a token with a space',
      input: { ...stdio, authTokens: ['a b'] },
      says: 'authTokens[0]: must be printable text without spaces',
    },
    {
      why: 'an unknown filter mode',
      input: { ...stdio, toolFilter: { mode: 'deny', list: [] } },
      says: 'toolFilter.mode: must be one of allow, block',
    },
    {
      why: 'a filter without a list',
      input: { ...stdio, toolFilter: { mode: 'block' } },
      says: 'toolFilter.list: is required: a list of at most 1024 strings',
    },
    {
      why: 'an unknown isolation',
      input: { ...stdio, isolation: 'none' },
      says: 'isolation: must be one of auto, session, shared',
    },
    {
      why: 'an unknown affinity',
      input: { ...stdio, affinity: 'sticky' },
      says: 'affinity: must be one of auto, none',
    },
    {
      why: 'one process for all, and calls served wherever they come to',
      input: { ...stdio, affinity: 'none', isolation: 'shared' },
      says: 'affinity: cannot be none with isolation: shared, by which all clients share one process',
    },
    {
      why: 'another word for what becomes of a session',
      input: { ...stdio, onOwnerLoss: 'stop' },
      says: 'onOwnerLoss: must be one of restart, end',
    },
    {
      why: 'a group has owners as a server has',
      input: {
        name: 'g',
        transport: 'group',
        members: [{ all: true }],
        affinity: 'none',
        onOwnerLoss: 'end',
      },
      says: '',
    },
    {
      why: 'a negative count',
      input: { ...stdio, maxReconnects: -1 },
      says: 'maxReconnects: must be an integer from 0 to 1000000',
    },
    {
      why: 'a truth in words',
      input: { ...stdio, logEnabled: 'yes' },
      says: 'logEnabled: must be true or false',
    },
    {
      why: 'a working directory',
      input: { ...stdio, cwd: '/' },
      says: 'cwd: can only be set in the configuration file',
    },
    { why: 'a working directory in the file', input: { ...stdio, cwd: '/' }, says: '', allowCwd: true },
  ])('$why', ({ input, says, allowCwd }) => {
    expect(refusal(input, allowCwd)).toBe(says)
  })

  test('a refusal never repeats a value', () => {
    const said = refusal({
      ...stdio,
      name: 'swordfish!',
      env: { A: 'swordfish\0', B: [] },
      allowedIPs: ['swordfish'],
      args: ['--key=swordfish\0'],
      authTokens: ['swordfish x'],
      transport: 'swordfish',
    })
    expect(said).not.toBe('')
    expect(said).not.toContain('swordfish')
  })

  test('a thousand faults give twenty reasons, not a thousand', () => {
    const env = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`A${index}`, []]))
    const parsed = parseDefinition({ ...stdio, env }, { now })
    expect(parsed.ok ? 0 : parsed.problems.length).toBe(20)
  })
})

describe('spellings that mean the same', () => {
  test.each<{ why: string; input: object; fields: object }>([
    {
      why: 'transport http, as editors write it',
      input: { ...http, transport: 'http' },
      fields: { transport: 'streamable-http' },
    },
    {
      why: 'numbers and truths where only texts can be passed on',
      input: {
        ...stdio,
        env: { PORT: 3000, DEBUG: true, RATE: 0.5 },
        args: ['--port', 3000],
        tags: { prio: 1 },
      },
      fields: {
        env: { PORT: '3000', DEBUG: 'true', RATE: '0.5' },
        args: ['--port', '3000'],
        tags: { prio: '1' },
      },
    },
    {
      why: 'a number in a header',
      input: { ...http, headers: { 'X-Retries': 3 } },
      fields: { headers: { 'X-Retries': '3' } },
    },
  ])('$why', ({ input, fields }) => {
    expect(parseDefinition(input, { now })).toMatchObject({ ok: true, definition: fields })
  })
})

test('a private key with its line breaks is a fine variable', () => {
  expect(definitionOf({ ...stdio, env: { KEY: 'line 1\nline 2\n' } }).env).toEqual({
    KEY: 'line 1\nline 2\n',
  })
})

describe('client headers that may go upstream', () => {
  test('are kept in lower case, each once', () => {
    expect(definitionOf({ ...http, forwardHeaders: ['X-User', 'x-user', 'X-Team'] }).forwardHeaders).toEqual([
      'x-user',
      'x-team',
    ])
  })

  test('may be Authorization, for servers that know their users by it', () => {
    expect(definitionOf({ ...http, forwardHeaders: ['Authorization'] }).forwardHeaders).toEqual([
      'authorization',
    ])
  })

  test.each([
    { name: 'Cookie', why: 'browsers attach it unasked' },
    { name: 'Proxy-Authorization', why: 'it is for the next hop' },
    { name: 'Host', why: 'it names the gateway' },
    { name: 'Connection', why: 'it belongs to the connection' },
    { name: 'Transfer-Encoding', why: 'it frames the message' },
    { name: 'Content-Length', why: 'it frames the message' },
    { name: 'Mcp-Session-Id', why: "the gateway's sessions are not the server's" },
    { name: 'MCP-Protocol-Version', why: 'versions on the two sides are separate' },
    { name: 'Mcp-Param-City', why: 'the relay writes it from the arguments' },
    { name: 'Last-Event-ID', why: 'event ids are the gateway’s own' },
    { name: 'Forwarded', why: 'only proxies may say who they forward for' },
    { name: 'Origin', why: "the server would judge the gateway's pages" },
  ])('$name cannot be listed: $why', ({ name }) => {
    expect(refusal({ ...http, forwardHeaders: ['X-User', name] })).toBe(
      'forwardHeaders[1]: is never forwarded: it belongs to the connection with the gateway',
    )
  })
})
