/** Whose work ends when a server is removed or replaced, or its doors close. */

import { KeyGrants } from '../access/key.ts'
import { ownerOf } from '../access/owner/credential-owner.ts'
import type { Grants } from '../access/reach.ts'
import { keepsOutOthers } from '../access/server-door.ts'
import { GatewayError, revokedError } from '../errors.ts'
import type { Sessions } from '../session/legacy/sessions.ts'
import type { ModernCallDriver } from '../session/modern/call-driver.ts'
import type { ModernRequests, OpenRequest } from '../session/modern/requests.ts'
import type { ServerDirectory } from '../upstream/server/directory.ts'
import type { ServersListener } from '../upstream/server/servers.ts'
import type { Access } from './hooks/access.ts'
import type { AdminStreams } from './routes/admin/streams.ts'

export interface ClientParts {
  readonly sessions: Sessions
  readonly requests: ModernRequests<ModernCallDriver>
  readonly access: Access
  readonly streams: AdminStreams
}

/** What ends at the clients of a server that is removed or replaced. */
export function endClientsOf(
  parts: ClientParts & { readonly servers: Pick<ServerDirectory, 'get'> },
): ServersListener {
  const { sessions, requests, servers } = parts
  return {
    leaving(name) {
      requests.abortWhere(({ endless, serverName }) => endless && serverName === name, removalOf(name))
    },
    removed(name) {
      const error = removalOf(name)
      sessions.closeWhere(({ serverName }) => serverName === name, error)
      requests.abortWhere(({ serverName }) => serverName === name, error)
    },
    replaced(name, before) {
      endUnadmitted(parts)
      const after = servers.get(name)?.definition
      if (after === undefined || !keepsOutOthers(before, after)) return
      const error = new GatewayError('SESSION_UNKNOWN', 'The addresses of this server were changed.')
      sessions.closeWhere(({ serverName }) => serverName === name, error)
      requests.abortWhere(({ serverName }) => serverName === name, error)
    },
  }
}

/** Ends what tokens had opened that open nothing any more, streams and calls included. */
export function endUnadmitted({ sessions, requests, access, streams }: ClientParts): void {
  // What is in no book yet, as its body is on its way or its server starts, is asked again before it goes on.
  access.rulesChanged()
  const error = new GatewayError('SESSION_UNKNOWN', 'The token of this session was revoked.')
  const ends = (opened: Opened, byGroup: boolean) =>
    !access.admits(opened.principalId, opened.grants, opened.serverName, byGroup) || isAnothers(opened)
  // A session is at the group itself; a call is at the server behind it.
  sessions.closeWhere((session) => ends(session, false), error)
  requests.abortWhere((request) => ends(request, true), error)
  streams.closeWhere((context) => !access.admitsAdmin(context))
}

type Opened = Pick<OpenRequest, 'principalId' | 'grants' | 'serverName' | 'owner'>

/** Whether the key with which something was opened is used for somebody else by now: whose credentials it has are not theirs. */
function isAnothers({ principalId: id, owner = null, grants }: Opened): boolean {
  if (owner === null || !(grants instanceof KeyGrants)) return false
  const { user } = grants.held.facts
  return ownerOf(user === null ? { id } : { id, user }) !== owner
}

/** What follows when keys are others than before: who may come, what ends, and what clients of groups see. */
export function keysChanged(parts: ClientParts & { readonly directory: { accessChanged(): void } }): void {
  parts.access.keysChanged()
  endUnadmitted(parts)
  parts.directory.accessChanged()
}

/** Ends the streams of those whose token `hasEnded`, or who have signed out; calls under way are answered, and go to a stream that is resumed. */
export function endExpired(
  { sessions, requests, access, streams }: ClientParts,
  hasEnded: (grants: Grants | null) => boolean,
): void {
  streams.closeWhere((context) => context.browser !== undefined && !access.admitsAdmin(context))
  const ended = streams.endedGrants()
  if (ended.length > 0) {
    const of = ({ grants }: { readonly grants: Grants | null }) => grants !== null && ended.includes(grants)
    sessions.closeWhere(of, revokedError())
    requests.abortWhere(of, revokedError())
  }
  // Configured tokens have no end.
  if (access.identity === null) return
  const error = new GatewayError('UNAUTHENTICATED', 'The token has expired; come back with a new one.')
  sessions.endStreamsWhere(({ grants }) => hasEnded(grants), error)
  requests.abortWhere(({ endless, grants }) => endless && hasEnded(grants), error)
}

function removalOf(name: string): GatewayError {
  return new GatewayError('SERVER_UNKNOWN', `The server ${name} was removed.`)
}
