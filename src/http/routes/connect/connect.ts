/**
 * Logins at servers in a browser: `/connect/{server}` begins one, `/oauth/callback/{id}` ends it, and `/oauth/clients/{id}`
 * tells authorization servers who asks.
 *
 * Whose login it becomes is decided by who opens the page: an account of a user's own by the person who is signed in
 * there, the account that all share by an admin who is, or by a ticket that an admin was given. What a link alone says
 * counts for nothing. A login is finished by the browser that has begun it.
 */
import { randomBytes } from 'node:crypto'
import { Elysia } from 'elysia'
import type { Principal } from '../../../access/principal.ts'
import type { Account } from '../../../credentials/oauth/account.ts'
import type { OAuthClients } from '../../../credentials/oauth/oauth-clients.ts'
import { GatewayError } from '../../../errors.ts'
import type { SignIn } from '../../../identity/sign-in/sign-in.ts'
import { escaped } from '../../../net/html.ts'
import type { RequestContext } from '../../context.ts'
import type { Access } from '../../hooks/access.ts'
import { cookieOf, isOwnPage, requireSafeCookie, setCookie } from '../../hooks/browser-door.ts'
import { replyJson } from '../../reply.ts'
import { type Named, personRoute } from '../me.ts'
import { onwards, page, paragraph } from '../pages.ts'

export interface ConnectParts {
  /** The room of logins, loaded when somebody comes. */
  load(): Promise<OAuthClients>
  /** Whether a registered server wants logins. */
  wantsLogin(name: string): boolean
  /** Whether any does. */
  wantsLogins(): boolean
  /** People in browsers. */
  signIn(): Promise<Pick<SignIn, 'atIssuer' | 'principalIn'>>
  /** Whose credentials somebody has of their own; null for whoever is nobody in particular. */
  ownerOf(principal: Principal): string | null
  readonly access: Pick<Access, 'admits'>
}

/** A login in a browser takes so long at most. */
const cookieSeconds = 600
const browserBytes = 32
const browserForm = /^[\w-]{43}$/

/** The route group. */
export function connectRoutes(parts: ConnectParts) {
  const asPage = ({ status, title, details }: GatewayError) => page(status, title, paragraph(details))
  return new Elysia()
    .get(
      '/connect/:name',
      personRoute(
        (request, context, named) => showConnect(parts, request, context, named),
        'connect',
        asPage,
      ),
    )
    .post(
      '/connect/:name',
      personRoute(
        (request, context, named) => beginConnect(parts, request, context, named),
        'connect',
        asPage,
      ),
    )
    .get(
      '/oauth/callback/:id',
      personRoute((request, context) => finishConnect(parts, request, context), 'callback', asPage),
    )
    .get(
      '/oauth/clients/:id',
      personRoute((_request, _context, named) => clientDocument(parts, named), 'callback', asPage),
    )
}

/** Who opens the page, and whose login it would become. */
interface Opener {
  readonly account: Account
  /** Null for whoever may not. */
  readonly as: 'admin' | 'ticket' | 'user' | null
  readonly ticket: string
}

async function showConnect(
  parts: ConnectParts,
  request: Request,
  context: RequestContext,
  { name = '' }: Named,
): Promise<Response> {
  // A browser that comes from another site does not say who is signed in.
  if (request.headers.get('sec-fetch-site') === 'cross-site') {
    return onwards('One moment', context.externalBase + context.path + new URL(request.url).search)
  }
  const clients = await clientsFor(parts, name)
  const opener = openerOf(parts, clients, request, context, name)
  if (opener.as === null) return await whoAreYou(parts, opener.account, context.externalBase)
  const { account } = opener
  const host = URL.parse(account.definition.url)?.host ?? ''
  const whose =
    opener.as === 'user'
      ? `Calls that you make through this gateway (as ${context.principal.name ?? context.principal.shown}) will be made with the account that you log in with.`
      : `Everybody who uses ${name} through this gateway will use the account that you log in with.`
  const button = '<form method="post"><button>Log in</button></form>'
  return page(200, `Log in at ${name}`, paragraph(`${name} is at ${host}.`) + paragraph(whose) + button)
}

async function beginConnect(
  parts: ConnectParts,
  request: Request,
  context: RequestContext,
  { name = '' }: Named,
): Promise<Response> {
  const { externalBase } = context
  if (!isOwnPage(request, externalBase))
    throw new GatewayError('ORIGIN_FORBIDDEN', 'A login is begun on a page of the gateway itself.')
  requireSafeCookie(externalBase)
  const clients = await clientsFor(parts, name)
  const { account, as, ticket } = openerOf(parts, clients, request, context, name)
  if (as === null) return await whoAreYou(parts, account, externalBase)
  const session = as === 'ticket' ? null : (context.browser?.key ?? null)
  if (as === 'ticket' && !(await clients.logins.useTicket(account, ticket)))
    return await whoAreYou(parts, account, externalBase)
  const kept = cookieOf(request.headers, 'connect', externalBase) ?? ''
  // One for all logins that a browser has begun.
  const browser = browserForm.test(kept) ? kept : randomBytes(browserBytes).toString('base64url')
  const { url } = await clients.logins.begin(account, browser, session)
  const response = onwards(`On to ${new URL(url).host}`, url)
  response.headers.append('set-cookie', setCookie('connect', externalBase, browser, cookieSeconds))
  return response
}

async function finishConnect(
  parts: ConnectParts,
  request: Request,
  context: RequestContext,
): Promise<Response> {
  const { externalBase, path, log } = context
  const browser = cookieOf(request.headers, 'connect', externalBase)
  const clients = await clientsIfAny(parts)
  const people = await parts.signIn()
  const mayStill = (account: Account, session: string): boolean => {
    const principal = people.principalIn(session)
    if (principal === null || !mayLogIn(parts, account, principal)) return false
    context.principal = principal
    return true
  }
  const account = await clients.logins.finish(new URL(request.url).searchParams, browser, path, mayStill)
  log.target = `${account.server} login`
  return page(
    200,
    `Logged in at ${account.server}`,
    paragraph('This page can be closed. What waited for the login can be done again.'),
  )
}

/** Whether a login becomes this account's when this person has begun it. */
function mayLogIn(
  { ownerOf, access }: ConnectParts,
  { definition, owner }: Account,
  principal: Principal,
): boolean {
  if (definition.oauth?.account !== 'user') return principal.role === 'admin'
  return ownerOf(principal) === owner && access.admits(principal.id, principal.grants, definition.name, true)
}

async function clientDocument(parts: ConnectParts, { id = '' }: Named): Promise<Response> {
  const document = (await clientsIfAny(parts)).document(id)
  if (document === null) throw new GatewayError('NOT_FOUND', 'There is nothing here.')
  return replyJson(200, document, { 'cache-control': 'max-age=300' })
}

async function clientsFor(parts: ConnectParts, name: string): Promise<OAuthClients> {
  if (!parts.wantsLogin(name)) throw new GatewayError('NOT_FOUND', 'Nobody logs in at a server of this name.')
  return await parts.load()
}

/** Whoever comes back does not say to which server. */
async function clientsIfAny(parts: ConnectParts): Promise<OAuthClients> {
  if (!parts.wantsLogins()) throw new GatewayError('NOT_FOUND', 'There is nothing here.')
  return await parts.load()
}

function openerOf(
  parts: ConnectParts,
  clients: OAuthClients,
  request: Request,
  { principal, browser }: RequestContext,
  name: string,
): Opener {
  const ticket = new URL(request.url).searchParams.get('ticket') ?? ''
  const shared = clients.sharedAccount(name)
  if (shared !== null) {
    const isAdmin = browser !== undefined && principal.role === 'admin'
    const mayBegin = isAdmin ? 'admin' : clients.logins.knowsTicket(shared, ticket) ? 'ticket' : null
    return { account: shared, as: mayBegin, ticket }
  }
  const owner = browser === undefined ? null : parts.ownerOf(principal)
  const admitted = owner !== null && parts.access.admits(principal.id, principal.grants, name, true)
  const account = clients.account(admitted ? owner : '', name)
  if (account === null) throw new GatewayError('NOT_FOUND', 'Nobody logs in at a server of this name.')
  return { account, as: admitted ? 'user' : null, ticket }
}

async function whoAreYou(parts: ConnectParts, { definition }: Account, base: string): Promise<Response> {
  const { name, oauth } = definition
  const back = `/connect/${encodeURIComponent(name)}`
  const who =
    oauth?.account === 'shared'
      ? `The account at ${name} is shared, and an admin logs in: with "compozy servers login ${name}", or here when signed in. A link of that command counts once and for ten minutes.`
      : `At ${name} each user has an account of their own. Sign in to the gateway first.`
  const links = await signInLinks(parts, base, back)
  return page(403, `Log in at ${name}`, `${paragraph(who)}${links}`)
}

/** Keys are signed in with at `/me`, from where nothing leads back. */
async function signInLinks(parts: ConnectParts, base: string, back: string): Promise<string> {
  const atIssuer = (await parts.signIn()).atIssuer
    ? link(`${base}/me/sign-in?return=${encodeURIComponent(back)}`, 'Sign in')
    : ''
  return `${atIssuer}${link(`${base}/me`, 'Sign in with a key')}${paragraph('Then open this page again.')}`
}

function link(url: string, text: string): string {
  return `<p><a href="${escaped(url)}">${escaped(text)}</a></p>`
}
