import { type ArgsDef, defineCommand } from 'citty'
import { asJson, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { secretFromPerson } from './secret-input.ts'
import { credentialArguments, credentialPath, credentialsApi, whoseFlags } from './whose.ts'

const args: ArgsDef = { ...credentialArguments, ...whoseFlags }

export const set = defineCommand({
  meta: {
    name: 'set',
    description: [
      'Stores a credential that a server takes of each user.',
      'The value comes from standard input, or is asked for at a terminal without being shown: on a command line everybody on the machine could read it.',
      '  compozy credentials set github github_token < token.txt',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [server = '', name = ''] = positionals
    const { owner, request } = await credentialsApi(flags)
    const path = credentialPath(server, name, owner)
    const value = await secretFromPerson(`${name} for ${server}: `)
    await request('PUT', path, { value })
    print(wantsJson(flags) ? asJson({ server, name, stored: true }) : `stored ${name} for ${server}`)
    return 0
  },
})
