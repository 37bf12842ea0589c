import { type ArgsDef, defineCommand } from 'citty'
import type { ServerList, ServerView } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, serverArgument, serverPath } from '../admin/admin-api.ts'
import { cell, received, receivedList } from '../admin/received.ts'
import { stateWord, statusOf } from '../admin/server-state.ts'
import { parseArguments } from '../arguments.ts'
import { exportedDefinition, hiddenPlaces, withVariables } from '../definitions/exported.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

const args: ArgsDef = {
  name: { ...serverArgument, required: false, description: 'Only this server.' },
  variables: {
    type: 'boolean',
    description: 'Writes ${NAME} where a value is hidden; import takes it from the environment.',
  },
  ...adminFlags,
}

export const exportServers = defineCommand({
  meta: {
    name: 'export',
    description: [
      'Prints the definitions of all servers, or of one, as JSON.',
      '  compozy servers export > servers.json',
      'The same file is read by "servers import", and by a gateway as its configuration. A gateway tells nobody its secrets: each stands as ***, and is named on standard error.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name] = positionals
    const api = await adminApi(flags)
    const views =
      name === undefined
        ? receivedList<ServerView>((await api.request<ServerList>('GET', '/mcps')).mcps)
        : [await api.request<ServerView>('GET', serverPath(name))]
    const definitions = views.map(({ definition }) =>
      exportedDefinition(received<Record<string, unknown>>(definition)),
    )
    const variables = flags['variables']?.at(-1) === 'true'
    const written = variables
      ? withVariables(definitions)
      : definitions.map((definition) => ({ definition, names: hiddenPlaces(definition) }))
    print(asJson({ mcps: written.map(({ definition }) => definition) }))
    for (const { definition, names } of written) {
      if (names.length === 0) continue
      const what = variables ? 'needs these variables to be imported' : 'has hidden values'
      complain(`compozy: ${cell(definition['name'])} ${what}: ${names.join(', ')}`)
    }
    for (const view of views) {
      if (stateWord(statusOf(view)) !== 'disabled') continue
      const name = cell(received<ServerView['definition']>(view.definition).name)
      complain(
        `compozy: ${name} is switched off, which its definition does not say: where it is imported it is on`,
      )
    }
    return 0
  },
})
