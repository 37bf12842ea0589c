import { type ArgsDef, defineCommand } from 'citty'
import type { ServerView } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { serverPage } from '../admin/server-page.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { standardOutput } from '../terminal/terminal.ts'

const args: ArgsDef = {
  name: serverArgument,
  ...adminFlags,
}

export const get = defineCommand({
  meta: {
    name: 'get',
    description: 'Shows one server: how it fares and why, its endpoints, its definition.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const api = await adminApi(flags)
    const view = await api.request<ServerView>('GET', serverPath(positionals[0] ?? ''))
    const parts = { clientBase: api.clientBase, terminal: standardOutput(), nowMs: Date.now() }
    print(wantsJson(flags) ? asJson(view) : serverPage(view, parts))
    return 0
  },
})
