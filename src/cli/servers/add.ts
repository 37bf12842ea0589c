import { type ArgsDef, defineCommand } from 'citty'
import { UsageError } from '../../errors.ts'
import { parseDefinition } from '../../registry/definition-schema.ts'
import { adminApi, adminFlags } from '../admin/admin-api.ts'
import { reportStart, waitFlag, waitMsOf } from '../admin/started.ts'
import { parseArguments } from '../arguments.ts'
import {
  definitionFields,
  definitionFlags,
  placedFields,
  placeOf,
  refuseUseless,
} from '../definitions/definition-flags.ts'

const args: ArgsDef = {
  name: { type: 'positional', description: 'Name for the server, as it will stand in URLs.' },
  ...definitionFlags,
  wait: waitFlag,
  ...adminFlags,
}

export const add = defineCommand({
  meta: {
    name: 'add',
    description: [
      'Registers a server, waits for it to start, and shows where clients find it.',
      '  compozy servers add files -- npx -y @modelcontextprotocol/server-filesystem .',
      '  compozy servers add docs --server-url https://example.com/mcp',
      'Exits with 1 when it is known not to start; it is kept and tried again.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals, rest } = parseArguments(rawArgs, args, true)
    const [name = ''] = positionals
    waitMsOf(flags)
    const fields = definitionFields(flags, rest)
    if (fields['command'] === undefined && fields['url'] === undefined)
      throw new UsageError('name either --server-url URL or, behind --, a command')
    refuseUseless(fields, fields)
    const transport = fields['command'] === undefined ? 'streamable-http' : 'stdio'
    const definition = { name, transport, ...fields }
    // The gateway says the same, but a slip on the command line should not need one to be found.
    const checked = parseDefinition(definition, { now: new Date().toISOString() })
    // The first problem: whoever mends it will see the next.
    const [problem] = checked.ok ? [] : checked.problems
    if (problem !== undefined) throw new UsageError(`${placeOf(problem.field)} ${problem.reason}`)
    const api = await adminApi(flags)
    await api.request('POST', '/mcps', placedFields(definition, flags, api.base))
    return await reportStart(api, flags, name, 'added')
  },
})
