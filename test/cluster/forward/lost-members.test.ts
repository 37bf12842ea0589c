/** When whoever waits for another member gives up, though no connection has told it anything. */
import { expect, test } from 'bun:test'
import { LostMembers } from '../../../src/cluster/forward/lost-members.ts'
import type { PingAnswer } from '../../../src/cluster/membership.ts'
import { testLog } from '../members.ts'

const leaseMs = 25
const beatMs = leaseMs / 5

interface Case {
  readonly why: string
  readonly isSilent?: boolean
  readonly isLate?: boolean
  readonly isDead?: boolean
  readonly answers?: PingAnswer
  readonly isWaitedFor?: boolean
  readonly isLost: boolean
}

test.each<Case>([
  { why: 'it lives, and is not heard any more', answers: null, isLost: true },
  { why: 'somebody else is at its address', answers: 'stranger', isLost: true },
  { why: 'it is silent because its call takes long', answers: 'other', isLost: false },
  { why: 'it is heard on what it was asked', answers: null, isSilent: false, isLost: false },
  { why: 'nobody waits for it', answers: null, isWaitedFor: false, isLost: false },
  { why: 'it is dead', isLate: true, isDead: true, isLost: true },
  { why: 'it is late, and lives', isLate: true, isDead: false, isLost: false },
])('$why: lost $isLost', async (given) => {
  const {
    isSilent = true,
    isLate = false,
    isDead = false,
    answers = null,
    isWaitedFor = true,
    isLost,
  } = given
  const gone: string[] = []
  const lost = new LostMembers({
    membership: {
      leaseMs,
      addressOf: () => '127.0.0.1:1',
      ping: async () => answers,
      isLate: () => isLate,
      isDead: async () => isDead,
    },
    forwarder: {
      waitedFor: () => new Set(isWaitedFor && gone.length === 0 ? ['other'] : []),
      gone: (instance) => void gone.push(instance),
    },
    wire: { isSilent: () => isSilent },
    log: testLog(),
  })
  const beganMs = performance.now()
  while (gone.length === 0 && performance.now() - beganMs < 4 * leaseMs) {
    lost.look()
    await Bun.sleep(beatMs)
  }
  expect(gone).toEqual(isLost ? ['other'] : [])
  if (isLost && !isLate) expect(performance.now() - beganMs).toBeGreaterThan(2 * leaseMs - beatMs)
})
