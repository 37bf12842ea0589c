/**
 * `${user.NAME}`: what stands in values of `env` and `headers` in the place of something that each user has of their
 * own. `$${user.NAME}` is the text `${user.NAME}`. Pure.
 *
 * A definition holds what was written: whose value takes its place is decided where a connection is opened for
 * somebody, and only that copy of the definition ever has it.
 */
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../definition.ts'

const beginning = '${user.'
const pattern = /\$?\$\{user\.([^}]*)\}?/g
const name = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

/** What a name may be, for people. */
export const userValueNameWords =
  'a name of letters, digits and underscores, 64 at most, the first of them no digit'

export function isUserValueName(text: string): boolean {
  return name.test(text)
}

/** The names that a text refers to; null where something begins as a reference and is none. */
export function userNamesIn(text: string): readonly string[] | null {
  if (!text.includes(beginning)) return []
  const names: string[] = []
  for (const [whole, found = ''] of text.matchAll(pattern)) {
    if (whole.startsWith('$$')) continue
    if (!whole.endsWith('}') || !name.test(found)) return null
    names.push(found)
  }
  return names
}

/** The text with the value of each, and what was escaped as it is meant. */
function filled(text: string, readValue: (name: string) => string): string {
  if (!text.includes(beginning)) return text
  return text.replace(pattern, (whole: string, found: string) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    return whole.endsWith('}') && name.test(found) ? readValue(found) : whole
  })
}

/** A text in which nothing is a reference any more: it comes out of `filled` as it is now. */
export function userEscaped(text: string): string {
  return text.includes(beginning) ? text.replaceAll(beginning, () => `$${beginning}`) : text
}

/** What a definition refers to, each name once, in the order of its places. */
export function userNamesOf({ env, headers }: Pick<ServerDefinition, 'env' | 'headers'>): readonly string[] {
  const texts = [...Object.values(env), ...Object.values(headers)]
  if (!texts.some((text) => text.includes(beginning))) return []
  return [...new Set(texts.flatMap((text) => userNamesIn(text) ?? []))]
}

/** Whether each user of a server with this definition has a connection of their own. */
export function isOfEachUser(definition: ServerDefinition): boolean {
  return definition.oauth?.account === 'user' || userNamesOf(definition).length > 0
}

/**
 * The definition with these values in the places of their names: what a connection for one user is opened with. Throws
 * CREDENTIAL_MISSING for a value that cannot stand in its place.
 */
export function withUserValues(
  definition: ServerDefinition,
  values: Readonly<Record<string, string>>,
): ServerDefinition {
  const readValue = (found: string): string => values[found] ?? ''
  const map = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, filled(text, readValue)]))
  const headers = map(definition.headers)
  for (const [key, text] of Object.entries(headers))
    if (text !== definition.headers[key] && !fitsHeader(text))
      throw new GatewayError(
        'CREDENTIAL_MISSING',
        `What is stored for ${(userNamesIn(definition.headers[key] ?? '') ?? []).join(', ')} cannot stand in a header: it has line breaks, or characters beyond Latin-1. Set it again.`,
      )
  return { ...definition, env: map(definition.env), headers, userValues: Object.values(values) }
}

/** The values of `env` and `headers` of a definition that nobody fills, with what was escaped as it is meant. */
export function withoutUserEscapes(
  texts: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (!Object.values(texts).some((text) => text.includes(beginning))) return texts
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, filled(text, (found) => `\${user.${found}}`)]),
  )
}

/** Whether a text can be the value of a header. */
export function fitsHeader(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters HTTP refuses.
  return !/[\x00-\x08\x0a-\x1f\x7f]|[^\0-\xff]/.test(text)
}
