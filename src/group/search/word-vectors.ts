/**
 * What words mean, as directions: words that people use for the same thing point the same way, so that a question finds
 * a tool that it shares no word with. Made once from a model of sentences, docs/decisions/tool-search.md; read from
 * the executable when a group is first searched.
 *
 * The file, compressed: counts of entries, of dimensions and of bytes of text (u32 each, little-endian), a scale for each entry
 * (f32), a byte for every two dimensions of each entry, and the entries as lines. An entry is a word, or two that
 * stand side by side or apart: `throw away`.
 */
import file from './word-vectors.gz' with { type: 'file' }

export interface WordVectors {
  /** Of each direction. */
  readonly dimensions: number
  /** Where the words of a text point to together, of length 1; null where none of them is known. */
  directionOf(words: readonly string[]): Float32Array | null
}

let loaded: Promise<WordVectors> | undefined

/** The same for whoever asks: some 6 MB of memory, read once. */
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
  const places = new Map(text.split('\n').map((entry, place) => [entry, place]))

  const add = (sum: Float32Array, entry: string): boolean => {
    const place = places.get(entry)
    const scale = place === undefined ? undefined : scales[place]
    if (place === undefined || scale === undefined) return false
    for (let at = 0; at < rowBytes; at++) {
      const two = rows[place * rowBytes + at] ?? 0
      sum[2 * at] = (sum[2 * at] ?? 0) + scale * ((two & 15) - 8)
      sum[2 * at + 1] = (sum[2 * at + 1] ?? 0) + scale * ((two >> 4) - 8)
    }
    return true
  }
  return {
    dimensions,
    directionOf(words) {
      const sum = new Float32Array(dimensions)
      const known = [
        ...words.filter((word) => formsOf(word).some((form) => add(sum, form))),
        ...[...pairsOf(words)].filter((pair) => add(sum, pair)),
      ]
      const length = Math.hypot(...sum)
      return known.length === 0 || length === 0 ? null : sum.map((part) => part / length)
    },
  }
}

const headBytes = 12

/** A word as it stands, and what it may be a form of, for where the form is no entry. */
function formsOf(word: string): string[] {
  return [
    word,
    ...endings.filter((ending) => word.endsWith(ending)).map((ending) => word.slice(0, -ending.length)),
  ]
}

const endings = ['s', 'es', 'd', 'ed', 'ing']

/** Each pair once: words side by side, and a word with one of those that change verbs (`throw this mail away`). */
function pairsOf(words: readonly string[]): ReadonlySet<string> {
  const pairs = new Set<string>()
  words.forEach((word, at) => {
    words.slice(at + 1, at + pairWordsMax).forEach((other, between) => {
      if (between === 0 || particles.has(other)) pairs.add(`${word} ${other}`)
    })
  })
  return pairs
}

/** From the first to the last word of a pair. */
const pairWordsMax = 5

const particles: ReadonlySet<string> = new Set(
  'away up out off down back in on over through together around along by into for to of with'.split(' '),
)
