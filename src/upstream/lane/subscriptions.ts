/**
 * Who on one lane has asked for what: resource updates by URI, and log messages from a level up.
 * The server hears of the sum; each client is given its own part.
 */

import { GatewayError, noRoomError } from '../../errors.ts'
import { uriCharsMax, uriTooLong } from '../../protocol/bridge/listen.ts'
import { logLevels, logRank } from '../../protocol/eras.ts'
import { type MessageText, paramString } from '../../protocol/jsonrpc.ts'
import { textBytes } from '../../runtime/byte-ledger.ts'
import type { LaneClient } from '../connection/client.ts'

/** One client may subscribe to this many URIs; more are passed on but not counted. */
const urisPerMemberMax = 10_000

/** Whoever asks: a session, a listen stream, or the lane itself for stateless requests. */
type Subscriber = object & Partial<Pick<LaneClient, 'keep'>>

export class LaneSubscriptions {
  readonly #urisOf = new Map<Subscriber, Set<string>>()
  /** Bytes that a client's own requests keep here in its name. */
  readonly #keptOf = new Map<Subscriber, number>()
  readonly #levelOf = new Map<Subscriber, number>()
  readonly #tell: (method: string, params: Record<string, unknown>) => Promise<void>

  /** `tell` sends a request of the gateway's own to the server; it never rejects. */
  constructor(tell: (method: string, params: Record<string, unknown>) => Promise<void>) {
    this.#tell = tell
  }

  /**
   * Notes what a client's own request asks for. False when the server need not hear of it; an `alone` client's it
   * always hears. An error when it cannot be kept.
   */
  note(client: Subscriber, message: MessageText, alone: boolean): boolean | GatewayError {
    const { method } = message
    if (method === 'logging/setLevel') return this.#noteLevel(client, paramString(message, 'level'), alone)
    if (method !== 'resources/subscribe' && method !== 'resources/unsubscribe') return true
    const uri = paramString(message, 'uri')
    if (uri === null) return true
    if (method === 'resources/unsubscribe') return this.#remove(client, uri)
    if (this.#urisOf.get(client)?.has(uri) === true) return true
    if (uri.length > uriCharsMax) return new GatewayError('PARAMS_REFUSED', uriTooLong)
    const refusal = this.#keep(client, textBytes(uri))
    if (refusal === null) this.#add(client, uri)
    return refusal ?? true
  }

  /** Charges the client, or says that there is no room. */
  #keep(client: Subscriber, bytes: number): GatewayError | null {
    if (client.keep === undefined) return null
    if (!client.keep(bytes)) return noRoomError()
    this.#keptOf.set(client, (this.#keptOf.get(client) ?? 0) + bytes)
    return null
  }

  /** The client's own request serves where it says what all of them need; else the gateway says that, if it is new. */
  #noteLevel(client: Subscriber, level: string | null, alone: boolean): boolean {
    const before = this.level
    const sum = level && this.#setLevel(client, level)
    if (alone || !sum || sum === level) return true
    if (sum !== before) void this.#tell('logging/setLevel', { level: sum })
    return false
  }

  /** Subscribes for a client that has no request of its own; the server hears of the first one. */
  subscribe(client: Subscriber, uri: string): void {
    const first = !this.#anyone(uri)
    this.#add(client, uri)
    if (first) void this.#tell('resources/subscribe', { uri })
  }

  /**
   * Makes the server log from this level up for requests that come and go and are filtered one by one; never
   * less than before. Resolves when it has heard of it; undefined when it has already.
   */
  raiseLogLevel(level: string): Promise<void> | undefined {
    const rank = logRank(level)
    if (rank < 0 || rank >= (this.#levelOf.get(this) ?? logLevels.length)) return undefined
    return this.#changeLevel(this, level)
  }

  /** Asks here for what a client had asked for on a lane that is gone. */
  carryOver(client: Subscriber, from: LaneSubscriptions): void {
    for (const uri of from.#urisOf.get(client) ?? []) this.subscribe(client, uri)
    this.#keptOf.set(client, (this.#keptOf.get(client) ?? 0) + (from.#keptOf.get(client) ?? 0))
    from.#keptOf.delete(client)
    const level = logLevels[from.#levelOf.get(client) ?? logLevels.length]
    if (level !== undefined) void this.#changeLevel(client, level)
  }

  #changeLevel(client: Subscriber, level: string): Promise<void> | undefined {
    const before = this.level
    const sum = this.#setLevel(client, level)
    return sum === null || sum === before ? undefined : this.#tell('logging/setLevel', { level: sum })
  }

  #add(client: Subscriber, uri: string): void {
    const uris = this.#urisOf.get(client) ?? new Set()
    this.#urisOf.set(client, uris)
    if (uris.size < urisPerMemberMax) uris.add(uri)
  }

  /** Answers true when nobody else needs the URI, so that the server must hear of it. */
  #remove(client: Subscriber, uri: string): boolean {
    if (this.#urisOf.get(client)?.delete(uri) === true) this.#keep(client, -textBytes(uri))
    return !this.#anyone(uri)
  }

  /** Forgets a client; while the server is there, it hears of what nobody needs any more. */
  drop(client: Subscriber, serverIsThere: boolean): void {
    const uris = this.#urisOf.get(client)
    const before = this.level
    this.#urisOf.delete(client)
    this.#levelOf.delete(client)
    client.keep?.(-(this.#keptOf.get(client) ?? 0))
    this.#keptOf.delete(client)
    if (!serverIsThere) return
    const { level } = this
    if (level !== null && level !== before) void this.#tell('logging/setLevel', { level })
    for (const uri of uris ?? []) if (!this.#anyone(uri)) void this.#tell('resources/unsubscribe', { uri })
  }

  /** Every URI that somebody needs, once. */
  uris(): Set<string> {
    const all = new Set<string>()
    for (const uris of this.#urisOf.values()) for (const uri of uris) all.add(uri)
    return all
  }

  /** Notes a client's level; answers the most verbose one, which the server should keep. */
  #setLevel(client: Subscriber, level: string): string | null {
    const rank = logRank(level)
    if (rank < 0) return level
    this.#levelOf.set(client, rank)
    return this.level
  }

  /** The most verbose level that anyone asked for, or null when nobody did. */
  get level(): string | null {
    let least: number = logLevels.length
    for (const rank of this.#levelOf.values()) least = Math.min(least, rank)
    return logLevels[least] ?? null
  }

  /** Whether a notification of the server's is for this client. */
  wants(client: Subscriber, message: MessageText): boolean {
    if (message.method === 'notifications/message') {
      const own = this.#levelOf.get(client)
      if (own === undefined) return this.#levelOf.size === 0 || this.#atLeast(message, 1)
      return this.#atLeast(message, own)
    }
    if (message.method !== 'notifications/resources/updated') return true
    const uri = paramString(message, 'uri')
    if (uri === null) return false
    const own = this.#urisOf.get(client)
    if (!own) return false
    if (own.has(uri)) return true
    // The updated resource may lie below the one that was subscribed (resources, "Subscriptions").
    for (const subscribed of own) if (uri.startsWith(subscribed)) return true
    return false
  }

  /** How many URIs `wants` may have to look at. */
  comparisons(client: Subscriber, { method }: MessageText): number {
    return method === 'notifications/resources/updated' ? (this.#urisOf.get(client)?.size ?? 0) : 0
  }

  #atLeast(message: MessageText, rank: number): boolean {
    const level = logRank(paramString(message, 'level'))
    return level < 0 || level >= rank
  }

  #anyone(uri: string): boolean {
    for (const uris of this.#urisOf.values()) if (uris.has(uri)) return true
    return false
  }
}
