/**
 * The endpoints of the gateway as OAuth resources (RFC 9728): the URL of each, where its metadata is, and the
 * challenge that leads there. Made from `base_url` alone: what a request says of its host would let whoever
 * forwards it choose the audience.
 *
 * Pure. Nothing here knows which servers there are: a name that is not registered looks like one that is.
 */

const wellKnown = '/.well-known/oauth-protected-resource'
const serverName = '[A-Za-z0-9][A-Za-z0-9._-]{0,63}'
/** The endpoints that are resources, as they stand behind the base. */
const resourcePath = new RegExp(`^(?:/mcp-proxy/(${serverName})/(?:stream|sse)|(/mcp)(?:/sse)?)$`)
/** What belongs to one of them. */
const ofServer = new RegExp(`^(/mcp-proxy/${serverName})/(stream|sse|message)(?:/.*)?$`)

/** Where all servers are together; no server can have this name. */
export const everyServer = '/mcp'

/** What a token says that it is for. */
export interface Audience {
  /** True for one that the settings name, which is for all of the gateway. */
  readonly everywhere: boolean
  /** Servers by name, and `everyServer`. */
  readonly places: ReadonlySet<string>
}

export interface ResourceMetadata {
  readonly resource: string
  readonly authorization_servers: readonly string[]
  readonly scopes_supported?: readonly string[]
  readonly bearer_methods_supported: readonly ['header']
}

export interface ResourceSettings {
  readonly baseUrl: string
  readonly scopes: readonly string[]
  readonly issuers: readonly { readonly issuer: string; readonly audiences: readonly string[] }[]
}

/** Why a request was refused, in the words of RFC 6750. */
export interface ChallengeFault {
  readonly error: 'invalid_token' | 'insufficient_scope'
  readonly description: string
  /** Instead of the ordinary scopes. */
  readonly scopes?: readonly string[]
}

export class Resources {
  readonly #settings: ResourceSettings
  /** `https://tools.example.com` */
  readonly #origin: string
  /** `/prefix`, or nothing. */
  readonly #prefix: string

  constructor(settings: ResourceSettings) {
    this.#settings = settings
    const { origin, pathname } = new URL(settings.baseUrl)
    this.#origin = origin
    this.#prefix = pathname.replace(/\/+$/, '')
  }

  /** The resource that the endpoint on a path belongs to, behind the base; null when there is none. */
  static pathOf(path: string): string | null {
    if (path === everyServer || path.startsWith(`${everyServer}/`)) {
      return /^\/mcp\/(?:sse|message)(?:\/|$)/.test(path) ? '/mcp/sse' : everyServer
    }
    const [, server, endpoint] = ofServer.exec(path) ?? []
    if (server === undefined) return null
    return `${server}/${endpoint === 'stream' ? 'stream' : 'sse'}`
  }

  /** What the audience of a token opens; null when nothing of it is the gateway's. */
  audienceOf(audiences: readonly string[], listed: readonly string[]): Audience | null {
    const everywhere = audiences.some((audience) => listed.includes(audience))
    const base = `${this.#origin}${this.#prefix}`
    const places = audiences.flatMap((audience) => {
      if (!audience.startsWith(`${base}/`)) return []
      const [, server, all] = resourcePath.exec(audience.slice(base.length)) ?? []
      return server ?? all ?? []
    })
    return everywhere || places.length > 0 ? { everywhere, places: new Set(places) } : null
  }

  /** The document at a path below `/.well-known/`, as it came in; null for what is no resource. */
  metadataAt(path: string): ResourceMetadata | null {
    if (!path.startsWith(wellKnown)) return null
    const behind = path.slice(wellKnown.length)
    if (behind === '' || behind === this.#prefix) return this.#ofBase()
    if (!behind.startsWith(`${this.#prefix}/`)) return null
    const own = behind.slice(this.#prefix.length)
    return resourcePath.test(own) ? this.#metadata(`${this.#origin}${this.#prefix}${own}`) : null
  }

  /** The value of `WWW-Authenticate` for a request to this path. */
  challenge(path: string, fault: ChallengeFault | null): string {
    const { scopes } = this.#settings
    const resource = Resources.pathOf(path)
    const asked = fault?.scopes ?? scopes
    const parameters = [
      ...(fault === null
        ? []
        : [`error="${fault.error}"`, `error_description="${quotable(fault.description)}"`]),
      ...(resource === null
        ? []
        : [`resource_metadata="${this.#origin}${wellKnown}${this.#prefix}${resource}"`]),
      ...(asked.length === 0 ? [] : [`scope="${asked.join(' ')}"`]),
    ]
    return parameters.length === 0 ? 'Bearer' : `Bearer ${parameters.join(', ')}`
  }

  /** The gateway as one resource, which it is only where its URL is a configured audience. */
  #ofBase(): ResourceMetadata | null {
    const url = this.#settings.baseUrl
    return this.#settings.issuers.some(({ audiences }) => audiences.includes(url))
      ? this.#metadata(url)
      : null
  }

  #metadata(resource: string): ResourceMetadata {
    const { issuers, scopes } = this.#settings
    return {
      resource,
      authorization_servers: issuers.map(({ issuer }) => issuer),
      ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
      bearer_methods_supported: ['header'],
    }
  }
}

/** What may stand between quotes in a challenge (RFC 6750, 3). */
function quotable(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'")
}
