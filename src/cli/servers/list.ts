import { type ArgsDef, defineCommand } from 'citty'
import { duration } from '../../config/values.ts'
import { UsageError } from '../../errors.ts'
import type { ServerList } from '../../http/api/answers.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { serverTable } from '../admin/server-table.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { standardOutput } from '../terminal/terminal.ts'
import { watch } from '../terminal/watch.ts'

const args: ArgsDef = {
  watch: { type: 'boolean', alias: 'w', description: 'Goes on, and shows what changes. Ctrl+C ends it.' },
  interval: {
    type: 'string',
    valueHint: 'duration',
    description: 'How often --watch draws, and looks where the gateway does not tell.\ndefault 2s',
  },
  ...adminFlags,
}

export const list = defineCommand({
  meta: { name: 'list', description: 'Lists the servers with their state, and why one is not well.' },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const interval = duration(100).read(flags['interval']?.at(-1) ?? '2s')
    if ('fault' in interval) throw new UsageError(`--interval ${interval.fault}`)
    const json = wantsJson(flags)
    const api = await adminApi(flags)
    const ask = () => api.request<ServerList>('GET', '/mcps')
    if (flags['watch']?.at(-1) !== 'true') {
      const answer = await ask()
      print(json ? asJson(answer) : serverTable(answer, Date.now(), standardOutput()))
      return 0
    }
    return await watch({
      intervalMs: interval.value,
      look: ask,
      news: () => api.events('GET', '/events', {}),
      // Ages grow by themselves: where nothing is drawn over, they are no news.
      key: (answer) => serverTable(answer, 0, { columns: null, colours: false, redraws: false }),
      show: (answer, terminal) => (json ? JSON.stringify(answer) : serverTable(answer, Date.now(), terminal)),
      redraw: !json,
    })
  },
})
