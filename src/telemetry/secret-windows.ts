/**
 * Finds what a text holds of known secrets, whole or in pieces.
 *
 * A server's output is cut on its way: by the pipe, by a bound of the gateway's, by the server that wraps its
 * lines. Half a secret is still most of it, so what is looked for is not the secret but every run of
 * `windowChars` characters that stands in one. The text is read once, whatever the number of secrets; the table
 * has ten bytes for each character of theirs. Pure. Cases: test/telemetry/redaction.test.ts
 */

/** The shortest piece of a secret that is found. */
export const windowChars = 8

/** A piece of a text, from `start` up to `end`. */
export interface Piece {
  readonly start: number
  end: number
}

/** Pieces that overlap, as one, and what their windows are to the secrets. */
interface Run extends Piece {
  kinds: number
}

const known = 1
/** The window begins, or ends, one of the spellings. */
const opening = 2
const closing = 4
/** The window is out of something random, which no other text holds by chance. */
const random = 8

const factors = [0x01000193, 0x5bd1e995] as const
const spread = 0x9e3779b1
const leaving = factors.map((factor) => {
  let power = 1
  for (let at = 1; at < windowChars; at++) power = Math.imul(power, factor)
  return power
})
const [factor, otherFactor] = factors
const [power = 1, otherPower = 1] = leaving

const newline = 0x0a

export class SecretWindows {
  readonly #spellings: readonly string[]
  /** An open hash table: the second hash of each window, and its kinds; 0 is a free place. */
  readonly #hashes: Uint32Array
  readonly #kinds: Uint8Array
  readonly #shift: number

  /**
   * Spellings of fewer than `windowChars` characters are left out. `encoded` ones are random whatever they spell:
   * base64 of a key of hexadecimal digits may have no digit, and looks like words.
   */
  constructor(spellings: readonly string[], encoded: readonly string[]) {
    this.#spellings = [...spellings, ...encoded].filter(({ length }) => length >= windowChars)
    const windows = this.#spellings.reduce((sum, { length }) => sum + length - windowChars + 1, 0)
    const bits = Math.max(4, Math.ceil(Math.log2(windows * 2 + 1)))
    this.#shift = 32 - bits
    this.#hashes = new Uint32Array(1 << bits)
    this.#kinds = new Uint8Array(1 << bits)
    for (const spelling of spellings) this.#learn(spelling, randomParts(spelling))
    for (const spelling of encoded) this.#learn(spelling, [{ start: 0, end: spelling.length }])
  }

  #learn(spelling: string, parts: Piece[]): void {
    const last = spelling.length - windowChars
    eachWindow(spelling, (start, hash, other) => {
      while (start > (parts[0]?.end ?? spelling.length) - windowChars && parts.length > 0) parts.shift()
      const kinds =
        known |
        (start === 0 ? opening : 0) |
        (start === last ? closing : 0) |
        (start >= (parts[0]?.start ?? spelling.length) ? random : 0)
      const place = this.#placeOf(hash, other)
      this.#hashes[place] = other
      this.#kinds[place] = (this.#kinds[place] ?? 0) | kinds
    })
  }

  /** Where this window stands, or the free place that it would have. */
  #placeOf(hash: number, other: number): number {
    const end = this.#kinds.length - 1
    let place = Math.imul(hash, spread) >>> this.#shift
    while (this.#kinds[place] !== 0 && this.#hashes[place] !== other) place = (place + 1) & end
    return place
  }

  /** The pieces of the text that are to be taken out, in their order. */
  find(text: string): Piece[] {
    const found: Piece[] = []
    let run: Run | null = null
    eachWindow(text, (start, hash, other) => {
      const kinds = this.#kinds[this.#placeOf(hash, other)] ?? 0
      if (kinds === 0) return
      if (run !== null && start < run.end) {
        run.end = start + windowChars
        run.kinds |= kinds
        return
      }
      if (run !== null && this.#isSecret(text, run)) found.push(run)
      run = { start, end: start + windowChars, kinds }
    })
    const last = run as Run | null
    if (last !== null && this.#isSecret(text, last)) found.push(last)
    return found
  }

  /**
   * A variable may be set to a word or a path, of which other text holds parts by chance. Such a part counts only
   * where a secret may have been cut, which is at either end of a line.
   */
  #isSecret(text: string, { start, end, kinds }: Run): boolean {
    if ((kinds & random) !== 0) return true
    const [first, last] = [beginsLine(text, start), endsLine(text, end)]
    if ((first && last) || (first && (kinds & closing) !== 0) || (last && (kinds & opening) !== 0))
      return true
    if ((kinds & opening) === 0 || (kinds & closing) === 0) return false
    const piece = text.slice(start, end)
    return this.#spellings.some((spelling) => piece.includes(spelling))
  }
}

/** Calls back for every window of the text with its start and two hashes, each made from the one before. */
function eachWindow(text: string, take: (start: number, hash: number, other: number) => void): void {
  let hash = 0
  let other = 0
  for (let at = 0; at < text.length; at++) {
    if (at >= windowChars) {
      const gone = text.charCodeAt(at - windowChars)
      hash -= Math.imul(gone, power)
      other -= Math.imul(gone, otherPower)
    }
    const unit = text.charCodeAt(at)
    hash = (Math.imul(hash, factor) + unit) | 0
    other = (Math.imul(other, otherFactor) + unit) | 0
    if (at >= windowChars - 1) take(at - windowChars + 1, hash, other >>> 0)
  }
}

/** Shortest text that is judged random by itself. */
const randomCharsMin = 16

/** The parts that are no words: letters and digits that take turns. */
function randomParts(spelling: string): Piece[] {
  return [...spelling.matchAll(new RegExp(`[A-Za-z0-9_+=-]{${randomCharsMin},}`, 'g'))]
    .filter(([part]) => isRandom(part))
    .map(({ 0: part, index }) => ({ start: index, end: index + part.length }))
}

function isRandom(part: string): boolean {
  if (!/\d/.test(part)) return false
  const turns = part.match(/\d(?=[A-Za-z])|[A-Za-z](?=\d)|[a-z](?=[A-Z])/g)?.length ?? 0
  return turns * 10 >= part.length
}

/** True when nothing but blanks stands before this place in its line. */
function beginsLine(text: string, start: number): boolean {
  let at = start - 1
  while (at >= 0 && isBlank(text.charCodeAt(at))) at--
  return at < 0 || text.charCodeAt(at) === newline
}

function endsLine(text: string, end: number): boolean {
  let at = end
  while (at < text.length && isBlank(text.charCodeAt(at))) at++
  return at >= text.length || text.charCodeAt(at) === newline
}

/** Also what is left of a character of which a cut took some of the bytes. */
function isBlank(unit: number): boolean {
  return unit !== newline && (unit <= 0x20 || unit === 0xfffd)
}
