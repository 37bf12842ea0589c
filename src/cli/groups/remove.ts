import { type ArgsDef, defineCommand } from 'citty'
import { CommandError } from '../../errors.ts'
import type { GroupList, ServerList, ServerView } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, serverArgument, serverPath, wantsJson } from '../admin/admin-api.ts'
import { received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

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
    const { groups } = await api.request<GroupList>('GET', '/groups')
    const { mcps } = await api.request<ServerList>('GET', '/mcps')
    const refused = whyNot(name, groups, mcps)
    if (refused !== null) throw new CommandError(refused)
    await api.request('DELETE', serverPath(name))
    print(wantsJson(flags) ? asJson({ name, removed: true }) : `removed ${name}`)
    return 0
  },
})

/** A server of that name must not go because somebody took it for a group. Null where it is a group that was defined. */
function whyNot(name: string, groups: unknown, mcps: unknown): string | null {
  const definitions = receivedList<ServerView>(mcps).map(({ definition }) =>
    received<ServerView['definition']>(definition),
  )
  const defined = definitions.find((definition) => definition.name === name)
  if (defined?.transport === 'group') return null
  const builtIn = receivedList<GroupList['groups'][number]>(groups).some((group) => group.name === name)
  const alsoServer =
    defined === undefined ? '' : `; "compozy servers remove ${name}" removes the server of that name`
  if (builtIn)
    return `${name} is the group of everything, which cannot be removed: default_group: false switches it off${alsoServer}`
  return defined === undefined
    ? `no group has the name ${name}; "compozy groups list" lists all of them`
    : `${name} is a server, no group${alsoServer}`
}
