/** What admins are shown of one server. */
import { hashOf } from './definition-text.ts'
import { type Difference, differencesOf } from './difference.ts'
import { doubtsAbout, looksOf } from './doubts.ts'
import type { ApprovedDefinition, HeldDefinition, PinnedServer } from './pinned-server.ts'

/** What admins see of one server. */
export interface ApprovalsReport {
  readonly server: string
  readonly pinned: boolean
  /** Changes with whatever waits: who approves all of it says what was seen. */
  readonly pendingHash: string
  readonly pending: readonly PendingDefinition[]
  /** True where further ones wait that found no room here. */
  readonly more: boolean
  readonly approved: readonly ApprovedTool[]
}

export interface PendingDefinition {
  readonly tool: string
  readonly hash: string
  readonly change: 'new' | 'changed'
  readonly listedAt: string
  /** False for what is too large, or no definition at all. */
  readonly approvable: boolean
  readonly doubts: readonly string[]
  readonly differences: readonly Difference[]
}

export interface ApprovedTool {
  readonly tool: string
  readonly hash: string
  readonly approvedAt: string
  readonly approvedBy: string
  /** True while something else that the server lists under this name waits. */
  readonly heldBack: boolean
}

/** What waits at this server and what is approved, each in the order of the tools' names. */
export function reportOf(server: PinnedServer, pinned: boolean): ApprovalsReport {
  const { name, held, approved, crowded } = server
  // Until the next list says so again.
  server.crowded = false
  const looks = new Map(approved.map(({ tool }) => [looksOf(tool), tool]))
  return {
    server: name,
    pinned,
    pendingHash: pendingHashOf(held),
    pending: held.map((one) => pendingOf(server, one, looks)).sort(byTool),
    more: crowded,
    approved: approved.map((one) => approvedOf(server, one)).sort(byTool),
  }
}

/** Of all that waits: another one for anything else. */
export function pendingHashOf(held: readonly HeldDefinition[]): string {
  return hashOf(
    held
      .map(({ hash }) => hash)
      .sort()
      .join(' '),
  )
}

function byTool(one: { readonly tool: string }, other: { readonly tool: string }): number {
  return one.tool < other.tool ? -1 : one.tool > other.tool ? 1 : 0
}

function pendingOf(
  server: PinnedServer,
  { tool, hash, text, at }: HeldDefinition,
  looks: ReadonlyMap<string, string>,
): PendingDefinition {
  const before = server.latestApproved(tool)
  const alike = looks.get(looksOf(tool))
  return {
    tool,
    hash,
    change: before === null ? 'new' : 'changed',
    listedAt: at,
    approvable: text !== null,
    doubts: doubtsAbout(text ?? tool, alike === undefined || alike === tool ? null : alike),
    differences: text === null ? [] : differencesOf(before?.text ?? null, text),
  }
}

function approvedOf(server: PinnedServer, { tool, hash, at, by }: ApprovedDefinition): ApprovedTool {
  return { tool, hash, approvedAt: at, approvedBy: by, heldBack: !server.allows(tool) }
}
