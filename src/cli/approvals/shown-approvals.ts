/** What the gateway tells of approvals, and how the commands show it. */
import type { ApprovalList } from '../../http/api/approval-answers.ts'
import { printable } from '../../telemetry/printable.ts'
import type { AdminApi } from '../admin/admin-api.ts'
import { cell, type Received, receivedList, receivedTexts } from '../admin/received.ts'
import { complain } from '../terminal/terminal.ts'

type Pending = ApprovalList['servers'][number]['pending'][number]
type Approved = ApprovalList['servers'][number]['approved'][number]

/** One server of the list, looked at by name. */
export interface ShownApprovals {
  readonly server: string
  readonly pinned: boolean
  readonly pendingHash: string
  readonly pending: readonly Received<Pending>[]
  readonly more: boolean
  readonly approved: readonly Received<Approved>[]
}

/** Asks the gateway for what waits and is approved, at all pinned servers or at this one. */
export async function approvalsOf(api: AdminApi, name: string | null) {
  const query = name === null ? '' : `?name=${encodeURIComponent(name)}`
  const answer = await api.request<ApprovalList>('GET', `/approvals${query}`)
  const servers = receivedList<ApprovalList['servers'][number]>(answer.servers).map(
    (one): ShownApprovals => ({
      server: cell(one.server),
      pinned: one.pinned === true,
      pendingHash: cell(one.pendingHash),
      pending: receivedList<Pending>(one.pending),
      more: one.more === true,
      approved: receivedList<Approved>(one.approved),
    }),
  )
  return { answer, servers }
}

/** Says on stderr which servers did not answer. */
export function complainOfErrors({ errors }: Received<ApprovalList>): number {
  const failed = receivedList<ApprovalList['errors'][number]>(errors)
  for (const { mcpName, error } of failed)
    complain(`compozy: ${printable(`${cell(mcpName)}: ${cell(error)}`)}`)
  return failed.length
}

/** A definition that waits, with all that an admin needs to decide. */
export function pendingPage({
  tool,
  change,
  hash,
  approvable,
  doubts,
  differences,
}: Received<Pending>): string {
  const words =
    approvable === true ? cell(change) : `${cell(change)}, too large or malformed: it cannot be approved`
  const lines = receivedList<Pending['differences'][number]>(differences).flatMap(
    ({ field, before, after }) => [`  ${cell(field)}`, ...marked('-', before), ...marked('+', after)],
  )
  const warnings = receivedTexts(doubts).map((doubt) => `  ! ${doubt}`)
  return visible([`${cell(tool)}  (${words})`, `  ${cell(hash)}`, ...warnings, ...lines].join('\n'))
}

function marked(mark: string, value: unknown): string[] {
  return typeof value === 'string' ? value.split('\n').map((line) => `    ${mark} ${line}`) : []
}

/** What a terminal shows as nothing is shown by its number: a definition is approved for what it says. */
const unseen = /[\p{Cf}\u115f\u1160\u3164\uffa0]/gu

function visible(text: string): string {
  return printable(
    text.replace(unseen, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`),
  )
}
