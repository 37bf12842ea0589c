import { type ArgsDef, defineCommand } from 'citty'
import type { ServerView, ToolList } from '../../http/api/answers.ts'
import { printable } from '../../telemetry/printable.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import {
  adminApi,
  adminFlags,
  asJson,
  cell,
  firstLine,
  type Received,
  receivedList,
  wantsJson,
} from './admin-api.ts'

const args: ArgsDef = {
  name: { type: 'positional', required: false, description: 'Only the tools of this server.' },
  ...adminFlags,
}

export const tools = defineCommand({
  meta: { name: 'tools', description: 'Lists the tools of every server.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name] = positionals
    const api = await adminApi(flags)
    // An unknown name is told at once, not after every other server has listed its tools.
    if (name !== undefined) await api.request<ServerView>('GET', `/mcps/${encodeURIComponent(name)}`)
    const answer = await api.request<ToolList>('GET', '/tools')
    const found = receivedList<Tool>(answer.tools).filter(
      ({ mcpName }) => name === undefined || mcpName === name,
    )
    if (wantsJson(flags)) console.log(asJson({ ...answer, tools: found }))
    else console.log(asTable(found))
    // Said on stderr, so that the table stays a table.
    const failed = failures(answer.errors).filter(([server]) => name === undefined || server === name)
    for (const [server, reason] of failed) console.error(`compozy: ${printable(`${server}: ${reason}`)}`)
    return name !== undefined && failed.length > 0 ? 1 : 0
  },
})

type Tool = ToolList['tools'][number]

function asTable(found: readonly Received<Tool>[]): string {
  if (found.length === 0) return 'no tools'
  const rows = found.map(({ mcpName, name, description }) => [
    cell(mcpName),
    cell(name),
    firstLine(description, 100),
  ])
  return table(['SERVER', 'TOOL', 'DESCRIPTION'], rows)
}

/** Servers that did not answer, each with the reason: a map by name, or a list of objects with a name. */
function failures(errors: unknown): (readonly [string, string])[] {
  if (Array.isArray(errors)) {
    return receivedList<{ mcpName: string; name: string; error: string }>(errors).map((error) => [
      cell(error.mcpName ?? error.name),
      cell(error.error),
    ])
  }
  return Object.entries(errors ?? {}).map(([name, reason]) => [name, cell(reason)])
}
