/** Commands at a gateway that takes connections and says nothing, and at programs that are no gateway. */
import { describe, expect, test } from 'bun:test'
import { startGatewayProcess } from '../support/gateway.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'
const never = () => new Promise<Response>(() => {})
const eventStream = { 'content-type': 'text/event-stream' }

test('a gateway that hangs is told after some seconds with exit code 4, and one that only takes long is waited for', async () => {
  await using gateway = await startGatewayProcess({
    via,
    config: { mcps: [{ name: 'raw', transport: 'stdio', ...commandOfRawServer() }] },
  })
  using folder = temporaryDirectory()
  /** Takes six seconds for a list. */
  await using slow = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 60,
    async fetch({ url }) {
      if (new URL(url).pathname === '/livez') return Response.json({ status: 'ok' })
      await Bun.sleep(6_000)
      return Response.json({ mcps: [], count: 0 })
    },
  })
  /** Falls silent in the middle of a log. */
  await using fallen = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 60,
    fetch({ url }) {
      const { pathname, search } = new URL(url)
      if (search === '?follow') {
        const body = new ReadableStream({
          start: (stream) => stream.enqueue('event: line\ndata: {"time":"","text":"last words"}\n\n'),
        })
        return new Response(body, { headers: eventStream })
      }
      return pathname.endsWith('/logs') ? Response.json({ name: 'raw', lines: [] }) : never()
    },
  })
  const run = (url: string, words: readonly string[]) =>
    runCommand([...words, '--url', url, '--token', 'any'], { via, cwd: folder.path })
  process.kill(gateway.pid, 'SIGSTOP')
  try {
    const begunMs = performance.now()
    const silent = `compozy: no gateway answers at ${gateway.url}: no answer in time\n`
    const hanging = [
      ['servers', 'list'],
      ['servers', 'restart', 'raw'],
      ['servers', 'logs', 'raw', '-f'],
      ['servers', 'call', 'raw', 'tool-0'],
      ['servers', 'try', 'raw'],
    ].map(async (words) =>
      expect([words, await run(gateway.url, words)]).toEqual([
        words,
        { exitCode: 4, stdout: '', stderr: silent },
      ]),
    )
    const followed = run(String(fallen.url).replace(/\/$/, ''), ['servers', 'logs', 'raw', '-f'])
    const listed = run(String(slow.url), ['servers', 'list', '--json'])
    await Promise.all(hanging)
    expect(await followed).toMatchObject({ exitCode: 4, stdout: 'last words\n' })
    expect(performance.now() - begunMs).toBeLessThan(16_000)
    expect(await listed).toMatchObject({ exitCode: 0, stderr: '' })
  } finally {
    process.kill(gateway.pid, 'SIGCONT')
  }
}, 30_000)

describe('a program that is no gateway', () => {
  test.each([
    { words: ['servers', 'list'] },
    { words: ['servers', 'rm', 'x'] },
    { words: ['servers', 'disable', 'x'] },
    { words: ['servers', 'get', 'x'] },
    { words: ['servers', 'export'] },
    { words: ['groups', 'list'] },
    { words: ['groups', 'rm', 'x'] },
  ])('is none to $words, though it answers JSON with 200', async ({ words }) => {
    using folder = temporaryDirectory()
    await using other = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => Response.json({}) })
    const base = String(other.url).replace(/\/$/, '')
    expect(await runCommand([...words, '--url', base, '--token', 'any'], { via, cwd: folder.path })).toEqual({
      exitCode: 4,
      stdout: '',
      stderr: `compozy: ${base} is no gateway, or not its base URL: it answered 200\n`,
    })
  })

  test('is not healthy with a page', async () => {
    using folder = temporaryDirectory()
    await using other = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('<html>') })
    const finished = await runCommand(['healthcheck', '--url', String(other.url)], { via, cwd: folder.path })
    expect([finished.exitCode, finished.stderr]).toEqual([1, expect.stringContaining('is no gateway')])
  })
})
