/**
 * Second hook: Host and Origin, and the answer to CORS preflights.
 *
 * A browser on the same machine is the attacker's hand. DNS rebinding makes a page of evil.example
 * talk to 127.0.0.1 with its own name in Host; a cross-site page can send requests without reading
 * the answers. Loopback alone is therefore no boundary (CONTRACT.md, "Access rules").
 */
import { GatewayError } from '../../errors.ts'
import { type HostName, isIpHost } from '../../net/host.ts'
import type { Area } from '../context.ts'
import { replyEmpty } from '../reply.ts'
import type { AccessRules } from './rules.ts'

const corsMethods = 'GET, POST, PUT, DELETE, HEAD'
const corsRequestHeaders =
  'Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name'
/** 2026-07-28, basic/transports/streamable-http, Custom Headers from Tool Parameters. */
const paramHeader = /^mcp-param-[\w!#$%&'*+.^`|~-]{1,100}$/i
const paramHeadersMax = 64
const corsExposed = 'Mcp-Session-Id, Mcp-Protocol-Version, Retry-After, WWW-Authenticate'
/** Ten minutes: browsers ask again after that at the latest. */
const corsMaxAgeSeconds = '600'

/** Refuses a Host that is not ours. Probes by address may ask for health: no page can be given an IP as its name. */
export function checkHost(host: HostName, area: Area, rules: AccessRules): GatewayError | null {
  if (host.loopback) return null
  const { hosts } = rules
  if (hosts === null) {
    // Admin without tokens trusts the loopback peer, which a rebound name also has.
    return isTokenless(area, rules) ? tokenlessAdminError(`Host "${host.text}"`) : null
  }
  if (hosts.has(host.name) || hosts.has(`${host.name}:${host.port || '80'}`)) return null
  if (area === 'health' && isIpHost(host.name)) return null
  if (isTokenless(area, rules)) return tokenlessAdminError(`Host "${host.text}"`)
  return new GatewayError(
    'HOST_FORBIDDEN',
    `The host "${host.text}" is not one of this gateway's names. Add it to security.allowed_hosts, or set base_url to the URL that clients use; a container that reaches this machine as host.docker.internal needs that as well.`,
  )
}

/**
 * Refuses requests that a foreign page makes. `origin` must be that of the gateway as the client
 * sees it, or be listed; without one, `Sec-Fetch-Site` still gives away a cross-site image or link.
 */
export function checkOrigin(
  request: Request,
  origin: string | null,
  area: Area,
  host: HostName,
  externalBase: string,
  rules: AccessRules,
): GatewayError | null {
  // What is there is the same for everybody, and pages must read it before they can have a token.
  if (area === 'discovery') return null
  // A browser comes here from an issuer, or by a link in a chat; what it does is judged by what it has begun.
  if ((area === 'callback' || area === 'connect') && origin === null) return null
  // A link on another site may lead to the console: its page shows nothing that it has not asked for from its own place.
  if (area === 'console' && origin === null && isNavigation(request)) return null
  if (origin === null) {
    if (area === 'health' || request.headers.get('sec-fetch-site') !== 'cross-site') return null
  } else if (rules.origins.has(origin) || isOwnOrigin(origin, host, externalBase)) return null
  if (isTokenless(area, rules)) return tokenlessAdminError(`Origin "${origin ?? 'of another site'}"`)
  return new GatewayError(
    'ORIGIN_FORBIDDEN',
    'Pages of this origin may not call the gateway; add the origin to security.allowed_origins.',
  )
}

/** Whether a person goes there with the whole window: no image, no frame, nothing that a script asks for. */
function isNavigation({ method, headers }: Request): boolean {
  return (method === 'GET' || method === 'HEAD') && headers.get('sec-fetch-dest') === 'document'
}

/** Either scheme: a proxy that ends TLS without saying so leaves `https` in Origin only. */
function isOwnOrigin(origin: string, host: HostName, externalBase: string): boolean {
  if (origin === `http://${host.text}` || origin === `https://${host.text}`) return true
  const prefix = externalBase.indexOf('/', externalBase.indexOf('://') + 3)
  return origin === (prefix < 0 ? externalBase : externalBase.slice(0, prefix))
}

/** The answer to a preflight from an origin whose page may ask; null when the request is none. */
export function preflight(
  request: Request,
  origin: string | null,
  area: Area,
  rules: AccessRules,
): Response | null {
  if (request.method !== 'OPTIONS' || origin === null) return null
  if (area !== 'discovery' && !rules.origins.has(origin)) return null
  if (request.headers.get('access-control-request-method') === null) return null
  const response = replyEmpty(204)
  allowOrigin(response, origin)
  response.headers.set('access-control-allow-methods', corsMethods)
  const asked = request.headers.get('access-control-request-headers')
  response.headers.set(
    'access-control-allow-headers',
    [corsRequestHeaders, ...paramHeadersIn(asked)].join(', '),
  )
  response.headers.set('access-control-max-age', corsMaxAgeSeconds)
  return response
}

/** Tools name the headers that their arguments travel in, so these are allowed as they are asked for. */
function paramHeadersIn(asked: string | null): string[] {
  const names = (asked ?? '').split(',').map((name) => name.trim())
  return names.filter((name) => paramHeader.test(name)).slice(0, paramHeadersMax)
}

/** Lets the page of a listed origin read this answer. */
export function allowOrigin(response: Response, origin: string): void {
  response.headers.set('access-control-allow-origin', origin)
  response.headers.set('access-control-expose-headers', corsExposed)
  response.headers.append('vary', 'Origin')
}

/** Whether this area is served without tokens to the same machine only. */
export function isTokenless(area: Area, rules: AccessRules): boolean {
  if (rules.adminAsks) return false
  return area === 'admin' || area === 'console' || (area === 'metrics' && !rules.settings.metrics.public)
}

/** The one refusal of an admin API that has no tokens: it says what came wrong and which setting opens it. */
export function tokenlessAdminError(what: string): GatewayError {
  return new GatewayError(
    'ADMIN_FORBIDDEN',
    `${what} is refused: without auth.admin_tokens the admin API serves only the gateway's own machine, under a loopback name and without forwarding headers. Set auth.admin_tokens to use it from elsewhere.`,
  )
}
