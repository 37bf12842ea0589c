import { defineCommand } from 'citty'
import type { AnswerOf } from '../../http/api/operation.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

export const rotate = defineCommand({
  meta: {
    name: 'rotate',
    description: [
      'Seals every stored credential with a new key.',
      'The key file is written anew; the old key opens nothing that is stored from then on. Copies of the state directory from before still take the old one.',
      'Where the key comes from COMPOZY_SECRETS_KEY, put a new one in front of it first, with a blank between them, and restart the gateway.',
    ].join('\n'),
  },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const api = await adminApi(flags)
    const rotated = await api.request<AnswerOf<'rotateSecrets', 200>>('POST', '/secrets/rotate')
    print(wantsJson(flags) ? asJson(rotated) : cell(rotated.message))
    return 0
  },
})
