/**
 * The definitions of tools that admins have approved, for all servers: kept with the definitions of servers, shown
 * with what differs, changed by admins. While a server is pinned, this holds back what is not approved of it.
 */
import { type Pins, pinsOf, setPins } from '../access/pins.ts'
import { GatewayError, reasonOf } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import { shownText } from '../telemetry/callers.ts'
import type { Log } from '../telemetry/log.ts'
import {
  approvedCharsMax,
  approvedMax,
  type Definition,
  type HeldDefinition,
  PinnedServer,
  type PinsOwner,
} from './pinned-server.ts'
import { heldRecords, idOf, recordOf } from './records.ts'
import { type ApprovalsReport, pendingHashOf, reportOf } from './report.ts'

/** Approved definitions of one server. */
const approvedPerServerMax = 10_000
/** What is shown of a name in the log. */
const nameCharsMax = 128
/** What changes within this is told, and kept, together. */
const togetherMs = 50
/** A server that lists something else each time makes the file be written no oftener than this. */
const keepHeldMsMin = 10_000

/** A server as pinning has to do with it. */
export interface PinnableServer {
  readonly name: string
  readonly definition: ServerDefinition
  /** What is kept of its list counts no more. */
  listChanged(kind: 'tools'): void
  /** The same, and whoever hears of that from the server is told. */
  announceTools(): void
}

export interface ApprovalsParts {
  readonly store: Pick<DefinitionStore, 'records' | 'putRecords'>
  readonly log: Log
  /** Whether tools of this server are held back, by the settings in force. */
  isPinned(definition: ServerDefinition): boolean
  server(name: string): PinnableServer | undefined
}

/** Which definitions to approve: these, or all that wait, by the hash of what was seen of them. */
export type ApprovalChoice = { readonly hashes: readonly string[] } | { readonly all: string }

export class Approvals implements PinsOwner {
  readonly #parts: ApprovalsParts
  readonly #servers = new Map<string, PinnedServer>()
  /** Those of which clients are to be told, and those of which something is to be kept. */
  readonly #toTell = new Set<string>()
  readonly #toKeep = new Set<string>()
  #tellTimer: ReturnType<typeof setTimeout> | null = null
  #keepTimer: ReturnType<typeof setTimeout> | null = null
  #keptAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: ApprovalsParts) {
    this.#parts = parts
    for (const [id, text] of parts.store.records('approval')) this.#restore(id, text)
  }

  /** Holds back, or lets go, the tools of a server with this definition. True where that changes what it shows. */
  pin(definition: ServerDefinition): boolean {
    const pins = this.#parts.isPinned(definition) ? this.#of(definition.name) : null
    if (pinsOf(definition) === pins) return false
    setPins(definition, pins)
    return true
  }

  /**
   * Has a server list its tools by `ask`, and notes them also where it is not pinned, so that an admin can look at and
   * approve them before they are held back.
   */
  async watching<T>(definition: ServerDefinition, ask: () => Promise<T>): Promise<T> {
    if (pinsOf(definition) !== null) return await ask()
    const watching = watchingPins(this.#of(definition.name))
    setPins(definition, watching)
    try {
      return await ask()
    } finally {
      if (pinsOf(definition) === watching) setPins(definition, null)
    }
  }

  changed({ name }: PinnedServer, tool: string, closed: boolean): void {
    if (!this.#isPinned(name)) return
    this.#keep(name)
    if (!closed) return
    const fields = { mcp: name, tool: shownText(tool, nameCharsMax) }
    this.#parts.log.warn(fields, 'a tool has changed, and is held back until that is approved')
    // At once: what is listed is what may be called.
    this.#parts.server(name)?.listChanged('tools')
    this.#tell(name)
  }

  waiting({ name }: PinnedServer): void {
    if (this.#isPinned(name))
      this.#parts.log.warn({ mcp: name }, `tools wait for approval: compozy approvals show ${name}`)
  }

  now(): string {
    return new Date().toISOString()
  }

  /** Servers of which something is approved, or waits. */
  get names(): string[] {
    return [...this.#servers.values()]
      .filter(({ approved, held }) => approved.length + held.length > 0)
      .map(({ name }) => name)
  }

  report(name: string): ApprovalsReport {
    return reportOf(this.#of(name), this.#isPinned(name))
  }

  /** The names of tools of a server that are held back, as far as they are remembered. */
  heldBack(name: string): string[] {
    const held = this.#servers.get(name)?.held ?? []
    return [...new Set(held.map(({ tool }) => tool))].sort()
  }

  /**
   * Approves what was seen and nothing else; throws APPROVAL_STALE, and approves nothing, where something of it is
   * not what waits any more. Kept before it counts.
   */
  approve(name: string, choice: ApprovalChoice, by: string): Definition[] {
    const server = this.#of(name)
    const chosen = chosenOf(server, choice)
    checkRoom(server, chosen)
    const obsolete = chosen.flatMap((one) => server.obsoleteWith(one)).filter((one) => !chosen.includes(one))
    const at = this.now()
    const changes = new Map<string, string | null>(obsolete.map((one) => [idOf(name, one), null]))
    for (const { tool, hash, text } of chosen)
      changes.set(idOf(name, { hash }), JSON.stringify({ tool, text, at, by }))
    this.#parts.store.putRecords('approval', changes)
    for (const one of obsolete) server.remove(one)
    for (const one of chosen) server.approve(one, at, by)
    this.#parts.server(name)?.announceTools()
    return chosen
  }

  /** Forgets these definitions, approved or held; all of the server's without hashes. Throws NOT_FOUND for one that is not there. */
  revoke(name: string, hash: string | null): Definition[] {
    const server = this.#of(name)
    const known: Definition[] = [...server.approved, ...server.held]
    const gone = hash === null ? known : known.filter((one) => one.hash === hash)
    if (hash !== null && gone.length === 0)
      throw new GatewayError('NOT_FOUND', `Nothing with this hash is approved or waits at ${name}.`)
    this.#forget(server, gone)
    this.#parts.server(name)?.announceTools()
    return gone
  }

  /** A server was removed for good: another one under its name is not it. */
  removed(name: string): void {
    const server = this.#servers.get(name)
    if (server === undefined) return
    this.#servers.delete(name)
    this.#forget(server, [...server.approved, ...server.held])
  }

  /** Goes on with what the store holds now, which another process may have changed. */
  takeStored(): void {
    const records = this.#parts.store.records('approval')
    const touched = new Set<string>()
    const known = new Set<string>()
    for (const server of this.#servers.values())
      for (const one of server.approved) {
        const id = idOf(server.name, one)
        if (records.has(id)) known.add(id)
        else {
          server.remove(one)
          touched.add(server.name)
        }
      }
    for (const [id, text] of records)
      if (!known.has(id) && this.#takeRecord(id, text)) touched.add(id.slice(0, id.indexOf(' ')))
    for (const name of touched) this.#parts.server(name)?.announceTools()
  }

  /** One that is not approved here. True where that changes something. */
  #takeRecord(id: string, text: string): boolean {
    const [name = '', hash = ''] = id.split(' ')
    const server = this.#of(name)
    const held = server.held.find((one) => one.hash === hash)
    const read = recordOf(text, hash)
    if (read === null || (read.by === undefined && held !== undefined)) return false
    if (held === undefined || read.by === undefined) this.#restore(id, text)
    else {
      // As where it was approved: what it has taken the place of is listed no more.
      for (const one of server.obsoleteWith(held)) server.remove(one)
      server.approve(held, read.at, read.by)
    }
    return true
  }

  #forget(server: PinnedServer, gone: readonly Definition[]): void {
    const kept = this.#parts.store.records('approval')
    const ids = gone.map((one) => idOf(server.name, one)).filter((id) => kept.has(id))
    if (ids.length > 0) this.#parts.store.putRecords('approval', new Map(ids.map((id) => [id, null])))
    for (const one of gone) server.remove(one)
  }

  #of(name: string): PinnedServer {
    let server = this.#servers.get(name)
    if (server === undefined) {
      server = new PinnedServer(name, this)
      this.#servers.set(name, server)
    }
    return server
  }

  #restore(id: string, text: string): void {
    const [name = '', hash = ''] = id.split(' ')
    const read = recordOf(text, hash)
    if (read === null) {
      this.#parts.log.warn({ mcp: name }, 'a stored approval cannot be read, and does not count')
      return
    }
    const { by, ...definition } = read
    if (by === undefined) this.#of(name).restore({ ...definition, hash })
    else this.#of(name).restore({ ...definition, hash, by })
  }

  #isPinned(name: string): boolean {
    const server = this.#parts.server(name)
    return server !== undefined && this.#parts.isPinned(server.definition)
  }

  #tell(name: string): void {
    this.#toTell.add(name)
    this.#tellTimer ??= setTimeout(() => this.#tellAll(), togetherMs)
    this.#tellTimer.unref()
  }

  #tellAll(): void {
    this.#tellTimer = null
    const names = [...this.#toTell]
    this.#toTell.clear()
    for (const name of names) this.#parts.server(name)?.announceTools()
  }

  #keep(name: string): void {
    this.#toKeep.add(name)
    const waitMs = Math.max(togetherMs, this.#keptAtMs + keepHeldMsMin - performance.now())
    this.#keepTimer ??= setTimeout(() => this.#keepAll(), waitMs)
    this.#keepTimer.unref()
  }

  /** So that a definition which was held stays so across a restart; what is new is held back without. */
  #keepAll(): void {
    this.#keepTimer = null
    this.#keptAtMs = performance.now()
    try {
      const kept = [...this.#parts.store.records('approval').keys()]
      const servers = [...this.#toKeep].flatMap((name) => this.#servers.get(name) ?? [])
      this.#parts.store.putRecords(
        'approval',
        new Map(servers.flatMap((server) => heldRecords(server, kept))),
      )
    } catch (thrown) {
      this.#parts.log.warn({ reason: reasonOf(thrown) }, 'what is held back of changed tools cannot be kept')
    }
    this.#toKeep.clear()
  }
}

/** Notes what is listed, and holds nothing back. */
function watchingPins(server: PinnedServer): Pins {
  return {
    allows: () => true,
    knows: () => true,
    saw: () => true,
    forget() {},
    decide: () => ({ allowed: true, rule: `${server.name} is not pinned` }),
    shows(name, text) {
      server.shows(name, text)
      return true
    },
  }
}

function chosenOf(server: PinnedServer, choice: ApprovalChoice): HeldDefinition[] {
  const { held } = server
  if ('all' in choice) {
    if (choice.all !== pendingHashOf(held))
      throw stale(server.name, 'What waits is not what was looked at any more')
    // What a later definition has taken the place of is nothing that is listed.
    const obsolete = new Set(held.flatMap((one) => server.obsoleteWith(one)))
    return held.filter((one) => one.text !== null && !obsolete.has(one))
  }
  const byHash = new Map(held.map((one) => [one.hash, one]))
  return [...new Set(choice.hashes)].map((hash) => {
    const found = byHash.get(hash)
    if (found === undefined) throw stale(server.name, `Nothing that waits has the hash ${hash.slice(0, 64)}`)
    if (found.text === null)
      throw new GatewayError('BAD_REQUEST', `The definition of ${found.tool} is too large, or malformed.`)
    return found
  })
}

function stale(name: string, what: string): GatewayError {
  return new GatewayError(
    'APPROVAL_STALE',
    `${what}. Nothing was approved; look at GET /admin/approvals?name=${name} again.`,
  )
}

function checkRoom(server: PinnedServer, chosen: readonly HeldDefinition[]): void {
  const chars = chosen.reduce((sum, { text }) => sum + (text?.length ?? 0), server.approvedChars)
  const crowded = chosen.find(({ tool }) => server.approvedCount(tool) >= approvedMax)
  const what =
    crowded !== undefined
      ? `${approvedMax} definitions of ${crowded.tool} are approved already`
      : chars > approvedCharsMax || server.approved.length + chosen.length > approvedPerServerMax
        ? `${server.name} may have ${approvedPerServerMax} approved definitions of ${approvedCharsMax} characters together`
        : null
  if (what !== null) throw new GatewayError('BAD_REQUEST', `${what}; revoke some first.`)
}
