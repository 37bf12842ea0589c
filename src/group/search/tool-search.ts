/**
 * Finding a tool by words (`exposure: search`). Pure; loaded when a group first needs it.
 *
 * What counts: the name, split where people see words in it; then the first sentence of the description, the rest of
 * it, names of parameters and what is said of them. Words are compared by their stems. Synonyms are not added: lists
 * of them (WordNet) found fewer of the right tools than none, docs/decisions/tool-search.md.
 */
import MiniSearch from 'minisearch'
import { isObject, type JsonObject } from '../../protocol/json.ts'
import { parsed } from '../../protocol/spans.ts'
import { firstSentence } from './search-tools.ts'

/** A tool as its group shows it. */
export interface SearchedTool {
  readonly name: string
  /** Its whole definition as JSON text. */
  readonly text: string
}

/** A list of tools, ready to be searched. */
export interface ToolSearch {
  /** The tools that fit best, best first; none where no word fits. */
  find(query: string, limit: number): readonly SearchedTool[]
}

/** Makes a list ready; a new list needs a new search. In small steps, so that calls go on meanwhile. */
export async function createToolSearch(tools: readonly SearchedTool[]): Promise<ToolSearch> {
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
  for (let from = 0; from < tools.length; from += toolsAtOnce) {
    if (from > 0) await new Promise((resolve) => setImmediate(resolve))
    for (const [at, tool] of tools.slice(from, from + toolsAtOnce).entries())
      index.add(entryOf(tool, from + at))
  }
  const nameStems = tools.map(({ name }) => new Set(wordsOf(name).map(stemOf)))
  return {
    find(query, limit) {
      const words = query.slice(0, queryCharsMax)
      const asked = new Set(wordsOf(words).map(stemOf))
      const found = index.search(words).map(({ id, score }) => {
        const stems = [...(nameStems[Number(id)] ?? [])]
        const covered = stems.filter((stem) => asked.has(stem)).length / Math.max(1, stems.length)
        return { tool: tools[Number(id)], score: score * (1 + nameCovered * covered) }
      })
      found.sort((a, b) => b.score - a.score)
      return found.slice(0, limit).flatMap(({ tool }) => tool ?? [])
    },
  }
}

/** How much better a tool fits whose name holds nothing that was not asked for. */
const nameCovered = 0.3

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

/** Words that are in every question and say nothing of what is asked for. */
const fillers: ReadonlySet<string> = new Set(
  [
    'a all am an and any anyone are as at be been but by can could did do does everything for from get give go',
    'has have he her here him his how i if in into is it its just let like me my need no not now of off on or our',
    'please she should so some something than that the their them then there these they this to up us want was we',
    'were what when where which who whom why will with would yes you your',
  ].flatMap((line) => line.split(' ')),
)
