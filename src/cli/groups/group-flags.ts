/** The flags with which a group is written on the command line, and the definition that they make. */
import type { ArgsDef } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { UsageError } from '../../errors.ts'
import { parseDefinition } from '../../registry/definition-schema.ts'

export const groupFlags: ArgsDef = {
  server: {
    type: 'string',
    valueHint: 'NAME[=PREFIX]',
    description:
      'A server in it; =PREFIX stands before its names in place of its own, = alone leaves them as they are. May be repeated.',
  },
  tag: {
    type: 'string',
    valueHint: 'KEY[=VALUE]',
    description: 'All servers with this tag. May be repeated.',
  },
  all: { type: 'boolean', description: 'All servers.' },
  naming: {
    type: 'enum',
    options: ['prefix', 'plain'],
    valueHint: 'prefix|plain',
    description: 'Whether names stand behind that of their server, or as they are.\ndefault prefix',
  },
  exposure: {
    type: 'enum',
    options: ['all', 'search'],
    valueHint: 'all|search',
    description: 'Whether all tools are listed, or found with a tool.\ndefault all',
  },
  always: {
    type: 'string',
    valueHint: 'name',
    description: 'With --exposure search, a tool that is listed all the same. May be repeated.',
  },
  'list-wait': {
    type: 'string',
    valueHint: 'duration',
    description: 'How long a list waits for a server.\ndefault 3s',
  },
  description: { type: 'string', valueHint: 'text', description: 'What the group is for.' },
}

/** Where the fields of a group stand on the command line. */
const places: Readonly<Record<string, string>> = {
  name: 'NAME',
  members: '--server, --tag or --all',
  naming: '--naming',
  exposure: '--exposure',
  always: '--always',
  listWait: '--list-wait',
  description: '--description',
}

/** The definition that these flags describe. Throws a UsageError that names the flag at fault. */
export function groupDefinition(name: string, flags: FlagTexts): Record<string, unknown> {
  const members = [
    ...(flags['server'] ?? []).map(memberOf),
    ...(flags['tag'] ?? []).map((tag) => ({ tag })),
    ...(flags['all']?.at(-1) === 'true' ? [{ all: true }] : []),
  ]
  if (members.length === 0)
    throw new UsageError('name the servers of the group with --server, --tag or --all')
  const fields: Record<string, unknown> = {
    name,
    transport: 'group',
    members,
    naming: flags['naming']?.at(-1),
    exposure: flags['exposure']?.at(-1),
    always: flags['always'],
    listWait: flags['list-wait']?.at(-1),
    description: flags['description']?.at(-1),
  }
  const definition = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  // The gateway says the same, but a slip on the command line should not need one to be found.
  const checked = parseDefinition(definition, { now: new Date().toISOString() })
  const [problem] = checked.ok ? [] : checked.problems
  if (problem !== undefined) throw new UsageError(`${placeOf(problem.field)} ${problem.reason}`)
  return definition
}

function memberOf(text: string): Record<string, unknown> {
  const equals = text.indexOf('=')
  return equals < 0 ? { server: text } : { server: text.slice(0, equals), prefix: text.slice(equals + 1) }
}

function placeOf(field: string): string {
  const root = /^\w*/.exec(field)?.[0] ?? ''
  return places[root] ?? field
}
