import { expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import type { Connection } from '../../../src/upstream/connection/connection.ts'
import { LaneOpening } from '../../../src/upstream/lane/opening.ts'

test('a start that is given up while its transport is loaded opens nothing, and closes what it then has', async () => {
  const did: string[] = []
  const transport = { open: async () => void did.push('opened'), silence: () => '' }
  const connection = { transport, close: async (error: GatewayError) => void did.push(error.details) }
  const loading = Promise.withResolvers<Connection>()
  const opening = new LaneOpening()
  const ended = opening.run(
    5_000,
    () => loading.promise,
    async () => void did.push('shook hands'),
    () => did.push('succeeded'),
  )
  opening.giveUp(new GatewayError('UPSTREAM_CLOSED', 'the server was removed'))
  loading.resolve(connection as unknown as Connection)
  expect((await ended)?.details).toBe('the server was removed')
  expect(did).toEqual(['the server was removed'])
})
