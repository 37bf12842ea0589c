/**
 * Reads the request target once, for everybody: access rules and routes must never see two paths.
 *
 * Pure. Bun hands on whatever the request line and the Host header make of a URL; with a malformed
 * Host the URL is relative and the router would cut the path in the wrong place
 * (`/aaaaaaaaaaaaa/admin/secret` as `/admin/secret`). What has more than one reading is refused here.
 */
import type { Area } from '../context.ts'

export interface Target {
  readonly area: Area
  /** Exactly the text that the router matches. */
  readonly path: string
  /** The `{name}` of `/mcp-proxy/{name}/…`, not checked for existence; empty elsewhere, at `/mcp` too. */
  readonly server: string
  /** What follows that name: `stream`, `stream/below`; at `/mcp` what stands for it; empty elsewhere. */
  readonly endpoint: string
}

/**
 * Escapes that another reader might decode into a different path: separators, dots, control
 * characters, the percent sign itself, and letters that need no escape (`/%61dmin`).
 */
const ambiguousEscape =
  /%(?![0-9a-f]{2})|%(?:[01][0-9a-f]|2[def5]|3[0-9]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9aef])/i
const dotSegment = /\/\.{1,2}(?:\/|$)/

/** Longer URLs, and those with a query, are hardly ever asked for again. */
const knownCharsMax = 256
const knownMax = 256

/** Knows how those URLs read that are asked for again and again. */
export class TargetMemory {
  readonly #known = new Map<string, Target>()

  /** What `readTarget` says. */
  of(url: string): Target | null {
    const known = this.#known.get(url)
    if (known !== undefined) return known
    const target = readTarget(url)
    if (target === null || url.length > knownCharsMax || url.includes('?')) return target
    if (this.#known.size >= knownMax) this.#known.clear()
    this.#known.set(url, target)
    return target
  }
}

/** The target, or null for one that must be refused with 400 before anything else looks at it. */
export function readTarget(url: string): Target | null {
  if (!url.startsWith('http://')) return null
  const start = url.indexOf('/', 7)
  if (start < 0 || url.includes('#', start)) return null
  const query = url.indexOf('?', start + 1)
  const path = query < 0 ? url.slice(start) : url.slice(start, query)
  if (path.includes('//') || path.includes('\\')) return null
  if (path.includes('%') && ambiguousEscape.test(path)) return null
  if (path.includes('/.')) {
    if (dotSegment.test(path)) return null
    if (path.startsWith('/.well-known/oauth-protected-resource')) {
      return { area: 'discovery', path, server: '', endpoint: '' }
    }
    // Clients probe for other metadata below any path, which is a plain 404.
    if (path.includes('/.well-known/')) return { area: 'unknown', path, server: '', endpoint: '' }
  }
  if (path.startsWith('/mcp-proxy/')) {
    const end = path.indexOf('/', 11)
    if (end < 0) return { area: 'mcp', path, server: path.slice(11), endpoint: '' }
    return { area: 'mcp', path, server: path.slice(11, end), endpoint: path.slice(end + 1) }
  }
  if (path.startsWith('/mcp')) {
    const endpoint = defaultEndpoint(path)
    if (endpoint !== null) return { area: 'mcp', path, server: '', endpoint }
  }
  return { area: areaOf(path), path, server: '', endpoint: '' }
}

/** The endpoint that a path at `/mcp` stands for; null for any other path. */
function defaultEndpoint(path: string): string | null {
  switch (path) {
    case '/mcp':
    case '/mcp/':
      return 'stream'
    case '/mcp/sse':
      return 'sse'
    case '/mcp/message':
      return 'message'
    default:
      return null
  }
}

/** The router takes a path with and without its last slash, so the rules do as well. */
function areaOf(path: string): Area {
  if (path.startsWith('/oauth/callback/') || path.startsWith('/oauth/clients/')) return 'callback'
  if (path.startsWith('/me/credentials/') || path.startsWith('/me/logins/')) return 'me'
  if (path.startsWith('/connect/')) return 'connect'
  if (path.startsWith('/admin') && (path.length === 6 || path[6] === '/')) return 'admin'
  if (path.startsWith('/console') && (path.length === 8 || path[8] === '/')) return 'console'
  switch (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path) {
    case '/livez':
    case '/healthz':
    case '/readyz':
      return 'health'
    case '/me':
    case '/me/credentials':
    case '/me/forms':
    case '/me/session':
    case '/me/sign-in':
      return 'me'
    case '/metrics':
      return 'metrics'
    case '/mcp-proxy':
      return 'mcp'
    default:
      return 'unknown'
  }
}
