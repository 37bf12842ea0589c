/** When the event loop is kept turning, and how often it is not although it could be. */
import { describe, expect, test } from 'bun:test'
import { BusyPoll } from '../../src/runtime/busy-poll.ts'

/** An event loop whose turns take 10 µs each and are counted. */
function loop() {
  let nowUs = 0
  let next: (() => void) | null = null
  const poll = new BusyPoll({
    nowMs: () => nowUs / 1000,
    next: (run) => {
      next = run
    },
  })
  return {
    poll,
    /** Goes on until the loop would sleep, or for this long; answers how many turns it took. */
    turn(ms = Number.POSITIVE_INFINITY): number {
      const untilUs = nowUs + ms * 1000
      let turns = 0
      while (next !== null && nowUs < untilUs) {
        const run = next
        next = null
        nowUs += 10
        turns++
        run()
      }
      return turns
    },
  }
}

describe('with one call after another', () => {
  test('the loop turns until the answer comes and until the next request does', () => {
    const { poll, turn } = loop()
    for (let call = 0; call < 1_000; call++) {
      poll.stir(1)
      expect(turn(0.05)).toBe(5)
      poll.stir(0)
      expect(turn(0.05)).toBe(5)
    }
  })

  test('the loop sleeps after 0.15 ms in which nothing came', () => {
    const { poll, turn } = loop()
    poll.stir(1)
    const turns = turn()
    expect(turns).toBeGreaterThanOrEqual(15)
    expect(turns).toBeLessThanOrEqual(16)
  })
})

describe('where it does not help', () => {
  test('it is tried ever more rarely: 10,000 slow answers cost 46 tries', () => {
    const { poll, turn } = loop()
    let tries = 0
    for (let call = 0; call < 10_000; call++) {
      poll.stir(1)
      if (turn() > 0) tries++
      poll.stir(0)
      turn()
    }
    expect(tries).toBe(46)
  })

  test('a client that pauses does not keep the loop from waiting for a quick server', () => {
    const { poll, turn } = loop()
    const waited: boolean[] = []
    for (let call = 0; call < 100; call++) {
      poll.stir(1)
      waited.push(turn(0.05) > 0)
      poll.stir(0)
      turn()
    }
    expect(waited).not.toContain(false)
  })

  test('one that comes in time brings it back', () => {
    const { poll, turn } = loop()
    // Misses at 0, 2, 5 and 10, so the next chance that is taken is the one at 19.
    for (let call = 0; call < 19; call++) {
      poll.stir(1)
      turn()
    }
    poll.stir(1)
    expect(turn(0.05)).toBe(5)
    poll.stir(1)
    turn()
    poll.stir(1)
    expect(turn()).toBe(0)
    poll.stir(1)
    expect(turn()).toBeGreaterThan(0)
  })

  test('with more than four calls under way the loop is left alone', () => {
    const { poll, turn } = loop()
    poll.stir(5)
    expect(turn()).toBe(0)
    poll.stir(4)
    expect(turn(0.05)).toBe(5)
    poll.stir(5)
    expect(turn()).toBe(1)
  })
})
