import { type ArgsDef, defineCommand } from 'citty'
import { adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { approvalsOf, complainOfErrors, pendingPage, type ShownApprovals } from './shown-approvals.ts'

const args: ArgsDef = { name: serverArgument, ...adminFlags }

export const show = defineCommand({
  meta: {
    name: 'show',
    description:
      'Shows what waits for approval at a server and what differs from what was approved, and what is approved.\nOf a server that is not pinned it shows what would wait.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const { answer, servers } = await approvalsOf(await adminApi(flags), positionals[0] ?? '')
    const [shown] = servers
    if (wantsJson(flags) || shown === undefined) print(asJson(answer))
    else print(asPage(shown))
    return complainOfErrors(answer) > 0 ? 1 : 0
  },
})

function asPage(shown: ShownApprovals): string {
  const { server, pinned, pending, more, approved, pendingHash } = shown
  const rows = approved.map(({ tool, hash, approvedAt, approvedBy, heldBack }) => [
    cell(tool),
    cell(hash).slice(0, 12),
    cell(approvedAt),
    cell(approvedBy),
    heldBack === true ? 'held back' : '',
  ])
  return [
    `${server} is ${pinned ? '' : 'not '}pinned: ${pending.length} waiting, ${approved.length} approved`,
    ...pending.map(pendingPage),
    ...(more ? ['More waits than is shown here; approve or revoke some of it.'] : []),
    ...(pending.length === 0
      ? []
      : [
          `compozy approvals approve ${server} HASH approves one of them,\ncompozy approvals approve ${server} --all --seen ${pendingHash} all.`,
        ]),
    ...(rows.length === 0 ? [] : [table(['APPROVED', 'HASH', 'AT', 'BY', ''], rows)]),
  ].join('\n\n')
}
