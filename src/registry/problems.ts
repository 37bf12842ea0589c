/**
 * Turns TypeBox validation errors into sentences a person can act on.
 *
 * Pure. A reason never contains the offending value, because values may be secrets. Each schema
 * node says what it wants in its `description`; record nodes name their keys in `keys`.
 */
import { KindGuard, type TObject, type TSchema } from '@sinclair/typebox'
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value'
import { nearestName } from './nearest-name.ts'

/** One thing wrong with one field. `field` is empty when the whole input is at fault. */
export interface Problem {
  readonly field: string
  /** A predicate about the field, such as `must be a string`. */
  readonly reason: string
}

/** Notes what is wrong with a field; null for nothing. */
export type AddProblem = (field: string, reason: string | null) => void

/** Longest list of problems reported at once; the rest would only repeat the pattern. */
const problemsMax = 20

/** Every field that does not fit the schema, first come first, at most one reason a field. */
export function problemsOf(schema: TObject, input: unknown): Problem[] {
  const problems = new Map<string, Problem>()
  for (const error of Value.Errors(schema, input)) {
    const field = fieldOf(error.path)
    if (!problems.has(field)) problems.set(field, { field, reason: reasonFor(error) })
    if (problems.size >= problemsMax) break
  }
  return [...problems.values()]
}

/** `name: must be …; command: is required`, for the `details` of an error reply. */
export function sentenceOf(problems: readonly Problem[]): string {
  return problems.map(({ field, reason }) => `${field || 'input'}: ${reason}`).join('; ')
}

/** `/env/A~1B` as `env.A/B`, `/args/0` as `args[0]`. */
function fieldOf(pointer: string): string {
  let field = ''
  for (const segment of pointer.split('/').slice(1)) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~').slice(0, 80)
    if (/^\d+$/.test(key) && field !== '') field += `[${key}]`
    else field += (field === '' ? '' : '.') + (/^[\w.-]+$/.test(key) ? key : JSON.stringify(key))
  }
  return field
}

function reasonFor(error: ValueError): string {
  const description = describe(error.schema)
  switch (error.type) {
    case ValueErrorType.ObjectRequiredProperty:
      return description === '' ? 'is required' : `is required: ${description}`
    case ValueErrorType.ObjectAdditionalProperties:
      return unexpected(error)
    case ValueErrorType.Object:
      return error.path === '' ? 'must be an object' : `must be ${description || 'an object'}`
    case ValueErrorType.String:
      // A file may write 3000 or true; which text was meant (0x10, 1.10, yes) only its author knows.
      return ['number', 'boolean'].includes(typeof error.value)
        ? 'must be a string; put it in quotes'
        : `must be ${description || 'a string'}`
    default:
      return `must be ${description || 'something else'}`
  }
}

function unexpected(error: ValueError): string {
  const { keys } = error.schema
  if (typeof keys === 'string') return `is not ${keys}`
  const key = error.path
    .slice(error.path.lastIndexOf('/') + 1)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~')
  const known = KindGuard.IsObject(error.schema) ? Object.keys(error.schema.properties) : []
  const nearest = nearestName(key, known)
  return nearest === null ? 'is not a known field' : `is not a known field; did you mean ${nearest}?`
}

function describe(schema: TSchema): string {
  return typeof schema.description === 'string' ? schema.description : ''
}
