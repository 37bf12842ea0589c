import { isDeepStrictEqual } from 'node:util'
import { type ArgsDef, defineCommand } from 'citty'
import { CommandError, reasonOf } from '../../errors.ts'
import type { ServerList, ServerView } from '../../http/api/answers.ts'
import { type AdminApi, adminApi, adminFlags, asJson, serverPath, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { exportedDefinition, hiddenPlaces } from '../definitions/exported.ts'
import { type ImportedServer, importedServers } from '../definitions/imported.ts'
import { type Cell, table } from '../table.ts'
import { print } from '../terminal/output.ts'

const args: ArgsDef = {
  file: {
    type: 'positional',
    valueHint: 'file',
    description: 'YAML, JSON or TOML file; - is standard input (JSON).',
  },
  replace: { type: 'boolean', description: 'Changes servers that are there already.' },
  'dry-run': { type: 'boolean', description: 'Only says what would be done.' },
  ...adminFlags,
}

/** What became of one server of the file. */
interface Outcome {
  readonly name: string
  readonly result: 'added' | 'replaced' | 'unchanged' | 'left out'
  readonly reason: string | null
}

export const importServers = defineCommand({
  meta: {
    name: 'import',
    description: [
      'Registers the servers of a file: what "servers export" has written, a configuration with mcps, or a file of a client.',
      '  compozy servers import ~/.cursor/mcp.json',
      '${NAME} in it is taken from the environment. What cannot be taken is left out and named, and the exit code is then 1.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const servers = await importedServers(positionals[0] ?? '', process.env, process.cwd())
    const api = await adminApi(flags)
    const there = receivedList<ServerView>((await api.request<ServerList>('GET', '/mcps')).mcps)
    const plan: Plan = {
      api,
      replaces: flags['replace']?.at(-1) === 'true',
      dry: flags['dry-run']?.at(-1) === 'true',
      viewOf: (name) =>
        there.find(({ definition }) => received<{ name: string }>(definition).name === name) ?? null,
    }
    const outcomes: Outcome[] = []
    for (const server of servers) outcomes.push(await taken(server, plan))
    if (wantsJson(flags)) print(asJson({ dryRun: plan.dry, servers: outcomes }))
    else print(asTable(outcomes))
    return outcomes.some(({ result }) => result === 'left out') ? 1 : 0
  },
})

interface Plan {
  readonly api: AdminApi
  readonly replaces: boolean
  readonly dry: boolean
  viewOf(name: string): Received<ServerView> | null
}

async function taken({ name, definition, faults }: ImportedServer, plan: Plan): Promise<Outcome> {
  if (definition === null) return { name, result: 'left out', reason: faults.join('; ') }
  const before = plan.viewOf(name)
  if (before !== null && isTheSame(received<Record<string, unknown>>(before.definition), definition))
    return { name, result: 'unchanged', reason: null }
  if (before !== null && !plan.replaces)
    return { name, result: 'left out', reason: 'is there already; --replace changes it' }
  const hidden = before === null ? hiddenPlaces(definition) : []
  if (hidden.length > 0)
    return {
      name,
      result: 'left out',
      reason: `${hidden.join(', ')}: *** stands for a value that only the gateway it comes from knows; write the value, or export with --variables`,
    }
  const result = before === null ? 'added' : 'replaced'
  if (plan.dry) return { name, result, reason: null }
  try {
    if (before === null) await plan.api.request('POST', '/mcps', definition)
    else await plan.api.request('PUT', serverPath(name), definition)
    return { name, result, reason: null }
  } catch (thrown) {
    if (!(thrown instanceof CommandError) || thrown.exitCode === 4) throw thrown
    return { name, result: 'left out', reason: reasonOf(thrown) }
  }
}

/** A mask in the file stands for what is stored; a value in it may be another than the one that is hidden there. */
function isTheSame(
  there: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): boolean {
  return isDeepStrictEqual(exportedDefinition(there), exportedDefinition(wanted))
}

function asTable(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return 'no servers in the file'
  const rows = outcomes.map(({ name, result, reason }): Cell[] => [
    cell(name),
    { text: result, style: result === 'left out' ? 'red' : null },
    reason ?? '',
  ])
  return table(['NAME', 'RESULT', 'REASON'], rows, { sentence: true })
}
