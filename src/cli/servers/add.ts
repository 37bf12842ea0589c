import { type ArgsDef, defineCommand } from 'citty'
import { UsageError } from '../../errors.ts'
import type { ServerView } from '../../http/api/answers.ts'
import { parseDefinition } from '../../registry/definition-schema.ts'
import type { Problem } from '../../registry/problems.ts'
import { printable } from '../../telemetry/printable.ts'
import { type CommandArguments, parseArguments } from '../arguments.ts'
import {
  type AdminApi,
  adminApi,
  adminFlags,
  asJson,
  cell,
  firstLine,
  type Received,
  received,
  wantsJson,
} from './admin-api.ts'

/** A download by npx may take minutes; the gateway goes on with it. */
const settleMsMax = 10_000
const askAgainMs = 100

const args: ArgsDef = {
  name: { type: 'positional', description: 'Name for the server, as it will stand in URLs.' },
  'server-url': { type: 'string', valueHint: 'url', description: 'URL of a server that speaks HTTP.' },
  transport: {
    type: 'enum',
    options: ['stdio', 'sse', 'streamable-http'],
    valueHint: 'stdio|sse|streamable-http',
    description: 'How to reach it.\ndefault: stdio with a command, streamable-http with a URL',
  },
  env: { type: 'string', valueHint: 'NAME=VALUE', description: 'Variable for the process. May be repeated.' },
  header: {
    type: 'string',
    valueHint: 'NAME=VALUE',
    description: 'Header for each request. May be repeated.',
  },
  description: { type: 'string', valueHint: 'text', description: 'What the server is for.' },
  isolation: {
    type: 'enum',
    options: ['auto', 'session', 'shared'],
    valueHint: 'auto|session|shared',
    description: 'Whether clients share a connection to it.\ndefault auto',
  },
  'start-timeout': { type: 'string', valueHint: 'duration', description: 'Longest start.\ndefault 120s' },
  ...adminFlags,
}

export const add = defineCommand({
  meta: {
    name: 'add',
    description: [
      'Registers a server.',
      '  compozy servers add files -- npx -y @modelcontextprotocol/server-filesystem .',
      '  compozy servers add docs --server-url https://example.com/mcp --header "Authorization=Bearer …"',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const given = parseArguments(rawArgs, args, true)
    const definition = definitionOf(given)
    // The gateway says the same, but a slip on the command line should not need one to be found.
    const checked = parseDefinition(definition, { now: new Date().toISOString() })
    if (!checked.ok) throw new UsageError(asWritten(checked.problems))
    const api = await adminApi(given.flags)
    await api.request('POST', '/mcps', definition)
    const name = cell(definition['name'])
    const entry = await settled(api, name)
    console.log(wantsJson(given.flags) ? asJson(entry) : printable(`added ${name}: ${stateOf(entry)}`))
    return 0
  },
})

/** Where the fields of a definition stand on the command line, when not under their own name. */
const places: Readonly<Record<string, string>> = {
  name: 'NAME',
  url: '--server-url',
  startTimeout: '--start-timeout',
  env: '--env',
  headers: '--header',
}

/** The first problem, in the words of the command line: whoever mends it will see the next. */
function asWritten([problem]: readonly Problem[]): string {
  if (problem === undefined) return 'the definition cannot be read'
  const [root = '', ...below] = problem.field.split('.')
  return `${[places[root] ?? root, ...below].join(' ')} ${problem.reason}`
}

/** The entry once it is connected or known to fail; as it is when that takes longer than a person waits. */
async function settled(api: AdminApi, name: string): Promise<Received<ServerView>> {
  const untilMs = performance.now() + settleMsMax
  for (;;) {
    const entry = await api.request<ServerView>('GET', `/mcps/${encodeURIComponent(name)}`)
    const { status } = received<ServerView['status']>(entry.status)
    const waiting = status === 'connecting' || status === 'disconnected'
    if (!waiting || performance.now() > untilMs) return entry
    await Bun.sleep(askAgainMs)
  }
}

function definitionOf({ flags, positionals, rest }: CommandArguments): Record<string, unknown> {
  const [name] = positionals
  const url = flags['server-url']?.at(-1)
  const [command, ...commandArgs] = rest ?? []
  if ((command === undefined) === (url === undefined)) {
    throw new UsageError('name either --server-url URL or, behind --, a command')
  }
  const last = (flag: string, field: string): Record<string, string> => {
    const text = flags[flag]?.at(-1)
    return text === undefined ? {} : { [field]: text }
  }
  return {
    name,
    transport: flags['transport']?.at(-1) ?? (command === undefined ? 'streamable-http' : 'stdio'),
    ...(command === undefined ? { url } : { command, args: commandArgs }),
    ...(flags['env'] === undefined ? {} : { env: pairs('env', flags['env'], /=/) }),
    ...(flags['header'] === undefined ? {} : { headers: pairs('header', flags['header'], /=|: */) }),
    ...last('description', 'description'),
    ...last('isolation', 'isolation'),
    ...last('start-timeout', 'startTimeout'),
  }
}

/**
 * The value is not repeated in the error: it may be a secret.
 *
 * @param separator what stands first between name and value; a header may be written as for curl.
 */
function pairs(flag: string, texts: readonly string[], separator: RegExp): Record<string, string> {
  const entries = texts.map((text) => {
    const found = separator.exec(text)
    if (found === null || found.index < 1) throw new UsageError(`--${flag} must have the form NAME=VALUE`)
    return [text.slice(0, found.index), text.slice(found.index + found[0].length)] as const
  })
  return Object.fromEntries(entries)
}

function stateOf(entry: Received<ServerView>): string {
  const { status, reason: said } = received<ServerView['status']>(entry.status)
  const reason = firstLine(said, 600)
  return reason === '' ? cell(status) : `${cell(status)}, ${reason}`
}
