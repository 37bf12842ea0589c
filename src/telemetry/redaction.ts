/**
 * Takes the secrets of a definition out of text that leaves the gateway (log lines, error details, states).
 *
 * A server that dies often prints its environment first; what it prints must not carry the token that was given
 * to it. The one rule: what a peer wrote passes through here before any of it is shown, and no more than seven
 * characters in a row of a secret come out, also when the text was cut before. Messages between client and server
 * are never touched.
 */
import { GatewayError } from '../errors.ts'
import { SecretWindows, windowChars } from './secret-windows.ts'

/** Replaces what is secret in a text by `***`. Answers the very same text when nothing is. */
export type Mask = (text: string) => string

/** Shorter values (`1`, `on`) would turn every line into stars and protect nothing. */
const secretCharsMin = 4

/** Shorter ones stand in other words as well, and are taken out where they stand alone: `test`, not `latest`. */
const anywhereCharsMin = 6

/** A line of a secret that is printed by itself; the shorter ones of a PEM file say nothing. */
const secretLineCharsMin = 16

/** Longer values are whole files, of which nobody makes a URL or a header: they are known in fewer spellings. */
const encodedCharsMax = 16 * 1024

/** What is read of a text of which only the beginning is shown. */
const readCharsMax = 64 * 1024

/** One table for each list of secrets, however many connections ask for it. */
const masks = new WeakMap<readonly string[], Mask>()

/**
 * Returns a function that replaces the given values by `***`, in every spelling: all of a value wherever it
 * stands, eight and more characters of it at either end of a line, and anywhere when it is random. The list
 * must not be changed afterwards.
 */
export function createMask(secrets: readonly string[]): Mask {
  const mask = masks.get(secrets) ?? lazyMask(secrets)
  masks.set(secrets, mask)
  return mask
}

/** Most servers never print anything, and need no table. */
function lazyMask(secrets: readonly string[]): Mask {
  let table: ReturnType<typeof tableOf> | null = null
  return (text) => {
    if (text.length < secretCharsMin || secrets.length === 0) return text
    table ??= tableOf(secrets)
    const masked = without(text, table.windows)
    const others = table.short.reduce((rest, value) => rest.replaceAll(value, '***'), masked)
    return table.alone === null ? others : others.replace(table.alone, '***')
  }
}

function tableOf(secrets: readonly string[]) {
  const known = secrets.filter(({ length }) => length >= anywhereCharsMin)
  const alone = secrets.filter(({ length }) => length >= secretCharsMin && length < anywhereCharsMin)
  const values = [...new Set(known.flatMap(spellings))]
  const encoded = [...new Set(known.flatMap(base64Spellings))]
  // Longest first, so that a secret which contains another one goes whole.
  const short = [...values, ...encoded]
    .filter(({ length }) => length >= anywhereCharsMin && length < windowChars)
    .sort((a, b) => b.length - a.length)
  return { windows: new SecretWindows(values, encoded), short, alone: standingAlone(alone) }
}

/** Before it may stand what is no part of a word: also the end of an escape in JSON or in a URL. */
const wordEndsBefore = '(?:(?<![A-Za-z0-9])|(?<=\\\\[bfnrt])|(?<=%[0-9A-Fa-f]{2}))'

function standingAlone(values: readonly string[]): RegExp | null {
  if (values.length === 0) return null
  const spelled = [...new Set(values.flatMap((value) => [value, ...inJson(value), ...inUrl(value)]))]
  const escaped = spelled.map((value) => value.replaceAll(/[^A-Za-z0-9]/g, '\\$&'))
  return new RegExp(`${wordEndsBefore}(?:${escaped.join('|')})(?![A-Za-z0-9])`, 'g')
}

function without(text: string, windows: SecretWindows): string {
  let masked = ''
  let from = 0
  for (const { start, end } of windows.find(text)) {
    // The blanks at its ends part it from what stands around it.
    const piece = text.slice(start, end)
    const blanks = piece.length - piece.trimStart().length
    if (blanks === piece.length) continue
    masked += `${text.slice(from, start + blanks)}***`
    from = start + piece.trimEnd().length
  }
  return from === 0 ? text : masked + text.slice(from)
}

/** The first `charsMax` characters of a text, masked. Never costs more than a bounded text does. */
export function maskStart(mask: Mask, text: string, charsMax: number): string {
  return mask(text.slice(0, readCharsMax)).slice(0, charsMax)
}

/** The error itself, or the like of it without what its details say of a secret. */
export function maskError(mask: Mask, error: GatewayError): GatewayError {
  const details = mask(error.details)
  if (details === error.details) return error
  return new GatewayError(error.code, details, error.retryAfterSeconds, error.data)
}

const jsonString = /"[^"\\]*(?:\\.[^"\\]*)*"/g

/**
 * Valid JSON text with its strings and its names masked, and the rest as it was written. Each string is judged by
 * itself: a piece of a secret at its beginning stands in the middle of the line that the whole text is.
 */
export function maskJson(mask: Mask, text: string): string {
  return text.replace(jsonString, (quoted) => {
    const value: unknown = JSON.parse(quoted)
    const masked = mask(String(value))
    return masked === value ? quoted : JSON.stringify(masked)
  })
}

/**
 * How a value comes back: as it is, inside JSON, in a URL, in a host or header name, or, with line breaks in it,
 * line by line and in one line.
 */
function spellings(value: string): string[] {
  const lines = value.includes('\n') ? value.split(/\r?\n/) : []
  return [
    value,
    ...inJson(value),
    ...lines.map((line) => line.trim()).filter((line) => line.length >= secretLineCharsMin),
    ...(lines.length > 0 ? [lines.join(' '), lines.join('')] : []),
    ...(value.length > encodedCharsMax ? [] : [value.toLowerCase(), ...inUrl(value)]),
  ]
}

/** Some programs escape what HTML would read, and everything beyond ASCII. */
function inJson(value: string): string[] {
  const escaped = JSON.stringify(value).slice(1, -1)
  const ascii = escaped.replaceAll(/[^ -~]/g, unicodeEscape)
  return [escaped, ascii, ascii.replaceAll(/[<>&]/g, unicodeEscape)]
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function inUrl(value: string): string[] {
  try {
    const encoded = encodeURIComponent(value)
    return [
      encoded,
      encoded.replaceAll(/%../g, (escaped) => escaped.toLowerCase()),
      encoded.replaceAll('%20', '+'),
    ]
  } catch {
    // Half a surrogate pair cannot stand in a URL.
    return []
  }
}

/** In base64, also of a text around it. */
function base64Spellings(value: string): string[] {
  return value.length > encodedCharsMax ? [] : inBase64(value)
}

/** Three bytes become four characters, so a value reads in three ways, by where it stands in the whole. */
function inBase64(value: string): string[] {
  const inside = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(value)])
    // The characters at both ends are made of the neighbours' bits as well.
    const [first, end] = [Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6)]
    return bytes.toString('base64').slice(first, end)
  })
  const standard = [Buffer.from(value).toString('base64'), ...inside]
  return [...standard, ...standard.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))]
}
