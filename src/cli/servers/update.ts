import { type ArgsDef, defineCommand } from 'citty'
import { UsageError } from '../../errors.ts'
import type { ServerView } from '../../http/api/answers.ts'
import { isObject } from '../../protocol/json.ts'
import { adminApi, adminFlags, serverArgument, serverPath } from '../admin/admin-api.ts'
import { received } from '../admin/received.ts'
import { reportStart, waitFlag, waitMsOf } from '../admin/started.ts'
import { parseArguments } from '../arguments.ts'
import {
  definitionFields,
  definitionFlags,
  placedFields,
  refuseUseless,
} from '../definitions/definition-flags.ts'

const args: ArgsDef = {
  name: serverArgument,
  ...definitionFlags,
  'unset-env': { type: 'string', valueHint: 'NAME', description: 'Takes a variable away. May be repeated.' },
  'unset-header': { type: 'string', valueHint: 'NAME', description: 'Takes a header away. May be repeated.' },
  'unset-tag': { type: 'string', valueHint: 'NAME', description: 'Takes a tag away. May be repeated.' },
  'all-tools': { type: 'boolean', description: 'Hides no tool any more.' },
  wait: waitFlag,
  ...adminFlags,
}

/** Maps of a definition, of which single entries are set and taken away. */
const maps = { env: 'unset-env', headers: 'unset-header', tags: 'unset-tag' } as const

export const update = defineCommand({
  meta: {
    name: 'update',
    description: [
      'Changes a server that was added; what is not named stays.',
      '  compozy servers update files --timeout 5m',
      '  compozy servers update docs --server-url https://example.com/mcp/v2',
      'Calls in flight finish on the old one. A hidden value (***) stays as long as the server goes on being reached the same way; else it must be given again.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals, rest } = parseArguments(rawArgs, args, true)
    const [name = ''] = positionals
    waitMsOf(flags)
    const fields = definitionFields(flags, rest)
    const unsets = Object.values(maps).some((flag) => flags[flag] !== undefined)
    const allTools = flags['all-tools']?.at(-1) === 'true'
    if (Object.keys(fields).length === 0 && !unsets && !allTools)
      throw new UsageError('nothing is changed; --help shows what can be')
    const api = await adminApi(flags)
    const { definition } = await api.request<ServerView>('GET', serverPath(name))
    const before: Record<string, unknown> = { ...received<Record<string, unknown>>(definition) }
    const after = { ...before, ...placedFields(fields, flags, api.base) }
    for (const [field, flag] of Object.entries(maps)) {
      const entries = { ...entriesOf(before[field]), ...entriesOf(fields[field]) }
      for (const gone of flags[flag] ?? []) {
        if (!(gone in entries)) throw new UsageError(`--${flag} ${gone}: there is no such entry`)
        delete entries[gone]
      }
      after[field] = entries
    }
    if (allTools) delete after['toolFilter']
    const wanted = reachedAnew(after, fields)
    refuseUseless(fields, wanted)
    await api.request('PUT', serverPath(name), wanted)
    return await reportStart(api, flags, name, 'updated')
  },
})

/** A server that was a process and has a URL now, or the other way round, keeps nothing of how it was reached. */
function reachedAnew(
  definition: Readonly<Record<string, unknown>>,
  { command, url, transport }: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { command: _c, args: _a, env: _e, url: _u, headers: _h, ...rest } = definition
  if (command !== undefined && definition['url'] !== undefined)
    return { ...rest, transport: 'stdio', command, args: definition['args'], env: definition['env'] }
  if (url !== undefined && definition['command'] !== undefined)
    return { ...rest, transport: transport ?? 'streamable-http', url, headers: definition['headers'] }
  return { ...definition }
}

function entriesOf(map: unknown): Record<string, unknown> {
  return isObject(map) ? { ...map } : {}
}
