/** Lines for people: each request on one line of the terminal, colours only where they are welcome. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import fc from 'fast-check'
import { callOutcomes } from '../../src/telemetry/call-ending.ts'
import { createPrinter } from '../../src/telemetry/pretty-line.ts'
import { repository } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const request = {
  level: 'info',
  time: new Date(2026, 0, 2, 3, 4, 5, 6).toISOString(),
  method: 'POST',
  path: '/mcp-proxy/everything/stream',
  status: 200,
  durationMs: 12.345,
  clientIp: '127.0.0.1',
  requestId: 'r-1',
  mcp: 'everything',
  rpcMethod: 'tools/call',
  tool: 'trigger-long-running-operation',
  outcome: 'tool_error',
  caller: 'anonymous',
  msg: 'request',
}

const printed = (line: object, width: number | null = null, colours = false) =>
  createPrinter({ colours, width: () => width })(JSON.stringify(line)).slice(0, -1)

describe('a line for people', () => {
  test.each([
    {
      why: 'all of a request where there is room',
      width: null,
      line: request,
      is: '03:04:05.006 INFO  POST /mcp-proxy/everything/stream 200 12ms everything trigger-long-running-operation tool_error',
    },
    {
      why: 'the beginning of the path goes first, because the server is named anyway',
      width: 100,
      line: request,
      is: '03:04:05.006 INFO  POST …ything/stream 200 12ms everything trigger-long-running-operation tool_error',
    },
    {
      why: 'then the end of the name of the tool',
      width: 80,
      line: request,
      is: '03:04:05.006 INFO  POST …g/stream 200 12ms everything trigger-long-r… tool_error',
    },
    {
      why: 'what became of it stays to the last',
      width: 60,
      line: request,
      is: '03:04:05.006 INFO  POST 200 everythi… trigger-… tool_error',
    },
    {
      why: 'the method where there is no tool, and why it failed',
      width: 120,
      line: {
        ...request,
        level: 'warn',
        tool: undefined,
        rpcMethod: 'tools/list',
        outcome: 'failed',
        code: 'UPSTREAM_CLOSED',
        durationMs: 61_234,
      },
      is: '03:04:05.006 WARN  POST /mcp-proxy/everything/stream 200 1m1s everything tools/list failed UPSTREAM_CLOSED',
    },
    {
      why: 'a stream that goes on',
      width: 120,
      line: { ...request, outcome: undefined, stream: true, durationMs: 1.26 },
      is: '03:04:05.006 INFO  POST /mcp-proxy/everything/stream 200 1.3ms everything trigger-long-running-operation stream',
    },
    {
      why: 'a call that has a line of its own',
      width: 80,
      line: { ...request, method: undefined, path: undefined, status: undefined, msg: 'call', tool: 'echo' },
      is: '03:04:05.006 INFO  call 12ms everything echo tool_error',
    },
    {
      why: 'anything else keeps its words, whatever the width',
      width: 40,
      line: {
        level: 'warn',
        time: request.time,
        mcp: 'files',
        reason: 'It said "no".',
        n: 1,
        msg: 'state changed',
      },
      is: '03:04:05.006 WARN  state changed mcp=files reason="It said \\"no\\"." n=1',
    },
    {
      why: 'of an object its beginning, and nothing of what is not there',
      width: 80,
      line: {
        level: 'info',
        time: request.time,
        before: null,
        after: `{"a":"${'b'.repeat(100)}"}`,
        msg: 'change',
      },
      is: `03:04:05.006 INFO  change after="{\\"a\\":\\"${'b'.repeat(53)}…"`,
    },
  ])('says $why', ({ width, line, is }) => {
    expect(printed(line, width)).toBe(is)
  })

  test('of a request fits any terminal, whatever it holds', () => {
    const text = fc.option(fc.string({ unit: 'binary', maxLength: 200 }), { nil: undefined })
    const line = fc.record({
      path: text,
      mcp: text,
      tool: text,
      outcome: fc.constantFrom(undefined, ...callOutcomes),
      code: fc.constantFrom(undefined, 'UPSTREAM_UNAUTHORIZED'),
      durationMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
    })
    fc.assert(
      fc.property(line, fc.integer({ min: 1, max: 200 }), fc.boolean(), (change, width, colours) => {
        const shown = printed({ ...request, ...change }, width, colours)
        expect(Bun.stringWidth(shown)).toBeLessThanOrEqual(width)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
        expect(shown.replaceAll(/\u001b\[\d+m/g, '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/)
      }),
    )
  })

  test('has the colours of its level and of what became of it', () => {
    expect(printed({ ...request, level: 'warn', outcome: 'failed' }, null, true)).toMatch(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours.
      /\u001b\[33mWARN \u001b\[0m.*\u001b\[31mfailed\u001b\[0m$/,
    )
  })
})

/** What a gateway prints at start and for three requests, in a terminal of this width or in a pipe. */
async function printedBy(environment: Record<string, string>, columns: number | null): Promise<string> {
  using directory = temporaryDirectory({
    'compozy.yaml': 'mcp_proxy: { port: 0, logging: { format: pretty } }',
  })
  let output = ''
  const terminal =
    columns === null
      ? null
      : new Bun.Terminal({
          cols: columns,
          rows: 24,
          data: (_, bytes) => {
            output += Buffer.from(bytes).toString('utf8')
          },
        })
  const command = [process.execPath, join(repository, 'src/main.ts'), 'mcp-proxy']
  const env = { HOME: directory.path, PATH: process.env['PATH'] ?? '', TERM: 'xterm', ...environment }
  const child = Bun.spawn(command, {
    cwd: directory.path,
    env,
    ...(terminal === null ? { stdout: 'pipe', stdin: 'ignore', stderr: 'ignore' } : { terminal }),
  })
  if (child.stdout instanceof ReadableStream)
    void readInto(child.stdout, (text) => {
      output += text
    })
  const until = async (part: RegExp) => {
    while (!part.test(Bun.stripANSI(output))) await Bun.sleep(10)
  }
  await until(/127\.0\.0\.1:\d+/)
  const url = `http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(Bun.stripANSI(output))?.[1]}`
  await fetch(`${url}/healthz`)
  await fetch(`${url}/mcp-proxy/${'x'.repeat(60)}/stream`, { method: 'POST', body: '{}' })
  await fetch(`${url}/admin/metrics`)
  await until(/metrics.* ok/)
  child.kill()
  await child.exited
  terminal?.close()
  return output
}

async function readInto(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  for await (const chunk of stream) take(Buffer.from(chunk).toString('utf8'))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is where a colour begins.
const colour = /\u001b\[/

describe('a gateway', () => {
  test.concurrent.each([
    { where: 'a terminal of 80 columns', columns: 80, environment: {}, coloured: true },
    {
      where: 'a terminal of 160 columns with NO_COLOR',
      columns: 160,
      environment: { NO_COLOR: '1' },
      coloured: false,
    },
    { where: 'a dumb terminal', columns: 80, environment: { TERM: 'dumb' }, coloured: false },
    { where: 'a pipe', columns: null, environment: {}, coloured: false },
  ])(
    'in $where prints each request on one line, and no probe',
    async ({ columns, environment, coloured }) => {
      const output = await printedBy(environment, columns)
      const lines = output.split(/\r?\n/).filter((line) => / (GET|POST) /.test(Bun.stripANSI(line)))
      expect(lines.map((line) => Bun.stripANSI(line).split(' ').at(-1))).toEqual(['SERVER_UNKNOWN', 'ok'])
      for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns ?? 1_000)
      expect(output).not.toContain('healthz')
      expect(colour.test(output)).toBe(coloured)
    },
    20_000,
  )
})
