/**
 * Who on one lane has asked for what: resource updates by URI, and log messages from a level up.
 * The server sees the sum; each client sees its own part.
 */
import { type MessageText, paramString } from '../protocol/jsonrpc.ts'

/** RFC 5424 levels of the protocol, the most verbose first. */
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/** One client may subscribe to this many URIs; more are passed on but not counted. */
const URIS_PER_MEMBER_MAX = 10_000

/** Whoever asks: a session, a listen stream, or the lane itself for stateless requests. */
type Subscriber = object

export class Subscriptions {
  readonly #urisOf = new Map<Subscriber, Set<string>>()
  readonly #levelOf = new Map<Subscriber, number>()

  add(member: Subscriber, uri: string): void {
    const uris = this.#urisOf.get(member) ?? new Set()
    this.#urisOf.set(member, uris)
    if (uris.size < URIS_PER_MEMBER_MAX) uris.add(uri)
  }

  /** Answers true when nobody else needs the URI, so that the server must hear of it. */
  remove(member: Subscriber, uri: string): boolean {
    this.#urisOf.get(member)?.delete(uri)
    return !this.#anyone(uri)
  }

  /** Forgets a client; answers the URIs that nobody needs any more. */
  drop(member: Subscriber): string[] {
    const uris = this.#urisOf.get(member)
    this.#urisOf.delete(member)
    this.#levelOf.delete(member)
    return uris ? [...uris].filter((uri) => !this.#anyone(uri)) : []
  }

  /** Every URI that somebody needs, once. */
  uris(): Set<string> {
    const all = new Set<string>()
    for (const uris of this.#urisOf.values()) for (const uri of uris) all.add(uri)
    return all
  }

  /** Notes a client's level; answers the most verbose one, which the server should keep. */
  setLevel(member: Subscriber, level: string): string | null {
    const rank = LEVELS.indexOf(level)
    if (rank < 0) return level
    this.#levelOf.set(member, rank)
    return this.level
  }

  /** Like `setLevel`, but never to a less verbose one: for calls that come and go and are filtered one by one. */
  raiseLevel(member: Subscriber, level: string): string | null {
    const rank = LEVELS.indexOf(level)
    return rank >= (this.#levelOf.get(member) ?? LEVELS.length) ? this.level : this.setLevel(member, level)
  }

  /** What a client has asked for, to be asked for again elsewhere. */
  of(member: Subscriber): { uris: readonly string[]; level: string | null } {
    const level = LEVELS[this.#levelOf.get(member) ?? LEVELS.length] ?? null
    return { uris: [...(this.#urisOf.get(member) ?? [])], level }
  }

  /** The most verbose level that anyone asked for, or null when nobody did. */
  get level(): string | null {
    let least = LEVELS.length
    for (const rank of this.#levelOf.values()) least = Math.min(least, rank)
    return LEVELS[least] ?? null
  }

  /** Whether a notification of the server's is for this client. */
  wants(member: Subscriber, message: MessageText): boolean {
    if (message.method === 'notifications/message') {
      const own = this.#levelOf.get(member)
      if (own === undefined) return this.#levelOf.size === 0 || this.#atLeast(message, 1)
      return this.#atLeast(message, own)
    }
    if (message.method !== 'notifications/resources/updated') return true
    const uri = paramString(message, 'uri')
    if (uri === null) return false
    const own = this.#urisOf.get(member)
    if (!own) return false
    if (own.has(uri)) return true
    // The updated resource may lie below the one that was subscribed (resources, "Subscriptions").
    for (const subscribed of own) if (uri.startsWith(subscribed)) return true
    return false
  }

  #atLeast(message: MessageText, rank: number): boolean {
    const level = LEVELS.indexOf(paramString(message, 'level') ?? '')
    return level < 0 || level >= rank
  }

  #anyone(uri: string): boolean {
    for (const uris of this.#urisOf.values()) if (uris.has(uri)) return true
    return false
  }
}
