/** The connections of one wire: opened when they are needed, and kept for a while when they are not. */
import { givenUp } from '../answer/answer.ts'
import type { Cancellation } from '../answer/cancellation.ts'
import { type ConnectionTarget, Http1Connection, type Http1ConnectionOwner } from './connection.ts'

export interface ConnectionBounds {
  /** How long an idle connection is kept when the server does not say how long it keeps it. */
  readonly idleMsMax: number
  /** How much earlier than the server an idle connection is given up: a request must not cross its close. */
  readonly marginMs: number
  readonly idleCountMax: number
}

/** Common servers close after 5 s, and not all of them say so: a request that crosses the close fails. */
const usualBounds: ConnectionBounds = { idleMsMax: 4_000, marginMs: 1_000, idleCountMax: 256 }

/** Connections that have expired are closed this much later at most. */
const sweepMs = 1_000
/** A wire meets few addresses: those of its server, and of redirects from there. */
const targetsMax = 64

export class Http1Connections implements Http1ConnectionOwner {
  readonly #bounds: ConnectionBounds
  /** By where they lead; the last used is last. */
  readonly #idle = new Map<ConnectionTarget, Http1Connection[]>()
  #idleCount = 0
  readonly #targets = new Map<string, ConnectionTarget>()
  readonly #opened = new Set<Http1Connection>()
  #sweep: ReturnType<typeof setTimeout> | null = null
  #closed = false

  constructor(bounds: Partial<ConnectionBounds> = {}) {
    this.#bounds = { ...usualBounds, ...bounds }
  }

  /** How many are kept for later. */
  get idleCount(): number {
    return this.#idleCount
  }

  /** An idle connection to the host of `href`, the one last used first; null when there is none. */
  take(href: string): Http1Connection | null {
    const idle = this.#idle.get(this.#targetOf(href))
    const connection = idle?.pop()
    if (connection === undefined) return null
    this.#idleCount--
    if (connection.expiresAtMs > performance.now()) return connection
    // The others have waited for longer still; the sweep closes them.
    connection.destroy()
    return null
  }

  /** A new connection to the host of `href`. Rejects with the error of the system, or when it is given up. */
  open(href: string, cancellation: Cancellation): Promise<Http1Connection> {
    return new Promise((resolve, reject) => {
      // The runtime cannot stop a connect: it goes on alone, and what it brings is closed.
      const waiting = { cancelled: () => reject(new DOMException('', givenUp)) }
      cancellation.add(waiting)
      Http1Connection.open(this.#targetOf(href), this).then(
        (connection) => {
          cancellation.remove(waiting)
          if (!connection.closed) this.#opened.add(connection)
          if (cancellation.happened || this.#closed) connection.destroy()
          resolve(connection)
        },
        (thrown: unknown) => {
          cancellation.remove(waiting)
          reject(thrown)
        },
      )
    })
  }

  free(connection: Http1Connection): void {
    const { idleMsMax, marginMs, idleCountMax } = this.#bounds
    const { target, keepAliveSeconds } = connection
    const keptMs =
      keepAliveSeconds === null ? idleMsMax : Math.min(idleMsMax, keepAliveSeconds * 1000 - marginMs)
    if (this.#closed || keptMs <= 0 || this.#idleCount >= idleCountMax) {
      connection.destroy()
      return
    }
    connection.expiresAtMs = performance.now() + keptMs
    connection.rest()
    let idle = this.#idle.get(target)
    if (idle === undefined) {
      idle = []
      this.#idle.set(target, idle)
    }
    idle.push(connection)
    this.#idleCount++
    this.#sweepLater()
  }

  gone(connection: Http1Connection): void {
    this.#opened.delete(connection)
    this.claim(connection)
  }

  /** Takes this very connection; false where it does not idle. */
  claim(connection: Http1Connection): boolean {
    const idle = this.#idle.get(connection.target)
    const at = idle?.lastIndexOf(connection) ?? -1
    if (at < 0) return false
    idle?.splice(at, 1)
    this.#idleCount--
    return true
  }

  #sweepLater(): void {
    if (this.#sweep !== null) return
    this.#sweep = setTimeout(() => {
      this.#sweep = null
      const nowMs = performance.now()
      for (const [target, idle] of this.#idle) {
        for (const connection of [...idle]) if (connection.expiresAtMs <= nowMs) connection.destroy()
        if (idle.length === 0) this.#idle.delete(target)
      }
      if (this.#idleCount > 0) this.#sweepLater()
    }, sweepMs)
    this.#sweep.unref()
  }

  #targetOf(href: string): ConnectionTarget {
    const known = this.#targets.get(href)
    if (known !== undefined) return known
    const target = targetIn(href)
    // Paths differ, the host is one: its connections are shared.
    const same = [...this.#targets.values()].find((other) => Bun.deepEquals(other, target))
    if (this.#targets.size >= targetsMax) this.#targets.clear()
    this.#targets.set(href, same ?? target)
    return same ?? target
  }

  /** Closes all of them, those in use too; what is opened or freed later is closed at once. */
  close(): void {
    this.#closed = true
    if (this.#sweep !== null) clearTimeout(this.#sweep)
    this.#sweep = null
    for (const connection of [...this.#opened]) connection.breakOff(givenUp)
    this.#idle.clear()
    this.#targets.clear()
  }
}

/** An `http:` URL, or `unix:` with the path of a socket behind it. */
function targetIn(href: string): ConnectionTarget {
  if (href.startsWith('unix:')) return { unix: href.slice('unix:'.length) }
  const { hostname, port } = new URL(href)
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) }
}
