/**
 * What a user stores for servers that take credentials of each user: `/me/credentials` and below. Written, removed and
 * listed by name; no answer has a value.
 */
import { Value } from '@sinclair/typebox/value'
import { type CredentialOwner, ownerOf } from '../../../access/owner/credential-owner.ts'
import type { Principal } from '../../../access/principal.ts'
import type { LoginView } from '../../../credentials/oauth/login-view.ts'
import type { OAuthClients } from '../../../credentials/oauth/oauth-clients.ts'
import type { UserValues, WantedCredential } from '../../../credentials/user-values/user-values.ts'
import { GatewayError, serverUnknownError } from '../../../errors.ts'
import { jsonIn } from '../../../protocol/json.ts'
import type { ServerDefinition } from '../../../registry/definition.ts'
import { isExchanged } from '../../../registry/oauth/oauth-settings.ts'
import { userNamesOf } from '../../../registry/secrets/user-values.ts'
import type { Log } from '../../../telemetry/log.ts'
import { type CredentialValue, credentialValue } from '../../api/credentials/credential-schema.ts'
import { readBodyText } from '../../body.ts'
import type { RequestContext } from '../../context.ts'
import type { Access } from '../../hooks/access.ts'
import { checkPage } from '../../hooks/browser-door.ts'

/** What is needed of the rest of the gateway. */
export interface MyCredentialsParts {
  /** Every server that is registered. */
  readonly directory: { list(): readonly { readonly definition: ServerDefinition }[] }
  /** Resolves once what `work` has written is where all replicas have it. */
  confirm<T>(work: () => Promise<T>): Promise<T>
  /** What users have stored, loaded when somebody comes. */
  userValues(): Promise<UserValues>
  /** Where users have logged in, loaded when a server wants that. */
  logins(): Promise<Pick<OAuthClients, 'view' | 'logout'>>
  readonly access: Pick<Access, 'admits'>
  readonly log: Log
}

/** What one server takes of a user, and what is stored. */
export interface WantingServer {
  readonly server: string
  readonly description: string
  readonly credentials: readonly WantedCredential[]
  /** How the user's login there stands, and where they log in; null where the server wants none of each user. */
  readonly login: { readonly state: LoginView['state']; readonly url: string } | null
}

/** Longest body: a value, each character of it escaped. */
const bodyBytesMax = 512 * 1024

/** The servers that this person may use and that take something of each user. */
export async function myServers(
  parts: MyCredentialsParts,
  context: RequestContext,
): Promise<{ owner: CredentialOwner; servers: WantingServer[] }> {
  const owner = ownerFor(context.principal)
  const values = await parts.userValues()
  const wanting = wantingOf(parts, context.principal)
  const logins = wanting.some(wantsLogin) ? await parts.logins() : null
  const servers = wanting.map((definition) => ({
    server: definition.name,
    description: definition.description,
    credentials: values.wanted(definition, owner),
    login: logins === null ? null : loginOf(logins, context, definition, owner),
  }))
  return { owner, servers }
}

/** Stores a value of whoever asks. */
export async function setMine(
  parts: MyCredentialsParts,
  context: RequestContext,
  { server, name, value }: { readonly server: string; readonly name: string; readonly value: string },
): Promise<void> {
  const owner = ownerFor(context.principal)
  const definition = wantingOf(parts, context.principal).find((one) => one.name === server)
  // One that the principal may not use is not there.
  if (definition === undefined) throw serverUnknownError(server)
  const values = await parts.userValues()
  await parts.confirm(async () => values.set(definition, owner, name, value))
  tell(parts, context, 'set credential', `${server} ${name}`)
}

/** Takes a value of whoever asks back; also one of a server that is gone. */
export async function removeMine(
  parts: MyCredentialsParts,
  context: RequestContext,
  { server, name }: { readonly server: string; readonly name: string },
): Promise<void> {
  const owner = ownerFor(context.principal)
  const values = await parts.userValues()
  if (!(await parts.confirm(async () => values.remove(server, owner, name))))
    throw new GatewayError('NOT_FOUND', 'You have no credential of this name there.')
  tell(parts, context, 'remove credential', `${server} ${name}`)
}

/** Ends the login of whoever asks at a server, here and at its issuer. */
export async function logOutMine(
  parts: MyCredentialsParts,
  context: RequestContext,
  server: string,
): Promise<void> {
  const owner = ownerFor(context.principal)
  const definition = wantingOf(parts, context.principal).find((one) => one.name === server)
  if (definition === undefined || !wantsLogin(definition)) throw serverUnknownError(server)
  if (!(await (await parts.logins()).logout(owner, server)))
    throw new GatewayError('NOT_FOUND', 'You are not logged in there.')
  tell(parts, context, 'log out', `${server} login`)
}

function wantsLogin({ oauth }: ServerDefinition): boolean {
  return oauth?.account === 'user' && !isExchanged(oauth)
}

function loginOf(
  logins: Pick<OAuthClients, 'view'>,
  { externalBase }: RequestContext,
  definition: ServerDefinition,
  owner: CredentialOwner,
): WantingServer['login'] {
  const view = wantsLogin(definition) ? logins.view(definition, owner) : null
  const url = `${externalBase}/connect/${encodeURIComponent(definition.name)}`
  return view === null ? null : { state: view.state, url }
}

/**
 * Before anything of a change is read: somebody makes it, and where it comes with a cookie, a page of the gateway's
 * own. Throws UNAUTHENTICATED or ADMIN_FORBIDDEN.
 */
export function requirePerson({ principal, browser, externalBase, request }: RequestContext): void {
  ownerFor(principal)
  const refusal = browser === undefined ? null : checkPage(request, browser, externalBase)
  if (refusal !== null) throw refusal
}

/** The body of a PUT. Throws BAD_REQUEST, without a word of what is in it. */
export async function readValue(request: Request): Promise<CredentialValue> {
  const body = jsonIn(await readBodyText(request, bodyBytesMax))
  if (!Value.Check(credentialValue, body))
    throw new GatewayError('BAD_REQUEST', 'Send {"value": "…"} as JSON.')
  return body
}

/** Whose credentials a principal may write. Throws UNAUTHENTICATED for nobody in particular. */
function ownerFor(principal: Principal): CredentialOwner {
  const owner = ownerOf(principal)
  if (owner !== null) return owner
  throw new GatewayError(
    'UNAUTHENTICATED',
    principal.role === 'anonymous'
      ? 'Sign in at /me/sign-in, or send "Authorization: Bearer" with a key.'
      : 'A token of the configuration is nobody in particular, and has no credentials: use a key, or sign in.',
  )
}

function wantingOf({ directory, access }: MyCredentialsParts, { id, grants }: Principal): ServerDefinition[] {
  return directory
    .list()
    .map(({ definition }) => definition)
    .filter((definition) => wantsLogin(definition) || userNamesOf(definition).length > 0)
    .filter(({ name }) => access.admits(id, grants, name, true))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Who changed what, from where; never what it holds. */
function tell({ log }: MyCredentialsParts, context: RequestContext, action: string, name: string): void {
  const { principal, client, requestId } = context
  context.log.target = name
  log.info({ caller: principal.shown, clientIp: client, requestId, action, name }, 'credential changed')
}
