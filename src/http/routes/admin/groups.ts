/** What groups show, over HTTP: `/admin/groups` and `/admin/groups/{name}` (CONTRACT.md, "Admin API"). */
import { GatewayError } from '../../../errors.ts'
import { answer } from '../../api/operation.ts'
import type { AdminParts } from './parts.ts'

/** Every group, without a question to any server. */
export async function listGroups(parts: AdminParts): Promise<Response> {
  const groups = [...(await parts.groups.list())]
  return answer('listGroups', 200, { groups, count: groups.length })
}

/** One group with what its servers list now; one that does not answer in time is named, and left out. */
export async function getGroup(parts: AdminParts, name: string): Promise<Response> {
  const report = await parts.groups.report(name, parts.toolsListMs)
  if (report === null)
    throw new GatewayError('SERVER_UNKNOWN', 'No group has this name. GET /admin/groups lists all of them.')
  return answer('getGroup', 200, report)
}
