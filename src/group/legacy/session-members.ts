/**
 * A session's way to the members of a group: the part of it that uses each of them, opened when it is first needed,
 * and the lists that they give to this client.
 */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { GatewayError } from '../../errors.ts'
import { rpcCodes } from '../../protocol/eras.ts'
import { isObject } from '../../protocol/json.ts'
import { memberSpan, stringAt } from '../../protocol/jsonrpc.ts'
import { keepLane, leaseLane } from '../../session/legacy/lane-lease.ts'
import { sendRequest } from '../../session/legacy/send.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { ChangedList, ChangeHearer } from '../changes.ts'
import { type Caller, GroupClient } from '../client.ts'
import type { Group } from '../group.ts'
import { keepMsOf, type ListPlace, type LoadedList, type PendingList } from '../lists/kept-lists.ts'
import {
  emptyList,
  type ListKind,
  listRows,
  type MemberList,
  readList,
  readPages,
} from '../lists/member-list.ts'
import { RpcRefusal } from '../refusal.ts'
import { UriMemory, UriShowing } from '../view/shown-uris.ts'
import { InnerExchange, type PartOwner, PartShowing } from './session-part.ts'

/** What a group needs of the HTTP request that brought a message. */
export interface GroupWays extends Caller {
  /** The client's headers among those that a definition lists. */
  headersFor(listed: readonly string[]): Readonly<Record<string, string>> | undefined
  /** Of its log line. */
  readonly log: {
    mcp?: string | undefined
    group?: string | undefined
    pair?: string | undefined
    tool?: string | undefined
    readonly trace?: RequestTrace | undefined
  }
}

/** The part of the session that uses one member. */
export interface Part {
  readonly session: Session
  readonly showing: PartShowing
  /** Lists that are on their way. */
  readonly pending: Map<ListKind, PendingList>
}

export abstract class SessionMembers extends GroupClient implements ChangeHearer, PartOwner {
  readonly uriShowing = new UriShowing(this, () => new UriMemory())
  protected readonly group: Group
  protected readonly whole: Session
  protected readonly parts = new Map<string, Part>()
  /** Of the last request. */
  protected ways: GroupWays
  /** Parameters of the client's last `logging/setLevel`. */
  #levelParams: string | null = null

  constructor(group: Group, whole: Session, ways: GroupWays) {
    super(group)
    this.group = group
    this.whole = whole
    this.ways = ways
    group.hear(this)
    whole.whenGone(() => group.changes.delete(this))
  }

  get principalId(): string {
    return this.whole.principalId
  }

  get owner(): CredentialOwner | null {
    return this.whole.owner
  }

  protected get caller(): Caller {
    return this.ways
  }

  get visible(): readonly string[] {
    return this.view.serverNames
  }

  sees(serverName: string): boolean {
    return this.view.member(serverName) !== undefined
  }

  taskOwner(taskId: string): string | null {
    return this.group.tasks.of(this.whole.id, taskId)
  }

  answered(server: string, method: string, text: string): void {
    if (method === 'tools/call') this.group.tasks.learn(this.whole.id, server, text)
  }

  listsChanged(lists: readonly ChangedList[]): void {
    if (lists.includes('resources')) this.uriShowing.forget()
    for (const list of lists)
      this.whole.streams.sendStanding(`{"jsonrpc":"2.0","method":"notifications/${list}/list_changed"}`)
  }

  listChanged(list: ChangedList): void {
    if (list === 'resources') this.uriShowing.forget()
    this.group.changes.note(this, [list])
  }

  /** Ends the parts that use a server which is no member any more, or not for this client. */
  membersChanged(): void {
    this.uriShowing.forget()
    for (const [name, { session }] of this.parts) {
      if (this.sees(name)) continue
      this.parts.delete(name)
      session.close(new GatewayError('SERVER_UNKNOWN', `${name} is no part of this group any more.`))
    }
  }

  protected list(server: Server, kind: ListKind): MemberList | PendingList {
    const part = this.part(server)
    const running = part.pending.get(kind)
    if (running) return running
    const { kept } = this.group.parts
    const { lane } = part.session
    const place = lane?.ready ? this.#place(server, kind, lane) : null
    const known = place && kept.take(place)
    if (known) return known
    const pending = place
      ? kept.read(place, () => this.#load(part, place))
      : { sinceMs: performance.now(), list: this.#reach(part, server, kind) }
    part.pending.set(kind, pending)
    const over = () => part.pending.delete(kind)
    pending.list.then(over, over)
    return pending
  }

  protected late(_server: Server, kind: ListKind): void {
    this.listChanged(listRows[kind].capability)
  }

  protected capabilitiesOf(server: Server): Readonly<Record<string, unknown>> | null {
    const own = this.parts.get(server.name)?.session.lane?.handshake?.facts
    return (own ?? server.facts)?.capabilities ?? null
  }

  async #reach(part: Part, server: Server, kind: ListKind): Promise<MemberList> {
    const lane = await leaseLane(this.group.parts.servers, part.session)
    await lane.open()
    const place = this.#place(server, kind, lane)
    const { kept } = this.group.parts
    return kept.take(place) ?? kept.read(place, () => this.#load(part, place)).list
  }

  /** On a connection that speaks for certain clients all of them have one list; a modern one is told with each request whose it is. */
  #place(server: Server, kind: ListKind, lane: Lane): ListPlace {
    const key = lane.era === 'legacy' ? 'lane' : this.#clientKey()
    return { server, kind, key, lane }
  }

  #clientKey(): string {
    const { text, paramsStart, paramsEnd } = this.whole.initialize
    const { principalId, headers } = this.whole
    return `legacy ${principalId} ${Bun.hash(text.slice(paramsStart, paramsEnd) + JSON.stringify(headers ?? null))}`
  }

  async #load({ session }: Part, { server, kind, lane }: ListPlace): Promise<LoadedList> {
    const facts = lane?.handshake?.facts
    const { method, capability } = listRows[kind]
    if (facts && !(capability in facts.capabilities)) return { list: emptyList, keepMs: 0 }
    try {
      const { list, ttlMs } = await readList(kind, (cursor) =>
        this.#ask(session, server, method, cursor === null ? null : `{"cursor":${cursor}}`),
      )
      return { list, keepMs: facts ? keepMsOf(facts, kind, ttlMs, session.streams.standing) : 0 }
    } catch (thrown) {
      if (!(thrown instanceof RpcRefusal)) throw thrown
      // Many servers with resources know no templates.
      if (thrown.failure.code === rpcCodes.methodNotFound) return { list: emptyList, keepMs: 0 }
      throw thrown.asError(method)
    }
  }

  #ask(session: Session, server: Server, method: string, params: string | null): Promise<string> {
    const exchange = new InnerExchange(session, server, method, params)
    exchange.headers = this.ways.headersFor(server.definition.forwardHeaders)
    if (this.ways.log.trace !== undefined) exchange.trace = this.ways.log.trace.call()
    sendRequest(this.group.parts, session, exchange)
    return exchange.result
  }

  /** The client wants log messages from here on, of all members, those included that it has not used yet. */
  protected passLevel(params: string): void {
    this.#levelParams = params
    for (const [name, { session }] of this.parts) {
      const server = this.view.member(name)?.server
      if (server) this.#passLevel(session, server)
    }
  }

  /** The tasks of all members that list theirs, as the text of a result. */
  protected async tasks(): Promise<string> {
    const listed = this.view.members.map(async ({ name, server }) => {
      const tasks = server && this.capabilitiesOf(server)?.['tasks']
      if (!server || !isObject(tasks) || !isObject(tasks['list'])) return []
      return await this.#tasksOf(name, server).catch(() => [])
    })
    return `{"tasks":[${(await Promise.all(listed)).flat().join(',')}]}`
  }

  async #tasksOf(name: string, server: Server): Promise<string[]> {
    const { session } = this.part(server)
    const { items } = await readPages('tasks/list', 'tasks', (cursor) =>
      this.#ask(session, server, 'tasks/list', cursor === null ? null : `{"cursor":${cursor}}`),
    )
    for (const text of items) {
      const id = memberSpan(text, 0, 'taskId')
      const taskId = id && stringAt(text, id.start, id.end)
      if (taskId !== null) this.group.tasks.note(this.whole.id, name, taskId)
    }
    return items
  }

  #passLevel(session: Session, server: Server): void {
    if (this.#levelParams === null) return
    const capabilities = this.capabilitiesOf(server)
    if (capabilities && !('logging' in capabilities)) return
    // Whoever does not log says so, which changes nothing for the client.
    this.#ask(session, server, 'logging/setLevel', this.#levelParams).catch(() => {})
  }

  /** The part that uses this member. */
  protected part(server: Server): Part {
    const found = this.parts.get(server.name)
    if (found) return found
    const showing = new PartShowing(this, server.name)
    const { servers } = this.group.parts
    const session = this.whole.openPart(server.name, showing, (lost) => void keepLane(servers, lost))
    session.headers = this.ways.headersFor(server.definition.forwardHeaders)
    const part: Part = { session, showing, pending: new Map() }
    this.parts.set(server.name, part)
    this.#passLevel(session, server)
    return part
  }
}
