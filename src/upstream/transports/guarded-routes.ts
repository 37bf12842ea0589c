/**
 * Which addresses an HTTP wire may connect to, judged before the connection is made and kept to when it is.
 *
 * The attack: a name server answers the guard with a harmless address and the connection, a moment later,
 * with that of the metadata service. A request in clear text therefore goes to the very address that was
 * judged, under its name in `Host`. Over TLS the name is left to fetch: whoever answers must first prove to
 * be that name, which no metadata service can, and until then not a byte of the request is sent.
 */
import { isIP } from 'node:net'

/**
 * Rejects with a GatewayError when a URL may not be connected to. Answers the addresses that its name has;
 * none when the connection is somebody else's to make, such as an outgoing proxy's.
 */
export type UrlGuard = (url: URL) => Promise<readonly string[] | undefined>

/** Where requests to one URL go. */
export interface Route {
  /** One per judged address, the best first; the URL itself when its name need not be pinned. */
  readonly hrefs: readonly string[]
  /** The `Host` header to send, or null when it is that of the href. */
  readonly host: string | null
}

interface Judgement {
  readonly addresses: readonly string[]
  readonly atMs: number
}

interface JudgedRoute extends Route {
  hrefs: readonly string[]
  readonly origin: string
  readonly atMs: number
}

/** How long a judgement is trusted: a name may rightly lead elsewhere later. */
const judgedMsMax = 30_000
/** A wire meets the origins of its server and of the redirects from there. */
const originsMax = 16

export class GuardedRoutes {
  readonly #guard: UrlGuard | undefined
  readonly #byOrigin = new Map<string, Judgement>()
  readonly #byUrl = new WeakMap<URL, JudgedRoute>()

  constructor(guard: UrlGuard | undefined) {
    this.#guard = guard
  }

  /** The way to a URL that was judged lately, or null; the hot path asks this first. */
  known(url: URL): Route | null {
    const route = this.#byUrl.get(url)
    return route !== undefined && performance.now() - route.atMs <= judgedMsMax ? route : null
  }

  /** The way to a URL, its origin judged anew when that was long ago. Rejects when it may not be taken. */
  async judge(url: URL): Promise<Route> {
    const { origin } = url
    let judgement = this.#byOrigin.get(origin)
    if (judgement === undefined || performance.now() - judgement.atMs > judgedMsMax) {
      const addresses = (await this.#guard?.(url)) ?? []
      judgement = { addresses: ipv4First(addresses), atMs: performance.now() }
      if (this.#byOrigin.size >= originsMax) this.#byOrigin.clear()
      this.#byOrigin.set(origin, judgement)
    }
    const pinned = url.protocol === 'http:' && isIP(bare(url.hostname)) === 0
    const hrefs = pinned ? judgement.addresses.map((address) => pinnedHref(url, address)) : []
    const route: JudgedRoute = {
      hrefs: hrefs.length === 0 ? [url.href] : hrefs,
      host: hrefs.length === 0 ? null : url.host,
      origin,
      atMs: judgement.atMs,
    }
    this.#byUrl.set(url, route)
    return route
  }

  /** Nothing answered at this address; the others come first from now on. */
  demote(url: URL, href: string): void {
    const route = this.#byUrl.get(url)
    if (route !== undefined) route.hrefs = [...route.hrefs.filter((other) => other !== href), href]
  }

  /** The origin failed: its name is looked up again before the next request. */
  forget(url: URL): void {
    this.#byOrigin.delete(url.origin)
    this.#byUrl.delete(url)
  }
}

/** fetch would try both families at once; one at a time, IPv4 is the one that hardly ever ends nowhere. */
function ipv4First(addresses: readonly string[]): readonly string[] {
  return [...addresses].sort((a, b) => isIP(a) - isIP(b))
}

function pinnedHref(url: URL, address: string): string {
  const pinned = new URL(url)
  pinned.hostname = address.includes(':') ? `[${address}]` : address
  return pinned.href
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}
