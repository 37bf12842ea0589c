/** Real servers, real clients: what they say to each other is the same with the gateway in between. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { type RealServers, startRealServers } from '../support/real-servers.ts'
import { connectV1, connectV2, sdkClients } from '../support/sdk-clients.ts'

const names = ['everything', 'everything-sse', 'everything-http', 'filesystem', 'memory']
let real: RealServers
const direct = new Map<string, Record<string, unknown>>()

beforeAll(async () => {
  real = await startRealServers()
  for (const server of real.servers) {
    const client = await connectV1(server.direct)
    direct.set(server.name, await server.tour(client))
    await client.close()
  }
}, 60_000)

afterAll(() => real[Symbol.asyncDispose]())

describe('through the gateway', () => {
  let gateway: RunningGateway

  beforeAll(async () => {
    gateway = await startGatewayProcess({ via: 'executable' })
    await Promise.all(real.servers.map(({ definition }) => gateway.register(definition)))
  }, 60_000)

  afterAll(() => gateway.stop())

  const cases = names.flatMap((name) => sdkClients.map((client) => ({ name, ...client })))
  test.each(cases)(
    '$name answers the $sdk client over /$face as it answers direct',
    async ({ name, face, over, connect }) => {
      const server = real.servers.find((candidate) => candidate.name === name)
      if (server === undefined) throw new Error(`no server ${name}`)
      const client = await connect({ over, url: gateway.face(name, face) })
      const answers = await server.tour(client)
      await client.close()
      expect(answers).toEqual(direct.get(name) ?? {})
    },
    30_000,
  )
})

test('the 2.x client hears the same direct, so that one yardstick is enough', async () => {
  const server = real.servers.find(({ name }) => name === 'everything-http')
  if (server === undefined) throw new Error('no such server')
  const client = await connectV2(server.direct)
  const answers = await server.tour(client)
  await client.close()
  expect(answers).toEqual(direct.get('everything-http') ?? {})
}, 30_000)
