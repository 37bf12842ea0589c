/**
 * Which addresses an HTTP wire may connect to, judged before the connection is made and kept to when it is.
 *
 * The attack: a name server answers the guard with a harmless address and the connection, a moment later,
 * with that of the metadata service. A request in clear text therefore goes to the very address that was
 * judged, under its name in `Host`. Over TLS the name is left to fetch: whoever answers must first prove to
 * be that name, which no metadata service can, and until then not a byte of the request is sent.
 */
import { isIP } from 'node:net'
import { urlHost } from '../../../../net/host.ts'

/**
 * Rejects with a GatewayError when a URL may not be connected to. Answers the addresses that its name has;
 * none when the connection is somebody else's to make, such as an outgoing proxy's. `from` is the URL that
 * redirects here.
 */
export type UrlGuard = (url: URL, from: URL | null) => Promise<readonly string[] | undefined>

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
  readonly atMs: number
}

/** How long a judgement is trusted: a name may rightly lead elsewhere later. */
const judgedMsMax = 30_000
/** A wire meets the origins of its server and of the redirects from there. */
const originsMax = 16

export class GuardedRoutes {
  readonly #guard: UrlGuard | undefined
  /** By origin, and by the origin that redirected there. */
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
  async judge(url: URL, from: URL | null = null): Promise<Route> {
    const key = keyOf(url, from)
    let judgement = this.#byOrigin.get(key)
    if (judgement === undefined || performance.now() - judgement.atMs > judgedMsMax) {
      const addresses = (await this.#guard?.(url, from)) ?? []
      judgement = { addresses: ipv4First(addresses), atMs: performance.now() }
      if (this.#byOrigin.size >= originsMax) this.#byOrigin.clear()
      this.#byOrigin.set(key, judgement)
    }
    const pinned = url.protocol === 'http:' && isIP(bare(url.hostname)) === 0
    const hrefs = pinned ? judgement.addresses.map((address) => pinnedHref(url, address)) : []
    const route: JudgedRoute = {
      hrefs: hrefs.length === 0 ? [url.href] : hrefs,
      host: hrefs.length === 0 ? null : url.host,
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
  forget(url: URL, from: URL | null = null): void {
    this.#byOrigin.delete(keyOf(url, from))
    this.#byUrl.delete(url)
  }
}

function keyOf(url: URL, from: URL | null): string {
  return from === null || from.origin === url.origin ? url.origin : `${from.origin} ${url.origin}`
}

/** fetch would try both families at once; one at a time, IPv4 is the one that hardly ever ends nowhere. */
function ipv4First(addresses: readonly string[]): readonly string[] {
  return [...addresses].sort((a, b) => isIP(a) - isIP(b))
}

function pinnedHref(url: URL, address: string): string {
  const pinned = new URL(url)
  pinned.hostname = urlHost(address)
  return pinned.href
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}
