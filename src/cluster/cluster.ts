/** This process as a member of a cluster: who belongs to it, what is shared, and what is told of it. */
import { reasonOf } from '../errors.ts'
import type { SharedRates } from '../http/hooks/limits.ts'
import type { OpenedStore } from '../registry/storage/open-store.ts'
import type { HeldKeys, Sharers } from '../registry/storage/sharers.ts'
import type { StoredChanges } from '../registry/storage/sqlite.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Events } from '../telemetry/events.ts'
import type { Log } from '../telemetry/log.ts'
import type { ClusterFigures } from '../telemetry/metrics.ts'
import type { ServerDirectory } from '../upstream/server/directory.ts'
import type { Servers } from '../upstream/server/servers.ts'
import type { Directory } from './directory/directory.ts'
import type { Forward, ForwardParts } from './forward/open-forward.ts'
import { ClusterLimits, type ClusterLimitsParts } from './limits/cluster-limits.ts'
import { Membership, type MembershipParts } from './membership.ts'
import { Reach } from './reach.ts'
import { AgreedKey, type KeyStanding } from './records/agreed-key.ts'
import { ClusterStore } from './records/cluster-store.ts'
import type { Seal } from './seal.ts'
import { applyStored, type StoredParts } from './stored-changes.ts'

/** What rooms of the cluster use of each other. */
export interface ClusterCore {
  readonly name: string
  readonly directory: Directory
  readonly membership: Membership
  readonly seal: Seal
  /** For `/metrics`. */
  readonly counts: ClusterCounts
}

/** What admins are told. */
export interface ClusterStatus {
  readonly name: string
  readonly instance: string
  readonly directory: {
    readonly up: boolean
    readonly roundTripMs: number
    readonly slowestMs: number
    readonly missed: number
  }
  readonly lapses: number
  /** Id of the key that stored credentials are sealed with; null where there is none. */
  readonly credentialsKey: string | null
  /** What is wrong with the one that answers, a sentence each. */
  readonly problems: readonly string[]
  readonly members: readonly {
    readonly instance: string
    readonly address: string
    readonly state: 'serving' | 'draining' | 'gone'
    readonly version: string
    readonly leaseMs: number
    /** Whether it has the key of stored credentials. */
    readonly key: KeyStanding
    readonly self: boolean
  }[]
}

/** Members that are told apart in figures; requests to later ones are told together. */
const peersMax = 64

/** What is counted while requests are forwarded and things taken over. */
class ClusterCounts {
  takeovers = 0
  readonly #forwards = new Map<string, Map<string, number>>()

  /** A request to the member at this address has ended; `outcome` is of a closed set. */
  forwarded(peer: string, outcome: string): void {
    const known = this.#forwards.has(peer) || this.#forwards.size < peersMax ? peer : 'others'
    const outcomes = this.#forwards.get(known) ?? new Map<string, number>()
    this.#forwards.set(known, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1))
  }

  forwards(): ClusterFigures['forwards'] {
    return [...this.#forwards].flatMap(([peer, outcomes]) =>
      [...outcomes].map(([outcome, count]) => ({ peer, outcome, count })),
    )
  }
}

export interface ClusterParts
  extends Pick<MembershipParts, 'directory' | 'seal' | 'self' | 'leaseMs' | 'log'> {
  readonly name: string
  readonly secretDirs: readonly string[]
  /** What is in the state directory; null where definitions are not shared by way of the directory. */
  readonly local: DefinitionStore | null
  /** Told when the gateway is there, and this process a member. */
  begun?(gateway: LiveGateway): void
}

/** What of a gateway that runs its other processes may ask for. */
export interface LiveGateway extends StoredParts {
  readonly directory: StoredParts['directory'] & Pick<ServerDirectory, 'list' | 'restart'>
  readonly servers: Pick<Servers, 'processes' | 'processesElsewhere' | 'subscribe'>
  readonly events: Events
}

/** What is kept, and with whom it is shared. */
export interface OpenedCluster extends OpenedStore {
  readonly sharers: Sharers
  /** Null where this gateway is alone. */
  readonly cluster: Cluster | null
  /** Gives everything back where the start has failed, and throws what it has failed with. */
  abandon(thrown: unknown): Promise<never>
}

/** What is held to bounds that count over all members. */
export interface LimitedParts extends Pick<ClusterLimitsParts, 'sessions' | 'servers' | 'bounds'> {
  readonly access: { sharedRates: SharedRates | null }
}

export class Cluster implements ClusterCore {
  readonly name: string
  readonly directory: Directory
  readonly membership: Membership
  readonly seal: Seal
  /** Null where definitions are not shared by way of the directory. */
  readonly shared: ClusterStore | null
  readonly counts = new ClusterCounts()
  readonly #log: Log
  #ping: MembershipParts['ping'] = () => Promise.resolve(null)
  #changes: StoredChanges[] = []
  #gateway: StoredParts | null = null
  #forward: Forward | null = null
  readonly #allGo = Promise.withResolvers<void>()
  readonly #leaseMs: number
  readonly #begun: (gateway: LiveGateway) => void
  #limits: ClusterLimits | null = null
  readonly #agreedKey: AgreedKey | null
  /** Null among the workers of one machine. */
  readonly #reach: Reach | null

  constructor({ name, directory, seal, self, leaseMs, log, local, secretDirs, begun }: ClusterParts) {
    this.name = name
    this.directory = directory
    this.seal = seal
    this.#log = log
    this.#leaseMs = leaseMs
    this.#begun = begun ?? (() => {})
    const membership = new Membership({
      ...{ directory, seal, self, leaseMs, log },
      ping: (address) => this.#ping(address),
    })
    this.membership = membership
    const nowMs = () => membership.nowMs()
    this.shared = local === null ? null : new ClusterStore({ local, directory, seal, log, secretDirs, nowMs })
    const { shared } = this
    this.#reach = shared && new Reach({ membership, leaseMs, log })
    this.#agreedKey = shared && new AgreedKey({ book: shared.book, directory, membership, log })
    this.shared?.listen((changes) => this.#stored(changes))
    membership.listen({
      forgotten: async () => this.shared?.book.reconcile(),
      beaten: ({ era, sequence }) => this.shared?.book.noticed(era, sequence),
    })
    directory.onUp((isUp) => {
      if (isUp) void this.#reconcile()
    })
  }

  /** Has members looked for by this function. */
  pingBy(ping: MembershipParts['ping']): void {
    this.#ping = ping
  }

  /** Opens the port at which other members bring requests, and has requests passed on to them. Rejects when it cannot be had. */
  async openForward(
    gateway: ForwardParts & { readonly credentials: { readonly heldKeys: HeldKeys } },
  ): Promise<void> {
    await this.#agreedKey?.begin(gateway.credentials.heldKeys)
    const { openForward } = await import('./forward/open-forward.ts')
    const forward = openForward(this, gateway)
    this.#forward = forward
    this.pingBy((address) => forward.ping(address))
    await this.#reach?.checkOwn()
  }

  /** Goes on serving while what is held here is handed over, until `untilMs` (monotonic) at most. */
  async drain(untilMs: number): Promise<void> {
    await Promise.race([this.#forward?.drain(untilMs), this.#allGo.promise])
  }

  /** All members go at once: nobody is left to whom anything could be handed over. */
  allGo(): void {
    this.#allGo.resolve()
  }

  /**
   * The parts of the gateway are there: what the others have stored, and store from now on, is taken into it. From here
   * on this process is a member, and asked by the others, and its limits count over all of them.
   */
  async begin(gateway: LiveGateway & LimitedParts): Promise<void> {
    this.#gateway = gateway
    for (const changes of this.#changes.splice(0)) this.#stored(changes)
    const { directory, membership, seal } = this
    const { sessions, servers, bounds, access } = gateway
    const core = { directory, membership, seal, leaseMs: this.#leaseMs }
    // Calls that come before this process is a member wait, so that they count as well.
    const limits = new ClusterLimits({ ...core, sessions, servers, bounds })
    this.#limits = limits
    access.sharedRates = limits
    await membership.start()
    await limits.begin()
    this.#begun(gateway)
  }

  /** This member and the others, as processes that share what is stored. */
  get sharers(): Sharers {
    const { membership } = this
    return {
      self: membership.self.instance,
      nowMs: () => membership.nowMs(),
      // Versions before this one have named processes that are no members by UUIDs: of these nothing is known.
      agreement: this.#agreedKey,
      isGone: (process) => (process.includes('-') ? Promise.resolve(false) : membership.isDead(process)),
    }
  }

  get figures(): ClusterFigures {
    const { membership, directory, counts } = this
    return {
      members: membership.members().length,
      directoryUp: directory.isUp,
      directory: {
        counts: [...membership.roundTripCounts],
        sumSeconds: membership.roundTripsSumMs / 1_000,
      },
      directoryFailures: membership.missedBeats,
      lapses: membership.lapses,
      takeovers: counts.takeovers,
      forwards: counts.forwards(),
    }
  }

  status(): ClusterStatus {
    const { membership, directory, name } = this
    const key = this.#agreedKey
    const { p50Ms, maxMs } = membership.roundTrip
    return {
      name,
      instance: membership.self.instance,
      directory: {
        up: directory.isUp,
        roundTripMs: rounded(p50Ms),
        slowestMs: rounded(maxMs),
        missed: membership.missedBeats,
      },
      lapses: membership.lapses,
      credentialsKey: key?.agreed ?? null,
      problems: [
        ...(directory.problems ?? []),
        ...(key?.fault == null ? [] : [key.fault]),
        ...(this.#reach?.problems ?? []),
      ],
      members: membership.known().map(({ leaseMs, state, keys, heldMs: _, isUnderstood: __, ...member }) => ({
        ...member,
        state: leaseMs > 0 ? state : 'gone',
        leaseMs: Math.round(leaseMs),
        key: key?.standingOf({ keys }) ?? 'unknown',
        self: member.instance === membership.self.instance,
      })),
    }
  }

  /** Leaves. */
  async close(): Promise<void> {
    this.#limits?.close()
    // First, so that nobody brings a request that the end would cut.
    await this.membership.close()
    await this.#forward?.close()
    await this.directory.close()
  }

  /** The connection was lost, and perhaps what was written last: another server may have taken the place of the first. */
  async #reconcile(): Promise<void> {
    try {
      await this.shared?.book.reconcile()
    } catch (thrown) {
      this.#log.debug({ reason: reasonOf(thrown) }, 'shared records could not be compared')
    }
  }

  #stored(changes: StoredChanges): void {
    if (this.#gateway === null) this.#changes.push(changes)
    else void applyStored(this.#gateway, changes)
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}
