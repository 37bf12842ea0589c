/** Approved definitions of tools over HTTP: `/admin/approvals` and `/admin/approvals/{name}` (CONTRACT.md, "Admin API"). */
import { GatewayError } from '../../../errors.ts'
import { answer } from '../../api/operation.ts'
import { approvalChoice } from '../../api/tool-call-schema.ts'
import { contextOf } from '../../context.ts'
import { replyEmpty } from '../../reply.ts'
import { readTyped } from './body.ts'
import type { AdminParts } from './parts.ts'
import { queryDurationMs, querySwitch, queryText } from './query.ts'
import { audit, knownEntry } from './servers.ts'
import { asCaller, toolsOf } from './tools.ts'

/**
 * What waits and what is approved. Servers are asked for their tools first, so that it is what they list now: those
 * that are pinned, and the one that is asked for by name also where it is not.
 */
export async function listApprovals(parts: AdminParts, request: Request): Promise<Response> {
  const { approvals, directory } = parts
  const waitMs = queryDurationMs(request, 'wait', parts.toolsListMs) ?? parts.toolsListMs
  const name = queryText(request, 'name')
  const room = await approvals.load()
  // Something may be kept of a server that was taken out of the file.
  if (name !== null && !room.names.includes(name)) knownEntry(parts, name)
  const asked = directory
    .list()
    .filter(({ definition }) =>
      name === null ? approvals.isPinned(definition) : definition.name === name && definition.group === null,
    )
  const lists = await Promise.all(
    asked.map((entry) => {
      const own = asCaller(entry, request)
      return room.watching(own.definition, () => toolsOf(own, waitMs))
    }),
  )
  const names = name === null ? [...room.names, ...asked.map(({ definition }) => definition.name)] : [name]
  return answer('listApprovals', 200, {
    servers: [...new Set(names)].sort().map((each) => room.report(each)),
    errors: lists.flatMap(({ errors = [] }) => errors),
  })
}

/** Approves what an admin has seen, and nothing else. */
export async function approveTools(parts: AdminParts, request: Request, name: string): Promise<Response> {
  const { hashes, all } = await readTyped(request, approvalChoice, parts.config.limits.bodyBytesMax)
  const choice = choiceOf(hashes, all)
  const { definition } = knownEntry(parts, name)
  const room = await parts.approvals.load()
  const approved = room.approve(name, choice, contextOf(request).principal.shown)
  audit(parts, request, { action: 'approve', name, before: null, after: null, tools: toolsIn(approved) })
  const effect = parts.approvals.isPinned(definition)
    ? 'Clients are shown them from now on, and may call them.'
    : 'The server is not pinned, so that it makes no difference yet.'
  return answer('approveTools', 200, {
    message: `${approved.length} approved. ${effect}`,
    server: name,
    definitions: approved.map(({ tool, hash }) => ({ tool, hash })),
  })
}

/** Forgets one definition, or all of a server's. */
export async function revokeApprovals(parts: AdminParts, request: Request, name: string): Promise<Response> {
  const [hash, all] = [queryText(request, 'hash'), querySwitch(request, 'all')]
  if ((hash === null) !== all)
    throw new GatewayError('BAD_REQUEST', 'Say ?hash=HASH for one definition, or ?all for all of the server.')
  const room = await parts.approvals.load()
  if (!room.names.includes(name)) knownEntry(parts, name)
  const revoked = room.revoke(name, hash)
  audit(parts, request, { action: 'revoke', name, before: null, after: null, tools: toolsIn(revoked) })
  return replyEmpty(204)
}

function choiceOf(hashes: readonly string[] | undefined, all: string | undefined) {
  if (hashes !== undefined && all === undefined) return { hashes }
  if (all !== undefined && hashes === undefined) return { all }
  throw new GatewayError('BAD_REQUEST', 'The body has either hashes or all, the pendingHash that was seen.')
}

const auditedToolsMax = 100

/** Which definitions an admin has decided about, for the log. */
function toolsIn(definitions: readonly { readonly tool: string; readonly hash: string }[]): string {
  const shown = definitions.slice(0, auditedToolsMax).map(({ tool, hash }) => [tool.slice(0, 128), hash])
  const rest = definitions.length - shown.length
  return JSON.stringify(shown) + (rest > 0 ? ` and ${rest} more` : '')
}
