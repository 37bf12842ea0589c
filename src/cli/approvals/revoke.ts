import { type ArgsDef, defineCommand } from 'citty'
import { CommandError, UsageError } from '../../errors.ts'
import { type AdminApi, adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { approvalsOf } from './shown-approvals.ts'

const args: ArgsDef = {
  name: serverArgument,
  hash: {
    type: 'positional',
    required: false,
    description: 'Hash of a definition, as "approvals show" prints it; its beginning is enough.',
  },
  all: { type: 'boolean', description: 'All that is approved or waits at the server.' },
  ...adminFlags,
}

export const revoke = defineCommand({
  meta: {
    name: 'revoke',
    description:
      'Forgets a definition: one that was approved is held back from then on.\nOne that waits is looked at as if it had never been listed; it waits again when it is.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = '', hash] = positionals
    const all = flags['all']?.at(-1) === 'true'
    if (all === (hash !== undefined)) throw new UsageError('give the HASH of a definition, or --all')
    if (hash !== undefined && !/^[0-9a-f]{8,64}$/.test(hash))
      throw new UsageError(`"${hash}" is no hash: give 8 to 64 hexadecimal digits`)
    const api = await adminApi(flags)
    const whole = hash === undefined ? null : await wholeHash(api, name, hash)
    const query = whole === null ? 'all' : `hash=${whole}`
    await api.request('DELETE', `/approvals/${encodeURIComponent(name)}?${query}`)
    const what = whole ?? 'all'
    print(wantsJson(flags) ? asJson({ server: name, revoked: what }) : `revoked ${what} of ${name}`)
    return 0
  },
})

/** The one hash that begins so. To forget a wrong definition closes a tool at worst, so that its beginning is enough. */
async function wholeHash(api: AdminApi, name: string, beginning: string): Promise<string> {
  const [shown] = (await approvalsOf(api, name)).servers
  const hashes = [...(shown?.approved ?? []), ...(shown?.pending ?? [])].map(({ hash }) => cell(hash))
  const [found, other] = hashes.filter((hash) => hash.startsWith(beginning))
  if (found === undefined)
    throw new CommandError(`nothing at ${name} has a hash that begins with ${beginning}`)
  if (other !== undefined) throw new CommandError(`several hashes at ${name} begin with ${beginning}`)
  return found
}
