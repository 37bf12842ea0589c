/** The load generator of our own, against real servers. */
import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHttpSocket } from '../../bench/load/http-socket.ts'
import { loadResult } from '../../bench/load/load.ts'
import { postTo } from '../../bench/load/open-session.ts'
import { driveWithSockets } from '../../bench/load/socket-load.ts'
import { direct, EchoServers } from '../../bench/subjects/echo-servers.ts'

function serve(fetch: (request: Request) => Response | Promise<Response>) {
  return Bun.serve({ port: 0, hostname: '127.0.0.1', fetch })
}

describe('one connection', () => {
  test('reads bodies with a length and bodies in chunks, one after the other', async () => {
    await using server = serve((request) => {
      if (request.url.endsWith('/length')) return new Response('abc')
      const { readable, writable } = new TransformStream<Uint8Array>()
      const writer = writable.getWriter()
      const write = async () => {
        await writer.write(Buffer.from('a'.repeat(70_000)))
        await writer.write(Buffer.from('b'))
        await writer.close()
      }
      void write()
      return new Response(readable, { status: 201 })
    })
    const socket = await openHttpSocket({ host: '127.0.0.1', port: server.port ?? 0 })
    const ask = (path: string) => socket.request(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(await ask('/length')).toMatchObject({ status: 200, body: 'abc' })
    expect(await ask('/chunks')).toMatchObject({ status: 201, body: `${'a'.repeat(70_000)}b` })
    expect(await ask('/length')).toMatchObject({ status: 200, body: 'abc' })
    socket.close()
  })

  test('rejects when the server hangs up instead of answering', async () => {
    await using server = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: (socket) => void socket.end() },
    })
    const socket = await openHttpSocket({ host: '127.0.0.1', port: server.port })
    await expect(socket.request('GET / HTTP/1.1\r\nHost: a\r\n\r\n')).rejects.toThrow('closed')
  })
})

describe('load', () => {
  test('keeps to a rate and counts right answers alone', async () => {
    let calls = 0
    await using server = serve(async (request) => {
      const { id } = (await request.json()) as { id: number }
      calls++
      return Response.json({ jsonrpc: '2.0', id: calls === 3 ? 0 : id, result: { content: [] } })
    })
    const endpoint = { url: `${server.url}mcp`, face: 'stream', token: null } as const
    const options = {
      endpoint,
      era: 'legacy',
      argumentsText: '{}',
      connections: 2,
      seconds: 0.4,
      ratePerSecond: 50,
    } as const
    const result = await driveWithSockets(options, null)
    expect(result).toMatchObject({ requests: 19, errors: 1 })
  })

  test('percentiles are values that were measured', () => {
    const latencies = Array.from({ length: 100 }, (_, n) => 100 - n)
    expect(loadResult(latencies, 10, 0)).toMatchObject({
      requestsPerSecond: 10,
      p50Ms: 51,
      p90Ms: 91,
      p99Ms: 100,
      maxMs: 100,
    })
  })

  test('drives the echo server in both eras, and over HTTP+SSE', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'compozy-bench-test-'))
    const echo = new EchoServers(directory)
    try {
      const place = await direct(echo).place('http', 'stream')
      if (place === null) throw new Error('no place')
      const load = { argumentsText: '{"size":5}', connections: 2, seconds: 0.1, ratePerSecond: null } as const
      for (const era of ['legacy', 'modern'] as const) {
        const result = await driveWithSockets({ ...load, endpoint: place, era }, null)
        expect(result.errors).toBe(0)
        expect(result.requests).toBeGreaterThan(10)
      }
      const { url } = await echo.sse()
      const sse = await driveWithSockets(
        { ...load, endpoint: { url, face: 'sse', token: null }, era: 'legacy' },
        null,
      )
      expect(sse.errors).toBe(0)
      expect(sse.requests).toBeGreaterThan(10)
      const unknown = await postTo(place.url, {}, '{"jsonrpc":"2.0","id":1,"method":"no/such"}')
      expect(unknown.text).toContain('-32601')
    } finally {
      await echo.stop()
      rmSync(directory, { recursive: true })
    }
  })
})
