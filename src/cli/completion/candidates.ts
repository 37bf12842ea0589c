/** `compozy __complete WORDS`: what the last word could become. Asked by the scripts of scripts.ts with each tab. */

import type { ArgDef, ArgsDef, CommandDef, Resolvable } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import type { ServerList, ServerView, ToolList } from '../../http/api/answers.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi } from '../admin/admin-api.ts'
import { cell, firstLine, received, receivedList } from '../admin/received.ts'
import { serverHint, shortFlagOf } from '../arguments.ts'
import { resolved } from '../help.ts'
import { print } from '../terminal/output.ts'

interface Candidate {
  readonly word: string
  readonly about: string
}

/** Where the names of files fit. */
const files = 'files'

/** Longest time that a person waits for a tab. */
const askMsMax = 1_000

/** Prints the candidates; exits with 0, whatever happens: a shell has no use for a reason. */
export async function runComplete(root: CommandDef, words: readonly string[]): Promise<number> {
  const found = await candidates(root, withoutEquals(words)).catch(() => [])
  if (found === files) print(':files')
  else for (const { word, about } of found) print(printable(`${word}\t${about.replaceAll(/\s+/g, ' ')}`))
  return 0
}

/** Bash makes three words of `--flag=value`. */
function withoutEquals(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (word === '=') return index === words.length - 1 ? [''] : []
    const inline = /^(--[\w-]+)=(.*)$/s.exec(word)
    return inline === null ? [word] : [inline[1] ?? '', inline[2] ?? '']
  })
}

async function candidates(
  root: CommandDef,
  words: readonly string[],
): Promise<readonly Candidate[] | typeof files> {
  let command = root
  let left = [...words]
  for (;;) {
    const subCommands = await resolved(command.subCommands)
    if (subCommands === undefined) break
    const [name = '', ...rest] = left
    const next = rest.length === 0 ? undefined : await resolved(subCommands[name])
    if (next === undefined) return rest.length > 0 ? [] : await commandNames(subCommands, name)
    command = next
    left = rest
  }
  return await argumentsOf((await resolved(command.args)) ?? {}, left)
}

/** Each command under its first name. */
async function commandNames(
  subCommands: Readonly<Record<string, Resolvable<CommandDef>>>,
  prefix: string,
): Promise<Candidate[]> {
  const seen = new Set<unknown>()
  const found: Candidate[] = []
  for (const [name, lazy] of Object.entries(subCommands)) {
    const alias = seen.has(lazy)
    seen.add(lazy)
    if (alias || !name.startsWith(prefix)) continue
    const meta = await resolved((await resolved(lazy))?.meta)
    found.push({ word: name, about: firstLine(meta?.description) })
  }
  return found
}

async function argumentsOf(
  args: ArgsDef,
  words: readonly string[],
): Promise<readonly Candidate[] | typeof files> {
  const word = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  if (before.includes('--')) return files
  const given = readWords(args, before)
  if (given.awaiting !== null) return valuesOf(given.awaiting, word)
  if (word.startsWith('-')) return flagsOf(args, word)
  const place = Object.entries(args).filter(([, { type }]) => type === 'positional')[given.positionals.length]
  if (place === undefined) return []
  const hint = place[1].valueHint ?? ''
  if (hint === serverHint) return await startingWith(word, serverNames(given.flags))
  if (hint === 'tool') return await startingWith(word, toolNames(given.flags, given.positionals[0] ?? ''))
  if (hint === 'file') return files
  return hint.includes('|') ? choicesOf(hint.split('|'), word) : []
}

function choicesOf(choices: readonly string[], prefix: string): Candidate[] {
  return choices.filter((choice) => choice.startsWith(prefix)).map((word) => ({ word, about: '' }))
}

interface GivenWords {
  readonly flags: FlagTexts
  readonly positionals: readonly string[]
  /** The flag whose value comes next. */
  readonly awaiting: ArgDef | null
}

/** As far as a line that is not finished can be read. */
function readWords(args: ArgsDef, words: readonly string[]): GivenWords {
  const flags: Record<string, string[]> = {}
  const positionals: string[] = []
  let awaiting: readonly [string, ArgDef] | null = null
  for (const word of words) {
    if (awaiting !== null) {
      flags[awaiting[0]] = [...(flags[awaiting[0]] ?? []), word]
      awaiting = null
    } else if (word.startsWith('-')) {
      const flag = Object.entries(args).find(
        ([name, definition]) => word === `--${name}` || word === `-${shortFlagOf(definition)}`,
      )
      if (flag !== undefined && flag[1].type !== 'boolean') awaiting = flag
    } else positionals.push(word)
  }
  return { flags, positionals, awaiting: awaiting?.[1] ?? null }
}

function flagsOf(args: ArgsDef, prefix: string): Candidate[] {
  const known = Object.entries(args).filter(([, { type }]) => type !== 'positional')
  return [
    ...known.map(([name, { description = '' }]) => ({ word: `--${name}`, about: firstLine(description) })),
    help,
  ].filter(({ word }) => word.startsWith(prefix))
}

const help: Candidate = { word: '--help', about: 'Shows the page of the command.' }

function valuesOf(definition: ArgDef, prefix: string): readonly Candidate[] | typeof files {
  if (definition.type === 'enum') return choicesOf((definition.options ?? []).map(String), prefix)
  return definition.valueHint === 'file' || definition.valueHint === 'folder' ? files : []
}

async function startingWith(
  prefix: string,
  asked: Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const late = Bun.sleep(askMsMax).then((): readonly Candidate[] => [])
  return (await Promise.race([asked, late])).filter(({ word }) => word.startsWith(prefix))
}

async function serverNames(flags: FlagTexts): Promise<Candidate[]> {
  const api = await adminApi(flags)
  const { mcps } = await api.request<ServerList>('GET', '/mcps')
  return receivedList<ServerView>(mcps).map(({ definition }) => {
    const { name, description } = received<ServerView['definition']>(definition)
    return { word: cell(name), about: firstLine(description) }
  })
}

async function toolNames(flags: FlagTexts, server: string): Promise<Candidate[]> {
  const api = await adminApi(flags)
  const query = `?name=${encodeURIComponent(server)}&wait=${askMsMax}ms`
  const { tools } = await api.request<ToolList>('GET', `/tools${query}`)
  return receivedList<ToolList['tools'][number]>(tools).map(({ name, description }) => ({
    word: cell(name),
    about: firstLine(description),
  }))
}
