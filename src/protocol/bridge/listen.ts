/**
 * A modern client's `subscriptions/listen` on a legacy server: one machine per listen request.
 *
 * The legacy server knows no such request: it sends list changes to everyone and resource updates to
 * sessions that subscribed. So the stream is the gateway's own: acknowledged first, narrowed to what the
 * server can do, fed from what arrives, every message stamped with this client's listen id.
 *
 * Spec: 2026-07-28, basic/patterns/subscriptions; 2025-11-25, server/resources (Subscriptions).
 */
import { listChanges, metaKeys, rpcCodes } from '../eras.ts'
import { isObject, type JsonObject } from '../json.ts'
import { editObject, memberText, parsed } from '../spans.ts'
import { declares } from './facts.ts'
import { rpcFailure } from './results.ts'
import type { ListenEffect, ListenEvent, ServerFacts, Step } from './types.ts'

/** URIs that one listen request may name. */
export const listenUrisMax = 10_000
/** Characters of a URI that is subscribed to: it is kept for as long as the subscription lasts. */
export const uriCharsMax = 8 * 1024

/** What is wrong with a URI that is too long to be kept. */
export const uriTooLong = `The URI of a subscription may have at most ${uriCharsMax} characters.`

export interface Listen {
  readonly over: boolean
  /** Raw JSON text of the id of the listen request. */
  readonly idText: string
  /** Methods of the list changes that the client asked for and the server announces. */
  readonly lists: readonly string[]
  readonly uris: ReadonlySet<string>
  readonly identity: string | null
}

type ListenStep = Step<Listen, ListenEffect>

/** Opens the stream: the acknowledgement is always its first message. */
export function startListen(idText: string, params: JsonObject, server: ServerFacts): ListenStep {
  const listen: Listen = { over: false, idText, lists: [], uris: new Set(), identity: server.identity }
  const filter = params['notifications']
  const problem = filterProblem(filter)
  if (problem !== null || !isObject(filter)) {
    const failure = rpcFailure(rpcCodes.invalidParams, problem ?? 'notifications must be an object')
    return [{ ...listen, over: true }, [{ kind: 'fail', failure }]]
  }
  const honored: Record<string, unknown> = {}
  const lists: string[] = []
  for (const [method, { capability, field }] of listChanges) {
    if (filter[field] !== true || !declares(server, capability, 'listChanged')) continue
    honored[field] = true
    lists.push(method)
  }
  const wanted = declares(server, 'resources', 'subscribe') ? filter['resourceSubscriptions'] : undefined
  const uris = new Set(Array.isArray(wanted) ? wanted.filter((uri) => typeof uri === 'string') : [])
  if (wanted !== undefined) honored['resourceSubscriptions'] = [...uris]
  const next: Listen = { ...listen, lists, uris }
  const acknowledged = notify(
    next,
    'notifications/subscriptions/acknowledged',
    JSON.stringify({ notifications: honored }),
  )
  return [next, [...acknowledged, ...[...uris].map((uri): ListenEffect => ({ kind: 'subscribe', uri }))]]
}

/** Goes on with a stream. Events after its end change nothing. */
export function stepListen(listen: Listen, event: ListenEvent): ListenStep {
  if (listen.over) return [listen, []]
  switch (event.kind) {
    case 'notification':
      return [
        listen,
        wantsChange(listen, event.method, event.params) ? notify(listen, event.method, event.params) : [],
      ]
    case 'restarted':
      return [listen, changes(listen)]
    case 'ended': {
      const meta: Record<string, unknown> = { [metaKeys.subscriptionId]: parsed(listen.idText) }
      const signed = editObject(JSON.stringify(meta), {
        set: {
          [metaKeys.subscriptionId]: listen.idText,
          ...(listen.identity === null ? {} : { [metaKeys.serverInfo]: listen.identity }),
        },
      })
      return over(listen, { kind: 'answer', result: `{"resultType":"complete","_meta":${signed ?? '{}'}}` })
    }
    case 'closed':
      return over(listen, { kind: 'end' })
  }
}

/** Whether an updated resource is one that was subscribed to: itself, or one below it. */
export function coversResource(subscribed: string, updated: string): boolean {
  if (!updated.startsWith(subscribed)) return false
  const next = updated[subscribed.length]
  return next === undefined || subscribed.endsWith('/') || next === '/' || next === '?' || next === '#'
}

/** What one listen request asks for. */
export type ListenFilter = Pick<Listen, 'lists' | 'uris'>

/** The filter of a listen request, from the text of its parameters. Asks for nothing when it is none. */
export function listenFilter(params: string): ListenFilter {
  const filter = parsed(memberText(params, 'notifications') ?? 'null')
  if (!isObject(filter)) return { lists: [], uris: new Set() }
  const uris = filter['resourceSubscriptions']
  return {
    lists: [...listChanges].filter(([, { field }]) => filter[field] === true).map(([method]) => method),
    uris: new Set(Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : []),
  }
}

/** Whether a change is one that was asked for. */
export function wantsChange(listen: ListenFilter, method: string, params: string | null): boolean {
  if (listen.lists.includes(method)) return true
  if (method !== 'notifications/resources/updated' || params === null) return false
  const uri = parsed(memberText(params, 'uri') ?? 'null')
  if (typeof uri !== 'string') return false
  if (listen.uris.has(uri)) return true
  for (const subscribed of listen.uris) if (coversResource(subscribed, uri)) return true
  return false
}

/** What a client must assume to have changed while the server was away. */
function changes(listen: Listen): ListenEffect[] {
  return [
    ...listen.lists.flatMap((method) => notify(listen, method, null)),
    ...[...listen.uris].flatMap((uri) =>
      notify(listen, 'notifications/resources/updated', JSON.stringify({ uri })),
    ),
  ]
}

function notify(listen: Listen, method: string, params: string | null): ListenEffect[] {
  return [{ kind: 'notify', method, params: stamped(params, listen.idText) }]
}

/** A notification's parameters with the listen id of the client that gets them. */
export function stamped(params: string | null, idText: string): string {
  const meta = (params === null ? null : memberText(params, '_meta')) ?? '{}'
  const own = editObject(meta, { set: { [metaKeys.subscriptionId]: idText } }) ?? '{}'
  return editObject(params ?? '{}', { set: { _meta: own } }) ?? '{}'
}

function over(listen: Listen, last: ListenEffect): ListenStep {
  const rest = [...listen.uris].map((uri): ListenEffect => ({ kind: 'unsubscribe', uri }))
  return [{ ...listen, over: true, uris: new Set() }, [...rest, last]]
}

function filterProblem(filter: unknown): string | null {
  if (!isObject(filter)) return 'notifications must be an object'
  for (const { field } of listChanges.values()) {
    if (filter[field] !== undefined && typeof filter[field] !== 'boolean') return `${field} must be a boolean`
  }
  const uris = filter['resourceSubscriptions']
  if (uris === undefined) return null
  if (!Array.isArray(uris) || !uris.every((uri) => typeof uri === 'string')) {
    return 'resourceSubscriptions must be a list of URIs'
  }
  if (uris.some((uri) => uri.length > uriCharsMax)) return uriTooLong
  return uris.length > listenUrisMax ? `resourceSubscriptions takes at most ${listenUrisMax} URIs` : null
}
