/** How soon a session that was lost is renewed. */
import { expect, test } from 'bun:test'
import { SessionRenewals } from '../../../src/upstream/lane/session-renewals.ts'

test.each<{ why: string; used?: boolean; lostAtMs: readonly number[]; pausesMs: readonly (number | null)[] }>(
  [
    { why: 'a restart costs no time', lostAtMs: [50], pausesMs: [0] },
    { why: 'nor does one after the other', lostAtMs: [0, 10_000, 20_000, 30_000], pausesMs: [0, 0, 0, 0] },
    {
      why: 'lost again at once: a pause, and then no more',
      lostAtMs: [0, 1, 4_002],
      pausesMs: [0, 4_000, null],
    },
    {
      why: 'what has lasted begins anew',
      lostAtMs: [0, 1, 20_000, 20_001, 24_002],
      pausesMs: [0, 4_000, 0, 4_000, null],
    },
  ],
)('$why', ({ used, lostAtMs, pausesMs }) => {
  const renewals = new SessionRenewals()
  const pauses = lostAtMs.map((nowMs) => {
    const pauseMs = renewals.pauseMs(nowMs, used ?? false)
    renewals.renewed(nowMs + (pauseMs ?? 0))
    return pauseMs
  })
  expect(pauses).toEqual([...pausesMs])
})
