import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, serverArgument, serverPath } from '../admin/admin-api.ts'
import { reportStart, waitFlag, waitMsOf } from '../admin/started.ts'
import { parseArguments } from '../arguments.ts'

const args: ArgsDef = {
  name: serverArgument,
  wait: waitFlag,
  ...adminFlags,
}

export const enable = defineCommand({
  meta: { name: 'enable', description: 'Switches a server on that was switched off.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    waitMsOf(flags)
    const api = await adminApi(flags)
    await api.request('POST', serverPath(name, '/enable'))
    return await reportStart(api, flags, name, 'enabled')
  },
})
