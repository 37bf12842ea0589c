import { type ArgsDef, defineCommand } from 'citty'
import type { GroupReport } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'

const args: ArgsDef = {
  name: { ...serverArgument, description: 'Name of the group.' },
  ...adminFlags,
}

export const remove = defineCommand({
  meta: { name: 'remove', description: 'Removes a group; its servers stay.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const api = await adminApi(flags)
    // A server of that name must not go because somebody took it for a group.
    await api.request<GroupReport>('GET', `/groups/${encodeURIComponent(name)}`)
    await api.request('DELETE', serverPath(name))
    console.log(wantsJson(flags) ? asJson({ name, removed: true }) : `removed ${name}`)
    return 0
  },
})
