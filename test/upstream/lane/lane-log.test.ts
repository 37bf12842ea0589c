import { expect, test } from 'bun:test'
import { scanMessage } from '../../../src/protocol/jsonrpc.ts'
import type { LogFields } from '../../../src/telemetry/log.ts'
import { LaneLog } from '../../../src/upstream/lane/lane-log.ts'

test('a server that asks without end fills no log: some lines, and how many were left out', async () => {
  const lines: LogFields[] = []
  const quiet = () => {}
  const log = {
    debug: quiet,
    info: (fields: LogFields) => void lines.push(fields),
    warn: quiet,
    error: quiet,
  }
  const lane = new LaneLog(
    { name: 'files', log, mask: (text) => text },
    { key: 'all', owner: null, era: 'legacy' },
  )
  const question = scanMessage('{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}')
  const response = scanMessage('{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}')
  if (question === null || response === null) throw new Error('they are messages')
  for (let n = 0; n < 1_000; n++) lane.questionRefused(question, response, 2)
  expect(lines).toHaveLength(10)
  expect(lines[0]).toEqual({
    mcp: 'files',
    lane: 'all',
    rpcMethod: 'sampling/createMessage',
    rpcCode: -32603,
    waitedMs: 2,
    unlogged: undefined,
  })
  await Bun.sleep(1_010)
  lane.questionRefused(question, response, 2)
  expect(lines.at(-1)).toMatchObject({ unlogged: 990 })
})
