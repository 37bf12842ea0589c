/**
 * Bounds that count over all replicas: sessions, requests in flight, rates. Each is leased from the directory, so that
 * all together never pass it. While the directory is away each replica keeps to its share of the bound.
 */
import { GatewayError } from '../../errors.ts'
import type { ServersListener } from '../../upstream/server/servers.ts'
import type { Directory, SharedRate } from '../directory/directory.ts'
import type { Membership } from '../membership.ts'
import type { Seal } from '../seal.ts'
import { CallSlots, type CountedServers, tellAgainMs } from './call-slots.ts'

export interface ClusterLimitsParts {
  readonly directory: Directory
  readonly membership: Pick<Membership, 'members' | 'self' | 'state'>
  readonly seal: Seal
  readonly leaseMs: number
  /** Those in force. */
  readonly bounds: {
    readonly sessionsMax: number
    readonly sessionsPerClientMax: number
    readonly inFlightPerServerMax: number
  }
  /** Sessions that are open here, all of them and those of a client. */
  readonly sessions: {
    readonly count: number
    countOfClient(clientKey: string): number
    room: ((clientKey: string) => Promise<() => void>) | null
  }
  readonly servers: CountedServers & {
    /** A server that has come, or is in the place of another, asks at once for what it may do. */
    subscribe(listener: ServersListener): void
  }
}

/** What is leased of one bound. */
interface Lease {
  /** In the directory; made once, as a code is made of whose it is. */
  readonly name: string
  /** How many the directory knows of; null where it may have heard of them, or not. */
  told: number | null
  /** Monotonic. */
  askedAtMs: number
  asking: boolean
}

const clientsMax = 10_000
const sweepMs = 250

export class ClusterLimits {
  readonly #parts: ClusterLimitsParts
  readonly #calls: CallSlots
  /** By client; what is leased for each. */
  readonly #clients = new Map<string, Lease>()
  readonly #sessions: Lease = newLease('sessions')
  /** Sessions that are being opened. */
  #opening = 0
  readonly #openingOf = new Map<string, number>()
  readonly #timer: ReturnType<typeof setInterval>

  constructor(parts: ClusterLimitsParts) {
    this.#parts = parts
    const { directory, membership, leaseMs, servers } = parts
    const bound = () => {
      const max = parts.bounds.inFlightPerServerMax
      return { max, share: this.shareOf(max) }
    }
    this.#calls = new CallSlots({ directory, membership, leaseMs, servers, bound })
    this.#timer = setInterval(() => this.#sweep(performance.now()), sweepMs)
    this.#timer.unref()
    // What has begun or ended while it was away.
    directory.onUp((isUp) => {
      if (isUp) this.#sweep(performance.now())
    })
    parts.sessions.room = (clientKey) => this.sessionRoom(clientKey)
    const asked = (): void => this.#calls.sweep(performance.now())
    parts.servers.subscribe({
      ...{ added: asked, replaced: asked, stateChanged: asked },
      removed() {},
      leaving() {},
    })
  }

  /** From here on this replica is a member. Resolves when it knows what it may do. */
  begin(): Promise<void> {
    return this.#calls.begin()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#calls.close()
  }

  /** The part of a bound, or of a rate, that each replica keeps to while the directory is away. */
  shareOf(max: number): number {
    const members = Math.max(1, this.#parts.membership.members().length)
    return Math.max(1, Math.floor(max / members))
  }

  /**
   * Takes a request out of a rate: null, or the seconds after which it may come. Undefined while the directory does not
   * answer: then this replica's share counts.
   */
  async take(client: string, rate: SharedRate): Promise<number | null | undefined> {
    const { directory } = this.#parts
    if (!directory.isUp) return undefined
    try {
      const waitMs = await directory.take(this.#nameOf(client), rate, 1)
      return waitMs === null ? null : waitMs / 1_000
    } catch {
      return undefined
    }
  }

  /** Has room for one more session of this client, until the returned function is called. Throws SESSIONS_EXHAUSTED. */
  async sessionRoom(clientKey: string): Promise<() => void> {
    const { bounds, sessions } = this.#parts
    const ofClient = (this.#openingOf.get(clientKey) ?? 0) + 1
    this.#opening++
    this.#openingOf.set(clientKey, ofClient)
    const leave = (): void => {
      this.#opening--
      const left = (this.#openingOf.get(clientKey) ?? 1) - 1
      if (left > 0) this.#openingOf.set(clientKey, left)
      else this.#openingOf.delete(clientKey)
    }
    const { sessionsMax, sessionsPerClientMax } = bounds
    const lease = this.#clients.get(clientKey) ?? newLease(`sessions ${this.#nameOf(clientKey)}`)
    if (this.#clients.size < clientsMax) this.#clients.set(clientKey, lease)
    const [all, own] = await Promise.all([
      this.#ask(this.#sessions, sessions.count + this.#opening, sessionsMax),
      this.#ask(lease, sessions.countOfClient(clientKey) + ofClient, sessionsPerClientMax),
    ])
    if (all && own) return leave
    leave()
    throw new GatewayError(
      'SESSIONS_EXHAUSTED',
      all
        ? `This client has ${sessionsPerClientMax} sessions with all replicas (limits.sessions_per_client_max); end some with DELETE.`
        : `All replicas together have ${sessionsMax} sessions (limits.sessions_max).`,
      30,
    )
  }

  #sweep(nowMs: number): void {
    const { bounds, sessions } = this.#parts
    this.#calls.sweep(nowMs)
    this.#tell(this.#sessions, sessions.count + this.#opening, bounds.sessionsMax, nowMs)
    for (const [clientKey, lease] of this.#clients) {
      const used = sessions.countOfClient(clientKey) + (this.#openingOf.get(clientKey) ?? 0)
      this.#tell(lease, used, bounds.sessionsPerClientMax, nowMs)
      if (used === 0 && !lease.asking && lease.told === 0) this.#clients.delete(clientKey)
    }
  }

  /** Has the directory know of what is used, and of nothing else. */
  #tell(lease: Lease, used: number, max: number, nowMs: number): void {
    const isStale = used > 0 && nowMs - lease.askedAtMs >= tellAgainMs
    if (!lease.asking && (used !== lease.told || isStale)) void this.#ask(lease, used, max)
  }

  /** Whether so many may be used. */
  async #ask(lease: Lease, wanted: number, max: number): Promise<boolean> {
    const { directory, membership } = this.#parts
    if (directory.isUp) {
      lease.askedAtMs = performance.now()
      lease.told = wanted
      lease.asking = true
      try {
        return (
          (await directory.slots(lease.name, { instance: membership.self.instance, wanted, max })) >= wanted
        )
      } catch {
        lease.told = null
      } finally {
        lease.asking = false
      }
    }
    return wanted <= this.shareOf(max)
  }

  /** Addresses and principals of clients are nobody's business in the directory. */
  #nameOf(client: string): string {
    return this.#parts.seal.mac('client', client).slice(0, 22)
  }
}

function newLease(name: string): Lease {
  return { name, told: 0, askedAtMs: Number.NEGATIVE_INFINITY, asking: false }
}
