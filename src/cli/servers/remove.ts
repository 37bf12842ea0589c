import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'

const args: ArgsDef = {
  name: serverArgument,
  ...adminFlags,
}

export const remove = defineCommand({
  meta: { name: 'remove', description: 'Removes a server and ends its processes.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const api = await adminApi(flags)
    await api.request('DELETE', serverPath(name))
    console.log(wantsJson(flags) ? asJson({ name, removed: true }) : `removed ${name}`)
    return 0
  },
})
