import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, serverPath, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { groupDefinition, groupFlags } from './group-flags.ts'

const args: ArgsDef = {
  name: { type: 'positional', description: 'Name for the group, as it will stand in URLs.' },
  ...groupFlags,
  ...adminFlags,
}

export const add = defineCommand({
  meta: {
    name: 'add',
    description: [
      'Registers a group: one URL for several servers.',
      '  compozy groups add team --server docs --server files=f',
      '  compozy groups add everything --all --exposure search',
      'What stands in no flag (allow, block, rename, describe) is set with PUT /admin/mcps/NAME or in the file.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const definition = groupDefinition(name, flags)
    const api = await adminApi(flags)
    await api.request('POST', '/mcps', definition)
    if (wantsJson(flags)) print(asJson(await api.request('GET', serverPath(name))))
    else {
      const urls = ['stream', 'sse'].map(
        (face) => `  ${api.clientBase}/mcp-proxy/${encodeURIComponent(name)}/${face}`,
      )
      print([`added ${name}`, ...urls].join('\n'))
    }
    return 0
  },
})
