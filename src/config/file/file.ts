/**
 * Reads a configuration file as data. What a file means is decided by its extension, never by running
 * it; anything that is not YAML, JSON, JSONC or TOML is refused.
 */
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { ConfigError, errorCode, reasonOf, systemReason } from '../../errors.ts'
import { isObject, type JsonObject } from '../../protocol/json.ts'
import { jsonFault } from './json-fault.ts'

/** A configuration beyond this is a mistake, such as a log or a device given as `--config`. */
const fileBytesMax = 8 * 1024 * 1024
/** An alias of YAML stands for all that it names, so a page of them can unfold into more than memory holds, or into itself. */
const expandedValuesMax = 1_000_000

/** A place in a text, both counted from 1. */
interface Fault {
  readonly line: number
  readonly column: number
  readonly reason: string
}

export interface ReadFile {
  readonly tree: Record<string, unknown>
  /** ISO 8601. */
  readonly changedAt: string
}

/** A map as YAML, TOML and JSON parsers return it. Dates and lists are none. */
export function isMap(value: unknown): value is JsonObject {
  return isObject(value) && !(value instanceof Date)
}

type Parser = (text: string, comments: boolean) => Promise<unknown>

const parsers: Readonly<Record<string, Parser>> = {
  '.yaml': parseYaml,
  '.yml': parseYaml,
  '.json': async (text, comments) => parseJson(text, comments),
  '.jsonc': async (text) => parseJson(text, true),
  '.toml': parseToml,
}

/**
 * The map at the top of a file; an empty file is an empty map.
 *
 * @param shown the path as the person wrote it, for errors: `file:line:column: reason`.
 * @param comments whether plain JSON may hold comments and trailing commas, as editors write it.
 */
export async function readTree(path: string, shown: string, comments = false): Promise<ReadFile> {
  const parse = parsers[extname(path).toLowerCase()]
  const { text, changedAt } = await readStamped(path, shown, true)
  if (parse === undefined) {
    throw new ConfigError(`${shown}: a configuration file ends in .yaml, .yml, .json, .jsonc or .toml`)
  }
  const tree = await parse(text, comments).catch((thrown: unknown) => {
    const { line, column, reason } = thrown instanceof SyntaxFault ? thrown.fault : unplaced(thrown)
    throw new ConfigError(`${shown}:${line}:${column}: ${reason}`)
  })
  if (tree === null || tree === undefined) return { tree: {}, changedAt }
  if (!isMap(tree)) throw new ConfigError(`${shown}:1:1: the file must hold a map of keys`)
  if (unfoldsBeyond(tree, expandedValuesMax)) {
    throw new ConfigError(
      `${shown}:1:1: the aliases of the file unfold into more than ${expandedValuesMax} values`,
    )
  }
  return { tree, changedAt }
}

/** Whether a tree holds more values than that, each counted as often as it is reached. */
function unfoldsBeyond(tree: unknown, valuesMax: number): boolean {
  const pending: unknown[] = [tree]
  let values = 0
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const members = typeof value === 'object' && value !== null ? Object.values(value) : []
    values += members.length
    if (values > valuesMax) return true
    for (const member of members) if (typeof member === 'object' && member !== null) pending.push(member)
  }
  return false
}

/** The text of a file of bounded size; errors name it as `shown`. */
export async function readText(path: string, shown: string): Promise<string> {
  return (await readStamped(path, shown, false)).text
}

/** `again` is true for what a reload reads a second time: a pipe has nothing to give then, and would be waited for. */
async function readStamped(
  path: string,
  shown: string,
  again: boolean,
): Promise<{ text: string; changedAt: string }> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) throw new ConfigError(`${shown} is a directory, not a file`)
    if (again && !found.isFile()) throw new ConfigError(`${shown} is a pipe or a device, not a file`)
    if (found.size > fileBytesMax) throw new ConfigError(`${shown} is larger than ${fileBytesMax} bytes`)
    const text = await readFile(path, 'utf8')
    return { text: text.replace(/^\uFEFF/, ''), changedAt: found.mtime.toISOString() }
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw thrown
    const reason = errorCode(thrown) === 'ENOENT' ? 'no such file' : systemReason(thrown)
    throw new ConfigError(`cannot read ${shown}: ${reason}`)
  }
}

class SyntaxFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.reason)
  }
}

function unplaced(thrown: unknown): Fault {
  return { line: 1, column: 1, reason: reasonOf(thrown).split('\n')[0] ?? 'cannot be parsed' }
}

async function parseYaml(text: string): Promise<unknown> {
  // The parser takes a file of nothing but comments for a fault.
  if (text.split('\n').every((line) => /^\s*(?:#.*)?$/.test(line))) return null
  const { parseYAML } = await import('confbox/yaml')
  try {
    return parseYAML(text)
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown
    const mark: unknown = Reflect.get(thrown, 'mark')
    const reason: unknown = Reflect.get(thrown, 'reason')
    if (!isMap(mark) || typeof reason !== 'string') throw thrown
    throw new SyntaxFault({
      line: Number(mark['line']) + 1,
      column: Number(mark['column']) + 1,
      reason: withoutValue(reason),
    })
  }
}

/** A token that begins with `*` or `!` is an alias or a tag to YAML, and its error repeats the token. */
function withoutValue(reason: string): string {
  return reason
    .replace(/^(unidentified alias) .*/s, '$1; quote a value that begins with *')
    .replace(/^(unknown \w+ tag) .*/s, '$1; quote a value that begins with !')
}

async function parseToml(text: string): Promise<unknown> {
  const { parseTOML } = await import('confbox/toml')
  try {
    return parseTOML(text)
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown
    const line: unknown = Reflect.get(thrown, 'line')
    const column: unknown = Reflect.get(thrown, 'column')
    if (typeof line !== 'number' || typeof column !== 'number') throw thrown
    const reason = (thrown.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '')
    throw new SyntaxFault({ line, column, reason })
  }
}

async function parseJson(text: string, comments: boolean): Promise<unknown> {
  if (text.trim() === '') return null
  const fault = jsonFault(text, comments)
  if (fault !== null) {
    const before = text.slice(0, fault.offset).split('\n')
    throw new SyntaxFault({
      line: before.length,
      column: (before.at(-1)?.length ?? 0) + 1,
      reason: fault.reason,
    })
  }
  if (!comments) return JSON.parse(text)
  const { parseJSONC } = await import('confbox/jsonc')
  return parseJSONC(text, { allowTrailingComma: true })
}
