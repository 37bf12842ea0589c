/**
 * A legacy client knows only output schemas with an object at their root, so any other is shown to it as
 * the member `result` of one (and `structuredContent` is wrapped alike).
 *
 * Moving a schema one level down moves what its own `#/…` references point to. They are rewritten where
 * the root of the document is their base: not below a schema with an `$id` of its own, not inside data
 * (`const`, `enum`, `default`, `examples`), and not where a property merely bears a keyword's name.
 *
 * Spec: 2026-07-28, server/tools (Output Schema); 2025-11-25, server/tools. JSON Schema 2020-12, 8.2.
 */
import { editObject, elementsOf, membersOf, memberText, parsed } from '../spans.ts'

const data: readonly string[] = ['const', 'enum', 'default', 'examples']
const nameMaps: readonly string[] = [
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependencies',
]
/** Deeper schemas keep their references as they are; nobody writes them, and recursion must end. */
const depthMax = 64

/** The JSON text of a schema, wrapped. */
export function wrapOutputSchema(schema: string): string {
  const dialect = memberText(schema, '$schema')
  const inner = rewritten(schema, 'schema', 0)
  // The dialect is that of the document, so it moves to the new root.
  const head = dialect === null ? '' : `"$schema":${dialect},`
  return `{${head}"type":"object","properties":{"result":${inner}},"required":["result"]}`
}

function rewritten(text: string, as: 'schema' | 'names', depth: number): string {
  if (depth > depthMax) return text
  const elements = text.startsWith('[') ? elementsOf(text) : null
  if (elements) return `[${elements.map((element) => rewritten(element, 'schema', depth + 1)).join(',')}]`
  const members = text.startsWith('{') ? membersOf(text) : null
  if (!members || (as === 'schema' && hasOwnBase(text))) return text
  const set: Record<string, string> = {}
  for (const { key, valueStart, valueEnd } of members) {
    const value = text.slice(valueStart, valueEnd)
    if (as === 'names') set[key] = rewritten(value, 'schema', depth + 1)
    else if (key === '$ref' || key === '$dynamicRef') set[key] = moved(value)
    else if (!data.includes(key)) {
      set[key] = rewritten(value, nameMaps.includes(key) ? 'names' : 'schema', depth + 1)
    }
  }
  return editObject(text, { set }) ?? text
}

function moved(reference: string): string {
  const target = parsed(reference)
  if (target === '#') return '"#/properties/result"'
  if (typeof target !== 'string' || !target.startsWith('#/')) return reference
  return JSON.stringify(`#/properties/result${target.slice(1)}`)
}

/** A fragment-only `$id` is an anchor of older dialects and no base. */
function hasOwnBase(text: string): boolean {
  const id = memberText(text, '$id')
  return id !== null && !id.startsWith('"#')
}
