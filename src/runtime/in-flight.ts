/**
 * Books of what is under way: entered and struck out again tens of thousands of times a second.
 *
 * Why not Map and Set: the runtime copies their table anew after every few dozen deletions and chains the old table
 * to the new one. A table that has once lived long enough to count as old then keeps alive all that came after it,
 * with every call that was ever entered, until the next full collection (measured: two of three finished calls
 * survived a collection of young objects, and every third collection was a full one).
 */

/** A thing that stands in at most one `Roster` at a time. */
export interface Listed {
  /** Kept by the roster. */
  place: number
}

/** A set of things, in no order. */
export class Roster<T extends Listed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  has(item: T): boolean {
    return this.#items[item.place] === item
  }

  add(item: T): void {
    item.place = this.#items.length
    this.#items.push(item)
  }

  /** False when it does not stand here. */
  delete(item: T): boolean {
    if (!this.has(item)) return false
    const last = this.#items.pop()
    if (last !== undefined && last !== item) {
      this.#items[item.place] = last
      last.place = item.place
    }
    return true
  }

  /** All of them; nothing may be entered or struck out while they are gone through. */
  get items(): readonly T[] {
    return this.#items
  }

  /** As they stand now, so that what is done with them may strike out any of them. */
  list(): readonly T[] {
    // Every sweep asks thousands of idle sessions.
    return this.#items.length === 0 ? nobody : this.#items.slice()
  }
}

const nobody: readonly never[] = Object.freeze([])

const free = -1
const slotsMin = 16
/** A table that was as large as this stays so: a busy one would grow and shrink with every turn of the loop. */
const slotsKept = 256

/** Things by a whole number, zero or more. */
export class ByNumber<T> {
  /** Open addressing: a number stands at its own slot or in one of those behind it, with no free one between. */
  #keys = new Float64Array(slotsMin).fill(free)
  #values: (T | undefined)[] = new Array(slotsMin).fill(undefined)
  /** 32 less the bits of a slot's index. */
  #shift = 32 - Math.log2(slotsMin)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: number): T | undefined {
    const at = this.#find(key)
    return this.#keys[at] === key ? this.#values[at] : undefined
  }

  /** Replaces what has this number. */
  set(key: number, value: T): void {
    if (this.#size * 2 >= this.#keys.length) this.#resize(this.#keys.length * 2)
    const at = this.#find(key)
    if (this.#keys[at] !== key) this.#size++
    this.#keys[at] = key
    this.#values[at] = value
  }

  delete(key: number): void {
    const keys = this.#keys
    const values = this.#values
    const mask = keys.length - 1
    let gap = this.#find(key)
    if (keys[gap] !== key || key === free) return
    this.#size--
    // Whoever stands behind the gap and may stand in it moves up.
    for (let at = (gap + 1) & mask; keys[at] !== free; at = (at + 1) & mask) {
      const own = this.#slotOf(keys[at] as number)
      if (((at - own) & mask) < ((at - gap) & mask)) continue
      keys[gap] = keys[at] as number
      values[gap] = values[at]
      gap = at
    }
    keys[gap] = free
    values[gap] = undefined
    // One burst must not make every later walk through the table as long as it was.
    if (keys.length > slotsKept && this.#size * 8 < keys.length) this.#resize(keys.length / 2)
  }

  clear(): void {
    this.#empty(slotsMin)
  }

  #empty(slots: number): void {
    this.#keys = new Float64Array(slots).fill(free)
    this.#values = new Array(slots).fill(undefined)
    this.#shift = 32 - Math.log2(slots)
    this.#size = 0
  }

  /** In no order. Nothing may be entered or struck out meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (const value of this.#values) if (value !== undefined) yield value
  }

  /** As they stand now, so that what is done with them may strike out any of them. */
  list(): T[] {
    // Four sweeps a second ask, mostly for nothing.
    return this.#size === 0 ? [] : [...this]
  }

  /** The slot of this number, or the free one where it would stand. */
  #find(key: number): number {
    const keys = this.#keys
    const mask = keys.length - 1
    let at = this.#slotOf(key)
    while (keys[at] !== key && keys[at] !== free) at = (at + 1) & mask
    return at
  }

  /** Scattered (Fibonacci hashing): numbers in a row would stand in a row, and whoever comes behind walks past all. */
  #slotOf(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> this.#shift
  }

  #resize(slots: number): void {
    const keys = this.#keys
    const values = this.#values
    this.#empty(slots)
    for (let from = 0; from < keys.length; from++) {
      const value = values[from]
      if (value !== undefined) this.set(keys[from] as number, value)
    }
  }
}
