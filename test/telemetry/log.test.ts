import { describe, expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AccessEntry } from '../../src/telemetry/access-line.ts'
import { createLog, type LogOptions } from '../../src/telemetry/pino.ts'
import { type LineSink, openSink } from '../../src/telemetry/sink.ts'

const request: AccessEntry = {
  method: 'GET',
  path: '/healthz',
  status: 200,
  durationMs: 1,
  clientIp: '127.0.0.1',
  requestId: 'r-1',
  stream: false,
}

/** A sink that keeps its lines. */
function memorySink(): LineSink & { lines: string[] } {
  const lines: string[] = []
  const buffer = Buffer.alloc(64 * 1024)
  const filled = (end: number) => void lines.push(buffer.toString('utf8', 0, end))
  return {
    lines,
    write: (text) => void lines.push(text),
    room: () => ({ buffer, start: 0, filled }),
    linesDropped: 0,
    flush: async () => true,
    redirect: () => {},
  }
}

async function logTo(options: Omit<LogOptions, 'sink'>) {
  const sink = memorySink()
  return { log: await createLog({ ...options, sink }), sink }
}

describe('the log', () => {
  test.each(['json', 'pretty'] as const)(
    'in %s lets nothing through that moves a cursor or turns the text around',
    async (format) => {
      const { log, sink } = await logTo({ level: 'debug', format })
      const hostile = 'a\u001b[31m\u009b2J\r\nmsg\u007f\u202e\u2028'
      log.info({ line: hostile }, 'server output')
      log.access({ ...request, path: hostile, tool: hostile, rpcMethod: hostile })
      for (const line of sink.lines) {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
        expect(line.trimEnd()).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/)
      }
      expect(sink.lines).toHaveLength(2)
      if (format === 'json')
        expect(sink.lines.map((line) => (JSON.parse(line) as { line?: string; tool?: string }).line)).toEqual(
          [hostile, undefined],
        )
    },
  )

  test('writes one JSON object a line, with level as a word, time in ISO 8601 and msg', async () => {
    const { log, sink } = await logTo({ level: 'debug', format: 'json' })
    log.debug({ a: 1 }, 'first')
    log.info({}, 'second')
    log.warn({ left: undefined, none: null, yes: true }, 'third')
    log.error({ reason: 'a "quote"\nand a line' }, 'fourth')
    expect(sink.lines).toHaveLength(4)
    for (const line of sink.lines) expect(line.indexOf('\n')).toBe(line.length - 1)
    const parsed = sink.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    for (const { time } of parsed) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(parsed.map(({ time: _, ...rest }) => rest)).toEqual([
      { level: 'debug', a: 1, msg: 'first' },
      { level: 'info', msg: 'second' },
      { level: 'warn', none: null, yes: true, msg: 'third' },
      { level: 'error', reason: 'a "quote"\nand a line', msg: 'fourth' },
    ])
  })

  test('has access lines in the same form', async () => {
    const { log, sink } = await logTo({ level: 'info', format: 'json' })
    log.access(request)
    expect(JSON.parse(sink.lines[0] ?? '')).toMatchObject({ level: 'info', path: '/healthz', msg: 'request' })
  })

  test.each([
    { level: 'debug', count: 6 },
    { level: 'info', count: 5 },
    { level: 'warn', count: 3 },
    { level: 'error', count: 2 },
    { level: 'silent', count: 0 },
  ] as const)('at level $level writes $count of six lines', async ({ level, count }) => {
    const { log, sink } = await logTo({ level, format: 'json' })
    log.debug({}, 'x')
    log.info({}, 'x')
    log.warn({}, 'x')
    log.error({}, 'x')
    log.access(request)
    log.access({ ...request, status: 500 })
    expect(sink.lines).toHaveLength(count)
  })

  test('in the pretty form is for people', async () => {
    const { log, sink } = await logTo({ level: 'info', format: 'pretty' })
    log.info({ server: 'files' }, 'connected')
    log.access(request)
    const text = sink.lines.join('')
    expect(text).toContain('INFO')
    expect(text).toContain('connected')
    expect(text).toContain('/healthz')
    expect(() => JSON.parse(sink.lines[0] ?? '')).toThrow()
  })
})

describe('the sink', () => {
  test('writes every line whole and in order, and flush waits for the last', async () => {
    const path = join(tmpdir(), `sink-${crypto.randomUUID()}.log`)
    const fd = openSync(path, 'w')
    const sink = openSink(fd)
    const expected: string[] = []
    for (let i = 0; i < 5000; i++) {
      const line = `{"line":${i},"text":"${'ü'.repeat(i % 50)}"}\n`
      expected.push(line)
      sink.write(line)
      if (i % 1000 === 0) await Bun.sleep(1)
    }
    expect(await sink.flush(5000)).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe(expected.join(''))
    expect(sink.linesDropped).toBe(0)
    closeSync(fd)
    rmSync(path)
  })

  test('with nothing to write is flushed at once', async () => {
    expect(await openSink(1).flush(1)).toBe(true)
  })

  test('on a descriptor that is gone counts what is lost and goes on', async () => {
    const fd = openSync('/dev/null', 'r')
    const sink = openSink(fd)
    sink.write('lost\n')
    expect(await sink.flush(1000)).toBe(true)
    expect(sink.linesDropped).toBe(1)
    closeSync(fd)
  })

  test('whose reader stalls neither blocks nor grows: it drops, counts, and says so when the reader is back', async () => {
    const child = spawn(process.execPath, [join(import.meta.dir, 'flood-log.ts')], {
      stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
    })
    child.stdout?.pause()
    const report = await new Promise<{
      lagMs: number
      dropped: number
      rssGrowthMb: number
      flushed: boolean
    }>((resolve) => child.once('message', (message) => resolve(message as never)))
    expect(report.dropped).toBeGreaterThan(0)
    expect(report.flushed).toBe(false)
    expect(report.lagMs).toBeLessThan(1000)
    expect(report.rssGrowthMb).toBeLessThan(100)
    // Now read: what was kept arrives whole, then the count of what was not.
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    child.stdout?.resume()
    child.send('resume')
    await new Promise((resolve) => child.once('close', resolve))
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { dropped?: number })
    expect(lines.some(({ dropped }) => dropped === report.dropped)).toBe(true)
  }, 20_000)
})
