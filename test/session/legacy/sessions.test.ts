/** How long a session lives. Its bounds in number are held over HTTP (test/e2e/session-life.test.ts). */
import { expect, test } from 'bun:test'
import { ByteLedger } from '../../../src/runtime/byte-ledger.ts'
import { Sessions } from '../../../src/session/legacy/sessions.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

test.each([
  { absoluteMs: 0, usedMs: 90 * dayMs, lives: true, why: 'many clients never initialise again' },
  { absoluteMs: dayMs, usedMs: dayMs - hourMs, lives: true, why: 'not so old yet' },
  { absoluteMs: dayMs, usedMs: dayMs + hourMs, lives: false, why: 'whoever wants an age limit gets it' },
])('with an age limit of $absoluteMs ms one in use for $usedMs ms lives: $lives: $why', (row) => {
  const ledger = new ByteLedger({ heldBytesMax: 1024, heldBytesPerClientMax: 1024 })
  const settings = {
    sessionsMax: 10,
    sessionsPerClientMax: 10,
    sessionIdleMs: 2 * 90 * dayMs,
    sessionAbsoluteMs: row.absoluteMs,
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
  sessions.sweep(session.createdAtMs + row.usedMs)
  expect(sessions.count).toBe(row.lives ? 1 : 0)
})
