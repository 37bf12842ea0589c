/**
 * A legacy client's session with a modern server: what the stateless era has no request for.
 *
 * `ping` and `logging/setLevel` are answered here. Subscriptions and the standing stream become one
 * `subscriptions/listen` upstream. A listen's filter is fixed, so a change opens a new one, and the old
 * one is closed a moment after the new one is acknowledged: between the two, events may come twice, which
 * does no harm, but none is lost.
 *
 * Spec: 2026-07-28, basic/patterns/subscriptions; 2025-11-25, server/utilities/logging, server/resources.
 */
import { isLogLevel, type LogLevel, listChanges, metaKeys, rpcCodes } from '../eras.ts'
import { isObject } from '../json.ts'
import { editObject, memberText, parsed } from '../spans.ts'
import { declares } from './facts.ts'
import { coversResource, listenUrisMax, uriCharsMax, uriTooLong } from './listen.ts'
import { rpcFailure } from './results.ts'
import type { ServerFacts, SessionEffect, SessionEvent, SessionTimer, Step } from './types.ts'

/** How long the old listen stays open beside the new one. */
export const overlapMs = 500
/** How long a subscription waits for the server's acknowledgement. */
export const acknowledgeMs = 10_000
const reopenMs = 1_000
const reopenMsMax = 30_000

interface OpenListen {
  readonly listen: number
  readonly filter: string
  readonly state: 'opening' | 'open' | 'closing'
}

export interface LegacySession {
  readonly server: ServerFacts
  /** What the client asked to be logged; the envelope of each of its requests carries it. */
  readonly logLevel: LogLevel | null
  readonly standing: boolean
  readonly uris: ReadonlySet<string>
  readonly listens: readonly OpenListen[]
  readonly nextListen: number
  /** Subscriptions whose answer waits for an acknowledgement. */
  readonly waiting: readonly { readonly handle: number; readonly uri: string }[]
  /** Pause before the next attempt; 0 while nothing has failed. */
  readonly backoffMs: number
  /** The stream was cut: after the next acknowledgement the client is told that all may have changed. */
  readonly gap: boolean
}

type SessionStep = Step<LegacySession, SessionEffect>

/** A session after `initialize`. A client that sets no level gets every message, as SDK servers do. */
export function startLegacySession(server: ServerFacts): LegacySession {
  return {
    server,
    logLevel: isObject(server.capabilities['logging']) ? 'debug' : null,
    standing: false,
    uris: new Set(),
    listens: [],
    nextListen: 1,
    waiting: [],
    backoffMs: 0,
    gap: false,
  }
}

/** Requests that the session answers instead of the modern server. */
export function isSessionRequest(method: string): boolean {
  return sessionRequests.has(method)
}

const sessionRequests: ReadonlySet<string> = new Set([
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
])

export function stepLegacySession(session: LegacySession, event: SessionEvent): SessionStep {
  switch (event.kind) {
    case 'request':
      return request(session, event.handle, event.method, event.params)
    case 'standing':
      return refilter({ ...session, standing: event.open }, [])
    case 'acknowledged':
      return acknowledged(session, event.listen, event.params)
    case 'notification':
      return [session, notification(session, event.listen, event.method, event.params)]
    case 'listenEnded':
      return listenEnded(session, event.listen)
    case 'timer':
      return timer(session, event.timer)
    case 'closed':
      return [
        { ...session, listens: [], waiting: [], standing: false, uris: new Set() },
        session.listens.map(({ listen }) => ({ kind: 'closeListen', listen })),
      ]
  }
}

function request(session: LegacySession, handle: number, method: string, params: string | null): SessionStep {
  const empty: SessionEffect = { kind: 'answer', handle, result: '{}' }
  const fail = (code: number, message: string): SessionStep => [
    session,
    [{ kind: 'fail', handle, failure: rpcFailure(code, message) }],
  ]
  if (method === 'ping') return [session, [empty]]
  if (method === 'logging/setLevel') {
    if (!isObject(session.server.capabilities['logging']))
      return fail(rpcCodes.methodNotFound, 'The server does not log')
    const level = parsed(memberText(params ?? '{}', 'level') ?? 'null')
    if (!isLogLevel(level)) return fail(rpcCodes.invalidParams, 'level is not a log level')
    return [{ ...session, logLevel: level }, [empty]]
  }
  if (!declares(session.server, 'resources', 'subscribe')) {
    return fail(rpcCodes.methodNotFound, 'The server has no resource subscriptions')
  }
  const uri = parsed(memberText(params ?? '{}', 'uri') ?? 'null')
  if (typeof uri !== 'string') return fail(rpcCodes.invalidParams, 'uri must be a string')
  if (uri.length > uriCharsMax) return fail(rpcCodes.invalidParams, uriTooLong)
  const uris = new Set(session.uris)
  if (method === 'resources/unsubscribe') {
    uris.delete(uri)
    const [kept, moot] = parted(session.waiting, uri)
    const answers = moot.map((other): SessionEffect => ({ ...empty, handle: other.handle }))
    return refilter({ ...session, uris, waiting: kept }, [...answers, empty])
  }
  if (uris.has(uri) && !session.waiting.some((other) => other.uri === uri)) return [session, [empty]]
  if (uris.size >= listenUrisMax) return fail(rpcCodes.invalidParams, 'Too many subscriptions')
  uris.add(uri)
  const patience: SessionEffect = { kind: 'timer', timer: 'acknowledge', ms: acknowledgeMs }
  const waiting = [...session.waiting, { handle, uri }]
  return refilter({ ...session, uris, waiting }, session.waiting.length === 0 ? [patience] : [])
}

type Waiting = LegacySession['waiting']

function parted(waiting: Waiting, uri: string): readonly [kept: Waiting, moot: Waiting] {
  return [waiting.filter((other) => other.uri !== uri), waiting.filter((other) => other.uri === uri)]
}

/** The filter that the session needs, as the JSON text of `params.notifications`; null for none. */
function wantedFilter(session: LegacySession): string | null {
  const filter: Record<string, unknown> = {}
  for (const { capability, field } of listChanges.values()) {
    if (session.standing && declares(session.server, capability, 'listChanged')) filter[field] = true
  }
  if (session.uris.size > 0) filter['resourceSubscriptions'] = [...session.uris]
  return Object.keys(filter).length === 0 ? null : JSON.stringify(filter)
}

/** Makes the listen fit what is wanted. One at a time is opened; what changes meanwhile waits for its turn. */
function refilter(session: LegacySession, before: readonly SessionEffect[]): SessionStep {
  const wanted = wantedFilter(session)
  const current = session.listens.find(({ state }) => state !== 'closing')
  if (wanted === null) {
    const closes = session.listens.map(({ listen }): SessionEffect => ({ kind: 'closeListen', listen }))
    const stop: SessionEffect[] = session.backoffMs > 0 ? [{ kind: 'stopTimer', timer: 'reopen' }] : []
    return [{ ...session, listens: [], backoffMs: 0, gap: false }, [...before, ...stop, ...closes]]
  }
  const busy = session.listens.some(({ state }) => state === 'opening') || session.backoffMs > 0
  if (busy || current?.filter === wanted) return [session, before]
  return open(session, wanted, before)
}

function open(session: LegacySession, filter: string, before: readonly SessionEffect[]): SessionStep {
  const listen = session.nextListen
  const listens = [...session.listens, { listen, filter, state: 'opening' } as const]
  return [
    { ...session, listens, nextListen: listen + 1 },
    [...before, { kind: 'openListen', listen, filter }],
  ]
}

function acknowledged(session: LegacySession, listen: number, params: string | null): SessionStep {
  const opened = session.listens.find((other) => other.listen === listen && other.state === 'opening')
  if (opened === undefined) return [session, []]
  const listens = session.listens.map(
    (other): OpenListen => ({
      ...other,
      state: other === opened ? 'open' : 'closing',
    }),
  )
  const asked = urisOf(opened.filter)
  const honored = urisOf(memberText(params ?? '{}', 'notifications') ?? '{}')
  const effects: SessionEffect[] = []
  if (listens.length > 1) effects.push({ kind: 'timer', timer: 'overlap', ms: overlapMs })
  const uris = new Set(session.uris)
  const waiting = session.waiting.filter(({ handle, uri }) => {
    if (!asked.has(uri)) return true
    if (honored.has(uri)) effects.push({ kind: 'answer', handle, result: '{}' })
    else {
      uris.delete(uri)
      const failure = rpcFailure(rpcCodes.invalidParams, 'The server does not offer this subscription')
      effects.push({ kind: 'fail', handle, failure })
    }
    return false
  })
  if (waiting.length === 0 && session.waiting.length > 0)
    effects.push({ kind: 'stopTimer', timer: 'acknowledge' })
  const next: LegacySession = { ...session, listens, uris, waiting, backoffMs: 0, gap: false }
  if (session.gap) effects.push(...changes(next))
  return refilter(next, effects)
}

/** What a client must assume to have changed while nobody listened. */
function changes(session: LegacySession): SessionEffect[] {
  const filter = parsed(wantedFilter(session) ?? '{}')
  const effects: SessionEffect[] = []
  for (const [method, { field }] of listChanges) {
    if (isObject(filter) && filter[field] === true) effects.push({ kind: 'notify', method, params: null })
  }
  for (const uri of session.uris) {
    effects.push({
      kind: 'notify',
      method: 'notifications/resources/updated',
      params: JSON.stringify({ uri }),
    })
  }
  return effects
}

function notification(
  session: LegacySession,
  listen: number,
  method: string,
  params: string | null,
): SessionEffect[] {
  if (!session.listens.some((other) => other.listen === listen)) return []
  if (method === 'notifications/resources/updated') {
    const uri = parsed(memberText(params ?? '{}', 'uri') ?? 'null')
    if (typeof uri !== 'string') return []
    if (!session.uris.has(uri) && ![...session.uris].some((own) => coversResource(own, uri))) return []
  } else if (!listChanges.has(method)) return []
  return [{ kind: 'notify', method, params: unstamped(params) }]
}

/** The listen id is the gateway's own and no business of the client's. */
function unstamped(params: string | null): string | null {
  const meta = params === null ? null : memberText(params, '_meta')
  if (params === null || meta === null) return params
  const kept = editObject(meta, { drop: (key) => key === metaKeys.subscriptionId })
  return editObject(params, {
    drop: (key) => key === '_meta' && (kept === null || kept === '{}'),
    set: kept !== null && kept !== '{}' ? { _meta: kept } : {},
  })
}

function listenEnded(session: LegacySession, listen: number): SessionStep {
  const ended = session.listens.find((other) => other.listen === listen)
  if (ended === undefined) return [session, []]
  const listens = session.listens.filter((other) => other !== ended)
  if (ended.state === 'closing') return [{ ...session, listens }, []]
  const backoffMs = Math.min(Math.max(session.backoffMs * 2, reopenMs), reopenMsMax)
  const gap = session.gap || ended.state === 'open'
  return [{ ...session, listens, backoffMs, gap }, [{ kind: 'timer', timer: 'reopen', ms: backoffMs }]]
}

function timer(session: LegacySession, which: SessionTimer): SessionStep {
  if (which === 'overlap') {
    const closing = session.listens.filter(({ state }) => state === 'closing')
    const listens = session.listens.filter(({ state }) => state !== 'closing')
    return [{ ...session, listens }, closing.map(({ listen }) => ({ kind: 'closeListen', listen }))]
  }
  if (which === 'reopen') {
    const wanted = wantedFilter(session)
    if (wanted === null) return [session, []]
    const fits = session.listens.some(({ state, filter }) => state === 'open' && filter === wanted)
    // The pause is kept for the next failure; only an acknowledgement ends it.
    return fits ? [{ ...session, backoffMs: 0 }, []] : open(session, wanted, [])
  }
  const uris = new Set(session.uris)
  const failure = rpcFailure(rpcCodes.internalError, 'The server did not acknowledge the subscription')
  const effects = session.waiting.map(({ handle, uri }): SessionEffect => {
    uris.delete(uri)
    return { kind: 'fail', handle, failure }
  })
  return [{ ...session, uris, waiting: [] }, effects]
}

function urisOf(filter: string): ReadonlySet<unknown> {
  const uris = parsed(memberText(filter, 'resourceSubscriptions') ?? '[]')
  return new Set(Array.isArray(uris) ? uris : [])
}
