import { type ArgsDef, defineCommand } from 'citty'
import { parseArguments } from '../arguments.ts'
import { adminApi, adminFlags } from './admin-api.ts'

const args: ArgsDef = {
  name: { type: 'positional', description: 'Name of the server.' },
  ...adminFlags,
}

export const remove = defineCommand({
  meta: { name: 'remove', description: 'Removes a server and ends its processes.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const api = await adminApi(flags)
    await api.request('DELETE', `/mcps/${encodeURIComponent(name)}`)
    console.log(`removed ${name}`)
    return 0
  },
})
