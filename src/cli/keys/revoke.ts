import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'
import { keyPath, knownKey, type ReceivedKey } from './known-key.ts'

const args: ArgsDef = {
  key: { type: 'positional', description: 'Name or id of the key.' },
  open: {
    type: 'boolean',
    description: 'With the last key: lets in again who came without one before there were any.',
  },
  ...adminFlags,
}

export const revoke = defineCommand({
  meta: {
    name: 'revoke',
    description: 'Takes a key back; its sessions, streams and calls end within a second.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const api = await adminApi(flags)
    const { id, key, keys } = await knownKey(api, positionals[0] ?? '')
    const open = flags['open']?.at(-1) === 'true'
    await api.request('DELETE', keyPath(id, open ? '?open=true' : ''))
    print(wantsJson(flags) ? asJson({ id, revoked: true }) : `revoked ${cell(key.name)}`)
    const words = open ? null : ofTheLast(key, keys)
    if (words !== null) complain(`compozy: ${words}`)
    return 0
  },
})

/** What stays shut, or can be done by nobody any more, when no other key opens the same. */
function ofTheLast(key: ReceivedKey, keys: readonly ReceivedKey[]): string | null {
  const others = keys.filter(({ id }) => id !== key.id)
  if (key.role === 'client')
    return others.some(({ role }) => role === 'client')
      ? null
      : 'it was the last one; whoever comes without a key or a token stays shut out (to let them in again make a key and revoke it with --open)'
  if (!others.some(({ role }) => role !== 'client'))
    return 'it was the last one with a role; the admin API goes on to ask for a key or a token (auth.admin_tokens)'
  return key.role !== 'admin' || others.some(({ role, expired }) => role === 'admin' && expired !== true)
    ? null
    : 'it was the last one with the role admin; from now on only auth.admin_tokens open what admins do'
}
