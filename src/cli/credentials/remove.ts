import { type ArgsDef, defineCommand } from 'citty'
import { asJson, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { credentialArguments, credentialPath, credentialsApi, whoseFlags } from './whose.ts'

const args: ArgsDef = { ...credentialArguments, ...whoseFlags }

export const remove = defineCommand({
  meta: {
    name: 'remove',
    description: 'Removes a stored credential; what was opened with it ends at once.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [server = '', name = ''] = positionals
    const { owner, request } = await credentialsApi(flags)
    await request('DELETE', credentialPath(server, name, owner))
    print(wantsJson(flags) ? asJson({ server, name, removed: true }) : `removed ${name} for ${server}`)
    return 0
  },
})
