import { defineCommand } from 'citty'
import { isObject } from '../../protocol/json.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { adminApi, adminFlags, asJson, cell, firstLine, recordsIn, wantsJson } from './admin-api.ts'

export const list = defineCommand({
  meta: { name: 'list', description: 'Lists the servers with their state.' },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const api = await adminApi(flags)
    const answer = await api.request('GET', '/mcps')
    console.log(wantsJson(flags) ? asJson(answer) : asTable(answer))
    return 0
  },
})

function asTable(answer: Record<string, unknown>): string {
  const rows = recordsIn(answer['mcps']).map(({ definition, status }) => {
    const defined = isObject(definition) ? definition : {}
    const state = isObject(status) ? status : {}
    return [
      cell(defined['name']),
      cell(defined['transport']),
      cell(state['status']),
      cell(state['sessions']),
      cell(state['totalRequests']),
      cell(state['totalErrors']),
      state['status'] === 'connected' ? '' : firstLine(state['lastError'], 100),
    ]
  })
  if (rows.length === 0) return 'no servers'
  return table(['NAME', 'TRANSPORT', 'STATUS', 'SESSIONS', 'REQUESTS', 'ERRORS', 'REASON'], rows)
}
