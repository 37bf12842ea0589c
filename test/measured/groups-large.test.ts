/** A group of a hundred servers with five thousand tools: what its list costs in time and memory once it is known. */
import { expect, test } from 'bun:test'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, manyTools } from '../support/listing-server.ts'
import { ownMemoryMib } from '../support/process-facts.ts'
import { RawClient } from '../support/raw-client.ts'

const serversTotal = 100
const toolsEach = 50
/** A tool of half a kilobyte, as they are in the wild. */
const description = 'It says what it does, in as many words as servers take. '.repeat(6)

test('the list of five thousand tools comes from memory within 20 ms, and takes less than 40 MiB', async () => {
  const servers = Array.from({ length: serversTotal }, (_, index) => {
    const tools = manyTools(toolsEach, `tool-${index}`).map((one) => ({ ...one, description }))
    return new ListingServer(`server-${index}`, { tools, pageSize: 25 })
  })
  const config = {
    mcp_proxy: { limits: { group_list_items_max: 10_000, group_list_bytes_max: '16MiB' } },
    mcps: servers.map((server) => server.definition),
  }
  await using gateway = await startGatewayProcess({ via: 'executable', config })
  const beforeMib = ownMemoryMib(gateway.pid)
  await using client = await RawClient.open(new URL('/mcp', gateway.url))
  for (let id = 0; id < 12; id++) {
    const { text } = await client.request(id, 'tools/list')
    if (id === 0) expect(JSON.parse(text).result.tools).toHaveLength(serversTotal * toolsEach)
  }
  const listed = () => gateway.lines().filter((line) => line.includes('"rpcMethod":"tools/list"'))
  await poll('the log of all lists', async () => listed().length === 12)
  const durations = listed().map((line) => JSON.parse(line).durationMs as number)
  // The first one asked all servers.
  const [, ...fromMemory] = durations
  const median = fromMemory.toSorted((a, b) => a - b)[5] ?? Number.POSITIVE_INFINITY
  expect(median).toBeLessThan(20)
  await poll(
    'memory that only the answers took',
    async () => ownMemoryMib(gateway.pid) - beforeMib < 40,
    30_000,
  )
  console.log(
    `list: ${median.toFixed(1)} ms, memory: +${(ownMemoryMib(gateway.pid) - beforeMib).toFixed(1)} MiB`,
  )
  for (const server of servers) server[Symbol.dispose]()
}, 90_000)
