/** What the gateway repeats of the words with which a server refuses it. */
import { expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import { createMask } from '../../../src/telemetry/redaction.ts'
import { Connection } from '../../../src/upstream/connection/connection.ts'
import { discoverServer } from '../../../src/upstream/connection/handshake.ts'
import { ServerBudget } from '../../../src/upstream/transports/flood-guard.ts'
import { createStreamableHttpTransport } from '../../../src/upstream/transports/http/streamable-http.ts'
import { startFaultHttp } from '../../support/fault-http.ts'

const key = 'a81bc81b52df4c0e9d3f'
const silent = { debug() {}, info() {}, warn() {}, error() {} }

test('names the versions of a server that speaks others, without a secret among them and within a bound', async () => {
  const supported = [`2099-${key}`, ...Array.from({ length: 100 }, () => '2099-01-01')]
  await using http = startFaultHttp(({ message }) =>
    Response.json({
      jsonrpc: '2.0',
      id: message.id,
      error: { code: -32022, message: 'no', data: { supported } },
    }),
  )
  const transport = createStreamableHttpTransport({ url: http.url, headers: {}, lineBytesMax: 1 << 20 })
  const owner = {
    name: 'server',
    serverRequest() {},
    notification() {},
    sessionLost() {},
    sessionDoubted() {},
    requestLost() {},
    closed() {},
    noise() {},
    budget: new ServerBudget(),
    mask: createMask([key]),
  }
  const limits = { callIdleMs: 10_000, callTotalMs: 10_000, resultBytesMax: 1 << 20 }
  const connection = new Connection(transport, owner, limits, silent)
  await transport.open(connection, AbortSignal.timeout(10_000))
  const refused = await discoverServer(connection, { name: 'gateway', version: '1' }, 10_000).catch(
    (thrown: unknown) => thrown,
  )
  await transport.close()
  const details = refused instanceof GatewayError ? refused.details : String(refused)
  expect(details).toStartWith(
    'the server does not speak the modern revisions: it speaks 2099-***, 2099-01-01,',
  )
  expect(details.length).toBeLessThan(400)
})
