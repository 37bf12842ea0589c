import { type ArgsDef, defineCommand } from 'citty'
import { UsageError } from '../../errors.ts'
import type { ApprovalChange } from '../../http/api/approval-answers.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'
import { approvalsOf } from './shown-approvals.ts'

const args: ArgsDef = {
  name: serverArgument,
  hash: {
    type: 'positional',
    required: false,
    description: 'Hash of a definition, as "approvals show" prints it.',
  },
  all: { type: 'boolean', description: 'All that waits at the server.' },
  seen: {
    type: 'string',
    valueHint: 'hash',
    description: 'With --all: only if what waits is still what "approvals show" has printed this for.',
  },
  ...adminFlags,
}

export const approve = defineCommand({
  meta: {
    name: 'approve',
    description:
      'Approves a definition of a tool, or all that wait: clients are shown them from then on.\nWhat has changed since it was looked at is not approved.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = '', hash] = positionals
    const all = flags['all']?.at(-1) === 'true'
    const seen = flags['seen']?.at(-1)
    if (all === (hash !== undefined)) throw new UsageError('give the HASH of a definition, or --all')
    if (seen !== undefined && !all) throw new UsageError('--seen goes with --all')
    for (const given of [hash, seen]) if (given !== undefined) checkHash(given)
    const api = await adminApi(flags)
    // What is approved is what the gateway tells now: should it change before the next request, nothing is approved.
    const waits = all && seen === undefined ? (await approvalsOf(api, name)).servers[0] : undefined
    const choice = hash === undefined ? { all: seen ?? waits?.pendingHash ?? '' } : { hashes: [hash] }
    const path = `/approvals/${encodeURIComponent(name)}`
    const answer = await api.request<ApprovalChange>('POST', path, choice)
    if (wantsJson(flags)) {
      print(asJson(answer))
      return 0
    }
    const approved = receivedList<ApprovalChange['definitions'][number]>(answer.definitions)
    for (const definition of approved)
      print(printable(`approved ${cell(definition.tool)} ${cell(definition.hash)}`))
    if (approved.length === 0) print('nothing waits')
    if (waits?.more === true) complain(`compozy: more waits at ${name} than could be shown; approve again`)
    if (approved.length > 0 && cell(answer.message).includes('not pinned'))
      complain(`compozy: ${name} is not pinned`)
    return 0
  },
})

/** Throws a UsageError for what is no hash. */
function checkHash(text: string): void {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new UsageError(`"${text}" is no hash: it has 64 hexadecimal digits`)
}
