/** `GET /admin/events`: the calls that end and the states of servers, as they happen. */
import { GatewayError } from '../../../errors.ts'
import { type EventStream, eventFrame } from '../../../session/event-stream.ts'
import type { EventKind, Events } from '../../../telemetry/events.ts'
import { printableJson } from '../../../telemetry/printable.ts'
import type { ServerEntry } from '../../../upstream/server/directory.ts'
import type { ServersListener } from '../../../upstream/server/servers.ts'
import type { StateEvent } from '../../api/answers.ts'
import type { AdminParts } from './parts.ts'
import { maskOf } from './servers.ts'

/** What waits for one reader, beyond which it misses events and is told how many. */
const unreadBytesMax = 256 * 1024
/** Calls that end within so long are told in one piece: at hundreds a second a write costs more than what it tells. */
const gatherMs = 50

/** Begins with the state of each server, so that nobody has to ask for it beside the stream. */
export function followEvents({ directory, recorder, streams }: AdminParts, request: Request): Response {
  if (request.method === 'HEAD') throw new GatewayError('METHOD_NOT_ALLOWED', 'HEAD is not served here.')
  let stream: EventStream | null = null
  let missed = 0
  let gathered = ''
  let timer: ReturnType<typeof setTimeout> | null = null
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (gathered !== '') stream?.write(gathered)
    gathered = ''
  }
  const happened = (kind: EventKind, json: string): void => {
    if (stream === null) return
    if (stream.queuedBytes + gathered.length > unreadBytesMax) {
      missed++
      return
    }
    if (missed > 0) gathered += eventFrame(JSON.stringify({ count: missed }), null, 'missed')
    missed = 0
    gathered += eventFrame(json, null, kind)
    if (kind === 'call') timer ??= setTimeout(flush, gatherMs)
    else flush()
  }
  const unfollow = recorder.events.follow({ happened })
  stream = streams.open(request, () => {
    if (timer !== null) clearTimeout(timer)
    unfollow()
  })
  const time = new Date().toISOString()
  const states = directory.list().map((entry) => JSON.stringify({ time, ...stateOf(entry) }))
  // In one piece: many servers with long reasons are no sign of a slow reader.
  stream.write(states.map((json) => eventFrame(printableJson(json), null, 'state')).join(''))
  return stream.response
}

/** Tells the followers of `events` how the servers fare. */
export function stateTeller(
  directory: { get(name: string): ServerEntry | undefined },
  events: Events,
): ServersListener {
  const changed = (name: string): void => {
    const entry = events.followed ? directory.get(name) : undefined
    if (entry !== undefined) events.tell('state', stateOf(entry))
  }
  return {
    stateChanged: changed,
    replaced: changed,
    leaving() {},
    removed(name) {
      const nothing = { reason: null, since: null, restarts: 0, disabledAt: null }
      events.tell('state', { mcp: name, status: 'removed', ...nothing } satisfies Omit<StateEvent, 'time'>)
    },
  }
}

function stateOf(entry: ServerEntry): Omit<StateEvent, 'time'> {
  const { name, status, reason, since, restarts, disabledAt } = entry.status()
  const shown = reason === null ? null : maskOf(entry)(reason)
  return { mcp: name, status, reason: shown, since, restarts, disabledAt }
}
