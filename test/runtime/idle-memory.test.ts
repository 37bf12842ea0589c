/** When a pause of the whole process is worth the memory that it gives back. */
import { expect, test } from 'bun:test'
import { IdleMemory } from '../../src/runtime/idle-memory.ts'

const MIB = 1024 * 1024

/** A process of 60 MiB that gives back what it has grown by, and counts how often it was asked to. */
function memory() {
  const state = { ownMib: 60, collections: 0, endedSessions: 0, gives: true }
  const idle = new IdleMemory({
    ownBytes: () => state.ownMib * MIB,
    collect() {
      state.collections++
      if (state.gives) state.ownMib = 60
    },
  })
  let nowMs = 0
  // What it needs by itself is what it holds at the first sweep, a quarter of a second after the start.
  idle.sweep(1, 0, nowMs)
  return {
    state,
    /** Time goes by, a quarter of a second at a time. */
    pass(seconds: number, callsInFlight = 0): number {
      for (let n = 0; n < seconds * 4; n++) {
        nowMs += 250
        idle.sweep(callsInFlight, state.endedSessions, nowMs)
      }
      return state.collections
    },
  }
}

test('collects after the work, not during it, and as long as that gives something back', () => {
  const { state, pass } = memory()
  state.ownMib = 200
  expect(pass(60, 1)).toBe(0)
  expect(pass(0.75)).toBe(0)
  expect(pass(0.25)).toBe(1)
  expect(pass(600)).toBe(2)
})

test('waits for a whole second without calls', () => {
  const { state, pass } = memory()
  state.ownMib = 200
  for (let n = 0; n < 100; n++) {
    pass(0.75)
    pass(0.25, 1)
  }
  expect(state.collections).toBe(0)
})

test('leaves alone what would give back too little', () => {
  const { state, pass } = memory()
  state.ownMib = 63
  state.endedSessions = 99
  expect(pass(600)).toBe(0)
})

test('collects what sessions leave, although nothing has grown', () => {
  const { state, pass } = memory()
  state.endedSessions = 100
  expect(pass(600)).toBe(1)
  state.endedSessions = 199
  expect(pass(600)).toBe(1)
  state.endedSessions = 200
  expect(pass(600)).toBe(2)
})

test('takes for granted what a collection does not give back', () => {
  const { state, pass } = memory()
  state.gives = false
  state.ownMib = 100
  expect(pass(600)).toBe(1)
  state.ownMib = 120
  expect(pass(600)).toBe(2)
})

test('never collects more than once in five seconds', () => {
  const { state, pass } = memory()
  for (let n = 0; n < 20; n++) {
    state.ownMib = 100
    pass(1)
  }
  expect(state.collections).toBeLessThanOrEqual(5)
})
