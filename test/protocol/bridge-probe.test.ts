import { describe, expect, test } from 'bun:test'
import { judgeProbe, type ProbeOutcome, versionInstead } from '../../src/protocol/bridge/probe.ts'

const error = (code: number, status: number | null = 400, data?: unknown): ProbeOutcome => ({
  kind: 'error',
  code,
  data,
  status,
})
const result = (value: unknown): ProbeOutcome => ({ kind: 'result', result: JSON.stringify(value) })

describe('the era of a server', () => {
  test.each<{ outcome: ProbeOutcome; on?: 'stdio'; verdict: string; why: string }>([
    {
      outcome: result({ supportedVersions: ['2026-07-28'], capabilities: {} }),
      verdict: 'modern',
      why: 'it answers discover',
    },
    {
      outcome: result({ supportedVersions: ['2025-11-25', '2026-07-28'] }),
      verdict: 'modern',
      why: 'of two eras the modern one is found',
    },
    {
      outcome: result({ supportedVersions: ['2027-01-01'] }),
      verdict: 'unspoken',
      why: 'a revision to come',
    },
    { outcome: result({ supportedVersions: ['2025-11-25'] }), verdict: 'legacy', why: 'it says so itself' },
    { outcome: result({}), verdict: 'legacy', why: 'some old servers answer anything with something' },
    { outcome: result(null), verdict: 'legacy', why: 'no discovery' },
    {
      outcome: error(-32022, 400, { supported: ['2027-01-01'] }),
      verdict: 'unspoken',
      why: 'a modern refusal',
    },
    {
      outcome: error(-32022, 400, { supported: ['2025-11-25'] }),
      verdict: 'legacy',
      why: 'a refusal that offers only the handshake',
    },
    { outcome: error(-32022), verdict: 'legacy', why: 'a code without its data is an accident' },
    { outcome: error(-32020), verdict: 'modern', why: 'only modern servers check headers' },
    {
      outcome: error(-32021),
      verdict: 'modern',
      why: 'only modern servers look at capabilities per request',
    },
    { outcome: error(-32601, 404), verdict: 'legacy', why: 'it has no such method' },
    { outcome: error(-32601, 200), verdict: 'legacy', why: 'it has no such method' },
    { outcome: error(-32000), verdict: 'legacy', why: 'the SDK’s "not initialized"' },
    { outcome: error(-32001, 404), verdict: 'legacy', why: 'the SDK’s "session not found"' },
    { outcome: error(-32601, null), on: 'stdio', verdict: 'legacy', why: 'it has no such method' },
    {
      outcome: { kind: 'http', status: 400 },
      verdict: 'legacy',
      why: 'an old server refuses in its own words',
    },
    { outcome: { kind: 'http', status: 404 }, verdict: 'legacy', why: 'perhaps HTTP+SSE' },
    { outcome: { kind: 'http', status: 405 }, verdict: 'legacy', why: 'perhaps HTTP+SSE' },
    { outcome: { kind: 'http', status: 401 }, verdict: 'unknown', why: 'a wall' },
    { outcome: { kind: 'http', status: 403 }, verdict: 'unknown', why: 'a wall' },
    { outcome: { kind: 'http', status: 429 }, verdict: 'unknown', why: 'haste' },
    { outcome: { kind: 'http', status: 302 }, verdict: 'unknown', why: 'somewhere else' },
    { outcome: { kind: 'http', status: 503 }, verdict: 'unknown', why: 'an outage' },
    { outcome: error(-32603, 500), verdict: 'unknown', why: 'an outage may speak JSON too' },
    {
      outcome: error(-32022, 401, { supported: ['2026-07-28'] }),
      verdict: 'unknown',
      why: 'the wall’s words, not the server’s',
    },
    { outcome: { kind: 'silence' }, verdict: 'unknown', why: 'a deployed server answers' },
    {
      outcome: { kind: 'silence' },
      on: 'stdio',
      verdict: 'legacy',
      why: 'old servers end on anything before initialize',
    },
  ])('$verdict: $why', ({ outcome, on, verdict }) => {
    expect(judgeProbe(outcome, on ?? 'http').kind).toBe(verdict as 'legacy')
  })

  test('a modern verdict brings what the server said of itself', () => {
    const verdict = judgeProbe(
      result({ supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }),
      'http',
    )
    expect(verdict).toMatchObject({
      facts: { era: 'modern', version: '2026-07-28', capabilities: { tools: {} } },
    })
  })
})

describe('the version to try instead of one that was refused', () => {
  const asked = '2025-11-25'
  test.each<{ data?: unknown; said?: string; version: string | null; why: string }>([
    {
      data: { supported: ['2024-11-05', '2025-06-18'] },
      version: '2025-06-18',
      why: 'the newest of those in `supported`',
    },
    { data: { supportedVersions: ['2025-03-26'] }, version: '2025-03-26', why: 'another name of the list' },
    { said: 'only 2024-11-05, please', version: '2024-11-05', why: 'named in words alone' },
    {
      data: { supported: ['2024-11-05'] },
      said: 'not 2025-06-18',
      version: '2024-11-05',
      why: 'a list says more than words',
    },
    { data: { supported: [asked] }, version: null, why: 'not the same once more' },
    { data: { supported: ['2026-07-28', '2099-01-01'] }, version: null, why: 'none with a handshake' },
    { data: { supported: [7, null, '1.0'] }, version: null, why: 'no versions of ours' },
    { data: 'no', said: 'Unsupported protocol version', version: null, why: 'nothing is named' },
  ])('$version: $why', ({ data, said, version }) => {
    expect(versionInstead(asked, data, said ?? '')).toBe(version as '2025-06-18')
  })
})
