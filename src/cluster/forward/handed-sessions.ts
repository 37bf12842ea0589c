/**
 * Event streams of sessions that other members have handed over on their way out: kept until their clients come, which
 * is when the sessions go on here. Bounded; of what is given up here a client misses events, and nothing else.
 */
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { jsonIn } from '../../protocol/json.ts'
import type { HandedStreams } from '../../session/legacy/streams.ts'
import { saidWire } from '../wire-version.ts'

const count = Type.Integer({ minimum: 0 })

/** The streams of one session. */
const handed = Type.Object({
  wire: saidWire,
  id: Type.String(),
  streams: Type.Object({
    nextChannel: count,
    standing: Type.Union([Type.Object({ sequence: count, handedOut: count }), Type.Null()]),
    events: Type.Array(Type.Object({ stream: count, sequence: count, frame: Type.String() })),
  }),
})

const sessionsMax = 10_000
const charsMax = 64 * 1024 * 1024

export class HandedSessions {
  readonly #byId = new Map<string, { streams: HandedStreams; chars: number }>()
  #chars = 0

  /** Takes them in; false for what is of another form. */
  put(text: string): boolean {
    const value = jsonIn(text)
    if (!Value.Check(handed, value)) return false
    this.take(value.id)
    this.#byId.set(value.id, { streams: value.streams, chars: text.length })
    this.#chars += text.length
    for (const id of this.#byId.keys()) {
      if (this.#byId.size <= sessionsMax && this.#chars <= charsMax) break
      this.take(id)
    }
    return true
  }

  /** Those of a session, once; null for none. */
  take(id: string): HandedStreams | null {
    const found = this.#byId.get(id)
    if (found === undefined) return null
    this.#byId.delete(id)
    this.#chars -= found.chars
    return found.streams
  }
}
