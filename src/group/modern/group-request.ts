/** One request of a stateless client of a group: asks the members for their lists in the name of that client. */
import { GatewayError, revokedError } from '../../errors.ts'
import { rpcCodes } from '../../protocol/eras.ts'
import { isObject } from '../../protocol/json.ts'
import { memberSpan } from '../../protocol/jsonrpc.ts'
import { editObject, memberText, parsed } from '../../protocol/spans.ts'
import { answerModern, type InboundRequest } from '../../session/modern/answer.ts'
import { RelayedCall } from '../../session/modern/relayed-call.ts'
import type { Respond } from '../../session/modern/response.ts'
import type { RequestTrace } from '../../telemetry/traces/trace.ts'
import { requestMessage } from '../../upstream/connection/bridge-call.ts'
import type { Server } from '../../upstream/server/server.ts'
import { type Caller, GroupClient } from '../client.ts'
import type { Group } from '../group.ts'
import { keepMsOf, type LoadedList, type PendingList } from '../lists/kept-lists.ts'
import { emptyList, type ListKind, listRows, type MemberList, readList } from '../lists/member-list.ts'
import { answeredRefusal, RpcRefusal } from '../refusal.ts'
import { UriShowing } from '../view/shown-uris.ts'
import { InnerSink } from './sinks.ts'

/** A request as the route read it, before anybody has decided which server it is for. */
export interface GroupInbound
  extends Omit<InboundRequest, 'server' | 'respond' | 'parts' | 'log' | 'grants'>,
    Caller {
  /** Of its log line. */
  readonly log: {
    pair?: string | undefined
    mcp?: string | undefined
    group?: string | undefined
    tool?: string | undefined
    readonly trace?: RequestTrace | undefined
  }
}

export class GroupRequest extends GroupClient {
  readonly inbound: GroupInbound
  readonly #group: Group
  /** How rules stood when it was let in. */
  readonly #rulesVersion: number
  #uriShowing: UriShowing | null = null
  #clientKey: string | null = null

  constructor(group: Group, inbound: GroupInbound) {
    super(group)
    this.#group = group
    this.inbound = inbound
    this.#rulesVersion = group.parts.access.version
  }

  /** Throws for whoever has waited while rules became others, and is let in no more: at the group, or at this member by it. */
  requireAdmitted(member: string | null): void {
    const { key, parts } = this.#group
    const { principalId, principal } = this.inbound
    if (parts.access.version === this.#rulesVersion) return
    if (!parts.access.admits(principalId, principal.grants, member ?? key, member !== null))
      throw revokedError()
  }

  protected get caller(): Caller {
    return this.inbound
  }

  get uriShowing(): UriShowing {
    this.#uriShowing ??= new UriShowing(this, () => this.view.uriMemoryOf(this.clientKey))
    return this.#uriShowing
  }

  taskOwner(taskId: string): string | null {
    return this.#group.tasks.of(this.inbound.principalId, taskId)
  }

  /** Notes what a member has begun with its answer to a call. */
  answered(server: string, method: string, text: string): void {
    if (method === 'tools/call') this.#group.tasks.learn(this.inbound.principalId, server, text)
  }

  /** Clients with the same key are answered alike by a server that knows no more of them. */
  get clientKey(): string {
    const { clientCapabilities, clientInfo } = this.inbound.route.envelope
    this.#clientKey ??= `modern ${this.inbound.principalId} ${Bun.hash(JSON.stringify([clientCapabilities, clientInfo]))}`
    return this.#clientKey
  }

  /**
   * A request of the group's own to a member, in the name of the client: its parameters are those of the client's
   * envelope, and these (JSON texts by name). Answers what becomes of it; what precedes it goes to `respond`.
   */
  async askMember(
    server: Server,
    method: string,
    params: Readonly<Record<string, string>>,
    respond: Respond,
    log: InboundRequest['log'],
  ): Promise<string> {
    const { inbound } = this
    const { message: asked, route } = inbound
    const meta = memberText(asked.text.slice(asked.paramsStart, asked.paramsEnd), '_meta') ?? '{}'
    const ownMeta = editObject(meta, { drop: (key) => key === 'progressToken' }) ?? '{}'
    const paramsText = editObject('{}', { set: { ...params, _meta: ownMeta } }) ?? '{}'
    const message = requestMessage(method, paramsText)
    const parsedParams = parsed(paramsText)
    if (message === null || !isObject(parsedParams))
      throw new GatewayError('INVALID_PARAMS', 'The parameters are malformed.')
    const answer = answerModern({
      ...inbound,
      parts: this.#group.parts.inner,
      server,
      message,
      log,
      respond,
      // Lists are kept for whoever gets the same of the server: what each may see of them is decided later.
      grants: null,
      route: { ...route, method, params: parsedParams },
    })
    const reply = await (answer instanceof RelayedCall ? answer.reply : answer)
    return reply.kind === 'text' ? reply.text : ''
  }

  protected list(server: Server, kind: ListKind): MemberList | PendingList {
    const { forwardHeaders } = server.definition
    const headers = this.#group.parts.access.headersForUpstream(this.inbound.request, forwardHeaders)
    const key = headers ? `${this.clientKey} ${Bun.hash(JSON.stringify(headers))}` : this.clientKey
    const place = { server, kind, key, lane: null }
    const { kept } = this.#group.parts
    return kept.take(place) ?? kept.read(place, () => this.#load(server, kind))
  }

  protected late(_server: Server, kind: ListKind): void {
    this.#group.listLate(this.inbound.principalId, kind)
  }

  protected capabilitiesOf(server: Server): Readonly<Record<string, unknown>> | null {
    return server.facts?.capabilities ?? null
  }

  async #load(server: Server, kind: ListKind): Promise<LoadedList> {
    const { method } = listRows[kind]
    const log: InboundRequest['log'] = { trace: this.inbound.log.trace }
    try {
      const { list, ttlMs } = await readList(kind, async (cursor) => {
        const sink = new InnerSink(() => {})
        const answer = await this.askMember(
          server,
          method,
          cursor === null ? {} : { cursor },
          () => sink,
          log,
        )
        return resultOf(answer, method)
      })
      const era = log.pair === 'modern-modern' ? 'modern' : 'legacy'
      const facts = { era, capabilities: server.facts?.capabilities ?? {} } as const
      return { list, keepMs: keepMsOf(facts, kind, era === 'modern' ? ttlMs : null, false) }
    } catch (thrown) {
      if (!(thrown instanceof RpcRefusal)) throw thrown
      // Many servers with resources know no templates.
      if (thrown.failure.code === rpcCodes.methodNotFound) return { list: emptyList, keepMs: 0 }
      throw thrown.asError(method)
    }
  }
}

/** The result in a response's text. Throws an RpcRefusal for an error. */
function resultOf(text: string, method: string): string {
  const result = memberSpan(text, 0, 'result')
  if (result) return text.slice(result.start, result.end)
  const error = memberSpan(text, 0, 'error')
  if (error) throw answeredRefusal(text.slice(error.start, error.end))
  throw new GatewayError('UPSTREAM_ERROR', `the server gave no answer to ${method}`)
}
