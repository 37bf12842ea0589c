/**
 * What words mean, as directions: words that people use for the same thing point the same way, so that a question finds
 * a tool that it shares no word with. Made once from a model of sentences, docs/decisions/tool-search.md; read from
 * the executable when a group is first searched.
 *
 * The file, compressed: counts of entries, of dimensions and of bytes of text (u32 each, little-endian), a scale for
 * each entry (f32), a byte for every two dimensions of each entry, and the entries as lines. An entry is a word, or
 * two that stand side by side or apart: `throw away`.
 */
import file from './word-vectors.gz' with { type: 'file' }

export interface WordVectors {
  /** Where the words of a text point to together; nothing but zeros where none of them is known. */
  sumOf(words: readonly string[]): Float32Array
}

let loaded: Promise<WordVectors> | undefined

/** The same for whoever asks: some 20 MB of memory, read once. */
export function wordVectors(): Promise<WordVectors> {
  loaded ??= Bun.file(file)
    .bytes()
    .then((compressed) => readWordVectors(Bun.gunzipSync(compressed)))
  return loaded
}

/** Takes the content of the file. */
export function readWordVectors({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): WordVectors {
  const [entries = 0, dimensions = 0, textBytes = 0] = new Uint32Array(buffer, byteOffset, 3)
  const scalesAt = byteOffset + headBytes
  const scales = new Float32Array(buffer, scalesAt, entries)
  const rowBytes = dimensions / 2
  const rows = new Uint8Array(buffer, scalesAt + 4 * entries, entries * rowBytes)
  const text = new TextDecoder().decode(
    new Uint8Array(buffer, byteOffset + byteLength - textBytes, textBytes),
  )
  const places = new Map<string, number>()
  for (const entry of text.split('\n')) places.set(entry, places.size)

  const add = (sum: Float32Array, entry: string): boolean => {
    const place = places.get(entry)
    if (place === undefined) return false
    const scale = scales[place] ?? 0
    const first = place * rowBytes
    for (let at = 0; at < rowBytes; at++) {
      const two = rows[first + at] ?? 0
      sum[2 * at] = (sum[2 * at] ?? 0) + scale * ((two & 15) - 8)
      sum[2 * at + 1] = (sum[2 * at + 1] ?? 0) + scale * ((two >> 4) - 8)
    }
    return true
  }
  return {
    sumOf(words) {
      const sum = new Float32Array(dimensions)
      for (const word of words)
        if (!add(sum, word))
          endings.some((ending) => word.endsWith(ending) && add(sum, word.slice(0, -ending.length)))
      for (const pair of pairsOf(words)) add(sum, pair)
      return sum
    },
  }
}

/** The same direction with length 1; nothing stays nothing. */
export function direction(sum: Float32Array): Float32Array {
  const length = Math.sqrt(product(sum, sum))
  return length === 0 ? sum : sum.map((part) => part / length)
}

/** Of two directions: 1 where they are the same, 0 where they have nothing to do with each other. */
export function product(one: Float32Array, other: Float32Array): number {
  let sum = 0
  for (let at = 0; at < one.length; at++) sum += (one[at] ?? 0) * (other[at] ?? 0)
  return sum
}

const headBytes = 12

/** Of forms that are no entry where the word is one. */
const endings = ['s', 'es', 'd', 'ed', 'ing']

/** Each pair once: words side by side, and a word with one of those that change verbs (`throw this mail away`). */
function pairsOf(words: readonly string[]): ReadonlySet<string> {
  const pairs = new Set<string>()
  for (let at = 0; at < words.length; at++) {
    for (let other = at + 1; other < Math.min(at + pairWordsMax, words.length); other++) {
      if (other === at + 1 || particles.has(words[other] ?? '')) pairs.add(`${words[at]} ${words[other]}`)
    }
  }
  return pairs
}

/** From the first to the last word of a pair. */
const pairWordsMax = 5

const particles: ReadonlySet<string> = new Set(
  'away up out off down back in on over through together around along by into for to of with'.split(' '),
)
