import { type ArgsDef, defineCommand } from 'citty'
import type { MadeKeyAnswer } from '../../http/api/key-answers.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'
import { keyPath, knownKey } from './known-key.ts'

const args: ArgsDef = {
  key: { type: 'positional', description: 'Name or id of the key.' },
  overlap: {
    type: 'string',
    valueHint: 'duration',
    description: 'How long its old text counts as well, 168h at most; 0s ends it at once.\ndefault 24h',
  },
  ...adminFlags,
}

export const rotate = defineCommand({
  meta: {
    name: 'rotate',
    description: [
      'Gives a key a new text and prints it, this once; the old one counts for a day more.',
      'Name, rules and sessions stay. With --overlap 0s what was opened with the old text ends within a second.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const api = await adminApi(flags)
    const { id } = await knownKey(api, positionals[0] ?? '')
    const overlap = flags['overlap']?.at(-1)
    const body = overlap === undefined ? {} : { overlap }
    const made = await api.request<MadeKeyAnswer>('POST', keyPath(id, '/rotate'), body)
    if (wantsJson(flags)) print(asJson(made))
    else {
      print(cell(made.text))
      complain(`compozy: ${printable(cell(made.message))}`)
    }
    return 0
  },
})
