/**
 * Finding a tool by words (`exposure: search`). Pure but for the file of word vectors; loaded when a group first needs it.
 *
 * Two things count. What a question means: where its words point to together, next to where a tool's do. And the words
 * themselves, by their stems: in the name, split where people see words in it; then in the first sentence of the
 * description, the rest of it, names of parameters and what is said of them. A question that is a name finds it first.
 * Figures: docs/decisions/tool-search.md.
 */
import MiniSearch from 'minisearch'
import { isObject, type JsonObject } from '../../protocol/json.ts'
import { parsed } from '../../protocol/spans.ts'
import { firstSentence } from './search-tools.ts'
import { direction, product, type WordVectors, wordVectors } from './word-vectors.ts'

/** A tool as its group shows it. */
export interface SearchedTool {
  readonly name: string
  /** Its whole definition as JSON text. */
  readonly text: string
}

/** A list of tools, ready to be searched. */
export interface ToolSearch {
  /** The tools that fit best, best first; none where nothing fits, or is asked for in words that nobody knows. */
  find(query: string, limit: number): readonly SearchedTool[]
}

/** Makes a list ready; a new list needs a new search. In small steps, so that calls go on meanwhile. */
export async function createToolSearch(tools: readonly SearchedTool[]): Promise<ToolSearch> {
  const vectors = await wordVectors()
  const index = new MiniSearch<Entry>({
    fields: ['name', 'summary', 'description', 'parameters', 'details'],
    tokenize: wordsOf,
    processTerm: stemOf,
    searchOptions: {
      boost: { name: 3, summary: 2, description: 0.7, parameters: 0.7, details: 0.3 },
      processTerm: (word) => (fillers.has(word) ? null : stemOf(word)),
      prefix: (stem) => stem.length >= prefixCharsMin,
      fuzzy: (stem) => (stem.length >= fuzzyCharsMin ? 0.2 : false),
      weights: { prefix: 0.4, fuzzy: 0.2 },
    },
  })
  const directions: Float32Array[] = []
  const names: (readonly string[])[] = []
  for (const [id, tool] of tools.entries()) {
    if (id % toolsAtOnce === toolsAtOnce - 1) await new Promise((resolve) => setImmediate(resolve))
    const entry = entryOf(tool, id)
    index.add(entry)
    directions.push(directionOf(entry, vectors))
    // With that of its server, and without.
    names.push([tool.name, tool.name.replace(/^.*__/, '')].map((name) => askedIn(wordsOf(name)).join(' ')))
  }

  /** How well the words themselves fit, by tools: at most 1, and a quarter where a tool has half of them. */
  const wordScores = (query: string, asked: readonly string[]): ReadonlyMap<number, number> => {
    const found = index.search(query)
    const best = found[0]?.score ?? 0
    return new Map(
      found.map(({ id, score, queryTerms }) => {
        const share = new Set(queryTerms).size / Math.max(1, asked.length)
        return [Number(id), (score / best) * share ** 2]
      }),
    )
  }

  return {
    find(query, limit) {
      const words = wordsOf(query.slice(0, queryCharsMax))
      const asked = askedIn(words)
      const scores = wordScores([...new Set(words)].join(' '), asked)
      const name = asked.join(' ')
      // Of questions that say nothing, no direction.
      const meant = direction(vectors.sumOf(asked.length === 0 ? [] : words))
      const fits = tools.flatMap((tool, id) => {
        const same = scores.get(id)
        const meaning = product(meant, directions[id] ?? meant)
        if (same === undefined && meaning < meaningMin) return []
        return { tool, score: meaning + sameWords * (same ?? 0) + (names[id]?.includes(name) ? 1 : 0) }
      })
      fits.sort((a, b) => b.score - a.score)
      return fits.slice(0, limit).map(({ tool }) => tool)
    },
  }
}

/** How much the same words count beside the same meaning. */
const sameWords = 0.5
/** Tools that share no word with the question and mean less of it would be there by chance. */
const meaningMin = 0.1

interface Entry {
  readonly id: number
  readonly name: string
  readonly summary: string
  readonly description: string
  readonly parameters: string
  readonly details: string
}

/** A few milliseconds of work. */
const toolsAtOnce = 8
/** Longer texts repeat themselves, and every word of them is kept. */
const descriptionCharsMax = 800
const parametersCharsMax = 400
const detailsCharsMax = 600
const queryCharsMax = 1_000
/** Shorter beginnings and slips fit too much. */
const prefixCharsMin = 4
const fuzzyCharsMin = 6

function entryOf({ name, text }: SearchedTool, id: number): Entry {
  const tool = parsed(text)
  const { description, inputSchema, annotations }: JsonObject & ToolMembers = isObject(tool) ? tool : {}
  const said = typeof description === 'string' ? description : ''
  const properties = isObject(inputSchema) && isObject(inputSchema.properties) ? inputSchema.properties : {}
  const title = isObject(annotations) ? annotations['title'] : undefined
  const details = Object.values(properties).map((property) =>
    isObject(property) ? property['description'] : '',
  )
  return {
    id,
    name,
    summary: `${typeof title === 'string' ? title : ''} ${firstSentence(said)}`,
    description: said.slice(0, descriptionCharsMax),
    parameters: Object.keys(properties).join(' ').slice(0, parametersCharsMax),
    details: details.join(' ').slice(0, detailsCharsMax),
  }
}

/**
 * Where a tool points: the middle between what its first sentence, its arguments and its whole description say, each
 * with its name. No direction where no word of it is known.
 */
function directionOf({ name, summary, parameters, description }: Entry, vectors: WordVectors): Float32Array {
  const sumOf = (text: string): Float32Array => vectors.sumOf(wordsOf(text))
  const named = vectors.sumOf([...new Set(wordsOf(name))])
  const summed = added(named, sumOf(summary))
  const all = [summed, added(summed, sumOf(parameters)), added(named, sumOf(description))]
  return all
    .map(direction)
    .reduce(added)
    .map((part) => part / all.length)
}

function added(some: Float32Array, others: Float32Array): Float32Array {
  return some.map((part, at) => part + (others[at] ?? 0))
}

interface ToolMembers {
  readonly description?: unknown
  readonly inputSchema?: unknown
  readonly annotations?: unknown
}

/** `searchIssues`, `search-issues` and `HTTPServer2` as people read them; scripts without spaces by pairs of signs. */
function wordsOf(text: string): string[] {
  const spaced = text
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .replace(/['’]s\b/gu, '')
  const words = spaced.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  return words.flatMap((word) => (spaceless.test(word) ? pairsOf(word) : [word]))
}

const spaceless = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u

function pairsOf(word: string): string[] {
  const signs = [...word]
  return signs.length < 2 ? signs : signs.slice(1).map((sign, at) => `${signs[at]}${sign}`)
}

/** English forms of one word as one: not the linguist's stem, but the same for all that people write. */
function stemOf(word: string): string {
  let stem = word
  if (stem.length > 4 && stem.endsWith('ies')) return `${stem.slice(0, -3)}y`
  if (stem.length > 4 && /(?:ss|x|ch|sh)es$/.test(stem)) return stem.slice(0, -2)
  if (stem.length > 3 && stem.endsWith('s') && !/(?:ss|us|is)$/.test(stem)) stem = stem.slice(0, -1)
  if (stem.length > 5 && stem.endsWith('ing')) stem = stem.slice(0, -3)
  else if (stem.length > 4 && stem.endsWith('ed')) stem = stem.slice(0, -2)
  return stem.length > 4 && stem.endsWith('e') ? stem.slice(0, -1) : stem
}

/** The stems of the words that say what is asked for, each once, in a fixed order. */
function askedIn(words: readonly string[]): string[] {
  return [...new Set(words.filter((word) => !fillers.has(word)).map(stemOf))].sort()
}

/** Words that are in every question and say nothing of what is asked for. */
const fillers: ReadonlySet<string> = new Set(
  [
    'a all am an and any anyone are as at be been but by can could did do does everything for from get give go',
    'has have he her here him his how i if in into is it its just let like me my need no not now of off on or our',
    'please she should so some something than that the their them then there these they this to up us want was we',
    'were what when where which who whom why will with would yes you your',
  ].flatMap((line) => line.split(' ')),
)
