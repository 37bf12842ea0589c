import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

const args: ArgsDef = {
  name: serverArgument,
  ...adminFlags,
}

export const remove = defineCommand({
  meta: {
    name: 'remove',
    description: 'Removes a server and ends its processes; a group too, whose servers stay.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const api = await adminApi(flags)
    await api.request('DELETE', serverPath(name))
    print(wantsJson(flags) ? asJson({ name, removed: true }) : `removed ${name}`)
    return 0
  },
})
