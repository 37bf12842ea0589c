/**
 * What a server of the official SDK does with an HTTP request, from the socket's side: the classifier refuses
 * with the same status and code, and lets pass what the SDK serves. Differences are named below and nowhere else.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import fc from 'fast-check'
import { catalogue } from '../../src/errors.ts'
import { classify } from '../../src/protocol/classify.ts'
import { metaKeys } from '../../src/protocol/eras.ts'

const MODERN = '2026-07-28'
const handler = createMcpHandler(
  () => {
    const server = new McpServer({ name: 'oracle', version: '1.0.0' }, { capabilities: { tools: {} } })
    server.server.setRequestHandler('tools/call', () => ({ content: [] }))
    return server
  },
  { legacy: 'reject' },
)
afterAll(() => handler.close())

/** `served`, or the status and code of a refusal. What the method itself refuses was served by the transport. */
type Verdict = 'served' | 'legacy' | readonly [status: number, code: number | undefined]

async function sdkVerdict(headers: Record<string, string>, body: unknown): Promise<Verdict> {
  const fixed = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const request = new Request('http://127.0.0.1/mcp', {
    method: 'POST',
    headers: { ...fixed, ...headers },
    body: JSON.stringify(body),
  })
  const response = await handler.fetch(request)
  if (response.status === 200) return 'served'
  const { error } = (await response.json()) as { error?: { code: number } }
  return [response.status, error?.code]
}

function ownVerdict(headers: Record<string, string>, body: unknown): Verdict {
  const read = { get: (name: string) => headers[name] ?? null }
  const verdict = classify({ httpMethod: 'POST', headers: read, body })
  if (verdict.kind === 'rejection') {
    const { status, rpcCode } = catalogue[verdict.code]
    return [status, rpcCode]
  }
  return verdict.kind === 'legacy' ? 'legacy' : 'served'
}

function statusOf(verdict: Verdict): number {
  return typeof verdict === 'string' ? 200 : verdict[0]
}

const maybe = <T>(usual: T, ...others: (T | undefined)[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant<T | undefined>(usual) }, fc.constantFrom(undefined, ...others))

const call = fc.record({
  versionHeader: maybe(MODERN, '2025-11-25', '2099-01-01', `${MODERN}, ${MODERN}`, ''),
  methodHeader: maybe('tools/call', 'tools/list', 'Tools/Call', 'tools/call, tools/call', ''),
  nameHeader: maybe(
    'echo',
    'Echo',
    '=?base64?ZWNobw==?=',
    '=?base64?ZWNobw?=',
    '=?base64?bmHDr3Zl?=',
    '=?base64?*?=',
    'echo, echo',
  ),
  name: fc.constantFrom('echo', 'echo', 'naïve'),
  claim: maybe<unknown>(MODERN, '2099-01-01', 7),
  capabilities: maybe<unknown>({}, null, []),
  logLevel: fc.constantFrom(undefined, undefined, 'info', 'loud'),
})

type Call = typeof call extends fc.Arbitrary<infer T> ? T : never

/** In how many ways the request is wrong by itself; headers and body that differ are one fault. */
function faultsOf(drawn: Call): number {
  const named = drawn.nameHeader === 'echo' || drawn.nameHeader === '=?base64?ZWNobw==?='
  return [
    drawn.versionHeader !== drawn.claim,
    drawn.claim !== MODERN,
    drawn.methodHeader !== 'tools/call',
    drawn.name === 'echo' ? !named : drawn.nameHeader !== '=?base64?bmHDr3Zl?=',
    drawn.capabilities === undefined || drawn.capabilities === null || Array.isArray(drawn.capabilities),
    drawn.logLevel === 'loud',
  ].filter(Boolean).length
}

describe('a tools/call', () => {
  test('is refused or passed as an SDK server does', async () => {
    await fc.assert(
      fc.asyncProperty(call, async (drawn) => {
        const headers: Record<string, string> = {
          ...(drawn.versionHeader !== undefined && { 'mcp-protocol-version': drawn.versionHeader }),
          ...(drawn.methodHeader !== undefined && { 'mcp-method': drawn.methodHeader }),
          ...(drawn.nameHeader !== undefined && { 'mcp-name': drawn.nameHeader }),
        }
        const _meta = {
          ...(drawn.claim !== undefined && { [metaKeys.protocolVersion]: drawn.claim }),
          ...(drawn.capabilities !== undefined && { [metaKeys.clientCapabilities]: drawn.capabilities }),
          ...(drawn.logLevel !== undefined && { [metaKeys.logLevel]: drawn.logLevel }),
        }
        const params = { name: drawn.name, arguments: {}, _meta }
        const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
        const own = ownVerdict(headers, body)
        // A message of the other era is served by sessions, which this handler has none of.
        if (own === 'legacy') return
        const sdk = await sdkVerdict(headers, body)
        // Whoever is wrong in two ways may be told either first.
        if (faultsOf(drawn) > 1) expect(statusOf(own)).toBe(statusOf(sdk))
        else expect<Verdict>(own).toEqual(sdk)
      }),
      { numRuns: 1500 },
    )
  })
})
