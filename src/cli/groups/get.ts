import { type ArgsDef, defineCommand } from 'citty'
import type { GroupReport } from '../../http/api/answers.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

const args: ArgsDef = {
  name: { ...serverArgument, description: 'Name of the group; mcp is that of everything, at /mcp.' },
  ...adminFlags,
}

export const get = defineCommand({
  meta: {
    name: 'get',
    description: 'Shows one group: its servers, and under which names it shows their tools.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const api = await adminApi(flags)
    const path = `/groups/${encodeURIComponent(positionals[0] ?? '')}`
    const report = await api.request<GroupReport>('GET', path)
    if (wantsJson(flags)) print(asJson(report))
    else {
      print(asPage(report, api.clientBase))
      for (const line of missingLines(report)) complain(`compozy: ${printable(line)}`)
    }
    return 0
  },
})

type Shown = GroupReport['tools'][number]

function asPage(report: Received<GroupReport>, base: string): string {
  const endpoints = Array.isArray(report.endpoints) ? report.endpoints.map(cell) : []
  const urls = endpoints.map((endpoint) => `  ${base}${endpoint}${endpoint === '/mcp' ? '' : '/stream'}`)
  const members = receivedList<GroupReport['members'][number]>(report.members).map((member) => [
    cell(member.server),
    cell(member.prefix),
    cell(member.status),
  ])
  const tools = receivedList<Shown>(report.tools).map(({ name, server, tool }) => [
    cell(name),
    cell(server),
    cell(tool),
  ])
  return [
    printable([cell(report.name), ...urls].join('\n')),
    members.length === 0 ? 'no servers' : table(['SERVER', 'PREFIX', 'STATUS'], members),
    tools.length === 0 ? 'no tools' : table(['TOOL', 'SERVER', 'NAME THERE'], tools),
  ].join('\n\n')
}

/** What an agent does not find in the group, and why. */
function missingLines(report: Received<GroupReport>): string[] {
  const members = receivedList<GroupReport['members'][number]>(report.members)
  const missing = members.flatMap(({ server, reason }) =>
    typeof reason === 'string' ? [`${cell(server)} is missing: ${reason}`] : [],
  )
  const ambiguous = receivedList<GroupReport['ambiguous'][number]>(report.ambiguous).map(
    ({ name, owners }) => {
      const servers = receivedList<Shown>(owners).map(({ server }) => cell(server))
      return `${cell(name)} is left out: ${servers.join(' and ')} have it; give one of them a prefix or a new name`
    },
  )
  return [...missing, ...ambiguous]
}
