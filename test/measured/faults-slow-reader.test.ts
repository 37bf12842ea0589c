/** A client that reads one byte a second from a stream of 100 MB: it loses its own stream, and nobody else anything. */
import { expect, test } from 'bun:test'
import { callerWays, openCaller, statelessEnvelope } from '../support/callers.ts'
import { startGatewayProcess } from '../support/gateway.ts'
import { rssMib } from '../support/process-facts.ts'
import { RawClient } from '../support/raw-client.ts'
import { requestText, SlowReader } from '../support/slow-reader.ts'
import { rawStdio, statusOf } from '../support/supervised.ts'

const rssMibMax = 256

/** 1,600 notifications of 64 KiB. */
const torrent = { name: 'torrent', arguments: { count: 1_600, bytes: 65_536 } }

function torrentText(meta: object): string {
  const params = { ...torrent, _meta: { progressToken: 'slow', ...meta } }
  return JSON.stringify({ jsonrpc: '2.0', id: 'slow', method: 'tools/call', params })
}

type Gateway = Awaited<ReturnType<typeof startGatewayProcess>>

/** The slow reader of each way: of the response to its call, or of the one stream that brings everything. */
const readers: Readonly<Record<(typeof callerWays)[number], (gateway: Gateway) => Promise<SlowReader>>> = {
  async stream(gateway) {
    const url = gateway.face('raw', 'stream')
    const client = await RawClient.open(url)
    return new SlowReader(url, requestText(url, client.headers(), torrentText({}))).slowDown()
  },
  async modern(gateway) {
    const url = gateway.face('raw', 'stream')
    const headers = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': torrent.name,
    }
    return new SlowReader(url, requestText(url, headers, torrentText(statelessEnvelope))).slowDown()
  },
  async sse(gateway) {
    const url = gateway.face('raw', 'sse')
    const reader = new SlowReader(url, requestText(url, {}, null))
    const endpoint = new URL((await reader.until(/data: \S+sessionId=\S+/)).slice('data: '.length), url)
    const post = async (message: string): Promise<void> => {
      const headers = { 'content-type': 'application/json' }
      await (await fetch(endpoint, { method: 'POST', headers, body: message })).text()
    }
    const hello = {
      protocolVersion: '2024-11-05',
      capabilities: {},
      clientInfo: { name: 'slow', version: '1' },
    }
    await post(JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: hello }))
    await reader.until(/serverInfo/)
    reader.slowDown()
    await post(torrentText({}))
    return reader
  },
}

test.each([...callerWays])('one that reads the response slowly (%s) is cut off at its bound', async (way) => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [rawStdio('raw'), rawStdio('other')] },
  })
  await using neighbour = await openCaller(gateway, 'other', 'stream')
  let peakMib = 0
  const sampling = setInterval(() => {
    peakMib = Math.max(peakMib, rssMib(gateway.pid))
  }, 10)
  const reader = await readers[way](gateway)
  let over = false
  const cut = reader.cut.then(() => {
    over = true
  })
  const latenciesMs: number[] = []
  for (let n = 0; !over; n++) {
    const sentAtMs = performance.now()
    const { answer } = await neighbour.call(n, 'echo', { secret: `n${n}` })
    latenciesMs.push(performance.now() - sentAtMs)
    expect(answer.result?.structuredContent).toEqual({ secret: `n${n}` })
    await Bun.sleep(5)
  }
  await cut
  clearInterval(sampling)
  expect(reader.taken).toBeLessThan(30)
  expect(peakMib).toBeLessThan(rssMibMax)
  expect(latenciesMs.toSorted((a, b) => a - b)[latenciesMs.length >> 1]).toBeLessThan(50)
  // The server itself is not concerned: whoever reads is served by it.
  await using other = await openCaller(gateway, 'raw', 'modern')
  expect((await other.call('next', 'echo', { secret: 'next' })).answer.result).toMatchObject({
    structuredContent: { secret: 'next' },
  })
  expect((await statusOf(gateway, 'raw')).status).toBe('connected')
  reader.destroy()
})
