/** One trace through a request that another replica than the one asked has served. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { resolve } from 'node:path'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'
import { RawClient } from '../support/raw-client.ts'
import { startReplicas } from '../support/replicas.ts'

setDefaultTimeout(30_000)

const server = resolve(import.meta.dir, '../support/instrumented-server.ts')
const traceId = 'c'.repeat(32)
const spanId = 'd'.repeat(16)

test.each([
  { by: 'in the message', inMessage: true },
  { by: 'in a header', inMessage: false },
])('a context $by goes on with the request to its owner, and from there to the server', async (row) => {
  await using receiver = startOtlpReceiver()
  await using replicas = await startReplicas({
    count: 2,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: '20' },
    mcps: [
      {
        name: 'instrumented',
        transport: 'stdio',
        command: process.execPath,
        args: [server],
        env: { OTLP_URL: receiver.url },
      },
    ],
  })
  // The splitter never asks the replica that has begun the session.
  await using client = await RawClient.open(replicas.face('instrumented', 'stream'), {})
  const traceparent = `00-${traceId}-${spanId}-01`
  const params = { name: 'work', arguments: {}, ...(row.inMessage && { _meta: { traceparent } }) }
  const message = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params })
  await client.post(message, { headers: row.inMessage ? {} : { traceparent } })

  const spans = await receiver.until(3, (span) => span.traceId === traceId)
  const served = spans.find(({ kind, parentSpanId }) => kind === 2 && parentSpanId === spanId)
  const sent = spans.find(({ kind }) => kind === 3)
  const behind = spans.find(({ resource }) => resource['service.name'] === 'server')
  expect(sent?.parentSpanId).toBe(served?.spanId ?? 'there is a span of the request')
  expect(behind?.parentSpanId).toBe(sent?.spanId ?? 'there is a span of the call')
  expect(spans).toHaveLength(3)
})
