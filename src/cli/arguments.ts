/**
 * Reads a command line strictly: an unknown flag, a missing value or a stray word is an error. citty's
 * own parser takes all three without a word, and a mistyped `--mcp-admin-token` must not start an open
 * gateway.
 */

import { parseArgs } from 'node:util'
import type { ArgDef, ArgsDef } from 'citty'
import { UsageError } from '../errors.ts'
import { nearestName } from '../registry/nearest-name.ts'
import { serverNamePattern, serverNameWords } from '../registry/server-name.ts'

export interface CommandArguments {
  /** By flag name without dashes, in their order; a switch that is on is `true`, off `false`. */
  readonly flags: Readonly<Record<string, readonly string[]>>
  readonly positionals: readonly string[]
  /** What stands behind `--`; null without a `--`. */
  readonly rest: readonly string[] | null
}

/** Throws a UsageError that names the flag and what it takes. */
export function parseArguments(
  args: readonly string[],
  definitions: ArgsDef,
  takesRest = false,
): CommandArguments {
  const flags: Record<string, string[]> = {}
  const positionals: string[] = []
  const places = Object.entries(definitions).filter(([, { type }]) => type === 'positional')
  const names = Object.keys(definitions).filter((name) => definitions[name]?.type !== 'positional')
  const end = args.indexOf('--')
  const { tokens } = parseArgs({
    args: end === -1 ? [...args] : args.slice(0, end),
    options: Object.fromEntries(names.map((name) => [name, optionOf(definitions[name])])),
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (positionals.length === places.length) {
        throw new UsageError(strayWord(token.value, args[token.index - 1], names, takesRest && end === -1))
      }
      positionals.push(token.value)
      const [place, definition] = places[positionals.length - 1] ?? []
      if (place !== undefined && definition?.valueHint === serverHint) checkName(place, token.value)
    }
    if (token.kind !== 'option') continue
    const definition = names.includes(token.name) ? definitions[token.name] : undefined
    if (definition === undefined)
      throw new UsageError(unknownFlag(token.rawName, args[token.index] ?? '', names))
    const texts = flags[token.name] ?? []
    flags[token.name] = texts
    texts.push(givenValue(token.name, definition, token.value, token.inlineValue ?? false))
  }
  if (end !== -1 && !takesRest) throw new UsageError('nothing may stand behind --')
  const missing = places.slice(positionals.length).find(([, { required }]) => required !== false)
  if (missing !== undefined) {
    throw new UsageError(`${missing[0].toUpperCase()} is missing; --help shows how the command is written`)
  }
  return { flags, positionals, rest: end === -1 ? null : args.slice(end + 1) }
}

/** The hint of an argument that is the name of a server or a group: no other text is asked for at a gateway. */
export const serverHint = 'server'

function checkName(place: string, name: string): void {
  if (!new RegExp(serverNamePattern).test(name))
    throw new UsageError(`${place.toUpperCase()} must be ${serverNameWords}`)
}

function optionOf(definition: ArgDef | undefined): { type: 'boolean' | 'string'; short?: string } {
  const type = definition?.type === 'boolean' ? 'boolean' : 'string'
  const short = definition === undefined ? null : shortFlagOf(definition)
  return short === null ? { type } : { type, short }
}

/** The one letter that stands for a flag, or null. */
export function shortFlagOf(definition: ArgDef): string | null {
  return 'alias' in definition && typeof definition.alias === 'string' ? definition.alias : null
}

function givenValue(name: string, definition: ArgDef, value: string | undefined, inline: boolean): string {
  if (definition.type === 'boolean') {
    if (value === undefined || value === 'true' || value === 'false') return value ?? 'true'
    throw new UsageError(`--${name} is a switch and takes no value but true or false, got "${value}"`)
  }
  if (value === undefined || (!inline && value.startsWith('--'))) {
    throw new UsageError(`--${name} needs a value: --${name} <${definition.valueHint ?? 'text'}>`)
  }
  if (definition.type === 'enum' && definition.options?.includes(value) === false) {
    throw new UsageError(`--${name} must be one of ${definition.options.join(', ')}, got "${value}"`)
  }
  return value
}

/** @param before the argument in front of it. */
function strayWord(
  word: string,
  before: string | undefined,
  names: readonly string[],
  wantsCommand: boolean,
): string {
  const said = `unexpected argument "${word}"`
  // Editors and web pages turn two hyphens into one dash.
  if (/^[\u2012-\u2015\u2212]/.test(word)) return `${said}; a flag begins with two plain hyphens: --`
  if (before !== undefined && names.includes(before.slice(2)) && /^(?:true|false)$/.test(word)) {
    return `${said}; write ${before}=${word}`
  }
  return wantsCommand ? `${said}; a command stands behind two hyphens: -- ${word}` : said
}

/** @param written the whole argument: a long flag with one hyphen reads as a bundle of short ones. */
function unknownFlag(rawName: string, written: string, names: readonly string[]): string {
  const [bare = ''] = written.replace(/^-+/, '').split('=')
  const endings = names.filter((name) => name === bare || name.endsWith(`-${bare}`))
  const [ending] = endings
  if (ending !== undefined && endings.length === 1) {
    return `unknown flag ${written.split('=')[0]}; did you mean --${ending}?`
  }
  const nearest = nearestName(rawName, names)
  return `unknown flag ${rawName}${nearest === null ? '; --help lists all flags' : `; did you mean --${nearest}?`}`
}
