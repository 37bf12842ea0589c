/** The single executable stands alone: an empty directory, an empty HOME, nothing on PATH. */
import { expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { RawClient } from '../support/raw-client.ts'

test('serves /healthz and an HTTP server with nothing else installed', async () => {
  const server = resolve(import.meta.dir, '../support/raw-server.ts')
  await using upstream = startProcess({ command: [process.execPath, server, '--transport', 'http'] })
  const { url } = JSON.parse(await upstream.line((line) => line.startsWith('{"url"'))) as { url: string }
  const nothing = mkdtempSync(join(tmpdir(), 'empty-path-'))
  try {
    await using gateway = await startGatewayProcess({ via: 'executable', path: nothing })
    const health = await fetch(`${gateway.url}/healthz`)
    expect(health.status).toBe(200)
    expect(await health.json()).toEqual({ status: 'ok' })
    await gateway.register({ name: 'remote', transport: 'streamable-http', url })
    await using client = await RawClient.open(gateway.face('remote', 'stream'))
    expect(await client.call(1, 'echo', { secret: 's' })).toEqual({ secret: 's' })
  } finally {
    rmSync(nothing, { recursive: true })
  }
}, 60_000)

test('leaves nothing in the working directory but its state', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable' })
  const left = readdirSync(gateway.directory).filter((name) => !name.startsWith('.'))
  expect(left).toEqual([])
  expect(await gateway.stop()).toBe(0)
}, 60_000)
