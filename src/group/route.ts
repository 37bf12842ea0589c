/**
 * Where a request of a group's client goes that names something of a member's: a tool, a prompt, a resource. It is
 * the same request in the member's own words; nothing else of its text changes.
 */
import { unknownItem } from '../access/items.ts'
import { type Era, rpcCodes } from '../protocol/eras.ts'
import {
  type MessageText,
  memberSpan,
  paramSpan,
  type Span,
  stringAt,
  withParam,
} from '../protocol/jsonrpc.ts'
import type { Server } from '../upstream/server/server.ts'
import type { Missing } from './client.ts'
import type { Composed } from './lists/composed.ts'
import type { ListKind } from './lists/member-list.ts'
import { RpcRefusal, refusal, uriRefusal } from './refusal.ts'
import type { SearchExposure } from './search/exposure.ts'
import { AnsweredHere, searchRoute, unknownTool } from './search/search-route.ts'
import { searchToolNames } from './search/search-tools.ts'
import type { UriOwner } from './uri-table.ts'
import type { GroupView, Target } from './view/group-view.ts'
import type { UriShowing } from './view/shown-uris.ts'
import type { NamedKind } from './view/view-member.ts'

/** Whose request it is. */
export interface Asker {
  readonly view: GroupView
  readonly uriShowing: UriShowing
  /** The member that has begun this task for it; null for nobody. */
  taskOwner(taskId: string): string | null
  target(kind: NamedKind, shown: string): Target | null | Promise<Target | null>
  /** Null where all tools are listed. */
  readonly search: SearchExposure | null
  composed(kind: ListKind): Promise<{ readonly composed: Composed; readonly missing: readonly Missing[] }>
}

/** A request of a member's. */
export interface Routed {
  readonly server: Server
  /** In the member's own words. */
  readonly message: MessageText
  /** What it names, in the member's words and in the client's. */
  readonly own: string
  readonly asked: string
  /** True where its client has called it by another tool of the group's: its parameters are others than those that came. */
  readonly unwrapped: boolean
}

/** What becomes of a request: a member's, the group's own, or refused. */
export type Outcome = Routed | AnsweredHere | RpcRefusal

/** As what a server hides is answered for, and in both eras alike. */
const unknownName: Readonly<Record<NamedKind, RpcRefusal>> = {
  tool: unknown('tool'),
  prompt: unknown('prompt'),
}
const namesNothing = refusal(rpcCodes.invalidParams, 'The request does not say what it is for')

/**
 * Where a request goes: at once where that is known, mostly. Null for one that names nothing of a member's. Rejects
 * with a GatewayError where only a member could tell that is not there.
 */
export function routeOf(asker: Asker, message: MessageText, era: Era): Outcome | Promise<Outcome> | null {
  switch (message.method) {
    case 'tools/call':
      return called(asker, message)
    case 'prompts/get':
      return named(asker, 'prompt', message, paramSpan(message, 'name'))
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      if (era === 'modern') return null
      return located(asker, message, paramSpan(message, 'uri'), era, false)
    case 'resources/read':
      return located(asker, message, paramSpan(message, 'uri'), era, false)
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/update':
    case 'tasks/cancel':
      return ofTask(asker, message, paramSpan(message, 'taskId'))
    case 'completion/complete':
      return referred(asker, message, paramSpan(message, 'ref'), era)
    default:
      return null
  }
}

/** A call of a tool: of a member's, or of one by which the group is searched. */
function called(asker: Asker, message: MessageText): Outcome | Promise<Outcome> {
  const span = paramSpan(message, 'name')
  const { search } = asker
  const tool = search === null ? null : span && stringAt(message.text, span.start, span.end)
  if (search === null || tool === null || !searchToolNames.has(tool))
    return named(asker, 'tool', message, span)
  const ownersOf = (name: string): readonly string[] => {
    const owner = asker.view.names.tool.owner(name)
    return owner.kind === 'known' ? [owner.server] : owner.servers
  }
  const found = searchRoute(search, tool, message, () => asker.composed('tools'), ownersOf)
  if (found instanceof AnsweredHere) return found
  const outcome = named(asker, 'tool', found.message, paramSpan(found.message, 'name'))
  const unwrapped = (routed: Routed | RpcRefusal): Outcome =>
    routed instanceof RpcRefusal ? unknownTool(found.name) : { ...routed, unwrapped: true }
  return outcome instanceof Promise ? outcome.then(unwrapped) : unwrapped(outcome)
}

/** A completion is of a prompt, or of a template. */
function referred(asker: Asker, message: MessageText, ref: Span | null, era: Era) {
  const name = ref && memberSpan(message.text, ref.start, 'name')
  if (name) return named(asker, 'prompt', message, name)
  return located(asker, message, ref && memberSpan(message.text, ref.start, 'uri'), era, true)
}

function named(
  asker: Asker,
  kind: NamedKind,
  message: MessageText,
  span: Span | null,
): Routed | RpcRefusal | Promise<Routed | RpcRefusal> {
  const asked = span && stringAt(message.text, span.start, span.end)
  if (!span || asked === null) return unknownName[kind]
  const routed = (target: Target | null) =>
    target?.member.server === undefined
      ? unknownName[kind]
      : inOwnWords(message, span, target.member.server, asked, target.name)
  const target = asker.target(kind, asked)
  return target instanceof Promise ? target.then(routed) : routed(target)
}

function located(
  asker: Asker,
  message: MessageText,
  span: Span | null,
  era: Era,
  template: boolean,
): Routed | RpcRefusal | Promise<Routed | RpcRefusal> {
  const asked = span && stringAt(message.text, span.start, span.end)
  if (!span || asked === null) return namesNothing
  if (!asker.view.opensUri(template ? 'template' : 'resource', asked))
    return uriRefusal(asked, { kind: 'unknown' }, era)
  const routed = (owner: UriOwner) => {
    const server = owner.kind === 'known' ? asker.view.member(owner.server)?.server : undefined
    if (owner.kind !== 'known' || !server) return uriRefusal(asked, owner, era)
    return inOwnWords(message, span, server, asked, owner.uri)
  }
  const owner = template ? asker.uriShowing.templateOwner(asked) : asker.uriShowing.owner(asked)
  return owner instanceof Promise ? owner.then(routed) : routed(owner)
}

/** A task stays with its member. Where there is one member only, its task may be older than this gateway. */
function ofTask(asker: Asker, message: MessageText, span: Span | null): Outcome {
  const taskId = span && stringAt(message.text, span.start, span.end)
  if (!span || taskId === null) return namesNothing
  const [only, other] = asker.view.members
  const owner = asker.taskOwner(taskId) ?? (other === undefined ? only?.name : undefined)
  const server = owner === undefined ? undefined : asker.view.member(owner)?.server
  return server ? inOwnWords(message, span, server, taskId, taskId) : unknownTask
}

const unknownTask = refusal(rpcCodes.invalidParams, 'Unknown task')

function inOwnWords(message: MessageText, span: Span, server: Server, asked: string, own: string): Routed {
  return {
    server,
    asked,
    own,
    unwrapped: false,
    message: own === asked ? message : withParam(message, span, JSON.stringify(own)),
  }
}

function unknown(kind: NamedKind): RpcRefusal {
  const { code, message } = unknownItem(kind, 'legacy')
  return refusal(code, message)
}
