/** The books of what is under way: they hold what they should, and nothing that was struck out. */
import { edenGC, fullGC, heapStats } from 'bun:jsc'
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { ByNumber, type Listed, Roster } from '../../src/runtime/in-flight.ts'

/** `Headers` stand for calls here because the runtime counts its living objects by class. */
interface Call extends Listed {
  readonly headers: Headers
}

const newCall = (): Call => ({ place: 0, headers: new Headers() })

/** How many more are alive after 20,000 calls, 64 of them at a time, with no full collection in between. */
function survivors(book: {
  enter(call: Call, number: number): void
  strike(call: Call, number: number): void
}) {
  fullGC()
  const before = livingCalls()
  const underWay: Call[] = []
  for (let number = 1; number <= 20_000; number++) {
    const call = newCall()
    underWay.push(call)
    book.enter(call, number)
    const oldest = underWay.length > 64 ? underWay.shift() : undefined
    if (oldest !== undefined) book.strike(oldest, number - 64)
    if (number % 500 === 0) edenGC()
  }
  return livingCalls() - before
}

function livingCalls(): number {
  return heapStats().objectTypeCounts['Headers'] ?? 0
}

/** In each of the 40 collections the calls under way count as old from then on: 64 times 40, were none freed. */
const SURVIVORS_MAX = 64 * 40 + 500

describe('finished calls do not outlive a collection of young objects', () => {
  test('of a roster', () => {
    const roster = new Roster<Call>()
    const count = survivors({
      enter: (call) => roster.add(call),
      strike: (call) => roster.delete(call),
    })
    expect(count).toBeLessThan(SURVIVORS_MAX)
  })

  test('of a book by number', () => {
    const byNumber = new ByNumber<Call>()
    const count = survivors({
      enter: (call, number) => byNumber.set(number, call),
      strike: (_call, number) => byNumber.delete(number),
    })
    expect(count).toBeLessThan(SURVIVORS_MAX)
  })

  test('which is more than a Map of this runtime can say', () => {
    const map = new Map<number, Call>()
    const count = survivors({
      enter: (call, number) => map.set(number, call),
      strike: (_call, number) => map.delete(number),
    })
    // Should this ever fail, the runtime has learned it, and these books are no longer needed.
    expect(count).toBeGreaterThan(2 * SURVIVORS_MAX)
  })
})

type Step = readonly ['enter' | 'strike', number]

const steps = fc.array(
  fc.tuple(
    fc.constantFrom('enter' as const, 'strike' as const),
    // Few numbers and far apart, so that they meet in the table.
    fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(2 ** 31, 2 ** 40 + 3, 1024, 2048, 4096)),
  ),
  { maxLength: 400 },
)

describe('a book by number', () => {
  test('holds what a Map would, whatever is entered and struck out', () => {
    fc.assert(
      fc.property(steps, (all: readonly Step[]) => {
        const book = new ByNumber<string>()
        const model = new Map<number, string>()
        for (const [what, number] of all) {
          if (what === 'enter') {
            book.set(number, `call ${number} of ${model.size}`)
            model.set(number, `call ${number} of ${model.size}`)
          } else {
            book.delete(number)
            model.delete(number)
          }
          expect(book.size).toBe(model.size)
        }
        for (const [, number] of all) expect(book.get(number)).toBe(model.get(number))
        expect([...book].sort()).toEqual([...model.values()].sort())
      }),
    )
  })

  test.each([
    { number: -1, why: 'it stands for an id that could not be read' },
    { number: 0, why: 'ids begin at one' },
    { number: Number.NaN, why: 'a server may answer with any id' },
    { number: 1.5, why: 'a server may answer with any id' },
    { number: 2 ** 53, why: 'a server may answer with any id' },
  ])('finds nothing under $number: $why', ({ number }) => {
    const book = new ByNumber<string>()
    for (let id = 1; id <= 20; id++) book.set(id, 'call')
    expect(book.get(number)).toBeUndefined()
    book.delete(number)
    expect(book.size).toBe(20)
  })

  test('holds what is left of a burst', () => {
    const book = new ByNumber<string>()
    for (let id = 1; id <= 10_000; id++) book.set(id, `call ${id}`)
    for (let id = 1; id <= 10_000; id++) if (id % 1_000 !== 0) book.delete(id)
    expect(book.size).toBe(10)
    for (let id = 1_000; id <= 10_000; id += 1_000) expect(book.get(id)).toBe(`call ${id}`)
    expect(book.get(999)).toBeUndefined()
    expect(book.list()).toHaveLength(10)
  })

  test('is empty after it was cleared', () => {
    const book = new ByNumber<string>()
    for (let id = 1; id <= 100; id++) book.set(id, 'call')
    book.clear()
    expect(book.size).toBe(0)
    expect(book.list()).toEqual([])
    expect(book.get(5)).toBeUndefined()
  })
})

describe('a roster', () => {
  test('strikes out only what stands in it, and once', () => {
    const [one, two, three] = [newCall(), newCall(), newCall()]
    const roster = new Roster<Call>()
    expect(roster.delete(one)).toBe(false)
    roster.add(one)
    roster.add(two)
    expect(roster.delete(three)).toBe(false)
    expect(roster.delete(one)).toBe(true)
    expect(roster.delete(one)).toBe(false)
    expect(roster.list()).toEqual([two])
  })

  test('may be changed while its list is gone through', () => {
    const roster = new Roster<Call>()
    const calls = Array.from({ length: 5 }, newCall)
    for (const call of calls) roster.add(call)
    const seen: Call[] = []
    for (const call of roster.list()) {
      seen.push(call)
      for (const each of calls) roster.delete(each)
    }
    expect(seen).toEqual(calls)
    expect(roster.size).toBe(0)
  })
})
