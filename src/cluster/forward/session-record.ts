/**
 * What another member needs to go on with a session: what its client has said of itself, and what it has asked for
 * since. It is kept sealed in the directory; who reads it must have the secret of the cluster.
 */
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { jsonIn } from '../../protocol/json.ts'
import { type MessageText, paramString } from '../../protocol/jsonrpc.ts'
import type { Session } from '../../session/legacy/session.ts'
import type { UpstreamSession } from '../../upstream/connection/client.ts'
import { saidWire, wireVersion } from '../wire-version.ts'

/** URIs of one session that are remembered, and their characters; a client that has more asks for them again. */
const urisMax = 1_000
const uriCharsMax = 64 * 1024

const sessionRecord = Type.Object({
  wire: saidWire,
  /** Stands inside the seal, so that no record can be put in the place of another one. */
  id: Type.String(),
  principalId: Type.String(),
  clientKey: Type.String(),
  /** What its target is filed under. */
  serverName: Type.String(),
  /** The text of `initialize`, as it came. */
  initialize: Type.String(),
  headers: Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]),
  /** The level of the last `logging/setLevel`. */
  level: Type.Union([Type.String(), Type.Null()]),
  /** The session that its server has given it; null where nobody else could go on with it. */
  upstream: Type.Optional(
    Type.Union([
      Type.Object({
        url: Type.String(),
        id: Type.String(),
        origin: Type.String(),
        result: Type.String(),
        announced: Type.Boolean(),
      }),
      Type.Null(),
    ]),
  ),
  /** Resources that the client is subscribed to, as it has written them. */
  uris: Type.Array(Type.String()),
})

export type SessionRecord = Static<typeof sessionRecord>

/** What a client has asked for that a new owner must ask for again. */
export class SessionWishes {
  level: string | null = null
  readonly uris = new Set<string>()
  #uriChars = 0

  constructor(record: Pick<SessionRecord, 'level' | 'uris'> | null) {
    this.level = record?.level ?? null
    for (const uri of record?.uris ?? []) this.#add(uri)
  }

  /** Takes note of a request; true where something is another now. */
  note(message: MessageText): boolean {
    switch (message.method) {
      case 'logging/setLevel': {
        const level = paramString(message, 'level')
        if (level === null || level === this.level || level.length > levelCharsMax) return false
        this.level = level
        return true
      }
      case 'resources/subscribe':
        return this.#add(paramString(message, 'uri'))
      case 'resources/unsubscribe': {
        const uri = paramString(message, 'uri')
        if (uri === null || !this.uris.delete(uri)) return false
        this.#uriChars -= uri.length
        return true
      }
      default:
        return false
    }
  }

  #add(uri: string | null): boolean {
    if (uri === null || this.uris.has(uri)) return false
    if (this.uris.size >= urisMax || this.#uriChars + uri.length > uriCharsMax) return false
    this.uris.add(uri)
    this.#uriChars += uri.length
    return true
  }
}

const levelCharsMax = 32

/** A server that says more of itself is connected to anew. */
const resultCharsMax = 16 * 1024

/** The session that an HTTP server has given this session alone; null where there is none that lives on without it. */
function upstreamSessionOf(session: Session): UpstreamSession | null {
  const { lane } = session
  const given = lane?.owner === session ? (lane.ready?.transport.session ?? null) : null
  const result = lane?.handshake?.facts.resultText ?? ''
  if (lane === null || given === null || result.length > resultCharsMax) return null
  return { ...given, url: lane.definition.url, result }
}

/** Another member goes on with the session at its server: it does not end with this one. */
export function leaveUpstream({ lane }: Session): void {
  lane?.ready?.transport.leaveSession?.()
}

export function recordOf(session: Session, wishes: SessionWishes): string {
  const { id, principalId, clientKey, serverName, headers, initialize } = session
  const record: SessionRecord = {
    wire: wireVersion,
    ...{ id, principalId, clientKey, serverName },
    initialize: initialize.text,
    headers: headers === undefined ? null : { ...headers },
    level: wishes.level,
    upstream: upstreamSessionOf(session),
    uris: [...wishes.uris],
  }
  return JSON.stringify(record)
}

/** The record of this session; null for whatever is none, or that of another one. */
export function readRecord(text: string | null, id: string): SessionRecord | null {
  const value = text === null ? null : jsonIn(text)
  return Value.Check(sessionRecord, value) && value.id === id ? value : null
}
