/**
 * What a person has filled in, and the JSON that it makes. Numbers and JSON go as the text that was typed, so that no
 * digit is lost; what does not fit its field is a fault at that field, and nothing is sent.
 */
import type { Field, GroupField, NumberField, TextField } from './fields.ts'
import { type ExactJson, jsonFault, numberPattern, readExact, writeExact } from './json-text.ts'

export type Draft =
  | { readonly kind: 'unset' }
  | { readonly kind: 'null' }
  /** Of text, number and JSON fields. */
  | { readonly kind: 'typed'; readonly text: string }
  | { readonly kind: 'truth'; readonly value: boolean }
  | { readonly kind: 'chosen'; readonly indexes: readonly number[] }
  | { readonly kind: 'items'; readonly items: readonly Draft[] }
  | {
      readonly kind: 'members'
      readonly members: ReadonlyMap<string, Draft>
      readonly rest: readonly Named[]
    }
  | { readonly kind: 'variant'; readonly index: number; readonly draft: Draft }

/** A member under a name that the person chose. */
export interface Named {
  readonly name: string
  readonly draft: Draft
}

export const unset: Draft = { kind: 'unset' }

/** What a form begins with: the defaults of the server, and nothing else. */
export function firstDraft(field: Field, required = true): Draft {
  if (field.initial !== null) {
    const value = readExact(field.initial)
    const draft = value === undefined ? null : draftOf(field, value)
    if (draft !== null) return draft
  }
  switch (field.kind) {
    case 'group':
      return required ? groupDraft(field) : unset
    case 'choice':
      // What has one value only need not be chosen.
      return required && field.options.length === 1 ? { kind: 'chosen', indexes: [0] } : unset
    case 'variants': {
      const [first] = field.variants
      return required && first !== undefined
        ? { kind: 'variant', index: 0, draft: firstDraft(first.field) }
        : unset
    }
    default:
      return unset
  }
}

/** A group with nothing filled in but defaults. */
export function groupDraft(field: GroupField): Draft {
  const members = field.members.map(
    (member) => [member.name, firstDraft(member.field, member.required)] as const,
  )
  return { kind: 'members', members: new Map(members), rest: [] }
}

export interface Fault {
  /** The names and indexes that lead to the field. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

export interface Written {
  /** Null where nothing is filled in. */
  readonly json: string | null
  readonly faults: readonly Fault[]
}

/** The JSON of what is filled in. */
export function written(field: Field, draft: Draft, required = true): Written {
  const writer = new Writer()
  const json = writer.write(field, draft, required, [])
  return { json, faults: writer.faults }
}

type Path = readonly (string | number)[]

class Writer {
  readonly faults: Fault[] = []

  write(field: Field, draft: Draft, required: boolean, path: Path): string | null {
    if (draft.kind === 'null') return 'null'
    if (draft.kind === 'unset') return this.#unset(field, required, path)
    switch (field.kind) {
      case 'text':
        return draft.kind === 'typed' ? this.#text(field, draft.text, required, path) : null
      case 'number':
        return draft.kind === 'typed' ? this.#number(field, draft.text.trim(), required, path) : null
      case 'json':
        return draft.kind === 'typed' ? this.#json(draft.text, required, path) : null
      case 'truth':
        return draft.kind === 'truth' ? String(draft.value) : null
      case 'choice':
        return draft.kind === 'chosen' ? (field.options[draft.indexes[0] ?? -1]?.json ?? null) : null
      case 'choices': {
        if (draft.kind !== 'chosen') return null
        this.#count(draft.indexes.length, field, path)
        return `[${draft.indexes.flatMap((index) => field.options[index]?.json ?? []).join(',')}]`
      }
      case 'list': {
        if (draft.kind !== 'items') return null
        this.#count(draft.items.length, field, path)
        const items = draft.items.map((item, index) => this.write(field.item, item, true, [...path, index]))
        return `[${items.map((item) => item ?? 'null').join(',')}]`
      }
      case 'group':
        return draft.kind === 'members' ? this.#group(field, draft, path) : null
      case 'variants': {
        const variant = draft.kind === 'variant' ? field.variants[draft.index] : undefined
        return variant === undefined || draft.kind !== 'variant'
          ? null
          : this.write(variant.field, draft.draft, required, path)
      }
    }
  }

  #unset(field: Field, required: boolean, path: Path): string | null {
    if (!required) return null
    // Nothing chosen and nothing added are values, where they may be.
    if ((field.kind === 'list' || field.kind === 'choices') && field.itemsMin === 0) return '[]'
    this.#fault(path, 'This is needed.')
    return null
  }

  #text(field: TextField, text: string, required: boolean, path: Path): string | null {
    if (text === '' && !required) return null
    if (text === '' && field.charsMin === 0 && required) return '""'
    const chars = [...text].length
    if (chars < field.charsMin)
      this.#fault(path, text === '' ? 'This is needed.' : `At least ${counted(field.charsMin, 'character')}.`)
    if (chars > field.charsMax)
      this.#fault(path, `At most ${counted(field.charsMax, 'character')}; these are ${chars}.`)
    return JSON.stringify(text)
  }

  #number({ integer, min, max }: NumberField, text: string, required: boolean, path: Path): string | null {
    if (text === '') return this.#missing(required, path)
    if (!numberPattern.test(text)) {
      this.#fault(path, 'Write a number such as 12, -3 or 0.5.')
      return null
    }
    const value = Number(text)
    if (integer && !Number.isInteger(value)) this.#fault(path, 'Write a whole number.')
    if (min !== null && (value < min.value || (value === min.value && !min.inclusive)))
      this.#fault(path, min.inclusive ? `At least ${min.value}.` : `More than ${min.value}.`)
    if (max !== null && (value > max.value || (value === max.value && !max.inclusive)))
      this.#fault(path, max.inclusive ? `At most ${max.value}.` : `Less than ${max.value}.`)
    return text
  }

  #json(text: string, required: boolean, path: Path): string | null {
    if (text.trim() === '') return this.#missing(required, path)
    const fault = jsonFault(text)
    if (fault === null) return text.trim()
    this.#fault(path, `This is no JSON: ${fault}`)
    return null
  }

  #group(field: GroupField, draft: Draft & { kind: 'members' }, path: Path): string {
    const texts: string[] = []
    const add = (name: string, json: string | null): void => {
      if (json !== null) texts.push(`${JSON.stringify(name)}:${json}`)
    }
    for (const { name, required, field: member } of field.members)
      add(name, this.write(member, draft.members.get(name) ?? unset, required, [...path, name]))
    const taken = new Set(field.members.map(({ name }) => name))
    for (const [index, { name, draft: further }] of draft.rest.entries()) {
      if (field.rest === null) break
      if (taken.has(name)) this.#fault([...path, index], `There are two members ${JSON.stringify(name)}.`)
      taken.add(name)
      add(name, this.write(field.rest, further, true, [...path, index]))
    }
    return `{${texts.join(',')}}`
  }

  #count(count: number, { itemsMin, itemsMax }: { itemsMin: number; itemsMax: number }, path: Path): void {
    if (count < itemsMin) this.#fault(path, `At least ${counted(itemsMin, 'item')}.`)
    if (count > itemsMax) this.#fault(path, `At most ${counted(itemsMax, 'item')}.`)
  }

  #missing(required: boolean, path: Path): null {
    if (required) this.#fault(path, 'This is needed.')
    return null
  }

  #fault(path: Path, message: string): void {
    this.faults.push({ path, message })
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** What would have to be filled in for this value; null where the form has no place for it. */
export function draftOf(field: Field, value: ExactJson): Draft | null {
  if (value === null && field.kind !== 'json') return field.nullable ? { kind: 'null' } : null
  switch (field.kind) {
    case 'text':
      return typeof value === 'string' ? { kind: 'typed', text: value } : null
    case 'number':
      return isNumber(value) ? { kind: 'typed', text: value.number } : null
    case 'json':
      return { kind: 'typed', text: writeExact(value) }
    case 'truth':
      return typeof value === 'boolean' ? { kind: 'truth', value } : null
    case 'choice': {
      const index = indexOf(field.options, value)
      return index < 0 ? null : { kind: 'chosen', indexes: [index] }
    }
    case 'choices': {
      if (!isList(value)) return null
      const indexes = value.map((item) => indexOf(field.options, item))
      return indexes.includes(-1) ? null : { kind: 'chosen', indexes }
    }
    case 'list': {
      if (!isList(value)) return null
      const items = value.map((item) => draftOf(field.item, item))
      return items.includes(null) ? null : { kind: 'items', items: items as Draft[] }
    }
    case 'group':
      return value instanceof Map ? groupDraftOf(field, value) : null
    case 'variants':
      for (const [index, { field: variant }] of field.variants.entries()) {
        const draft = draftOf(variant, value)
        if (draft !== null && written(variant, draft).faults.length === 0)
          return { kind: 'variant', index, draft }
      }
      return null
  }
}

function groupDraftOf(field: GroupField, value: ReadonlyMap<string, ExactJson>): Draft | null {
  const members = new Map<string, Draft>(field.members.map(({ name }) => [name, unset]))
  const rest: Named[] = []
  for (const [name, given] of value) {
    const member = field.members.find((each) => each.name === name)
    const of = member?.field ?? field.rest
    const draft = of === null ? null : draftOf(of, given)
    if (draft === null) return null
    if (member === undefined) rest.push({ name, draft })
    else members.set(name, draft)
  }
  return { kind: 'members', members, rest }
}

function indexOf(options: readonly { readonly json: string }[], value: ExactJson): number {
  const json = writeExact(value)
  return options.findIndex((option) => option.json === json)
}

function isNumber(value: ExactJson): value is { readonly number: string } {
  return typeof value === 'object' && value !== null && 'number' in value
}

function isList(value: ExactJson): value is readonly ExactJson[] {
  return Array.isArray(value)
}
