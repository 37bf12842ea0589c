import { defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { approvalsOf, complainOfErrors, type ShownApprovals } from './shown-approvals.ts'

export const list = defineCommand({
  meta: {
    name: 'list',
    description:
      'Lists the pinned servers: how many of their tools wait for approval, and which.\n"approvals show NAME" shows what differs.',
  },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const { answer, servers } = await approvalsOf(await adminApi(flags), null)
    print(wantsJson(flags) ? asJson(answer) : asTable(servers))
    complainOfErrors(answer)
    return 0
  },
})

function asTable(servers: readonly ShownApprovals[]): string {
  if (servers.length === 0) return 'no server is pinned'
  const rows = servers.map(({ server, pinned, pending, more, approved }) => [
    server,
    pinned ? 'yes' : 'no',
    `${pending.length}${more ? '+' : ''}`,
    String(approved.length),
    pending.map(({ tool, change }) => `${cell(tool)} (${cell(change)})`).join(', '),
  ])
  return table(['SERVER', 'PINNED', 'WAITING', 'APPROVED', 'TOOLS THAT WAIT'], rows)
}
