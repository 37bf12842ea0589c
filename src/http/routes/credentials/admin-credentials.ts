/** Stored credentials over HTTP, as admins see them (CONTRACT.md, "Credentials"). No value is in any answer. */
import { type CredentialOwner, ownerIn } from '../../../access/owner/credential-owner.ts'
import { GatewayError } from '../../../errors.ts'
import { isUserValueName } from '../../../registry/secrets/user-values.ts'
import { answer } from '../../api/operation.ts'
import { contextOf } from '../../context.ts'
import { replyEmpty } from '../../reply.ts'
import type { AdminParts } from '../admin/parts.ts'
import { queryText } from '../admin/query.ts'
import { knownEntry } from '../admin/servers.ts'
import { readValue } from './my-credentials.ts'

/** What is stored, by owner, server and name. */
export async function listCredentials(parts: AdminParts, request: Request): Promise<Response> {
  const [owner, server] = [queryText(request, 'owner'), queryText(request, 'server')]
  const vault = await parts.credentials.vault()
  const credentials = vault
    .list({
      ...(owner === null ? {} : { owner: requireOwner(owner) }),
      ...(server === null ? {} : { server }),
    })
    .filter(({ name }) => isUserValueName(name))
    .map(({ owner, server, name, updatedAt }) => ({ owner, server, name, updatedAt }))
  return answer('listCredentials', 200, { credentials, count: credentials.length })
}

/** Stores a value for somebody else. */
export async function setCredential(
  parts: AdminParts,
  request: Request,
  server: string,
  name: string,
): Promise<Response> {
  const owner = requireOwner(queryText(request, 'owner'))
  const { definition } = knownEntry(parts, server)
  const { value } = await readValue(request)
  const values = await parts.credentials.userValues()
  values.set(definition, owner, name, value)
  tell(parts, request, 'set credential', `${server} ${name} of ${owner}`)
  return replyEmpty(204)
}

/** Takes a value of somebody else back; also one for a server that is gone. */
export async function removeCredential(
  parts: AdminParts,
  request: Request,
  server: string,
  name: string,
): Promise<Response> {
  const owner = requireOwner(queryText(request, 'owner'))
  const values = await parts.credentials.userValues()
  if (!values.remove(server, owner, name))
    throw new GatewayError('NOT_FOUND', 'Nothing is stored under this name there for this owner.')
  tell(parts, request, 'remove credential', `${server} ${name} of ${owner}`)
  return replyEmpty(204)
}

function requireOwner(text: string | null): CredentialOwner {
  const owner = text === null ? null : ownerIn(text)
  if (owner !== null) return owner
  throw new GatewayError(
    'BAD_REQUEST',
    'Say whose with ?owner=: key:ID, user:NAME, oauth:HASH, or issuer and subject with a space between them.',
  )
}

/** Who changed what of whom, from where; never what it holds. */
function tell({ log }: AdminParts, request: Request, action: string, name: string): void {
  const { principal, client, requestId, log: line } = contextOf(request)
  line.target = name
  log.info({ caller: principal.shown, clientIp: client, requestId, action, name }, 'admin change')
}

/** Seals everything with a new key. */
export async function rotateSecrets(parts: AdminParts, request: Request): Promise<Response> {
  const { resealed, unopened, place, oldKeysStay } = await parts.credentials.rotate()
  tell(parts, request, 'rotate secrets', `${resealed} sealed anew`)
  const kept = oldKeysStay ? ` Take the old keys out of ${place} now.` : ''
  const left =
    unopened === 0
      ? ''
      : ` ${unopened} could not be opened, because their key is not there: they stay as they are.`
  const what = resealed === 1 ? '1 stored credential is' : `${resealed} stored credentials are`
  const message = `${what} sealed with the new key.${kept}${left}`
  return answer('rotateSecrets', 200, { message, resealed, unopened, place })
}
