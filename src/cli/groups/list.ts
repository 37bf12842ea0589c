import { defineCommand } from 'citty'
import type { GroupList } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'

export const list = defineCommand({
  meta: {
    name: 'list',
    description: 'Lists the groups: where they are, and which of their servers are missing.',
  },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const api = await adminApi(flags)
    const answer = await api.request<GroupList>('GET', '/groups')
    print(wantsJson(flags) ? asJson(answer) : asTable(answer))
    return 0
  },
})

type Summary = GroupList['groups'][number]

function asTable(answer: Received<GroupList>): string {
  const rows = receivedList<Summary>(answer.groups).map((group) => {
    const members = receivedList<Summary['members'][number]>(group.members)
    const missing = members.filter(({ status }) => status !== 'connected').map(({ server }) => cell(server))
    return [
      cell(group.name),
      (Array.isArray(group.endpoints) ? group.endpoints : []).map(cell).join(' '),
      cell(group.naming),
      cell(group.exposure),
      String(members.length),
      cell(group.sessions),
      missing.join(', '),
    ]
  })
  if (rows.length === 0) return 'no groups'
  return table(['NAME', 'ENDPOINT', 'NAMING', 'EXPOSURE', 'SERVERS', 'SESSIONS', 'MISSING'], rows)
}
