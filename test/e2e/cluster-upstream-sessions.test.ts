/**
 * Sessions at servers over HTTP outlive the replica that has begun them: what a server keeps for one is still there for
 * its client, who notices nothing, and nobody ends it but that client.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { readEvents } from '../support/event-reader.ts'
import { poll, type RunningGateway } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { type RunningReplicas, startReplicas } from '../support/replicas.ts'
import { StatefulHttp } from '../support/stateful-http.ts'

/** Takes seconds each: `bun run test:long:cluster`. */
const isLong = process.env['CLUSTER_FAULTS'] === '1'

let server: StatefulHttp
let cluster: RunningReplicas

beforeEach(async () => {
  if (redisProgram === null) return
  server = new StatefulHttp()
  cluster = await startReplicas({
    count: 2,
    settings: { shutdown_timeout: '10s' },
    mcps: [{ name: 'kept', transport: 'streamable-http', url: server.url }],
  })
}, 60_000)
afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
})

const open = () => RawClient.open(cluster.face('kept', 'stream'))

async function counted(client: RawClient, id: number): Promise<number> {
  return (await client.call<{ count: number }>(id, 'count', {})).count
}

/** The gateway that has begun this session goes, in one way or another. */
async function without(client: RawClient, go: (gateway: RunningGateway) => Promise<unknown>): Promise<void> {
  const owner = cluster.gateways.find(({ url }) => url === cluster.splitter.begunAt(client.sessionId))
  if (owner === undefined) throw new Error('nobody has begun it')
  const gone = go(owner)
  cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== owner.url)
  await gone
}

const ways = [
  { why: 'stops', go: (gateway: RunningGateway) => gateway.stop() },
  { why: 'is killed', go: (gateway: RunningGateway) => gateway.kill() },
]

describe.skipIf(redisProgram === null)('what a server keeps for a session', () => {
  test.each(ways)(
    'is there when the replica that has begun it $why',
    async ({ go }) => {
      const client = await open()
      // The gateway itself looks at the server in a session of its own.
      const [begun, ended] = [server.begun, server.ended]
      expect([await counted(client, 1), await counted(client, 2)]).toEqual([1, 2])
      await without(client, go)
      expect([await counted(client, 3), await counted(client, 4)]).toEqual([3, 4])
      expect(server.begun).toBe(begun)
      expect(server.repeatedIds).toEqual([])
      const openBefore = server.open
      const headers = { 'mcp-session-id': client.sessionId }
      expect((await fetch(client.url, { method: 'DELETE', headers })).status).toBe(204)
      await poll('its end', async () => server.open === openBefore - 1)
      expect(server.ended).toBeGreaterThan(ended)
    },
    30_000,
  )

  test.skipIf(!isLong).each([
    { why: 'has lost it meanwhile', change: () => server.forgetAll() },
    {
      why: 'takes it from nobody else',
      change: () => {
        server.refusesKnown = true
      },
    },
  ])(
    'is begun anew where the server $why',
    async ({ change }) => {
      const client = await open()
      expect(await counted(client, 1)).toBe(1)
      await without(client, (gateway) => gateway.stop())
      change()
      expect([await counted(client, 2), await counted(client, 3)]).toEqual([1, 2])
    },
    30_000,
  )

  test.skipIf(!isLong)(
    'and what it says of its own accord reach the client at the next replica',
    async () => {
      const client = await open()
      expect(await counted(client, 1)).toBe(1)
      const heard: string[] = []
      await without(client, (gateway) => gateway.stop())
      const { body } = await client.get()
      void (async () => {
        for await (const { data } of readEvents(body ?? new ReadableStream())) heard.push(data)
      })().catch(() => {})
      expect(await counted(client, 2)).toBe(2)
      await poll('what it says', async () => {
        server.tell('still here')
        return heard.some((data) => data.includes('still here'))
      })
    },
    30_000,
  )
})
