import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

const args: ArgsDef = { name: serverArgument, ...adminFlags }

export const logout = defineCommand({
  meta: {
    name: 'logout',
    description: 'Takes the login at a server away that all share, here and at its authorization server.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const api = await adminApi(flags)
    await api.request('DELETE', serverPath(name, '/login'))
    print(wantsJson(flags) ? asJson({ name, loggedOut: true }) : `logged out at ${name}`)
    return 0
  },
})
