/** Where the operations of the admin API are. `test/console/page-code.test.ts` holds it to the OpenAPI document. */
import type { OperationId } from '../../../http/api/operation.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export const routes = {
  getConsoleSession: ['GET', '/console/session'],
  signInToConsole: ['POST', '/console/session'],
  signOutOfConsole: ['DELETE', '/console/session'],
  listServers: ['GET', '/admin/mcps'],
  getServer: ['GET', '/admin/mcps/{name}'],
  createServer: ['POST', '/admin/mcps'],
  replaceServer: ['PUT', '/admin/mcps/{name}'],
  removeServer: ['DELETE', '/admin/mcps/{name}'],
  restartServer: ['POST', '/admin/mcps/{name}/restart'],
  enableServer: ['POST', '/admin/mcps/{name}/enable'],
  disableServer: ['POST', '/admin/mcps/{name}/disable'],
  getServerLogs: ['GET', '/admin/mcps/{name}/logs'],
  tryServer: ['POST', '/admin/try'],
  listTools: ['GET', '/admin/tools'],
  callTool: ['POST', '/admin/tools/call'],
  listGroups: ['GET', '/admin/groups'],
  getGroup: ['GET', '/admin/groups/{name}'],
  listKeys: ['GET', '/admin/keys'],
  createKey: ['POST', '/admin/keys'],
  changeKey: ['PATCH', '/admin/keys/{id}'],
  rotateKey: ['POST', '/admin/keys/{id}/rotate'],
  revokeKey: ['DELETE', '/admin/keys/{id}'],
  listApprovals: ['GET', '/admin/approvals'],
  approveTools: ['POST', '/admin/approvals/{name}'],
  revokeApprovals: ['DELETE', '/admin/approvals/{name}'],
  explainAccess: ['GET', '/admin/access'],
  getFigures: ['GET', '/admin/metrics'],
  login: ['POST', '/admin/mcps/{name}/login'],
  logout: ['DELETE', '/admin/mcps/{name}/login'],
  getConfig: ['GET', '/admin/config'],
  getCluster: ['GET', '/admin/cluster'],
  reload: ['POST', '/admin/reload'],
  followEvents: ['GET', '/admin/events'],
} as const satisfies Partial<Record<OperationId, readonly [Method, string]>>

export type RouteId = keyof typeof routes

/** What a path takes, and what stands behind it. */
export interface Place {
  /** The name of a server or group, or the id of a key. */
  readonly name?: string
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** The path of an operation, behind what stands before all paths of the gateway. */
export function pathOf(id: RouteId, { name, query = {} }: Place): string {
  const [, template] = routes[id]
  const path = template.replace(/\{\w+\}/, () => encodeURIComponent(name ?? ''))
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query))
    for (const each of value === undefined ? [] : [value].flat()) search.append(key, String(each))
  return search.size === 0 ? path : `${path}?${search}`
}
