/**
 * JSON Schemas as servers write them, made plain enough for a form: references followed, `allOf` laid together, `null`
 * taken out. Nothing is thrown, whatever a server sends; what cannot be made plain is said so.
 */

import { isObject } from '../../../protocol/json.ts'

export type Schema = Readonly<Record<string, unknown>>

/** Why a form has no fields for a schema; a person writes JSON then. */
export interface Opaque {
  readonly opaque: string
}

/** How often one definition may stand within itself: a tree is shown two levels deep, then as JSON. */
const turnsMax = 2
/** References behind references, and members of `allOf`, that are followed. */
const stepsMax = 32

/** Where a schema stands: the whole document, and the references that led there. */
export interface Place {
  readonly root: unknown
  readonly followed: readonly string[]
}

/** A schema without references and `allOf` at its top. */
export interface Plain {
  readonly schema: Schema
  readonly place: Place
}

export function plainSchema(schema: unknown, place: Place): Plain | Opaque {
  if (schema === true || schema === undefined) return { schema: {}, place }
  if (schema === false) return { opaque: 'No value is allowed here.' }
  if (!isObject(schema)) return { opaque: 'The server describes this with something that is no schema.' }
  let plain: Plain = { schema, place }
  for (let step = 0; step < stepsMax; step++) {
    const { $ref, allOf } = plain.schema
    if ($ref === undefined && allOf === undefined) return plain
    const next = typeof $ref === 'string' ? followed(plain, $ref) : laidTogether(plain, allOf)
    if ('opaque' in next) return next
    plain = next
  }
  return { opaque: 'The description refers to itself without end.' }
}

function followed({ schema, place }: Plain, reference: string): Plain | Opaque {
  const turns = place.followed.filter((each) => each === reference).length
  if (turns >= turnsMax) return { opaque: 'The description repeats itself from here on.' }
  const target = targetOf(place.root, reference)
  if (target === undefined)
    return { opaque: `The description refers to ${shortened(reference)}, which is not in it.` }
  if (!isObject(target)) return plainSchema(target, place)
  const { $ref: _, ...beside } = schema
  return {
    schema: { ...target, ...beside, ...bothOf('allOf', target, beside) },
    place: { ...place, followed: [...place.followed, reference] },
  }
}

/** Where both have one, neither may be lost. */
function bothOf(keyword: 'allOf', one: Schema, other: Schema): Schema {
  const [first, second] = [one[keyword], other[keyword]]
  return Array.isArray(first) && Array.isArray(second) ? { [keyword]: [...first, ...second] } : {}
}

/** What `#/$defs/a~1b` points to in the document; undefined for nothing. */
function targetOf(root: unknown, reference: string): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let value = root
  for (const part of reference.slice(2).split('/')) {
    const name = unescaped(part)
    if (name === null || typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

function unescaped(part: string): string | null {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return null
  }
}

function laidTogether({ schema, place }: Plain, allOf: unknown): Plain | Opaque {
  const { allOf: _, ...own } = schema
  if (!Array.isArray(allOf)) return { schema: own, place }
  if (allOf.length > stepsMax) return { opaque: `All of ${allOf.length} descriptions must fit at once.` }
  let whole: Schema = own
  let { followed: path } = place
  for (const part of allOf) {
    const plain = plainSchema(part, { ...place, followed: path })
    if ('opaque' in plain) return plain
    const both = merged(whole, plain.schema)
    if ('opaque' in both) return both as unknown as Opaque
    whole = both
    path = plain.place.followed
  }
  return { schema: whole, place: { ...place, followed: path } }
}

const merging: Readonly<Record<string, (one: unknown, other: unknown) => unknown>> = {
  properties: (one, other) => (isObject(one) && isObject(other) ? { ...one, ...other } : other),
  required: (one, other) => [...listOf(one), ...listOf(other)],
  minimum: (one, other) => Math.max(Number(one), Number(other)),
  maximum: (one, other) => Math.min(Number(one), Number(other)),
  minLength: (one, other) => Math.max(Number(one), Number(other)),
  maxLength: (one, other) => Math.min(Number(one), Number(other)),
}

/** Both at once. Where they say different things of one word, what the form would ask for may not be what is allowed. */
export function merged(one: Schema, other: Schema): Schema | Opaque {
  const whole: Record<string, unknown> = { ...one }
  for (const [word, value] of Object.entries(other)) {
    const before = Object.hasOwn(one, word) ? one[word] : undefined
    const merge = Object.hasOwn(merging, word) ? merging[word] : undefined
    if (before === undefined || annotations.has(word)) whole[word] = before ?? value
    else if (merge !== undefined) whole[word] = merge(before, value)
    else if (JSON.stringify(before) !== JSON.stringify(value))
      return { opaque: `Two descriptions must fit at once, and differ in ${shortened(word)}.` }
  }
  return whole
}

/** What says nothing of the value itself; that of the outer one stands. */
const annotations: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'examples',
  '$comment',
  '$schema',
  '$id',
  '$defs',
  'definitions',
  'additionalProperties',
])

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The types that a schema allows, `null` aside; guessed from its words where it names none. */
export function typesOf(schema: Schema): { readonly types: readonly string[]; readonly nullable: boolean } {
  const { type } = schema
  const named = typeof type === 'string' ? [type] : listOf(type).filter((each) => typeof each === 'string')
  const types = named.filter((each) => each !== 'null')
  const nullable = named.length > types.length || schema['nullable'] === true
  if (named.length > 0) return { types, nullable }
  const guess = guesses.find(([, words]) => words.some((word) => schema[word] !== undefined))
  return { types: guess === undefined ? [] : [guess[0]], nullable }
}

const guesses: readonly (readonly [type: string, words: readonly string[]])[] = [
  ['object', ['properties', 'required', 'additionalProperties', 'patternProperties']],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems']],
  ['string', ['pattern', 'minLength', 'maxLength', 'format', 'contentEncoding']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
]

/** A text of somebody else's within a sentence of ours. */
export function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
