/** The flags with which a definition is written on the command line, and what they make of one. */
import type { ArgsDef } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { UsageError } from '../../errors.ts'
import { complain } from '../terminal/terminal.ts'
import { type CommandLine, isOnThisMachine, relativePathIn, withAbsolutePaths } from './local-paths.ts'

export const definitionFlags: ArgsDef = {
  'server-url': { type: 'string', valueHint: 'url', description: 'URL of a server that speaks HTTP.' },
  transport: {
    type: 'enum',
    options: ['stdio', 'sse', 'streamable-http', 'http'],
    valueHint: 'stdio|sse|streamable-http',
    description: 'How to reach it.\ndefault: stdio with a command, streamable-http with a URL',
  },
  env: {
    type: 'string',
    alias: 'e',
    valueHint: 'NAME=VALUE',
    description: 'Variable for the process; NAME alone takes the value that it has here. May be repeated.',
  },
  header: {
    type: 'string',
    valueHint: 'NAME=VALUE',
    description: 'Header for each request. May be repeated.',
  },
  description: { type: 'string', valueHint: 'text', description: 'What the server is for.' },
  tag: { type: 'string', valueHint: 'NAME=VALUE', description: 'Tag. May be repeated.' },
  'allow-tool': {
    type: 'string',
    valueHint: 'name',
    description: 'Hides every other tool. May be repeated.',
  },
  'block-tool': { type: 'string', valueHint: 'name', description: 'Hides this tool. May be repeated.' },
  pin: {
    type: 'boolean',
    description:
      'Holds its tools back until an admin has approved them ("approvals"); --pin=false lets them go.\ndefault: as mcp_proxy.pinning says',
  },
  isolation: {
    type: 'enum',
    options: ['auto', 'session', 'shared'],
    valueHint: 'auto|session|shared',
    description: 'Whether clients share a connection to it.\ndefault auto',
  },
  timeout: {
    type: 'string',
    valueHint: 'duration',
    description: 'Longest silence of one call.\ndefault: timeouts.call_idle of the gateway',
  },
  'start-timeout': { type: 'string', valueHint: 'duration', description: 'Longest start.\ndefault 120s' },
  'as-is': {
    type: 'boolean',
    description: 'Leaves relative paths of the command to the directory of the gateway.',
  },
}

/** Where the fields of a definition stand on the command line, when not under their own name. */
const places: Readonly<Record<string, string>> = {
  name: 'NAME',
  url: '--server-url',
  timeout: '--timeout',
  startTimeout: '--start-timeout',
  env: '--env',
  headers: '--header',
  tags: '--tag',
  toolFilter: '--allow-tool',
}

/** The place of a field in the words of the command line. */
export function placeOf(field: string): string {
  const [root = '', ...below] = field.split('.')
  return [places[root] ?? root, ...below].join(' ')
}

/** The fields that these flags say something about; `rest` is what stands behind `--`. */
export function definitionFields(flags: FlagTexts, rest: readonly string[] | null): Record<string, unknown> {
  const url = flags['server-url']?.at(-1)
  const [command, ...args] = rest ?? []
  if (command !== undefined && url !== undefined)
    throw new UsageError('name either --server-url URL or, behind --, a command; not both')
  if (rest !== null && command === undefined) throw new UsageError('a command must stand behind --')
  const fields: Record<string, unknown> = {
    url,
    ...(command === undefined ? {} : { command, args }),
    transport: flags['transport']?.at(-1),
    env: flags['env'] && pairs('env', flags['env'], /=/, process.env),
    headers: flags['header'] && pairs('header', flags['header'], /=|: */),
    tags: flags['tag'] && pairs('tag', flags['tag'], /=/),
    toolFilter: toolFilterOf(flags),
    description: flags['description']?.at(-1),
    pin: flags['pin'] && flags['pin'].at(-1) === 'true',
    isolation: flags['isolation']?.at(-1),
    timeout: flags['timeout']?.at(-1),
    startTimeout: flags['start-timeout']?.at(-1),
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** Throws a UsageError for what would be stored and do nothing: a process takes no headers, a URL no variables. */
export function refuseUseless(
  fields: Readonly<Record<string, unknown>>,
  { url }: { readonly url?: unknown },
): void {
  const byUrl = typeof url === 'string' && url !== ''
  if (byUrl && fields['env'] !== undefined)
    throw new UsageError('--env is for a command; what a server with a URL is sent stands in --header')
  if (!byUrl && fields['headers'] !== undefined)
    throw new UsageError('--header is for a server with a URL; a command is given variables with --env')
}

/** The same fields for the gateway at this URL: relative paths are those of whoever stands here. */
export function placedFields(
  fields: Readonly<Record<string, unknown>>,
  flags: FlagTexts,
  base: string,
): Record<string, unknown> {
  const { command, args } = fields
  if (typeof command !== 'string' || !Array.isArray(args) || flags['as-is']?.at(-1) === 'true')
    return { ...fields }
  const line: CommandLine = { command, args: args.map(String) }
  if (isOnThisMachine(base)) return { ...fields, ...withAbsolutePaths(line, process.cwd()) }
  const relative = relativePathIn(line)
  if (relative !== null)
    complain(`compozy: warning: ${relative} is a path on the machine of the gateway, in its directory`)
  return { ...fields }
}

function toolFilterOf(flags: FlagTexts): { mode: 'allow' | 'block'; list: readonly string[] } | undefined {
  const [allow, block] = [flags['allow-tool'], flags['block-tool']]
  if (allow !== undefined && block !== undefined)
    throw new UsageError('--allow-tool and --block-tool exclude each other')
  if (allow !== undefined) return { mode: 'allow', list: allow }
  return block === undefined ? undefined : { mode: 'block', list: block }
}

/**
 * The value is not repeated in the error: it may be a secret.
 *
 * @param separator what stands first between name and value; a header may be written as for curl.
 * @param environment where a name without a value has one.
 */
function pairs(
  flag: string,
  texts: readonly string[],
  separator: RegExp,
  environment: Readonly<Record<string, string | undefined>> | null = null,
): Record<string, string> {
  const entries = texts.map((text) => {
    const found = separator.exec(text)
    const value = found === null ? environment?.[text] : text.slice(found.index + found[0].length)
    if (value !== undefined && found?.index !== 0)
      return [found === null ? text : text.slice(0, found.index), value] as const
    const alone = environment === null ? '' : ', or be the NAME of a variable that is set here'
    throw new UsageError(`--${flag} must have the form NAME=VALUE${alone}`)
  })
  return Object.fromEntries(entries)
}
