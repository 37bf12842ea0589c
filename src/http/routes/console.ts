/**
 * The console: its page and files, and signing in to it (CONTRACT.md, "Console"). What the page shows it asks the admin
 * API for, whose rules decide. The page itself is the same for everybody, and is loaded with the first one who asks.
 */
import { Elysia } from 'elysia'
import { version } from '../../../package.json'
import { anonymous, type Principal } from '../../access/principal.ts'
import type { Console } from '../../console/console.ts'
import { GatewayError } from '../../errors.ts'
import type { BrowserSession } from '../../identity/sign-in/sign-in.ts'
import type { ConsoleSession } from '../api/console-answers.ts'
import { answer, routeOf } from '../api/operation.ts'
import type { RequestContext } from '../context.ts'
import { holderOfSent, type MeParts, openSession, personRoute, shownPerson, signOut } from './me.ts'

type Handler = (request: Request, context: RequestContext) => Response | Promise<Response>

/** The route group. */
export function consoleRoutes(parts: MeParts) {
  let opened: Promise<Console> | null = null
  const room = () => {
    opened ??= import('../../console/console.ts').then(({ openConsole }) => openConsole())
    // A failure is no reason to fail for good.
    opened.catch(() => {
      opened = null
    })
    return opened
  }
  const route = (handler: Handler) =>
    personRoute((request, context) => {
      if (parts.settings.config.console) return handler(request, context)
      throw new GatewayError('NOT_FOUND', 'The console is switched off (console: false).')
    }, 'console')
  return new Elysia()
    .get(
      '/console',
      route(async (_, { externalBase }) => (await room()).shell(pathOf(externalBase))),
    )
    .get(
      '/console/session',
      route((_, context) => answer('getConsoleSession', 200, sessionOf(parts, context))),
      routeOf('getConsoleSession'),
    )
    .post(
      '/console/session',
      route((request, context) => signIn(parts, request, context)),
      routeOf('signInToConsole'),
    )
    .delete(
      '/console/session',
      route((request, context) => signOut(parts, request, context)),
      routeOf('signOutOfConsole'),
    )
    .get(
      '/console/:file',
      route(async (request, { path }) => {
        const file = await (await room()).file(path, request.headers.get('accept-encoding') ?? '')
        if (file !== null) return file
        throw new GatewayError('NOT_FOUND', 'The console has no such file; it begins at /console.')
      }),
    )
}

/** What stands before all paths of the gateway behind a proxy; empty for nothing. */
function pathOf(externalBase: string): string {
  return URL.parse(externalBase)?.pathname.replace(/\/+$/, '') ?? ''
}

function sessionOf(parts: MeParts, { principal, browser }: RequestContext): ConsoleSession {
  const { asksAdmins } = parts.access
  // Without admin tokens this machine is trusted, as the admin API trusts it.
  if (!asksAdmins) return shown(parts, { ...anonymous, role: 'admin' }, null)
  return browser === undefined ? shown(parts, null, null) : shown(parts, principal, browser)
}

function shown(parts: MeParts, person: Principal | null, browser: BrowserSession | null): ConsoleSession {
  const { access, settings } = parts
  const { auth, baseUrl } = settings.config
  const { login, issuers } = auth.oauth
  const clientsAsked = auth.globalTokens.length > 0 || issuers.length > 0 || access.decider.keysAsk
  return {
    asks: access.asksAdmins,
    issuer: login.issuer !== null && login.clientId !== null && baseUrl !== null,
    me: person === null ? null : shownPerson(person, browser),
    gateway: person === null ? null : { version, clientsAsked },
  }
}

/** Clients of MCP endpoints have nothing to see here: their tokens sign nobody in. */
async function signIn(parts: MeParts, request: Request, context: RequestContext): Promise<Response> {
  const principal = await holderOfSent(parts, request, context)
  if (principal === null)
    throw new GatewayError(
      'UNAUTHENTICATED',
      'This is no token of the gateway. Take one of auth.admin_tokens, or a key with a role.',
    )
  if (principal.role === 'client')
    throw new GatewayError(
      'ADMIN_FORBIDDEN',
      'This opens MCP servers, not the console. Take one of auth.admin_tokens, or a key with a role.',
    )
  const { session, headers } = await openSession(parts, context, principal)
  return answer('signInToConsole', 200, shown(parts, principal, session), headers)
}
