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
    if (!open && isLast(key, keys))
      complain(
        key.role === 'client'
          ? 'compozy: it was the last one; what keys have closed stays closed to whoever comes without a key or a token (revoke --open opens it again)'
          : 'compozy: it was the last one with a role; the admin API goes on to ask for a key or a token',
      )
    return 0
  },
})

/** Whether no other key opens the same door. */
function isLast(key: ReceivedKey, keys: readonly ReceivedKey[]): boolean {
  return !keys.some((other) => other.id !== key.id && (other.role === 'client') === (key.role === 'client'))
}
