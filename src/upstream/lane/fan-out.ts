/**
 * Tells all clients of a lane the same, without keeping everybody else waiting.
 *
 * A change is told at once, and what is said of the same thing shortly after it is told once more at the end of
 * that time, in its last words: a client that reads again knows all of them. Between some hundred receivers the
 * loop turns, and the server is not read meanwhile, so that nothing piles up.
 */
import { listChanges } from '../../protocol/eras.ts'
import { type MessageText, paramString } from '../../protocol/jsonrpc.ts'
import type { LaneClient } from '../connection/client.ts'
import type { Connection } from '../connection/connection.ts'
import { costs } from '../transports/flood-guard.ts'
import type { LaneSubscriptions } from './subscriptions.ts'

/** One change of each kind, or of each resource, within this. */
const sameChangeMs = 200
/** Kinds of changes and resources that are kept apart; the changes of others are all told. */
const changesMax = 256
/** Larger ones are all told, and paid for by their size: the last words of each are kept. */
const changeCharsMax = 4 * 1024
/** What may be done before the loop turns. */
const turnUnits = 256 * 1024

/** Who is told: the clients, and who of them has asked for what. */
export interface Audience {
  readonly clients: Iterable<LaneClient>
  readonly subscriptions: Wishes
}

type Wishes = Pick<LaneSubscriptions, 'wants' | 'comparisons'>

interface Telling {
  readonly connection: Connection
  readonly message: MessageText
  readonly audiences: Iterable<Audience>
}

export class FanOut {
  /** What was told within `sameChangeMs`, and what came since. */
  readonly #told = new Map<string, Telling | null>()
  #queue: Telling[] = []
  #running: Iterator<void> | null = null

  /** `audiences` is gone through when it is their turn, once. */
  tell(connection: Connection, message: MessageText, audiences: Iterable<Audience>): void {
    const telling = { connection, message, audiences }
    const change = changeOf(message)
    if (change !== null && this.#told.has(change)) this.#told.set(change, telling)
    else {
      if (change !== null && this.#told.size < changesMax) this.#mark(change)
      this.#enqueue(telling)
    }
  }

  /** Forgets what is still to be told. */
  clear(): void {
    this.#told.clear()
    this.#queue = []
  }

  #mark(change: string): void {
    this.#told.set(change, null)
    setTimeout(() => {
      const later = this.#told.get(change) ?? null
      this.#told.delete(change)
      if (later === null) return
      this.#mark(change)
      this.#enqueue(later)
    }, sameChangeMs).unref()
  }

  #enqueue(telling: Telling): void {
    this.#queue.push(telling)
    if (this.#running !== null) return
    const running = this.#run()
    this.#running = running
    if (running.next().done === true) this.#running = null
    else this.#continue(telling.connection, running)
  }

  /** The rest, in later turns. */
  #continue(connection: Connection, running: Iterator<void>): void {
    connection.hold()
    const next = (): void => {
      if (running.next().done !== true) {
        setImmediate(next)
        return
      }
      this.#running = null
      connection.release()
    }
    setImmediate(next)
  }

  /** Yields where the loop should turn. */
  *#run(): Generator<void> {
    let units = 0
    for (let telling = this.#queue.shift(); telling; telling = this.#queue.shift()) {
      const { connection, message } = telling
      for (const client of receivers(telling)) {
        const spent = offer(client, message)
        connection.unasked(spent)
        units += spent
        if (units < turnUnits) continue
        units = 0
        yield
      }
    }
  }
}

interface Receiver {
  readonly client: LaneClient
  readonly subscriptions: Wishes
}

function* receivers({ audiences }: Telling): Iterable<Receiver> {
  for (const { clients, subscriptions } of audiences)
    for (const client of clients) yield { client, subscriptions }
}

/** Tells one client what it has asked for, and answers what that has cost. */
function offer({ client, subscriptions }: Receiver, message: MessageText): number {
  const comparisons = subscriptions.comparisons(client, message)
  if (!subscriptions.wants(client, message)) return message.text.length + comparisons * costs.comparison
  client.notify(message, null)
  return message.text.length + costs.delivery
}

/** Names what has changed; null for what is no change, or too large to be kept. */
function changeOf(message: MessageText): string | null {
  const { method, text } = message
  if (method === null || text.length > changeCharsMax) return null
  if (method === 'notifications/resources/updated') return `${method} ${paramString(message, 'uri')}`
  return listChanges.has(method) ? method : null
}
