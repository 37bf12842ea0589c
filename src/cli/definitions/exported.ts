/** Definitions as they leave a gateway: without the secrets, which it tells nobody. Pure. */
import { isObject } from '../../protocol/json.ts'
import { isMasked, secretMask } from '../../registry/mask.ts'

type Definition = Readonly<Record<string, unknown>>

/** What the gateway sets by itself. */
const ownFields: ReadonlySet<string> = new Set(['createdAt', 'updatedAt'])

/** The definition as `servers import` and the `mcps` of a configuration take it. */
export function exportedDefinition(definition: Definition): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(definition).filter(([field, value]) => !ownFields.has(field) && !isEmpty(value)),
  )
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  return value === '' || (isObject(value) && Object.keys(value).length === 0)
}

/** Where something is hidden: `env.API_KEY`, `args[3]`, `url`. */
export function hiddenPlaces(definition: Definition): string[] {
  const places: string[] = []
  mapTexts(definition, (text, place) => {
    if (isMasked(text)) places.push(place.text)
    return text
  })
  return places
}

export interface WithVariables {
  readonly definition: Record<string, unknown>
  /** The variables that are in it. */
  readonly names: readonly string[]
}

/**
 * The definitions with a variable in the place of each hidden value, no two places the same one: what is hidden in them
 * may differ. `${API_KEY}` for `env.API_KEY`, `${FILES_API_KEY}` where another server has that too, and
 * `${FILES_AUTHORIZATION}` for a header of the server `files`.
 */
export function withVariables(definitions: readonly Definition[]): WithVariables[] {
  const wishes = new Map<string, number>()
  for (const definition of definitions)
    mapHidden(definition, (place) => {
      const [short] = namesFor(definition, place)
      wishes.set(short, (wishes.get(short) ?? 0) + 1)
      return secretMask
    })
  const taken = new Set<string>()
  return definitions.map((definition) => {
    const names: string[] = []
    const replaced = mapHidden(definition, (place) => {
      const [short, long] = namesFor(definition, place)
      let name = wishes.get(short) === 1 ? short : long
      // A name that somebody wishes alone is left for that one.
      for (let count = 2; taken.has(name) || (name !== short && wishes.get(name) === 1); count++)
        name = `${long}_${count}`
      taken.add(name)
      names.push(name)
      return `\${${name}}`
    })
    return { definition: replaced, names }
  })
}

/** A copy in which each hidden part was replaced; a text may have several. */
function mapHidden(definition: Definition, replace: (place: Place) => string): Record<string, unknown> {
  return mapTexts(definition, (text, place) => text.replaceAll(secretMask, () => replace(place)))
}

/** The name for a place while nobody else has it, and the one that says whose it is. */
function namesFor(definition: Definition, { field, key }: Place): readonly [short: string, long: string] {
  const server = typeof definition['name'] === 'string' ? definition['name'] : ''
  const long = variableName(`${server}_${key}`)
  return [field === 'env' ? variableName(key) : long, long]
}

function variableName(text: string): string {
  return text
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
    .replace(/^(?=\d)/, '_')
}

interface Place {
  readonly field: string
  /** The name of the entry, or what tells it apart: `API_KEY`, `url`, `args_3`. */
  readonly key: string
  readonly text: string
}

/** A copy in which each text of a field, a list or a map was replaced. */
function mapTexts(
  definition: Definition,
  replace: (text: string, place: Place) => string,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(definition).map(([field, value]) => {
      if (typeof value === 'string') return [field, replace(value, { field, key: field, text: field })]
      if (Array.isArray(value)) {
        const items = value.map((item: unknown, index) =>
          typeof item === 'string'
            ? replace(item, { field, key: `${field}_${index}`, text: `${field}[${index}]` })
            : item,
        )
        return [field, items]
      }
      if (!isObject(value)) return [field, value]
      const entries = Object.entries(value).map(([key, item]) => [
        key,
        typeof item === 'string' ? replace(item, { field, key, text: `${field}.${key}` }) : item,
      ])
      return [field, Object.fromEntries(entries)]
    }),
  )
}
