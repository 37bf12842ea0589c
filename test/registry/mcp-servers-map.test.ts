/** Desktop clients' `mcpServers`, as people paste it. */
import { describe, expect, test } from 'bun:test'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { parseMcpServersMap } from '../../src/registry/mcp-servers-map.ts'

describe('a map of servers', () => {
  test.each<{ why: string; server: object; definition: object }>([
    {
      why: 'a command',
      server: { command: 'npx', args: ['-y', 'x'], env: { A: 'b' }, cwd: '/w' },
      definition: { transport: 'stdio', command: 'npx', args: ['-y', 'x'], env: { A: 'b' }, cwd: '/w' },
    },
    {
      why: 'a URL alone is Streamable HTTP',
      server: { url: 'https://h/mcp', headers: { A: 'b' } },
      definition: { transport: 'streamable-http', url: 'https://h/mcp', headers: { A: 'b' } },
    },
    {
      why: 'type http',
      server: { type: 'http', url: 'https://h/' },
      definition: { transport: 'streamable-http', url: 'https://h/' },
    },
    {
      why: 'type streamable-http',
      server: { type: 'streamable-http', url: 'https://h/' },
      definition: { transport: 'streamable-http', url: 'https://h/' },
    },
    {
      why: 'type sse',
      server: { type: 'sse', url: 'https://h/' },
      definition: { transport: 'sse', url: 'https://h/' },
    },
    {
      why: 'the type under another key, the URL as well',
      server: { transportType: 'sse', serverUrl: 'https://h/' },
      definition: { transport: 'sse', url: 'https://h/' },
    },
    {
      why: "keys for a client's own windows",
      server: {
        command: 'x',
        disabled: false,
        autoApprove: ['a'],
        alwaysAllow: ['b'],
        icon: 'i',
        timeout: 60,
      },
      definition: { transport: 'stdio', command: 'x' },
    },
    {
      why: 'our own settings beside them',
      server: {
        command: 'x',
        isolation: 'session',
        timeout: '60s',
        toolFilter: { mode: 'allow', list: ['a'] },
      },
      definition: {
        transport: 'stdio',
        command: 'x',
        isolation: 'session',
        timeout: '60s',
        toolFilter: { mode: 'allow', list: ['a'] },
      },
    },
  ])('$why', ({ server, definition }) => {
    const parsed = parseMcpServersMap({ one: server })
    const input = { name: 'one', ...definition }
    expect(parsed).toEqual({ ok: true, entries: [{ name: 'one', input }] })
    expect(parseDefinition(input, { now: '2026-01-01T00:00:00Z', allowCwd: true }).ok).toBe(true)
  })

  test('passes over servers that are switched off', () => {
    const map = {
      a: { command: 'x', disabled: true },
      b: { command: 'x' },
      c: { url: 'u', enabled: false },
      d: { isActive: false },
    }
    const parsed = parseMcpServersMap(map)
    expect(parsed.ok && parsed.entries.map(({ name }) => name)).toEqual(['b'])
  })

  test('leaves a restriction that it does not know in place, so that it is refused and not dropped', () => {
    const parsed = parseMcpServersMap({ a: { command: 'x', excludeTools: ['rm'] } })
    expect(parsed).toMatchObject({ ok: true, entries: [{ input: { excludeTools: ['rm'] } }] })
  })

  test.each<{ why: string; input: unknown; reason: string }>([
    { why: 'a list', input: [], reason: 'must be a map from server names to servers' },
    { why: 'nothing', input: null, reason: 'must be a map from server names to servers' },
    {
      why: 'too many',
      input: Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`s${index}`, {}])),
      reason: 'must hold at most 1000 servers',
    },
  ])('refuses $why', ({ input, reason }) => {
    expect(parseMcpServersMap(input)).toEqual({ ok: false, problem: { field: '', reason } })
  })

  test('says of each entry alone why it cannot be read', () => {
    const parsed = parseMcpServersMap({
      a: 'npx',
      b: { type: 'ws', url: 'ws://h' },
      c: { command: 'x' },
      d: { type: 'http' },
    })
    expect(parsed).toMatchObject({
      entries: [
        { name: 'a', problem: { field: '', reason: 'must be an object with command or url' } },
        {
          name: 'b',
          problem: { field: 'type', reason: expect.stringContaining('must be one of stdio, sse, http') },
        },
        { name: 'c', input: { command: 'x' } },
        { name: 'd', problem: { field: '', reason: 'needs a command or a url' } },
      ],
    })
  })
})
