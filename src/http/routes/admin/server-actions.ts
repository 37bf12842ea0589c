/**
 * What may be done to a server without changing its definition: start it anew, switch it off and on, read what it
 * wrote; and try one that is none yet. All of it works for servers of the configuration file too: whether one is on is kept beside the definitions.
 */
import { GatewayError } from '../../../errors.ts'
import { type EventStream, eventFrame } from '../../../session/event-stream.ts'
import type { OutputLine } from '../../../upstream/server/output-tail.ts'
import { answer } from '../../api/operation.ts'
import { contextOf } from '../../context.ts'
import type { NameOrder } from './name-order.ts'
import type { AdminParts } from './parts.ts'
import { querySwitch } from './query.ts'
import { audit, knownEntry, maskOf, now } from './servers.ts'
import { tryServer } from './try.ts'

/** What waits for one reader of a log, beyond which it misses lines and is told how many. */
const unreadBytesMax = 256 * 1024

/** The handlers of one gateway. Each resolves with the answer or rejects with a GatewayError. */
export interface ServerActions {
  restart(request: Request, name: string): Promise<Response>
  enable(request: Request, name: string): Promise<Response>
  disable(request: Request, name: string): Promise<Response>
  logs(request: Request, name: string): Response
  try(request: Request): Promise<Response>
}

export function serverActions(parts: AdminParts, order: NameOrder): ServerActions {
  return {
    restart: (request, name) => order.run(name, () => restart(parts, request, name), contextOf(request)),
    enable: (request, name) => order.run(name, () => enable(parts, request, name), contextOf(request)),
    disable: (request, name) => order.run(name, () => disable(parts, request, name), contextOf(request)),
    logs: (request, name) => logs(parts, request, name),
    try: (request) => tryServer(parts, request),
  }
}

async function restart(parts: AdminParts, request: Request, name: string): Promise<Response> {
  if (knownEntry(parts, name).disabledAt !== null) {
    throw new GatewayError(
      'SERVER_DISABLED',
      `${name} is switched off, and a restart starts none that is. Switch it on with POST /admin/mcps/${name}/enable (compozy servers enable ${name}).`,
    )
  }
  await parts.directory.restart(name)
  audit(parts, request, { action: 'restart', name, before: null, after: null })
  return answer('restartServer', 200, { message: 'The server is starting anew.', name })
}

async function enable(parts: AdminParts, request: Request, name: string): Promise<Response> {
  if (knownEntry(parts, name).disabledAt === null)
    return answer('enableServer', 200, { message: 'The server is switched on already.', name })
  parts.store.setDisabled(name, null)
  parts.directory.enable(name)
  audit(parts, request, { action: 'enable', name, before: null, after: null })
  return answer('enableServer', 200, { message: 'The server is switched on and starting.', name })
}

async function disable(parts: AdminParts, request: Request, name: string): Promise<Response> {
  if (knownEntry(parts, name).disabledAt !== null)
    return answer('disableServer', 200, { message: 'The server is switched off already.', name })
  const disabledAt = now(parts)
  parts.store.setDisabled(name, disabledAt)
  await parts.directory.disable(name, disabledAt)
  audit(parts, request, { action: 'disable', name, before: null, after: null })
  return answer('disableServer', 200, {
    message: 'The server is switched off; its processes are gone.',
    name,
  })
}

/** What a server wrote for people, as much as is kept; with `?follow` also what it writes from now on. */
function logs(parts: AdminParts, request: Request, name: string): Response {
  const entry = knownEntry(parts, name)
  const mask = maskOf(entry)
  const shown = ({ time, text }: OutputLine) => ({ time, text: mask(text) })
  if (!querySwitch(request, 'follow'))
    return answer('getServerLogs', 200, { name, lines: entry.output.lines().map(shown) })
  if (request.method === 'HEAD') throw new GatewayError('METHOD_NOT_ALLOWED', 'HEAD is not served here.')
  let stream: EventStream | null = null
  let missed = 0
  const unfollow = entry.output.follow({
    line(line) {
      if (stream === null) return
      if (stream.queuedBytes > unreadBytesMax) {
        missed++
        return
      }
      if (missed > 0) stream.write(eventFrame(JSON.stringify({ count: missed }), null, 'missed'))
      missed = 0
      stream.write(eventFrame(JSON.stringify(shown(line)), null, 'line'))
    },
    ended() {
      stream?.write(eventFrame('{}', null, 'end'))
      stream?.close()
    },
  })
  stream = parts.streams.open(request, unfollow)
  for (const line of entry.output.lines()) stream.write(eventFrame(JSON.stringify(shown(line)), null, 'line'))
  return stream.response
}
