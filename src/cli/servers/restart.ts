import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, serverArgument, serverPath } from '../admin/admin-api.ts'
import { reportStart, waitFlag, waitMsOf } from '../admin/started.ts'
import { parseArguments } from '../arguments.ts'

const args: ArgsDef = {
  name: serverArgument,
  wait: waitFlag,
  ...adminFlags,
}

export const restart = defineCommand({
  meta: { name: 'restart', description: 'Starts a server anew; calls in flight may finish first for 10 s.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    waitMsOf(flags)
    const api = await adminApi(flags)
    await api.request('POST', serverPath(name, '/restart'))
    return await reportStart(api, flags, name, 'restarted')
  },
})
