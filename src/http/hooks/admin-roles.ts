/** What each role may do at the admin API, whether it comes with a cookie or with a key. */
import type { Principal } from '../../access/principal.ts'
import { GatewayError } from '../../errors.ts'

/** What an operator may change. */
const operatorPaths = /^\/admin\/(?:tools\/call|mcps\/[^/]+\/(?:restart|enable|disable|stream))\/?$/

/** Refuses what is not for this role. */
export function checkRole(role: Principal['role'], method: string, path: string): GatewayError | null {
  if (role === 'admin') return null
  const looks = method === 'GET' || method === 'HEAD'
  if (role === 'viewer' && looks) return null
  if (role === 'operator' && (looks || operatorPaths.test(path))) return null
  const may =
    role === 'viewer'
      ? 'may look'
      : role === 'operator'
        ? 'may call tools and restart servers'
        : 'may do nothing here'
  return new GatewayError('ADMIN_FORBIDDEN', `Your role ${may}; this takes another one.`)
}
