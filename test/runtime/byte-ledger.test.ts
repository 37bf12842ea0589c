/** The one rule by which clients share the gateway's memory: who finds room, who gives way, who is refused. */
import { describe, expect, test } from 'bun:test'
import { ByteLedger, textBytes } from '../../src/runtime/byte-ledger.ts'

const bounds = { heldBytesMax: 200, heldBytesPerClientMax: 100 }

/** A ledger with a clock of its own, and what has been given up in it. */
function open() {
  let nowMs = 0
  const gone: string[] = []
  const ledger = new ByteLedger(
    bounds,
    () => {},
    () => nowMs,
  )
  return {
    ledger,
    gone,
    later(ms: number) {
      nowMs += ms
    },
    /** An answer, which may be given up; true when there was room. */
    answer(client: string, name: string, bytes: number) {
      return ledger.open(client, () => gone.push(name)).resize(bytes)
    },
  }
}

describe('what stays', () => {
  test('is held up to the bound of one client, and from there on refused', () => {
    const { ledger } = open()
    expect(ledger.hold('a', 60)).not.toBeNull()
    expect(ledger.hold('a', 41)).toBeNull()
    expect(ledger.bytesOf('a')).toBe(60)
    expect(ledger.hold('a', 40)).not.toBeNull()
    expect(ledger.hold('a', 1)).toBeNull()
    expect(ledger.hold('b', 100)).not.toBeNull()
  })

  test('is held up to the bound of all', () => {
    const { ledger } = open()
    for (const client of ['a', 'b']) ledger.hold(client, 100)
    expect(ledger.hold('c', 1)).toBeNull()
    expect(ledger.bytes).toBe(200)
  })

  test('makes room once it goes, and nothing is left of its client', () => {
    const { ledger } = open()
    const entry = ledger.hold('a', 100)
    entry?.close()
    entry?.close()
    expect([ledger.bytes, ledger.bytesOf('a')]).toEqual([0, 0])
    expect(ledger.hold('a', 100)).not.toBeNull()
  })

  test('that finds no room to grow is as large as before', () => {
    const { ledger } = open()
    const entry = ledger.hold('a', 50)
    expect(entry?.resize(101)).toBe(false)
    expect(entry?.bytes).toBe(50)
    expect(entry?.resize(100)).toBe(true)
    expect(ledger.bytes).toBe(100)
  })
})

describe('an answer', () => {
  test('of which nothing was read for 5 s gives way to the next of its client, the oldest first', () => {
    const { ledger, gone, later, answer } = open()
    answer('a', 'first', 40)
    answer('a', 'second', 40)
    later(5_000)
    expect(answer('a', 'third', 30)).toBe(true)
    expect(gone).toEqual(['first'])
    expect(ledger.bytesOf('a')).toBe(70)
  })

  test('that is being read stays: what comes next is refused', () => {
    const { ledger, gone, later, answer } = open()
    const read = ledger.open('a', () => gone.push('read'))
    read.resize(80)
    later(4_000)
    read.resize(79)
    later(4_999)
    expect(answer('a', 'next', 30)).toBe(false)
    expect(gone).toEqual([])
    later(1)
    expect(answer('a', 'next', 30)).toBe(true)
    expect(gone).toEqual(['read'])
  })

  test('gives way to a text that stays', () => {
    const { ledger, gone, later, answer } = open()
    answer('a', 'answer', 90)
    later(5_000)
    expect(ledger.hold('a', 20)).not.toBeNull()
    expect(gone).toEqual(['answer'])
  })

  test('is not given up for what finds no room all the same', () => {
    const { ledger, gone, later, answer } = open()
    ledger.hold('a', 80)
    answer('a', 'answer', 20)
    later(5_000)
    expect(ledger.hold('a', 30)).toBeNull()
    expect(gone).toEqual([])
  })

  test('of a client that holds more gives way to one that holds less, when all is full', () => {
    const { gone, later, answer } = open()
    answer('a', 'small', 90)
    answer('b', 'large', 100)
    later(5_000)
    expect(answer('c', 'next', 20)).toBe(true)
    expect(gone).toEqual(['large'])
    expect(answer('d', 'last', 91)).toBe(false)
    expect(gone).toEqual(['large'])
  })

  test('that has gone is not given up again', () => {
    const { ledger, gone, later, answer } = open()
    const read = ledger.open('a', () => gone.push('read'))
    read.resize(100)
    read.close()
    later(5_000)
    answer('a', 'next', 100)
    later(5_000)
    answer('a', 'last', 100)
    expect(gone).toEqual(['next'])
  })
})

test('what was refused or given up is told by its size, to be collected', () => {
  const discarded: number[] = []
  const ledger = new ByteLedger(bounds, (bytes) => discarded.push(bytes))
  ledger.hold('a', 10)
  ledger.hold('a', bounds.heldBytesPerClientMax + 1)
  expect(discarded).toEqual([bounds.heldBytesPerClientMax + 1])
})

test.each([
  { why: 'characters of one byte', text: 'x'.repeat(10), bytes: 10 },
  { why: 'one wide character makes all of them wide', text: `${'x'.repeat(9)}€`, bytes: 20 },
])('a text counts as what it takes in memory: $why', ({ text, bytes }) => {
  expect(textBytes(text)).toBe(bytes)
})
