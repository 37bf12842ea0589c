/**
 * `${file:PATH}` and `${exec:COMMAND}`: what stands in a definition, or a setting, in the place of a secret that lives
 * elsewhere. `$${file:PATH}` is the text `${file:PATH}`. Pure.
 *
 * A definition holds the values, so that everything that uses one needs not know of references; what was written in
 * their places stands beside them (`written`), and is what is stored and shown.
 */
import type { ServerDefinition } from '../definition.ts'
import { oauthSecretsOf, withOAuthSecrets } from '../oauth/oauth-settings.ts'

export interface Reference {
  readonly kind: 'file' | 'exec'
  /** The path or the command. */
  readonly target: string
  /** True for a file that holds many certificates. */
  readonly isBundle?: boolean
}

/** One, or the beginning of what is none because it is escaped. */
const pattern = /\$\$\{(?:file|exec):(?!-)|\$\{(file|exec):(?!-)([^}\r\n\0]*)\}/g
const beginning = /\$\{(?=(?:file|exec):(?!-))/g

/** Whether a text holds a reference, or what would be one if it were not escaped. */
export function hasReference(text: string): boolean {
  return text.includes('${file:') || text.includes('${exec:')
}

/** The text with each reference replaced, and what was escaped as it is meant. */
export function substitute(text: string, secretOf: (reference: Reference) => string): string {
  if (!hasReference(text)) return text
  return text.replace(pattern, (whole: string, kind: Reference['kind'], target: string) =>
    whole.startsWith('$$') ? whole.slice(1) : secretOf({ kind, target: target.trim() }),
  )
}

/** The references in a text. */
export function referencesIn(text: string): Reference[] {
  const found: Reference[] = []
  substitute(text, (reference) => {
    found.push(reference)
    return ''
  })
  return found
}

/** The same text with each reference written otherwise; what is escaped stays so. */
export function rewritten(text: string, targetOf: (reference: Reference) => string): string {
  if (!hasReference(text)) return text
  return text.replace(pattern, (whole: string, kind: Reference['kind'], target: string) =>
    whole.startsWith('$$') ? whole : `\${${kind}:${targetOf({ kind, target: target.trim() })}}`,
  )
}

/** A text in which nothing is a reference any more: it comes out of `substitute` as it is now. */
export function escaped(text: string): string {
  return hasReference(text) ? text.replace(beginning, () => '$${') : text
}

/**
 * Texts after `mask`, which takes the name of a variable for no secret: references are given to it as such, and come
 * back as they were.
 */
export function maskedAround(
  texts: readonly string[],
  mask: (texts: readonly string[]) => string[],
): string[] {
  if (!texts.some(hasReference)) return mask(texts)
  const kept: string[] = []
  const named = texts.map((text) =>
    text.replace(pattern, (whole: string) => `\${SECRET_FROM_ELSEWHERE_${kept.push(whole) - 1}}`),
  )
  return mask(named).map((text) =>
    text.replace(/\$\{SECRET_FROM_ELSEWHERE_(\d+)\}/g, (whole, at: string) => kept[Number(at)] ?? whole),
  )
}

/** Where a definition may hold references, by name of the place, with the texts that stand there. */
export function placesOf(definition: ServerDefinition): [place: string, text: string][] {
  const { env, headers, args, authTokens, url, tls, oauth } = definition
  return [
    ...Object.entries(env).map(([name, text]): [string, string] => [`env.${name}`, text]),
    ...Object.entries(headers).map(([name, text]): [string, string] => [`headers.${name}`, text]),
    ...args.map((text, at): [string, string] => [`args[${at}]`, text]),
    ...authTokens.map((text, at): [string, string] => [`authTokens[${at}]`, text]),
    ['url', url],
    ...Object.entries(tls ?? {}).map(([name, text]): [string, string] => [`tls.${name}`, text]),
    ...(oauth === undefined ? [] : oauthSecretsOf(oauth)),
  ]
}

/** The definition with other texts in some of these places. */
export function withTexts(
  definition: ServerDefinition,
  texts: Readonly<Record<string, string>>,
): ServerDefinition {
  const { tls, oauth } = definition
  const at = (place: string, text: string): string =>
    Object.hasOwn(texts, place) ? (texts[place] ?? text) : text
  const map = (field: string, values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([name, text]) => [name, at(`${field}.${name}`, text)]))
  const list = (field: string, values: readonly string[]) =>
    values.map((text, index) => at(`${field}[${index}]`, text))
  return {
    ...definition,
    env: map('env', definition.env),
    headers: map('headers', definition.headers),
    args: list('args', definition.args),
    authTokens: list('authTokens', definition.authTokens),
    url: at('url', definition.url),
    ...(tls === undefined
      ? {}
      : { tls: { ca: at('tls.ca', tls.ca), cert: at('tls.cert', tls.cert), key: at('tls.key', tls.key) } }),
    ...(oauth === undefined ? {} : { oauth: withOAuthSecrets(oauth, at) }),
  }
}

/** The definition with its references in the place of their values. */
export function asWritten(definition: ServerDefinition): ServerDefinition {
  const { written, unread: _, ...others } = definition
  return written === undefined ? definition : withTexts(others, written)
}

/**
 * What has come into a text in the places of its references. Of several, a value is told apart by the first place where
 * what stands behind it stands.
 */
export function valuesIn(written: string, text: string): string[] {
  const fixed = fixedPieces(written)
  const [first = '', last = ''] = [fixed[0], fixed.at(-1)]
  if (fixed.length < 2) return []
  const whole = text.slice(first.length, text.length - last.length)
  const values: string[] = []
  let from = 0
  for (const piece of fixed.slice(1, -1)) {
    const end = piece === '' ? -1 : whole.indexOf(piece, from)
    if (end < 0) return [whole]
    values.push(whole.slice(from, end))
    from = end + piece.length
  }
  return [...new Set([...values, whole.slice(from), whole])]
}

/** What stands before, between and behind the references of a text, as it comes out of `substitute`. */
function fixedPieces(written: string): string[] {
  if (!hasReference(written)) return []
  const pieces: string[] = []
  let from = 0
  for (const match of written.matchAll(pattern)) {
    if (match[0].startsWith('$$')) continue
    pieces.push(substitute(written.slice(from, match.index), () => ''))
    from = match.index + match[0].length
  }
  return [...pieces, substitute(written.slice(from), () => '')]
}
