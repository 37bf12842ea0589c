import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  type AccessEntry,
  AccessLines,
  accessLevel,
  accessLineBytesMax,
} from '../../src/telemetry/access-line.ts'
import { isoFormatter } from '../../src/telemetry/pino.ts'

/** One for all tests: what it remembers of one line must not show in another. */
const lines = new AccessLines()
const accessLine = (entry: AccessEntry, time: string): string => lines.text(entry, time)

const entry: AccessEntry = {
  method: 'POST',
  path: '/mcp-proxy/files/stream',
  status: 200,
  durationMs: 1.23456,
  clientIp: '192.0.2.1',
  requestId: 'ab-1',
  stream: false,
}
const time = '2026-01-02T03:04:05.006Z'

describe('an access line', () => {
  test('has the fields of the contract, in this order', () => {
    expect(accessLine(entry, time)).toBe(
      '{"level":"info","time":"2026-01-02T03:04:05.006Z","method":"POST","path":"/mcp-proxy/files/stream","status":200,"durationMs":1.235,"clientIp":"192.0.2.1","requestId":"ab-1","msg":"request"}\n',
    )
  })

  test('carries what a route has learned, and leaves out what it has not', () => {
    const full = {
      ...entry,
      stream: true,
      code: 'X',
      mcp: 'files',
      rpcMethod: 'tools/call',
      tool: 'echo',
      outcome: 'rpc_error' as const,
      rpcCode: -32602,
      caller: 'token:0123abcd',
      client: 'agent/1.0',
      sessionId: 'ff00',
      pair: 'legacy-legacy',
    }
    expect(JSON.parse(accessLine(full, time))).toEqual({
      level: 'info',
      time,
      ...full,
      durationMs: 1.235,
      msg: 'request',
    })
    expect(JSON.parse(accessLine({ ...entry, clientIp: null }, time))).toHaveProperty('clientIp', null)
  })

  test('is one line of valid JSON whatever a client calls its tools', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (tool, path) => {
        const line = accessLine({ ...entry, tool, path }, time)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        const parsed = JSON.parse(line) as { tool: string; path: string }
        if (tool.length <= 256) expect(parsed.tool).toBe(tool)
        if (path.length <= 256) expect(parsed.path).toBe(path)
      }),
    )
    // The first strings of all units take seconds to make.
  }, 20_000)

  test('with the longest texts that there can be fits into its room', () => {
    const long = '\u2028'.repeat(1000)
    const texts = { method: long, path: long, mcp: long, rpcMethod: long, tool: long, client: long }
    const rest = {
      clientIp: '1'.repeat(45),
      sessionId: 'f'.repeat(12),
      code: 'X'.repeat(40),
      outcome: 'input_required' as const,
      rpcCode: -32000.123456789,
      caller: `oauth:${'f'.repeat(32)}`,
      pair: 'legacy-modern',
    }
    const line = accessLine({ ...entry, ...texts, ...rest, stream: true, durationMs: 1e15 / 3 }, time)
    expect(JSON.parse(line)).toMatchObject({ ...rest, msg: 'request' })
    expect(Buffer.byteLength(line)).toBeLessThan(accessLineBytesMax)
    expect(line.length).toBeGreaterThan(6 * 6 * 256)
  })

  test('says how long it took as JavaScript would write it', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.double({ min: 0, max: 1e9, noNaN: true })),
        (durationMs) => {
          const text = /"durationMs":([^,]+),/.exec(accessLine({ ...entry, durationMs }, time))?.[1]
          expect(text).toBe(String(Math.round(durationMs * 1000) / 1000))
        },
      ),
    )
  })

  test('remembers nothing of the line before that is not its own', () => {
    const text = fc.constantFrom(undefined, 'a', 'b')
    const change = fc.record({
      code: text,
      mcp: text,
      rpcMethod: text,
      tool: text,
      outcome: fc.constantFrom(undefined, 'ok' as const, 'failed' as const),
      rpcCode: fc.constantFrom(undefined, 1, 2),
      caller: text,
      client: text,
      probe: fc.boolean(),
      sessionId: text,
      pair: text,
      stream: fc.boolean(),
      clientIp: fc.constantFrom(null, '192.0.2.1', '192.0.2.2'),
      status: fc.constantFrom(200, 500),
      path: fc.constantFrom('/a', '/b'),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        for (const changed of changes)
          expect(accessLine({ ...entry, ...changed }, time)).toBe(
            new AccessLines().text({ ...entry, ...changed }, time),
          )
      }),
    )
  })

  test('cuts long texts, also in the middle of a surrogate pair', () => {
    const { path } = JSON.parse(accessLine({ ...entry, path: `x${'🎉'.repeat(10_000)}` }, time)) as {
      path: string
    }
    expect(path.length).toBeLessThan(300)
  })

  test.each([
    { status: 200, level: 'info', why: 'an answer' },
    { status: 404, level: 'info', why: 'a mistake of the client' },
    { status: 499, level: 'info', why: 'a client that has left' },
    { status: 500, level: 'error', why: 'a fault of the gateway' },
    { status: 502, level: 'error', outcome: 'failed', why: 'a refusal for a server that is broken' },
    { status: 503, level: 'warn', outcome: 'failed', why: 'a state that passes' },
    { status: 503, level: 'warn', outcome: 'refused', why: 'a gateway that stops' },
    { status: 504, level: 'error', outcome: 'failed', why: 'a server that does not answer' },
    { status: 200, level: 'warn', outcome: 'failed', why: 'an accepted call that failed' },
    { status: 200, level: 'info', outcome: 'tool_error', why: 'what agents live with all day' },
    { status: 200, level: 'info', outcome: 'rpc_error', why: 'the same' },
    { status: 200, level: 'debug', probe: true, why: 'a probe every few seconds' },
    { status: 503, level: 'debug', probe: true, why: 'a probe of a gateway that is not ready, or stops' },
    { status: 401, level: 'info', probe: true, why: 'somebody who may not read the figures' },
    { status: 500, level: 'error', probe: true, why: 'a fault of the gateway' },
  ] as const)('of status $status has level $level: $why', ({ level, why: _, ...fields }) => {
    expect(accessLevel({ ...entry, ...fields })).toBe(level)
    expect(accessLine({ ...entry, ...fields }, time)).toContain(`"level":"${level}"`)
  })
})

test('the quick clock writes what toISOString writes', () => {
  const isoTime = isoFormatter()
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (nowMs) => {
      expect(isoTime(nowMs)).toBe(new Date(nowMs).toISOString())
    }),
  )
})
