/**
 * From a tool's JSON Schema to the fields of a form. Bounded in depth and number, whatever a server sends: what goes
 * beyond, refers to itself or says more than a form can ask is one field for JSON, with the reason.
 */
import { isObject } from '../../../protocol/json.ts'
import { merged, type Opaque, type Place, plainSchema, type Schema, shortened, typesOf } from './schemas.ts'

interface FieldBase {
  /** Of the server; null for none. */
  readonly title: string | null
  readonly description: string | null
  /** Whether null is a value of its own. */
  readonly nullable: boolean
  /** JSON text; null for none. */
  readonly initial: string | null
}

export interface TextField extends FieldBase {
  readonly kind: 'text'
  readonly format: string | null
  readonly lines: 'one' | 'many'
  readonly charsMin: number
  readonly charsMax: number
  /** Shown, not tried: a pattern of a stranger's can keep a page busy for hours. */
  readonly pattern: string | null
}

export interface NumberField extends FieldBase {
  readonly kind: 'number'
  readonly integer: boolean
  readonly min: Limit | null
  readonly max: Limit | null
}

export interface Limit {
  readonly value: number
  /** Whether the value itself is still allowed. */
  readonly inclusive: boolean
}

export interface TruthField extends FieldBase {
  readonly kind: 'truth'
}

/** One of several values. */
export interface ChoiceField extends FieldBase {
  readonly kind: 'choice'
  readonly options: readonly Option[]
}

/** Some of several values. */
export interface ChoicesField extends FieldBase {
  readonly kind: 'choices'
  readonly options: readonly Option[]
  readonly itemsMin: number
  readonly itemsMax: number
}

export interface Option {
  readonly label: string
  /** JSON text. */
  readonly json: string
}

export interface ListField extends FieldBase {
  readonly kind: 'list'
  readonly item: Field
  readonly itemsMin: number
  readonly itemsMax: number
}

export interface GroupField extends FieldBase {
  readonly kind: 'group'
  readonly members: readonly Member[]
  /** What further members hold, under names that the person chooses; null where there are none. */
  readonly rest: Field | null
}

export interface Member {
  readonly name: string
  readonly required: boolean
  readonly field: Field
}

/** One of several forms. */
export interface VariantsField extends FieldBase {
  readonly kind: 'variants'
  readonly variants: readonly { readonly label: string; readonly field: Field }[]
}

export interface JsonField extends FieldBase {
  readonly kind: 'json'
  /** Why there are no fields; null where any value is allowed. */
  readonly why: string | null
}

export type Field =
  | TextField
  | NumberField
  | TruthField
  | ChoiceField
  | ChoicesField
  | ListField
  | GroupField
  | VariantsField
  | JsonField

const depthMax = 8
const fieldsMax = 300
const variantsMax = 20
const optionsMax = 1_000
const choicesMax = 24

/** The fields for the arguments of a tool. */
export function fieldOf(inputSchema: unknown): Field {
  return new FieldMaker().make(inputSchema, { root: inputSchema, followed: [] }, 0)
}

class FieldMaker {
  #made = 0

  make(input: unknown, place: Place, depth: number): Field {
    const own = isObject(input) ? input : {}
    if (depth > depthMax) return jsonField(own, 'The description goes deeper than a form.')
    if (++this.#made > fieldsMax) return jsonField(own, 'The description has more fields than a form.')
    const plain = plainSchema(input, place)
    if ('opaque' in plain) return jsonField(own, plain.opaque)
    const choice = choiceOf(plain.schema)
    if (choice !== null) return choice
    const union = unionOf(plain.schema)
    if (union !== null) return this.#variants(plain.schema, union, plain.place, depth)
    const { types, nullable } = typesOf(plain.schema)
    if (types.length > 1)
      return this.#variants(
        plain.schema,
        { parts: types.map((type) => ({ type })), nullable, rest: without(plain.schema, 'type') },
        plain.place,
        depth,
      )
    return this.#ofType(types[0], plain.schema, plain.place, depth)
  }

  #ofType(type: string | undefined, schema: Schema, place: Place, depth: number): Field {
    switch (type) {
      case 'string':
        return textField(schema)
      case 'number':
      case 'integer':
        return numberField(schema, type === 'integer')
      case 'boolean':
        return { kind: 'truth', ...baseOf(schema) }
      case 'array':
        return this.#list(schema, place, depth)
      case 'object':
        return this.#group(schema, place, depth)
      case undefined:
        return jsonField(schema, null)
      default:
        return jsonField(schema, `The server calls this a ${shortened(type)}.`)
    }
  }

  #list(schema: Schema, place: Place, depth: number): Field {
    if (schema['prefixItems'] !== undefined || Array.isArray(schema['items']))
      return jsonField(schema, 'Each item has a description of its own.')
    if (schema['items'] === undefined) return jsonField(schema, null)
    const itemsMin = countOf(schema['minItems'], 0)
    const itemsMax = countOf(schema['maxItems'], Number.POSITIVE_INFINITY)
    const item = this.make(schema['items'], place, depth + 1)
    if (item.kind === 'choice' && schema['uniqueItems'] === true && item.options.length <= choicesMax)
      return { kind: 'choices', ...baseOf(schema), options: item.options, itemsMin, itemsMax }
    return { kind: 'list', ...baseOf(schema), item, itemsMin, itemsMax }
  }

  #group(schema: Schema, place: Place, depth: number): Field {
    const properties = isObject(schema['properties']) ? Object.entries(schema['properties']) : []
    const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
    const further = schema['additionalProperties']
    // Only where the server speaks of them: an object is open unless it says otherwise, and nobody means that.
    const restSchema = isObject(further) ? further : further === true && properties.length === 0 ? {} : null
    if (properties.length === 0 && restSchema === null && depth > 0) {
      if (further !== false) return jsonField(schema, null)
    }
    const members: Member[] = []
    for (const [name, member] of properties) {
      if (this.#made > fieldsMax) return jsonField(schema, 'The description has more fields than a form.')
      members.push({ name, required: required.has(name), field: this.make(member, place, depth + 1) })
    }
    const rest = restSchema === null ? null : this.make(restSchema, place, depth + 1)
    // What is needed comes first; else the order is the server's.
    members.sort((one, other) => Number(other.required) - Number(one.required))
    return { kind: 'group', ...baseOf(schema), members, rest }
  }

  #variants(schema: Schema, { parts, nullable, rest }: Union, place: Place, depth: number): Field {
    const base = { ...baseOf(schema), nullable }
    if (parts.length > variantsMax)
      return { ...jsonField(schema, `One of ${parts.length} forms is meant.`), nullable }
    const [only] = parts
    if (only !== undefined && parts.length === 1) {
      const whole = this.#within(rest, only, place)
      const field =
        'opaque' in whole ? jsonField(schema, whole.opaque) : this.make(whole.schema, whole.place, depth)
      return {
        ...field,
        ...base,
        title: base.title ?? field.title,
        description: base.description ?? field.description,
      }
    }
    const variants = parts.map((part, index) => {
      const whole = this.#within(rest, part, place)
      const field =
        'opaque' in whole ? jsonField(schema, whole.opaque) : this.make(whole.schema, whole.place, depth + 1)
      return { label: labelOf(part, field, index), field }
    })
    return { kind: 'variants', ...base, variants }
  }

  /** A part of a union together with what stands beside the union. */
  #within(rest: Schema, part: unknown, place: Place): { schema: Schema; place: Place } | Opaque {
    const plain = plainSchema(part, place)
    if ('opaque' in plain) return plain
    const both = merged(plain.schema, without(rest, 'title', 'description', 'default'))
    if ('opaque' in both) return both as unknown as Opaque
    return { schema: both, place: plain.place }
  }
}

interface Union {
  readonly parts: readonly unknown[]
  readonly nullable: boolean
  /** What stands beside it. */
  readonly rest: Schema
}

function unionOf(schema: Schema): Union | null {
  const word = ['oneOf', 'anyOf'].find((each) => Array.isArray(schema[each]))
  if (word === undefined) return null
  const all = schema[word] as readonly unknown[]
  const parts = all.filter((part) => !(isObject(part) && part['type'] === 'null'))
  const nullable = parts.length < all.length || schema['nullable'] === true
  // A union of nothing but conditions ("one of these two is required") says nothing about the form of the value.
  const conditions =
    parts.length > 0 && parts.every((part) => isObject(part) && Object.keys(part).every(isCondition))
  const rest = without(schema, word)
  if (conditions || parts.length === 0) return null
  return { parts, nullable, rest }
}

function isCondition(word: string): boolean {
  return word === 'required' || word === 'not' || word === 'title' || word === 'description'
}

/** A choice among values, from `const`, `enum` or a union of single values. */
function choiceOf(schema: Schema): ChoiceField | null {
  const listed = optionsOf(schema) ?? optionsOfUnion(schema)
  if (listed === null || listed.length > optionsMax) return null
  const options = listed.filter(({ json }) => json !== 'null')
  const base = baseOf(schema)
  return { kind: 'choice', ...base, nullable: base.nullable || options.length < listed.length, options }
}

function optionsOf(schema: Schema): Option[] | null {
  if (Object.hasOwn(schema, 'const')) return [optionOf(schema['const'], schema['title'])]
  if (!Array.isArray(schema['enum'])) return null
  const names: unknown = schema['enumNames']
  return schema['enum'].map((value: unknown, index) =>
    optionOf(value, Array.isArray(names) ? names[index] : undefined),
  )
}

function optionsOfUnion(schema: Schema): Option[] | null {
  const parts = schema['oneOf'] ?? schema['anyOf']
  if (!Array.isArray(parts) || parts.length === 0) return null
  const options: Option[] = []
  for (const part of parts) {
    if (!isObject(part)) return null
    if (part['type'] === 'null') options.push(optionOf(null, undefined))
    else {
      const own = optionsOf(part)
      if (own === null) return null
      options.push(...own)
    }
  }
  return options
}

function optionOf(value: unknown, title: unknown): Option {
  const json = JSON.stringify(value)
  const label = typeof title === 'string' && title !== '' ? title : typeof value === 'string' ? value : json
  return { label: label === '' ? '(empty)' : label, json }
}

function baseOf(schema: Schema): FieldBase {
  const { title, description } = schema
  return {
    title: typeof title === 'string' && title !== '' ? title : null,
    description: typeof description === 'string' && description !== '' ? description : null,
    nullable: typesOf(schema).nullable,
    initial: schema['default'] === undefined ? null : JSON.stringify(schema['default']),
  }
}

function textField(schema: Schema): TextField {
  const charsMax = countOf(schema['maxLength'], Number.POSITIVE_INFINITY)
  const format = typeof schema['format'] === 'string' ? schema['format'] : null
  const short = format !== null || charsMax <= 200 || schema['pattern'] !== undefined
  return {
    kind: 'text',
    ...baseOf(schema),
    format,
    lines: short ? 'one' : 'many',
    charsMin: countOf(schema['minLength'], 0),
    charsMax,
    pattern: typeof schema['pattern'] === 'string' ? schema['pattern'] : null,
  }
}

function numberField(schema: Schema, integer: boolean): NumberField {
  return {
    kind: 'number',
    ...baseOf(schema),
    integer,
    min: limitOf(schema['minimum'], schema['exclusiveMinimum'], Math.max),
    max: limitOf(schema['maximum'], schema['exclusiveMaximum'], Math.min),
  }
}

/** `exclusive` is a number, and in older drafts a truth about the other one. */
function limitOf(
  inclusive: unknown,
  exclusive: unknown,
  narrower: (a: number, b: number) => number,
): Limit | null {
  const isNumber = (value: unknown): value is number => typeof value === 'number'
  if (isNumber(exclusive)) {
    if (isNumber(inclusive) && inclusive !== exclusive && narrower(inclusive, exclusive) === inclusive)
      return { value: inclusive, inclusive: true }
    return { value: exclusive, inclusive: false }
  }
  return isNumber(inclusive) ? { value: inclusive, inclusive: exclusive !== true } : null
}

function jsonField(schema: Schema, why: string | null): JsonField {
  return { kind: 'json', ...baseOf(schema), why }
}

function countOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && value >= 0 ? value : otherwise
}

const kindNames: Readonly<Record<Field['kind'], string>> = {
  text: 'Text',
  number: 'Number',
  truth: 'True or false',
  choice: 'Choice',
  choices: 'Choices',
  list: 'List',
  group: 'Object',
  variants: 'Choice of forms',
  json: 'JSON',
}

/** What one form of several is called: by its title, its fixed members, or its kind. */
function labelOf(part: unknown, field: Field, index: number): string {
  if (isObject(part) && typeof part['title'] === 'string') return part['title']
  if (field.title !== null) return field.title
  if (field.kind === 'group') {
    const fixed = field.members.find(
      (member) => member.field.kind === 'choice' && member.field.options.length === 1,
    )
    if (fixed?.field.kind === 'choice') return `${fixed.name}: ${fixed.field.options[0]?.label}`
    const needed = field.members.filter(({ required }) => required).map(({ name }) => name)
    if (needed.length > 0) return needed.slice(0, 3).join(', ')
    return `Object ${index + 1}`
  }
  return kindNames[field.kind]
}

function without(schema: Schema, ...words: readonly string[]): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([word]) => !words.includes(word)))
}
