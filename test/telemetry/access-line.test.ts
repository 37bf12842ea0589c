import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type AccessEntry, accessFormatter, accessLevel } from '../../src/telemetry/access-line.ts'
import { isoFormatter } from '../../src/telemetry/iso-time.ts'

/** One formatter for all tests: what it remembers of one line must not show in another. */
const accessLine = accessFormatter()

const entry: AccessEntry = {
  method: 'POST',
  path: '/mcp-proxy/files/stream',
  status: 200,
  atMs: 0,
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
      sessionId: 'ff00',
      pair: 'legacy-legacy',
    }
    expect(JSON.parse(accessLine(full, time))).toEqual({
      level: 'info',
      time,
      ...Object.fromEntries(Object.entries(full).filter(([name]) => name !== 'atMs')),
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
  })

  test('cuts long texts, also in the middle of a surrogate pair', () => {
    const { path } = JSON.parse(accessLine({ ...entry, path: `x${'🎉'.repeat(10_000)}` }, time)) as {
      path: string
    }
    expect(path.length).toBeLessThan(300)
  })

  test.each([
    [200, 'info'],
    [404, 'info'],
    [499, 'info'],
    [500, 'error'],
    [502, 'error'],
    [503, 'warn'],
    [504, 'error'],
  ] as const)('of status %d has level %s', (status, level) => {
    expect(accessLevel(status)).toBe(level)
    expect(accessLine({ ...entry, status }, time)).toContain(`"level":"${level}"`)
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
