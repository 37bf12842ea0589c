/**
 * What there is, as an explanation of access asks for it (access/explain.ts): servers, groups and what their servers
 * list. Loaded when somebody asks.
 */
import type { AccessDecider } from '../../access/decide.ts'
import {
  type AccessExplanation,
  type AccessQuestion,
  type ExplainedGroup,
  type ExplainedWorld,
  explainAccess,
  type KnownItems,
} from '../../access/explain.ts'
import {
  findPrincipal,
  type GivenClaims,
  type PrincipalSources,
  type UnknownPrincipal,
} from '../../access/find-principal.ts'
import type { Principal } from '../../access/principal.ts'
import type { ItemFacts, ItemKind } from '../../access/reach.ts'
import { TokenTable } from '../../access/tokens.ts'
import type { Config } from '../../config/schema.ts'
import { reasonOf } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { everythingGroup } from '../../registry/definition-schema.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { type ListKind, listRows, type MemberList, readList } from '../lists/member-list.ts'
import { promptNames, resolveMembers, toolNames } from '../members.ts'
import { searchToolNames } from '../search/search-tools.ts'
import { fitsTemplate, readQualifiedUri, readTemplate } from '../uris.ts'

/** Longest wait for one page of a list. */
const pageMs = 3_000

const listOfKind: Readonly<Record<ItemKind, ListKind>> = {
  tool: 'tools',
  prompt: 'prompts',
  resource: 'resources',
  template: 'templates',
}

interface Defined {
  readonly definition: ServerDefinition
  /** When it was switched off, ISO 8601; null while it is on. */
  readonly disabledAt: string | null
}

export interface AccessTellerParts {
  readonly access: {
    readonly decider: AccessDecider
    /** Null without OAuth. */
    readonly identity: object | null
  }
  readonly directory: {
    list(): readonly Defined[]
    get(name: string): Defined | undefined
    names(): readonly string[]
    /** For an empty name what is at `/mcp`. */
    group(name: string): Defined | undefined
  }
  readonly servers: Servers
  readonly settings: { readonly config: Pick<Config, 'auth'> }
  /** Null without keys. */
  readonly identities: {
    person: PrincipalSources['person']
    readonly keys: {
      principalOf(idOrName: string): Principal | null
      list(): readonly { readonly key: { readonly id: string; readonly name: string } }[]
    } | null
  }
}

/** Says who may use what, and why, as the rules are now. */
export class AccessTeller {
  readonly #parts: AccessTellerParts

  constructor(parts: AccessTellerParts) {
    this.#parts = parts
  }

  principal(text: string, claims: GivenClaims): Promise<Principal | UnknownPrincipal> {
    const { access, directory, settings, identities } = this.#parts
    const { auth } = settings.config
    const { decider } = access
    return findPrincipal(text, claims, {
      tokens: () => [
        decider.global,
        new TokenTable(auth.adminTokens, 'admin'),
        ...directory.list().map(({ definition }) => decider.doorOf(definition).own),
      ],
      key: (idOrName) => identities.keys?.principalOf(idOrName) ?? null,
      keyNames: () => identities.keys?.list().flatMap(({ key }) => [key.name, key.id]) ?? [],
      person: (who, said) => identities.person(who, said),
      issuers: () => auth.oauth.issuers.map(({ issuer }) => issuer),
    })
  }

  explain(question: AccessQuestion): Promise<AccessExplanation> {
    return explainAccess(new AccessWorld(this.#parts), question)
  }
}

class AccessWorld implements ExplainedWorld {
  readonly decider: AccessDecider
  readonly #parts: AccessTellerParts
  /** Each list is asked for once. */
  readonly #lists = new Map<string, Promise<MemberList>>()

  constructor(parts: AccessTellerParts) {
    this.#parts = parts
    this.decider = parts.access.decider
  }

  names(): readonly string[] {
    return this.#parts.directory.names()
  }

  definition(name: string): ServerDefinition | undefined {
    return this.#parts.directory.get(name)?.definition
  }

  group(name: string): ExplainedGroup | null {
    const definition = this.#groupDefinition(name)
    const settings = definition?.group
    if (definition === undefined || !settings) return null
    const definitions = this.#parts.servers.list().map((server) => server.definition)
    const members = resolveMembers(settings, definitions)
    const byName = new Map(members.map((member) => [member.server, member]))
    const names = {
      tool: toolNames(members, settings.exposure === 'search' ? searchToolNames : undefined),
      prompt: promptNames(members),
    }
    return {
      definition,
      members: members.map(({ server }) => server),
      isOwn: (tool) => settings.exposure === 'search' && searchToolNames.has(tool),
      shown(member, kind, item) {
        if (kind === 'tool' && byName.get(member)?.allows(item) === false) return null
        // How a URI is shown hangs on what others list; rules are about the server's own.
        return kind === 'tool' || kind === 'prompt' ? names[kind].shown(member, item) : item
      },
      owner: async (kind, shown) => {
        if (kind === 'tool' || kind === 'prompt') {
          const owner = names[kind].owner(shown)
          if (owner.kind === 'known') return owner
          return this.#lister(owner.servers, kind, (server, own) => names[kind].shown(server, own) === shown)
        }
        const qualified = readQualifiedUri(shown)
        if (qualified !== null && byName.has(qualified.server))
          return { server: qualified.server, name: qualified.uri }
        const fits = (template: string) => kind === 'resource' && fitsText(template, shown)
        return (
          (await this.#lister(byName.keys(), kind, (_server, own) => own === shown)) ??
          (await this.#lister(byName.keys(), 'template', (_server, own) => fits(own), shown))
        )
      },
    }
  }

  /** The first of these servers that lists one that fits. `name` is what is meant by it, where it is no name of its own. */
  async #lister(
    servers: Iterable<string>,
    kind: ItemKind,
    fits: (server: string, own: string) => boolean,
    name?: string,
  ): Promise<{ server: string; name: string } | null> {
    for (const server of servers) {
      const { items } = await this.items(server, kind, '')
      const own = [...(items?.keys() ?? [])].find((each) => fits(server, each))
      if (own !== undefined) return { server, name: name ?? own }
    }
    return null
  }

  async items(name: string, kind: ItemKind, item: string): Promise<KnownItems> {
    const server = this.#parts.servers.get(name)
    if (server === undefined) return { items: new Map(), reason: null }
    try {
      const list = await this.#list(server, listOfKind[kind])
      const items = new Map(
        list.items.map(({ name: own, readOnlyHint }): [string, ItemFacts] => [
          own,
          { readOnly: readOnlyHint },
        ]),
      )
      if (kind === 'resource' && !items.has(item) && (await this.#fits(server, item)))
        items.set(item, { readOnly: false })
      return { items, reason: null }
    } catch (thrown) {
      const reason = server.mask(reasonOf(thrown))
      return { items: null, reason: `Whether ${name} has it is not known: ${reason}` }
    }
  }

  away(name: string): string | null {
    const disabledAt = this.#parts.directory.get(name)?.disabledAt ?? null
    return disabledAt === null ? null : `${name} is switched off since ${disabledAt}: nobody can use it.`
  }

  tokenNeeded(definition: ServerDefinition): string | null {
    const { identity, decider } = this.#parts.access
    return identity === null || decider.doorOf(definition).ownOnly
      ? null
      : 'people sign in here (auth.oauth.issuers), and nobody comes in without a token'
  }

  #groupDefinition(name: string): ServerDefinition | undefined {
    const registered = this.definition(name)
    if (registered !== undefined) return registered
    const atDefault = this.#parts.directory.group('')?.definition
    return name === everythingGroup.name || name === '/mcp' ? atDefault : undefined
  }

  async #fits(server: Server, uri: string): Promise<boolean> {
    const { items } = await this.#list(server, 'templates')
    return items.some(({ name }) => fitsText(name, uri))
  }

  #list(server: Server, kind: ListKind): Promise<MemberList> {
    const key = `${kind} ${server.name}`
    const known = this.#lists.get(key) ?? this.#read(server, kind)
    this.#lists.set(key, known)
    return known
  }

  async #read(server: Server, kind: ListKind): Promise<MemberList> {
    const lane = server.firstLane
    const capabilities = lane?.handshake?.facts.capabilities
    if (!lane || capabilities === undefined) throw new Error(`${server.name} is not connected.`)
    const { method, capability } = listRows[kind]
    const { list } = await readList(kind, async (cursor) => {
      if (!(capability in capabilities)) return emptyLists
      const params = cursor === null ? undefined : { cursor: JSON.parse(cursor) as unknown }
      return (await lane.ask(method, params, pageMs)).resultText
    })
    return list
  }
}

function fitsText(template: string, uri: string): boolean {
  const read = readTemplate(template)
  return read !== null && fitsTemplate(read, uri)
}

/** A result of a server that has none of what is asked for. */
const emptyLists = JSON.stringify(
  Object.fromEntries(Object.values(listRows).map(({ member }) => [member, []])),
)
