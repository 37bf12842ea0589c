/** What admins are told of groups: which servers are in them, what is missing and why, and which names are whose. */
import { type Reach, reachOf } from '../access/reach.ts'
import { GatewayError, reasonOf } from '../errors.ts'
import type { GroupSettings, ServerDefinition } from '../registry/definition.ts'
import type { ServerState } from '../upstream/server/directory.ts'
import type { Server } from '../upstream/server/server.ts'
import type { Servers } from '../upstream/server/servers.ts'
import type { Directory } from './directory.ts'
import type { GroupEntry } from './entry.ts'
import { type Member, resolveMembers, toolNames } from './members.ts'
import { type AmbiguousName, type ListedNames, nameTable, type OwnName } from './names.ts'
import { searchToolNames } from './search/search-tools.ts'

/** A server in a group. */
export interface MemberReport {
  readonly server: string
  /** What stands before its names; empty for nothing. */
  readonly prefix: string
  readonly status: ServerState | 'unregistered'
  /** Why it is not connected, or did not list its tools; null where all is well. */
  readonly reason: string | null
}

/** One group, as far as it is known without asking its servers. */
export interface GroupSummary {
  readonly name: string
  /** Where clients find it, below the URL of the gateway. */
  readonly endpoints: readonly string[]
  readonly description: string
  readonly naming: GroupSettings['naming']
  readonly exposure: GroupSettings['exposure']
  readonly sessions: number
  readonly members: readonly MemberReport[]
}

/** A tool that a group shows. */
export interface ShownTool {
  readonly name: string
  readonly server: string
  /** The name that the server gave it. */
  readonly tool: string
}

/** One group with what its servers list to an admin: those who may use less see less. */
export interface GroupReport extends GroupSummary {
  readonly tools: readonly ShownTool[]
  /** Tools that would have one name: they are shown for none of their servers. */
  readonly ambiguous: readonly { readonly name: string; readonly owners: readonly ShownTool[] }[]
}

const defaultPath = '/mcp'

/** Reports on the groups of one gateway. */
export class GroupReports {
  readonly #directory: Directory
  readonly #servers: Servers

  constructor(directory: Directory, servers: Servers) {
    this.#directory = directory
    this.#servers = servers
  }

  /** Every group, that of everything at `/mcp` among them, by name. */
  list(): readonly GroupSummary[] {
    return this.#entries()
      .map((entry) => this.#summary(entry))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** One group by name; null when there is none. `waitMs` is how long its servers are waited for. */
  async report(name: string, waitMs: number): Promise<GroupReport | null> {
    // A registered one comes before that of everything, which has a name of its own only here.
    const entry = this.#entries().find(({ definition }) => definition.name === name)
    const settings = entry?.definition.group
    if (entry === undefined || !settings) return null
    const members = this.#membersOf(settings)
    const asked = await Promise.all(members.map((member) => this.#toolsOf(member, waitMs)))
    const names = toolNames(members, settings.exposure === 'search' ? searchToolNames : undefined)
    const lists = asked.map(({ listed }) => listed)
    const summary = this.#summary(entry)
    return {
      ...summary,
      members: summary.members.map((member, index) => ({
        ...member,
        reason: member.reason ?? asked[index]?.reason ?? null,
      })),
      ...shownTools(names, lists, reachOf(null, entry.definition)),
    }
  }

  #entries(): GroupEntry[] {
    const entries = this.#directory.groups()
    const atDefault = this.#directory.group('')
    return atDefault === undefined || entries.includes(atDefault) ? entries : [...entries, atDefault]
  }

  #summary(entry: GroupEntry): GroupSummary {
    const { name, description, group } = entry.definition
    const registered = this.#directory.get(name) === entry
    const members = group === null ? [] : this.#membersOf(group)
    return {
      name,
      endpoints: [
        ...(registered ? [`/mcp-proxy/${name}`] : []),
        ...(this.#directory.group('') === entry ? [defaultPath] : []),
      ],
      description,
      naming: group?.naming ?? 'prefix',
      exposure: group?.exposure ?? 'all',
      sessions: entry.status().sessions,
      members: members.map((member) => this.#memberReport(member)),
    }
  }

  #membersOf(group: GroupSettings): readonly Member[] {
    const definitions = this.#directory.list().map(({ definition }): ServerDefinition => definition)
    return resolveMembers(group, definitions)
  }

  #memberReport({ server: name, prefix }: Member): MemberReport {
    const server = this.#servers.get(name)
    const shown = typeof prefix === 'string' ? prefix : name
    if (server === undefined)
      return {
        server: name,
        prefix: shown,
        status: 'unregistered',
        reason: 'no server of this name is registered',
      }
    const { status, reason, lastError, disabledAt } = server.status()
    if (status === 'connected') return { server: name, prefix: shown, status, reason: null }
    const why =
      disabledAt === null ? (reason ?? lastError ?? 'it is not connected yet') : 'it is switched off'
    return { server: name, prefix: shown, status, reason: server.mask(why) }
  }

  async #toolsOf(member: Member, waitMs: number): Promise<{ listed: ListedNames; reason: string | null }> {
    const server = this.#servers.get(member.server)
    const nothing: ListedNames = { server: member.server, names: [] }
    if (server?.state !== 'connected') return { listed: nothing, reason: null }
    try {
      const names = await withinMs(listedNames(server), waitMs)
      return { listed: { ...nothing, names: names.filter((name) => member.allows(name)) }, reason: null }
    } catch (thrown) {
      return { listed: nothing, reason: server.mask(reasonOf(thrown)) }
    }
  }
}

/** The names of a server's tools that its filter lets through; none for one that says it has no tools. */
async function listedNames(server: Server): Promise<string[]> {
  const { capabilities } = server.status()
  if (typeof capabilities === 'object' && capabilities !== null && !('tools' in capabilities)) return []
  return (await server.listTools()).map(({ name }) => name)
}

function withinMs<T>(asked: Promise<T>, waitMs: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const details = `The server did not list its tools within ${waitMs} ms.`
  const timer = setTimeout(() => reject(new GatewayError('UPSTREAM_TIMEOUT', details)), waitMs)
  asked.then(resolve, reject).finally(() => clearTimeout(timer))
  return promise
}

function shownTools(
  names: Parameters<typeof nameTable>[0],
  lists: readonly ListedNames[],
  reach: Reach,
): Pick<GroupReport, 'tools' | 'ambiguous'> {
  const table = nameTable(names, lists)
  const owned = (name: string, { server, name: tool }: OwnName): ShownTool => ({ name, server, tool })
  return {
    tools: [...table.owners]
      .filter(([name]) => reach.allows('tool', name))
      .map(([name, own]) => owned(name, own)),
    ambiguous: table.ambiguous.map(({ name, owners }: AmbiguousName) => ({
      name,
      owners: owners.map((own) => owned(name, own)),
    })),
  }
}
