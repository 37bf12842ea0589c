import { defineCommand } from 'citty'
import type { ServerList, ServerView } from '../../http/api/answers.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import {
  adminApi,
  adminFlags,
  asJson,
  cell,
  firstLine,
  type Received,
  received,
  receivedList,
  wantsJson,
} from './admin-api.ts'

export const list = defineCommand({
  meta: { name: 'list', description: 'Lists the servers with their state.' },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const api = await adminApi(flags)
    const answer = await api.request<ServerList>('GET', '/mcps')
    console.log(wantsJson(flags) ? asJson(answer) : asTable(answer))
    return 0
  },
})

function asTable(answer: Received<ServerList>): string {
  const rows = receivedList<ServerView>(answer.mcps).map((server) => {
    const definition = received<ServerView['definition']>(server.definition)
    const status = received<ServerView['status']>(server.status)
    return [
      cell(definition.name),
      cell(definition.transport),
      cell(status.status),
      cell(status.sessions),
      cell(status.totalRequests),
      cell(status.totalErrors),
      firstLine(status.reason, 600),
    ]
  })
  if (rows.length === 0) return 'no servers'
  return table(['NAME', 'TRANSPORT', 'STATUS', 'SESSIONS', 'REQUESTS', 'ERRORS', 'REASON'], rows)
}
