/**
 * One row of the table of settings, and how its value is read: from the text of a flag or a variable, or from the
 * typed value of a file. The schema of a value is the one place of its bounds.
 *
 * Pure, never throws: a value that cannot be taken comes back as a fault, half a sentence that fits
 * behind the name of the setting ("must be …"). Faults never repeat the value of a secret.
 */
import {
  type Static,
  type TArray,
  type TBoolean,
  type TInteger,
  type TNull,
  type TSchema,
  type TString,
  type TUnion,
  type TUnsafe,
  Type,
} from '@sinclair/typebox'
import { formatDuration, parseDuration } from '../registry/duration.ts'

export type Reading<T> = { readonly value: T } | { readonly fault: string }

export interface ValueKind<S extends TSchema = TSchema> {
  /** The type of the value in memory, bounds included. */
  readonly schema: S
  /** What a person writes, with an article: `a duration such as 10s`. */
  readonly takes: string
  /** For help pages: `<duration>`. */
  readonly hint: string
  read(input: unknown): Reading<Static<S>>
  /** As a person would write it. */
  show(value: Static<S>): string
  /** Of a structured value: what a file holds, where that is not the type in memory. */
  readonly fileSchema?: TSchema
  /** Of a structured value: as a file would write it, its secrets masked. */
  shown?(value: Static<S>): unknown
}

/** What some defaults depend on. */
export interface Machine {
  /** Where state belongs on this machine when nobody says otherwise. */
  readonly stateDirectory: string
  readonly terminal: boolean
}

export interface Setting<S extends TSchema = TSchema> {
  readonly kind: ValueKind<S>
  readonly initial: Static<S> | ((machine: Machine) => Static<S>)
  /** The default in words, where it depends on the machine. */
  readonly initialWords?: string
  /** What it does, one sentence with its unit and the meaning of special values. */
  readonly doc: string
  readonly flag?: string
  readonly env?: string
  /** Shown as `***` wherever the configuration is printed. */
  readonly secret?: boolean
  /** Its default leaves a door open, so a variable that is empty or a key without a value is a slip, and no default. */
  readonly guards?: boolean
  /** True where a change takes a restart; all others apply as soon as the configuration is read again. */
  readonly restart?: true
}

/** Ties the default of a row to its type. */
export function setting<S extends TSchema>(row: Setting<S>): Setting<S> {
  return row
}

export const mebibyte = 1024 * 1024
export const secondMs = 1000
export const minuteMs = 60 * secondMs
export const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** Below this a number without a unit is more likely meant as seconds. */
const bareMsMin = 100

/** Free text that must match `pattern`; `check` may refuse more. An empty text is never accepted. */
export function text(
  takes: string,
  check: (value: string) => string | null = () => null,
): ValueKind<TString> {
  return {
    schema: Type.String({ minLength: 1 }),
    takes,
    hint: 'text',
    read(input) {
      if (typeof input !== 'string' || input.trim() === '') return { fault: `must be ${takes}` }
      const value = input.trim()
      const fault = check(value)
      return fault === null ? { value } : { fault }
    },
    show: (value) => value,
  }
}

/** As `text`, where null means "none", and an empty text as well unless `emptyIsNone` is false. */
export function optionalText(
  takes: string,
  check: (value: string) => string | null,
  emptyIsNone = true,
): ValueKind<TUnion<[TString, TNull]>> {
  const inner = text(takes, check)
  return {
    schema: Type.Union([inner.schema, Type.Null()]),
    takes,
    hint: inner.hint,
    read: (input) => (input === null || (input === '' && emptyIsNone) ? { value: null } : inner.read(input)),
    show: (value) => value ?? '',
  }
}

/** A whole number within the bounds of its schema; `parse` gives null for what is no number. */
function wholeNumber(
  kind: Omit<ValueKind<TInteger>, 'read'>,
  parse: (input: unknown) => number | null,
): ValueKind<TInteger> {
  const { minimum = -Infinity, maximum = Infinity } = kind.schema
  return {
    ...kind,
    read(input) {
      const value = parse(input)
      return value !== null && Number.isInteger(value) && value >= minimum && value <= maximum
        ? { value }
        : { fault: `must be ${kind.takes}${shown(input)}` }
    },
  }
}

/** A whole number; digits in a string count, because YAML writers quote ports. */
export function integer(minimum: number, maximum: number): ValueKind<TInteger> {
  const takes = `a whole number from ${minimum} to ${maximum}`
  return wholeNumber(
    { schema: Type.Integer({ minimum, maximum }), takes, hint: 'number', show: String },
    (input) =>
      typeof input === 'string' && /^\d{1,16}$/.test(input.trim()) ? Number(input) : asNumber(input),
  )
}

/** A whole number, or one word that leaves it to the machine. */
export function integerOr<const W extends string>(
  word: W,
  minimum: number,
  maximum: number,
): ValueKind<TUnsafe<number | W>> {
  const number = integer(minimum, maximum)
  const takes = `${number.takes}, or ${word}`
  return {
    schema: Type.Unsafe<number | W>(Type.Union([number.schema, Type.Literal(word)])),
    takes,
    hint: `number|${word}`,
    // Digits in quotes count, as for any number.
    fileSchema: Type.Union([number.schema, Type.String({ pattern: `^\\s*(\\d{1,16}|${word})\\s*$` })]),
    read(input) {
      if (typeof input === 'string' && input.trim().toLowerCase() === word) return { value: word }
      const reading = number.read(input)
      return 'value' in reading ? reading : { fault: `must be ${takes}${shown(input)}` }
    },
    show: String,
  }
}

export function flagValue(): ValueKind<TBoolean> {
  return {
    schema: Type.Boolean(),
    takes: 'true or false',
    hint: 'boolean',
    read(input) {
      if (typeof input === 'boolean') return { value: input }
      const word = typeof input === 'string' ? input.trim().toLowerCase() : ''
      if (['true', '1', 'yes', 'on'].includes(word)) return { value: true }
      if (['false', '0', 'no', 'off'].includes(word)) return { value: false }
      return { fault: `must be true or false${shown(input)}` }
    },
    show: String,
  }
}

/** One of a few words. */
export function choice<const W extends readonly [string, ...string[]]>(
  ...words: W
): ValueKind<TUnsafe<W[number]>> {
  const takes = `one of ${words.join(', ')}`
  return {
    schema: Type.Unsafe<W[number]>(Type.Union(words.map((word) => Type.Literal(word)))),
    takes,
    hint: words.join('|'),
    read(input) {
      const word = typeof input === 'string' ? input.trim().toLowerCase() : null
      const value = words.find((candidate) => candidate === word)
      return value === undefined ? { fault: `must be ${takes}${shown(input)}` } : { value }
    },
    show: String,
  }
}

/** Milliseconds in memory; `10s`, `500ms`, `1h30m` in text. A number without a unit is milliseconds. */
export function duration(minimum: number, maximum: number = 30 * dayMs): ValueKind<TInteger> {
  const range = `from ${formatDuration(minimum)} to ${formatDuration(maximum)}`
  const takes = `a duration such as 10s, 500ms or 1h30m, ${range}`
  const kind = wholeNumber(
    { schema: Type.Integer({ minimum, maximum }), takes, hint: 'duration', show: formatDuration },
    (input) => bareNumber(input) ?? (typeof input === 'string' ? parseDuration(input) : null),
  )
  return {
    ...kind,
    read(input) {
      const bare = bareNumber(input)
      if (bare === null || bare === 0 || bare >= bareMsMin) return kind.read(input)
      return { fault: `${bare} without a unit means milliseconds; write "${bare}s" or "${bare}ms"` }
    },
  }
}

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: mebibyte,
  gib: 1024 * mebibyte,
}

/** Bytes in memory; `4MiB`, `512KiB`, `10MB` in text. A number without a unit is bytes. */
export function size(minimum: number, maximum: number = 4096 * mebibyte): ValueKind<TInteger> {
  const takes = `a size such as 4MiB or 512KiB, from ${showSize(minimum)} to ${showSize(maximum)}`
  return wholeNumber(
    { schema: Type.Integer({ minimum, maximum }), takes, hint: 'size', show: showSize },
    (input) => (typeof input === 'string' ? parseSize(input) : asNumber(input)),
  )
}

export interface ListOptions {
  /** What one entry is, with an article. */
  readonly takes: string
  /** Entries are secrets: faults name their position only. */
  readonly secret?: boolean
  readonly check?: (entry: string) => string | null
}

/**
 * Texts; comma-separated (or one a line) in a flag or variable, a YAML list in a file. An empty entry
 * is a fault: `"$UNSET,"` must not quietly become a shorter list of tokens.
 */
export function list(options: ListOptions): ValueKind<TArray<TString>> {
  const takes = `a list of ${options.takes}, comma-separated or repeated`
  return {
    schema: Type.Array(Type.String({ minLength: 1 })),
    takes,
    hint: 'list',
    read(input) {
      const entries = typeof input === 'string' ? input.trim().split(/[,\n]/) : input
      if (!Array.isArray(entries)) return { fault: `must be a list of ${options.takes}` }
      const value: string[] = []
      for (const [index, entry] of entries.entries()) {
        const fault = entryFault(entry, options)
        if (fault !== null) return { fault: `entry ${index + 1} ${fault}` }
        value.push(String(entry).trim())
      }
      return { value: [...new Set(value)] }
    },
    show: (value) => value.join(','),
  }
}

/** Names of environment variables. The gateway's own hold its tokens and are never among them. */
export function variableNameList(): ValueKind<TArray<TString>> {
  return list({
    takes: 'names of environment variables',
    check(name) {
      if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) return 'is no name of a variable'
      return /^MCP_PROXY_/i.test(name) ? "is a variable of the gateway's own, which no server gets" : null
    },
  })
}

function entryFault(entry: unknown, options: ListOptions): string | null {
  if (typeof entry === 'number' && options.secret === true) {
    return 'is a number, and its spelling may be lost; put it in quotes'
  }
  if (typeof entry !== 'string' && typeof entry !== 'number') return 'is not a text'
  const trimmed = String(entry).trim()
  if (trimmed === '') return 'is empty'
  const fault = options.check?.(trimmed) ?? null
  if (fault === null) return null
  return options.secret === true ? fault : `("${trimmed}") ${fault}`
}

function asNumber(input: unknown): number | null {
  return typeof input === 'number' ? input : null
}

function bareNumber(input: unknown): number | null {
  if (typeof input === 'number') return Number.isInteger(input) && input >= 0 ? input : null
  return typeof input === 'string' && /^\d{1,15}$/.test(input.trim()) ? Number(input) : null
}

function parseSize(input: string): number | null {
  const [, amount, unit] = /^(\d{1,15}(?:\.\d{1,6})?)\s?([a-z]{0,3})$/i.exec(input.trim()) ?? []
  const perUnit = sizeUnits[unit?.toLowerCase() ?? '?']
  return perUnit === undefined ? null : Math.round(Number(amount) * perUnit)
}

function showSize(bytes: number): string {
  for (const [unit, perUnit] of [
    ['GiB', 1024 * mebibyte],
    ['MiB', mebibyte],
    ['KiB', 1024],
  ] as const) {
    if (bytes >= perUnit && bytes % perUnit === 0) return `${bytes / perUnit}${unit}`
  }
  return `${bytes}B`
}

function shown(input: unknown): string {
  if (typeof input === 'string') return `, got "${input.length > 60 ? `${input.slice(0, 60)}…` : input}"`
  return typeof input === 'number' || typeof input === 'boolean' ? `, got ${input}` : ''
}
