/**
 * Whose a URI is in a group, and how the group shows it: as it is where a request for it would come back to the
 * member that showed it, else qualified. Pure; made of what the members list for one client.
 */
import {
  fitsTemplate,
  type OwnUri,
  qualifyUri,
  readQualifiedUri,
  readTemplate,
  schemeOf,
  type UriTemplate,
} from './uris.ts'

/** What one member with resources lists. */
export interface ListedUris {
  readonly server: string
  readonly uris: Iterable<string>
  readonly templates: Iterable<string>
}

/** Whose a URI is. `ambiguous`: several have it, and only a qualified form tells which is meant. */
export type UriOwner =
  | ({ readonly kind: 'known' } & OwnUri)
  | { readonly kind: 'ambiguous'; readonly servers: readonly string[] }
  | { readonly kind: 'unknown' }

/** Templates of one member that URIs are compared with. */
const templatesMax = 256
/** URIs that are in no list and whose owner is remembered; any further ones are shown qualified, which is never wrong. */
const unlistedMax = 1_000

/** Anybody can fetch these without the member that names them. */
const openSchemes: ReadonlySet<string | null> = new Set(['http', 'https'])

/** The URIs of one client's group. Independent of the order of the lists. */
export class UriTable {
  readonly #servers: ReadonlySet<string>
  readonly #byUri = new Map<string, readonly string[]>()
  readonly #byTemplate = new Map<string, readonly string[]>()
  readonly #byScheme = new Map<string, readonly string[]>()
  /** Under an empty text those that may have any scheme. */
  readonly #templates = new Map<string, { readonly server: string; readonly template: UriTemplate }[]>()
  readonly #unlisted = new Map<string, UriOwner>()

  constructor(lists: readonly ListedUris[]) {
    this.#servers = new Set(lists.map(({ server }) => server))
    for (const { server, uris, templates } of lists) {
      for (const uri of uris) {
        note(this.#byUri, uri, server)
        this.#noteScheme(uri, server)
      }
      let count = 0
      for (const text of templates) {
        note(this.#byTemplate, text, server)
        this.#noteScheme(text, server)
        if (count++ < templatesMax) this.#noteTemplate(text, server)
      }
    }
  }

  /** False where no URI is ever shown in another form: at most one member has resources. */
  get qualifies(): boolean {
    return this.#servers.size > 1
  }

  /** How the group shows a URI of a member's, listed or in a result. */
  shown(server: string, uri: string): string {
    if (!this.qualifies) return uri
    if (readQualifiedUri(uri) !== null) return qualifyUri(server, uri)
    const owner = this.#byUri.has(uri) ? this.owner(uri) : this.#unlistedOwner(uri)
    if (owner?.kind === 'unknown') return openSchemes.has(schemeOf(uri)) ? uri : qualifyUri(server, uri)
    return owner?.kind === 'known' && owner.server === server ? uri : qualifyUri(server, uri)
  }

  /** The same for a template. */
  shownTemplate(server: string, template: string): string {
    const [only, other] = this.#byTemplate.get(template) ?? []
    const clear = readQualifiedUri(template) === null && (only ?? server) === server && other === undefined
    return clear || !this.qualifies ? template : qualifyUri(server, template)
  }

  /** Whose a URI is that a client sends: by lists, then templates, then the scheme. */
  owner(uri: string): UriOwner {
    const qualified = this.#qualifiedOwner(uri)
    if (qualified !== null) return qualified
    const servers = this.#byUri.get(uri) ?? this.#fitting(uri) ?? this.#ofScheme(uri) ?? this.#onlyServer()
    return ownerOf(servers, uri)
  }

  /** Whose a template is that a client names, as a completion does. */
  templateOwner(template: string): UriOwner {
    const qualified = this.#qualifiedOwner(template)
    if (qualified !== null) return qualified
    return ownerOf(
      this.#byTemplate.get(template) ?? this.#byUri.get(template) ?? this.#onlyServer(),
      template,
    )
  }

  #qualifiedOwner(uri: string): UriOwner | null {
    const read = readQualifiedUri(uri)
    // Where there is one member only, nothing is shown qualified, and it may have such a URI of its own.
    if (read === null || (!this.qualifies && this.#byUri.has(uri))) return null
    return this.#servers.has(read.server) ? { kind: 'known', ...read } : { kind: 'unknown' }
  }

  /** Of a URI in a result, which may hold any number of them; null past what is remembered. */
  #unlistedOwner(uri: string): UriOwner | null {
    const known = this.#unlisted.get(uri)
    if (known !== undefined) return known
    if (this.#unlisted.size >= unlistedMax) return null
    const owner = this.owner(uri)
    this.#unlisted.set(uri, owner)
    return owner
  }

  #fitting(uri: string): readonly string[] | null {
    const fitting = new Set<string>()
    const ofScheme = this.#templates.get(schemeOf(uri) ?? '') ?? []
    const ofAny = schemeOf(uri) === null ? [] : (this.#templates.get('') ?? [])
    for (const { server, template } of [...ofScheme, ...ofAny])
      if (!fitting.has(server) && fitsTemplate(template, uri)) fitting.add(server)
    return fitting.size === 0 ? null : [...fitting].sort()
  }

  #ofScheme(uri: string): readonly string[] | undefined {
    const scheme = schemeOf(uri)
    return scheme === null ? undefined : this.#byScheme.get(scheme)
  }

  #onlyServer(): readonly string[] {
    return this.#servers.size === 1 ? [...this.#servers] : []
  }

  #noteTemplate(text: string, server: string): void {
    const template = readTemplate(text)
    if (template === null) return
    const scheme = schemeOf(text) ?? ''
    const known = this.#templates.get(scheme)
    if (known === undefined) this.#templates.set(scheme, [{ server, template }])
    else known.push({ server, template })
  }

  #noteScheme(uri: string, server: string): void {
    const scheme = schemeOf(uri)
    if (scheme !== null) note(this.#byScheme, scheme, server)
  }
}

function ownerOf(servers: readonly string[], uri: string): UriOwner {
  const [server, ...others] = servers
  if (server === undefined) return { kind: 'unknown' }
  return others.length === 0 ? { kind: 'known', server, uri } : { kind: 'ambiguous', servers }
}

/** Notes once that a server has this; names stay in order. */
function note(table: Map<string, readonly string[]>, key: string, server: string): void {
  const servers = table.get(key)
  if (servers === undefined) table.set(key, [server])
  else if (!servers.includes(server)) table.set(key, [...servers, server].sort())
}
