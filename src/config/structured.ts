/**
 * Settings that are more than one text: maps and lists of maps, as a file writes them. A variable holds the same as
 * JSON. Pure, like `values.ts`.
 */
import { KindGuard, type Static, type TObject, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isObject, jsonIn } from '../protocol/json.ts'
import { problemsOf } from '../registry/problems.ts'
import type { Reading, ValueKind } from './values.ts'

/** How a member of a value is spelled outside, as settings are: `clientId` is `client_id`. */
export function outerSpelling(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

export interface StructuredOptions<Wire extends TSchema, T> {
  /** What a file holds. Members in camelCase are spelled as settings are, unless the schema has `asWritten`. */
  readonly wire: Wire
  readonly takes: string
  /** From what fits the schema to what is kept in memory, or what is wrong with it: the end of "… must be". */
  read(value: Static<Wire>): Reading<T>
  /** As a file would write it, secrets masked. */
  shown(value: T): unknown
}

/** A value of that schema. */
export function structured<Wire extends TSchema, T>(
  options: StructuredOptions<Wire, T>,
): ValueKind<TUnsafe<T>> {
  const outer = outerSchema(options.wire)
  const checked = Type.Object({ value: outer })
  const shown = (value: T): unknown => options.shown(value)
  return {
    schema: Type.Unsafe<T>(options.wire),
    fileSchema: outer,
    takes: options.takes,
    hint: 'json',
    read(input) {
      const value = typeof input === 'string' ? jsonIn(input) : input
      if (value === undefined) return { fault: `must be ${options.takes}; a variable has it as JSON` }
      const fault = faultIn(checked, value)
      if (fault !== null) return { fault }
      // What fits the outer schema fits the inner one, once its members are renamed.
      return options.read(innerValue(options.wire, value) as Static<Wire>)
    },
    shown,
    show: (value) => textOf(shown(value)),
  }
}

function textOf(shown: unknown): string {
  const empty = shown === null || (Array.isArray(shown) && shown.length === 0)
  return empty ? '' : JSON.stringify(shown)
}

/** The first problem as half a sentence behind the name of the setting. Never a value: it may be a secret. */
function faultIn(checked: TObject, value: unknown): string | null {
  if (Value.Check(checked, { value })) return null
  const [problem] = problemsOf(checked, { value })
  const [, index, path = ''] = /^value(?:\[(\d+)\])?\.?(.*)$/.exec(problem?.field ?? '') ?? []
  const entry = index === undefined ? '' : `entry ${Number(index) + 1}`
  const member = path === '' ? '' : entry === '' ? `member ${path}` : `: ${path}`
  return `${entry}${member} ${problem?.reason ?? 'cannot be read'}`.trimStart()
}

/** The same schema with the members of its objects as a file spells them. */
function outerSchema(schema: TSchema): TSchema {
  if (schema['asWritten'] === true) return schema
  if (KindGuard.IsArray(schema)) return { ...schema, items: outerSchema(schema.items) } as TSchema
  if (!KindGuard.IsObject(schema)) return schema
  const members = Object.entries(schema.properties).map(([name, member]) => [
    outerSpelling(name),
    outerSchema(member),
  ])
  return {
    ...schema,
    properties: Object.fromEntries(members),
    required: schema.required?.map(outerSpelling),
  } as TSchema
}

/** A value that fits the outer schema, with the members of its objects as the schema spells them. */
function innerValue(schema: TSchema, value: unknown): unknown {
  if (schema['asWritten'] === true) return value
  if (KindGuard.IsArray(schema) && Array.isArray(value)) {
    return value.map((entry) => innerValue(schema.items, entry))
  }
  if (!KindGuard.IsObject(schema) || !isObject(value)) return value
  const members = Object.entries(schema.properties).flatMap(([name, member]) => {
    const outer = value[outerSpelling(name)]
    return outer === undefined ? [] : [[name, innerValue(member, outer)]]
  })
  return Object.fromEntries(members)
}
