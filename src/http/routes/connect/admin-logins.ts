/** Logins of accounts that all share, as admins begin and end them: `/admin/mcps/{name}/login`. */
import { GatewayError } from '../../../errors.ts'
import { loginRequest } from '../../api/logins/login-schema.ts'
import { answer } from '../../api/operation.ts'
import { contextOf } from '../../context.ts'
import { replyEmpty } from '../../reply.ts'
import { readTyped } from '../admin/body.ts'
import type { AdminParts } from '../admin/parts.ts'
import { audit, knownEntry } from '../admin/servers.ts'

/** Begins one, or finishes one with what was brought back. */
export async function login(parts: AdminParts, request: Request, name: string): Promise<Response> {
  knownEntry(parts, name)
  const wanted = await readTyped(request, loginRequest, parts.config.limits.bodyBytesMax)
  const clients = await parts.credentials.logins.load()
  if (wanted.answer !== undefined) {
    const url = URL.parse(wanted.answer.trim())
    if (url === null)
      throw new GatewayError(
        'BAD_REQUEST',
        'answer: must be the whole address to which the browser was sent back.',
      )
    const { server } = await clients.logins.finish(url.searchParams, null, null)
    audit(parts, request, { action: 'login', name: server, before: null, after: null })
    const message = `Logged in at ${server}.`
    return answer('login', 200, { message, name: server, url: null, userCode: null, expiresAt: null })
  }
  const begun = await clients.beginShared(name, wanted.how ?? 'browser')
  parts.log.info({ caller: contextOf(request).principal.shown, mcp: name }, 'a login at a server has begun')
  return answer('login', 200, {
    message:
      begun.userCode === null ? 'Open the URL in a browser.' : 'Open the URL, and type the code there.',
    name,
    url: begun.url,
    userCode: begun.userCode,
    expiresAt: new Date(parts.now().getTime() + begun.lifetimeS * 1_000).toISOString(),
  })
}

/** Ends one: the token is taken away here, and at its issuer. */
export async function logout(parts: AdminParts, request: Request, name: string): Promise<Response> {
  knownEntry(parts, name)
  await (await parts.credentials.logins.load()).logoutShared(name)
  audit(parts, request, { action: 'logout', name, before: null, after: null })
  return replyEmpty(204)
}
