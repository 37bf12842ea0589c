/**
 * People: who one is, signing in and out. `/me` answers whoever shows a cookie or a token; the way through an issuer
 * begins at `/me/sign-in` and comes back to `/oauth/callback/login`.
 */
import { Elysia } from 'elysia'
import type { Principal } from '../../access/principal.ts'
import type { Config } from '../../config/schema.ts'
import { GatewayError, shownError } from '../../errors.ts'
import type { BrowserSession, SignIn } from '../../identity/sign-in/sign-in.ts'
import { countingKey } from '../../net/address.ts'
import { objectIn } from '../../protocol/json.ts'
import { answer, routeOf } from '../api/operation.ts'
import { readBodyText } from '../body.ts'
import { contextOf, type RequestContext } from '../context.ts'
import type { Access } from '../hooks/access.ts'
import { checkPage, cookieOf, isOwnPage, requireSafeCookie, setCookie } from '../hooks/browser-door.ts'
import { replyEmpty, replyError } from '../reply.ts'
import type { MyCredentialsParts } from './credentials/my-credentials.ts'
import { onwards } from './pages.ts'

export interface MeParts {
  /** The room of sign-ins, loaded when somebody comes. */
  signIn(): Promise<SignIn>
  readonly access: Pick<Access, 'holderOf' | 'asksWho' | 'asksAdmins' | 'admits'> & {
    readonly decider: Pick<Access['decider'], 'keysAsk'>
  }
  /** Those in force. */
  readonly settings: { readonly config: Pick<Config, 'console' | 'baseUrl' | 'auth'> }
  /** What users store for servers. */
  readonly credentials: Omit<MyCredentialsParts, 'access'>
}

const loginSeconds = 600
const bodyBytesMax = 16 * 1024
/** Of a form: a value, each byte of it escaped. */
const formBytesMax = 256 * 1024
/** A path on this host, and no other host: `//evil.example` and `/\evil.example` are others. */
const localPath = /^\/(?!\/)[\w\-./?&=%~!$()*+,;:@]{0,500}$/

/** What the path of a route names. */
export type Named = { readonly [Name in 'name' | 'id' | 'file' | 'credential']?: string }
type Handler = (request: Request, context: RequestContext, named: Named) => Response | Promise<Response>

/** A handler as that of a route for people in a browser, whose requests were admitted for this area. */
export function personRoute(handler: Handler, area: RequestContext['area'], refuse = replyError) {
  // Elysia leaves params out where a path has none, whatever its types say.
  return async ({ request, params }: { request: Request; params?: Named }): Promise<Response> => {
    const context = contextOf(request)
    // Should the router ever read a path differently from the hooks, the request goes nowhere.
    if (context.area !== area) throw new GatewayError('NOT_FOUND', 'There is nothing here.')
    try {
      return await handler(request, context, params ?? {})
    } catch (thrown) {
      if (!(thrown instanceof GatewayError)) throw thrown
      const error = shownError(thrown, context.requestId)
      context.log.code = error.code
      context.log.reason = error.details
      return refuse(error)
    }
  }
}

/** The route group. */
export function meRoutes(parts: MeParts) {
  const route = (handler: Handler, area: RequestContext['area'] = 'me') => personRoute(handler, area)
  return new Elysia()
    .get(
      '/me',
      route((request, context) => (wantsPage(request) ? showPage(parts, context) : showMe(parts, context))),
      routeOf('getMe'),
    )
    .get(
      '/me/credentials',
      route((_, context) => listMine(parts, context)),
      routeOf('listMyCredentials'),
    )
    .put(
      '/me/credentials/:name/:credential',
      route((request, context, { name: server = '', credential: name = '' }) =>
        changeMine(parts, context, async (mine, own) =>
          mine.setMine(own, context, { server, name, ...(await mine.readValue(request)) }),
        ),
      ),
      routeOf('setMyCredential'),
    )
    .delete(
      '/me/credentials/:name/:credential',
      route((_, context, { name: server = '', credential: name = '' }) =>
        changeMine(parts, context, (mine, own) => mine.removeMine(own, context, { server, name })),
      ),
      routeOf('removeMyCredential'),
    )
    .delete(
      '/me/logins/:name',
      route((_, context, { name: server = '' }) =>
        changeMine(parts, context, (mine, own) => mine.logOutMine(own, context, server)),
      ),
      routeOf('logOutMine'),
    )
    .post(
      '/me/forms',
      route((request, context) => takeForm(parts, request, context)),
    )
    .post(
      '/me/session',
      route((request, context) => signInByToken(parts, request, context)),
      routeOf('signIn'),
    )
    .delete(
      '/me/session',
      route((request, context) => signOut(parts, request, context)),
      routeOf('signOut'),
    )
    .get(
      '/me/sign-in',
      route((request, context) => beginSignIn(parts, request, context)),
    )
    .get(
      '/oauth/callback/login',
      route((request, context) => finishSignIn(parts, request, context), 'callback'),
    )
}

function showMe({ access }: MeParts, { principal, browser }: RequestContext): Response {
  if (principal.role === 'anonymous' && access.asksWho) {
    throw new GatewayError(
      'UNAUTHENTICATED',
      'Sign in at /me/sign-in, or send "Authorization: Bearer" with a token.',
    )
  }
  return answer('getMe', 200, shownPerson(principal, browser ?? null))
}

/** Somebody as pages are told. */
export function shownPerson(principal: Principal, browser: BrowserSession | null) {
  const { shown: id, name, role } = principal
  return {
    principal: id,
    role,
    ...(name === undefined ? {} : { name }),
    ...(browser === null ? {} : { csrf: browser.csrf, endsAt: new Date(browser.endsAtMs).toISOString() }),
  }
}

async function signInByToken(parts: MeParts, request: Request, context: RequestContext): Promise<Response> {
  const principal = await holderOfSent(parts, request, context)
  if (principal === null) {
    throw new GatewayError(
      'UNAUTHENTICATED',
      'Send {"token": "…"} with a token of auth.admin_tokens or auth.global_tokens, or a key.',
    )
  }
  const { session, headers } = await openSession(parts, context, principal)
  return isForm(request)
    ? goOn(context.externalBase, headers)
    : answer('signIn', 200, shownPerson(principal, session), headers)
}

/** Who holds the token that was sent to sign in with. A form of another site must not sign anybody in as somebody else. */
export async function holderOfSent(
  { access }: MeParts,
  request: Request,
  { externalBase }: RequestContext,
): Promise<Principal | null> {
  if (request.headers.get('origin') !== null && !isOwnPage(request, externalBase)) {
    throw new GatewayError('ORIGIN_FORBIDDEN', 'Signing in takes a page of the gateway itself.')
  }
  requireSafeCookie(externalBase)
  const token = tokenIn(await readBodyText(request, bodyBytesMax), isForm(request))
  return token === null ? null : access.holderOf(token)
}

/** Signs somebody in: the session, and the header with which the browser gets its cookie. */
export async function openSession(
  { signIn }: MeParts,
  { externalBase, log }: RequestContext,
  principal: Principal,
): Promise<{ readonly session: BrowserSession; readonly headers: { readonly 'set-cookie': string } }> {
  const { cookie, seconds, session } = (await signIn()).open(principal)
  log.signedIn = principal
  return { session, headers: { 'set-cookie': setCookie('session', externalBase, cookie, seconds) } }
}

function tokenIn(text: string, byForm: boolean): string | null {
  if (byForm) return new URLSearchParams(text).get('token')
  const token = objectIn(text)?.['token']
  return typeof token === 'string' ? token : null
}

/** Signs out whoever has the cookie. */
export async function signOut(
  parts: MeParts,
  request: Request,
  { browser, externalBase }: RequestContext,
): Promise<Response> {
  if (browser === undefined) throw nobodyHere()
  const refusal = checkPage(request, browser, externalBase)
  if (refusal !== null) throw refusal
  return await endSession(parts, browser, externalBase, replyEmpty(204))
}

async function endSession(
  { signIn }: MeParts,
  browser: BrowserSession,
  externalBase: string,
  response: Response,
): Promise<Response> {
  ;(await signIn()).end(browser)
  response.headers.set('set-cookie', setCookie('session', externalBase, '', 0))
  return response
}

function nobodyHere(): GatewayError {
  return new GatewayError('UNAUTHENTICATED', 'Nobody is signed in here.')
}

/** What a form of the page at `/me` asks for: it has no script that could send a header or another method. */
async function takeForm(parts: MeParts, request: Request, context: RequestContext): Promise<Response> {
  const { browser, externalBase } = context
  if (browser === undefined) throw nobodyHere()
  const form = new URLSearchParams(await readBodyText(request, formBytesMax))
  const refusal = checkPage(request, browser, externalBase, form.get('csrf'))
  if (refusal !== null) throw refusal
  const [action, done] = [form.get('action'), goOn(externalBase)]
  if (action === 'sign-out') return await endSession(parts, browser, externalBase, done)
  await changeByForm(parts, context, action ?? '', form)
  return done
}

/** What a person has just sent is not sent again when they look at the page anew. */
function goOn(externalBase: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, {
    status: 303,
    headers: { location: `${externalBase}/me`, 'cache-control': 'no-store', ...headers },
  })
}

function isForm({ headers }: Request): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(headers.get('content-type') ?? '')
}

/** A person who looks gets a page, a program JSON. */
function wantsPage({ headers }: Request): boolean {
  return /\btext\/html\b/i.test(headers.get('accept') ?? '')
}

/** Loaded when somebody comes: most gateways store nothing for their users. */
const room = () => import('./credentials/my-credentials.ts')

function partsOfMine({ credentials, access }: MeParts): MyCredentialsParts {
  return { ...credentials, access }
}

async function listMine(parts: MeParts, context: RequestContext): Promise<Response> {
  const { owner, servers } = await (await room()).myServers(partsOfMine(parts), context)
  return answer('listMyCredentials', 200, { owner, servers })
}

/** Has a person change what is theirs. */
async function changeMine(
  parts: MeParts,
  context: RequestContext,
  change: (mine: Awaited<ReturnType<typeof room>>, own: MyCredentialsParts) => Promise<void>,
): Promise<Response> {
  const mine = await room()
  mine.requirePerson(context)
  await change(mine, partsOfMine(parts))
  return replyEmpty(204)
}

async function changeByForm(
  parts: MeParts,
  context: RequestContext,
  action: string,
  form: URLSearchParams,
): Promise<void> {
  const { logOutMine, removeMine, setMine } = await room()
  const [server = '', name = '', value = ''] = ['server', 'name', 'value'].map(
    (field) => form.get(field) ?? '',
  )
  const own = partsOfMine(parts)
  if (action === 'set') await setMine(own, context, { server, name, value })
  else if (action === 'remove') await removeMine(own, context, { server, name })
  else if (action === 'log-out') await logOutMine(own, context, server)
  else throw new GatewayError('BAD_REQUEST', 'The form says nothing to do that there is.')
}

async function showPage(parts: MeParts, context: RequestContext): Promise<Response> {
  const [{ myServers }, { pageOf }, people] = await Promise.all([
    room(),
    import('./credentials/my-page.ts'),
    parts.signIn(),
  ])
  const { principal, browser = null, externalBase: base } = context
  const nobody = principal.role === 'anonymous'
  const who = nobody ? null : { principal: principal.shown, name: principal.name ?? null }
  const page = { base, who, browser, issuer: people.atIssuer, servers: [], note: null }
  if (nobody) return pageOf(page)
  try {
    return pageOf({ ...page, servers: (await myServers(partsOfMine(parts), context)).servers })
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown
    return pageOf({ ...page, note: thrown.details })
  }
}

async function beginSignIn(
  { signIn }: MeParts,
  request: Request,
  { externalBase, client, peer }: RequestContext,
): Promise<Response> {
  requireSafeCookie(externalBase)
  const wanted = new URL(request.url).searchParams.get('return') ?? '/me'
  if (!localPath.test(wanted)) throw new GatewayError('BAD_REQUEST', 'return is no path of the gateway.')
  const address = client ?? peer
  const { url, browser } = await (await signIn()).begin(wanted, address === null ? '' : countingKey(address))
  return new Response(null, {
    status: 302,
    headers: {
      location: url.href,
      'set-cookie': setCookie('login', externalBase, browser, loginSeconds),
      'cache-control': 'no-store',
      // Where the person came from is nobody's business.
      'referrer-policy': 'no-referrer',
    },
  })
}

async function finishSignIn(
  { signIn }: MeParts,
  request: Request,
  { externalBase, log }: RequestContext,
): Promise<Response> {
  const browser = cookieOf(request.headers, 'login', externalBase)
  const parameters = new URL(request.url).searchParams
  const { cookie, seconds, returnTo, session } = await (await signIn()).finish(parameters, browser)
  if (session.principal !== null) log.signedIn = session.principal
  const response = onwards('Signed in', externalBase + returnTo)
  response.headers.append('set-cookie', setCookie('session', externalBase, cookie, seconds))
  response.headers.append('set-cookie', setCookie('login', externalBase, '', 0))
  return response
}
