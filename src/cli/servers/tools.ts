import { type ArgsDef, defineCommand } from 'citty'
import { duration } from '../../config/values.ts'
import { UsageError } from '../../errors.ts'
import type { ToolList } from '../../http/api/answers.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell, firstLine, type Received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

/** The gateway waits no longer for one server. */
const waitMsMax = 10_000

const args: ArgsDef = {
  name: { ...serverArgument, required: false, description: 'Only the tools of this server.' },
  wait: {
    type: 'string',
    valueHint: 'duration',
    description: 'How long each server may take, 10s at most.\ndefault 3s; 10s for one server',
  },
  ...adminFlags,
}

export const tools = defineCommand({
  meta: {
    name: 'tools',
    description:
      'Lists the tools of every server, or of one.\nA server that does not answer in time is named; the exit code is 1 when that is the one that was asked for.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name] = positionals
    const wait = duration(0).read(flags['wait']?.at(-1) ?? (name === undefined ? '3s' : '10s'))
    if ('fault' in wait) throw new UsageError(`--wait ${wait.fault}`)
    if (wait.value > waitMsMax) throw new UsageError('--wait must be at most 10s')
    const api = await adminApi(flags)
    const query = name === undefined ? '' : `&name=${encodeURIComponent(name)}`
    const answer = await api.request<ToolList>('GET', `/tools?wait=${wait.value}ms${query}`)
    print(wantsJson(flags) ? asJson(answer) : asTable(receivedList<Tool>(answer.tools)))
    // Said on stderr, so that the table stays a table.
    const failed = receivedList<ToolList['errors'][number]>(answer.errors)
    for (const { mcpName, error } of failed)
      complain(`compozy: ${printable(`${cell(mcpName)}: ${cell(error)}`)}`)
    for (const line of heldBackLines(answer)) complain(`compozy: ${printable(line)}`)
    return name !== undefined && failed.length > 0 ? 1 : 0
  },
})

type Tool = ToolList['tools'][number]

/** Why a list is shorter than the server's. */
function heldBackLines({ heldBack }: Received<ToolList>): string[] {
  const held = receivedList<NonNullable<ToolList['heldBack']>[number]>(heldBack)
  const byServer = Map.groupBy(held, ({ mcpName }) => cell(mcpName))
  return [...byServer].map(
    ([server, tools]) =>
      `${server}: ${tools.length} held back until approved; "compozy approvals show ${server}"`,
  )
}

function asTable(found: readonly Received<Tool>[]): string {
  if (found.length === 0) return 'no tools'
  const rows = found.map(({ mcpName, name, description }) => [
    cell(mcpName),
    cell(name),
    firstLine(description),
  ])
  return table(['SERVER', 'TOOL', 'DESCRIPTION'], rows)
}
