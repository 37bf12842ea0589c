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

/**
 * The definition with a variable in the place of each hidden value: `${API_KEY}` for `env.API_KEY`,
 * `${FILES_AUTHORIZATION}` for a header of the server `files`. `names` are the variables that are in it.
 */
export function withVariables(definition: Definition): {
  readonly definition: Record<string, unknown>
  readonly names: readonly string[]
} {
  const names = new Set<string>()
  const server = typeof definition['name'] === 'string' ? definition['name'] : ''
  const replaced = mapTexts(definition, (text, { field, key }) => {
    let count = 0
    return text.replaceAll(secretMask, () => {
      count++
      const name = variableName(field === 'env' ? key : `${server}_${key}${count > 1 ? `_${count}` : ''}`)
      names.add(name)
      return `\${${name}}`
    })
  })
  return { definition: replaced, names: [...names] }
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
