import { type ArgsDef, defineCommand } from 'citty'
import type { ServerView } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

const args: ArgsDef = {
  name: serverArgument,
  ...adminFlags,
}

export const disable = defineCommand({
  meta: {
    name: 'disable',
    description:
      'Switches a server off, until "servers enable" switches it on again.\nIts processes end; calls in flight may finish first for 10 s. Works for servers of the configuration file too.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const api = await adminApi(flags)
    await api.request('POST', serverPath(name, '/disable'))
    if (wantsJson(flags)) print(asJson(await api.request<ServerView>('GET', serverPath(name))))
    else print(`disabled ${name}`)
    return 0
  },
})
