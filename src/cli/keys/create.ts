import { type ArgsDef, defineCommand } from 'citty'
import type { MadeKeyAnswer } from '../../http/api/key-answers.ts'
import { hashOfKey, makeKeyId, makeKeyText } from '../../identity/keys/key-text.ts'
import type { NewKeyWire } from '../../registry/access/key-schema.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell, received } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'
import { keyBody, keyFlags } from './key-flags.ts'

const args: ArgsDef = {
  name: { type: 'positional', description: 'Name for the key, for people and for rules.' },
  ...keyFlags,
  'for-file': {
    type: 'boolean',
    description:
      'Makes a key for the configuration file, asking no gateway, and prints the entry for auth.keys.',
  },
  ...adminFlags,
}

export const create = defineCommand({
  meta: {
    name: 'create',
    description: [
      'Makes a key and prints it, this once; the gateway keeps a digest.',
      '  compozy keys create ci --server docs --tool "search_*"',
      '  compozy keys create ops --role operator --expires 30d',
      'The key stands alone on standard output, everything else on standard error.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const body = keyBody(name, flags, Date.now())
    if (flags['for-file']?.at(-1) === 'true') {
      printForFile(body, wantsJson(flags))
      return 0
    }
    const api = await adminApi(flags)
    const made = await api.request<MadeKeyAnswer>('POST', '/keys', body)
    if (wantsJson(flags)) print(asJson(made))
    else {
      const { id, expires } = received<MadeKeyAnswer['key']>(made.key)
      const until = expires === null ? 'never ends' : `ends ${cell(expires)}`
      print(cell(made.text))
      complain(`compozy: ${printable(cell(made.message))}`)
      complain(`compozy: its id is ${cell(id)}; it ${until}`)
    }
    return 0
  },
})

/** Where nothing is said of its end, a key of a file has none. */
function printForFile({ expires, ...granted }: NewKeyWire, json: boolean): void {
  const id = makeKeyId()
  const text = makeKeyText(id)
  const { name, ...rest } = granted
  const entry = {
    id,
    name,
    hash: hashOfKey(text),
    ...(expires === undefined || expires === null ? {} : { expires }),
    ...rest,
  }
  if (json) {
    print(asJson({ text, entry }))
    return
  }
  print(text)
  complain('compozy: it is shown this once; the entry for auth.keys of the configuration file is')
  complain(`  - ${JSON.stringify(entry)}`)
}
