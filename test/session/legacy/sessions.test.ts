/** How long a session lives. Its bounds in number are held over HTTP (test/e2e/session-life.test.ts). */
import { expect, test } from 'bun:test'
import { drainingError, GatewayError } from '../../../src/errors.ts'
import { ByteLedger } from '../../../src/runtime/byte-ledger.ts'
import { type AnsweringServer, PostExchange } from '../../../src/session/legacy/exchange.ts'
import { Sessions } from '../../../src/session/legacy/sessions.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { CallCounters } from '../../../src/upstream/server/counters.ts'
import { ToolTable } from '../../../src/upstream/server/tools.ts'
import { definitionOf } from '../../registry/definitions.ts'
import { messageOf } from '../../support/upstream-parties.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

test.each([
  { absoluteMs: 0, usedMs: 90 * dayMs, lives: true, why: 'many clients never initialise again' },
  { absoluteMs: dayMs, usedMs: dayMs - hourMs, lives: true, why: 'not so old yet' },
  { absoluteMs: dayMs, usedMs: dayMs + hourMs, lives: false, why: 'whoever wants an age limit gets it' },
])('with an age limit of $absoluteMs ms one in use for $usedMs ms lives: $lives: $why', (row) => {
  const { sessions, session } = openSession(row.absoluteMs)
  sessions.sweep(session.createdAtMs + row.usedMs)
  expect(sessions.count).toBe(row.lives ? 1 : 0)
})

test.each([
  { error: drainingError(), sent: false, says: 'try again', why: 'it waits for its server still' },
  {
    error: drainingError(),
    sent: true,
    says: 'may have run',
    why: 'whoever repeats it may do the same twice',
  },
  {
    error: new GatewayError('SESSION_UNKNOWN', 'ended'),
    sent: true,
    says: 'ended',
    why: 'it says what it is',
  },
])(
  'a call that ends with its session, sent on: $sent, is told "$says": $why',
  async ({ error, sent, says }) => {
    const { sessions, session } = openSession(0)
    const server: AnsweringServer = {
      name: 'files',
      definition: definitionOf({ name: 'files', transport: 'streamable-http', url: 'http://127.0.0.1:1/' }),
      counters: new CallCounters('files', 10, createMetrics()),
      tools: new ToolTable(() => Promise.reject(new Error('nobody asks'))),
      mask: (text) => text,
    }
    const message = messageOf('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}')
    const exchange = new PostExchange(session, server, message, '1', false)
    expect(exchange.begin()).toBe(true)
    if (sent) exchange.canceller = () => {}
    sessions.closeWhere(() => true, error)
    const reply = await exchange.reply
    expect(reply).toMatchObject({ kind: 'error', error: { code: error.code } })
    expect(reply.kind === 'error' && reply.error.details).toContain(says)
  },
)

function openSession(absoluteMs: number) {
  const ledger = new ByteLedger({ heldBytesMax: 1024, heldBytesPerClientMax: 1024 })
  const settings = {
    sessionsMax: 10,
    sessionsPerClientMax: 10,
    sessionIdleMs: 2 * 90 * dayMs,
    sessionAbsoluteMs: absoluteMs,
    replayEventsMax: 1,
    replayBytesMax: 1,
    streamBufferBytesMax: 1024,
    heartbeatMs: 15_000,
    streamAfterMs: 3_000,
    clientInputMs: 600_000,
  }
  const sessions = new Sessions(settings, ledger)
  const session = sessions.open(
    { principalId: 'anonymous', clientKey: 'client', serverName: 'files', endpoint: 'stream' },
    () => {},
  )
  return { sessions, session }
}
