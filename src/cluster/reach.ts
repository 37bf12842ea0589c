/**
 * Whether the replicas reach each other where they say that they are. Each looks for the others as soon as it hears of
 * them, and from time to time: who renews its lease and is not there has told an address that leads elsewhere, or
 * something stands between. That is said, with what to do, instead of being found out by the requests that fail.
 */
import { isLoopbackHost } from '../net/host.ts'
import type { Log } from '../telemetry/log.ts'
import type { InstanceId } from './directory/directory.ts'
import type { LivingMember } from './member-record.ts'
import type { Membership, PingAnswer } from './membership.ts'

export interface ReachParts {
  readonly membership: Membership
  readonly leaseMs: number
  readonly log: Log
  /** So long a machine may be too busy to answer itself; 10 s when absent. */
  readonly ownMs?: number
}

/** Whoever was reached is looked for again after so long. */
const againMs = 60_000
/** Its own address is asked so often at the start: a name may lead to several. */
const ownLooks = 3

const whoAnswers: ReadonlyMap<PingAnswer, string> = new Map([
  [null, 'nobody answers'],
  ['refused', 'nobody answers'],
  ['stranger', 'somebody answers who does not know cluster.secret'],
])

export class Reach {
  readonly #parts: ReachParts
  /** Of each member: when it was reached last, since when it is not, and how that was said. Monotonic. */
  readonly #known = new Map<
    InstanceId,
    { reachedAtMs: number | null; missedSinceMs: number | null; said: string }
  >()
  readonly #looking = new Set<InstanceId>()

  constructor(parts: ReachParts) {
    this.#parts = parts
    parts.membership.listen({ beaten: () => this.#look() })
  }

  /** What is wrong between this replica and others, a sentence each. */
  get problems(): string[] {
    return [...this.#known.values()].flatMap(({ said }) => (said === '' ? [] : [said]))
  }

  /**
   * Before this replica joins, once it listens. Rejects with an Error of one clear sentence where its address leads to
   * somebody else, to nobody, or can be none of those that the others mean by it.
   */
  async checkOwn(): Promise<void> {
    const { membership } = this.#parts
    const { address, instance } = membership.self
    const untilMs = performance.now() + (this.#parts.ownMs ?? 10_000)
    let looks = 0
    while (looks < ownLooks) {
      const there = await membership.ping(address)
      if (there === instance) looks++
      if (there === instance || (there === null && performance.now() < untilMs)) continue
      const who = whoAnswers.get(there) ?? 'another replica answers'
      throw new Error(
        `cluster.advertise is ${address}, where ${who}: it must lead to this replica alone, such as \${POD_IP}:6002`,
      )
    }
    const living = await membership.look().catch(() => [])
    const other = living.find((member) => isLoopback(member.address) !== isLoopback(address))
    if (other === undefined) return
    const [inner, outer] = isLoopback(address) ? [address, other.address] : [other.address, address]
    throw new Error(
      `cluster.advertise is ${address}, and another replica is at ${other.address}: ${inner} leads to each machine itself, so that ${outer} and ${inner} never find each other; give each replica an address that all of them reach`,
    )
  }

  #look(): void {
    const { membership } = this.#parts
    const living = membership.members()
    for (const instance of this.#known.keys())
      if (!living.some((member) => member.instance === instance)) this.#known.delete(instance)
    for (const member of living) {
      const { instance, address, isUnderstood } = member
      if (instance === membership.self.instance || address.startsWith('unix:') || this.#looking.has(instance))
        continue
      // It cannot prove who it is; status and log have said so.
      if (!isUnderstood) continue
      const reachedAtMs = this.#known.get(instance)?.reachedAtMs ?? null
      if (reachedAtMs !== null && performance.now() - reachedAtMs < againMs) continue
      this.#looking.add(instance)
      void membership
        .ping(address)
        .then((there) => this.#found(member, there))
        .finally(() => this.#looking.delete(instance))
    }
  }

  #found(member: LivingMember, there: PingAnswer): void {
    const { leaseMs, log } = this.#parts
    const { instance, address } = member
    const nowMs = performance.now()
    const before = this.#known.get(instance)
    if (there === instance) {
      if (before !== undefined && before.said !== '')
        log.info({ replica: instance, address }, 'a replica is reached again')
      this.#known.set(instance, { reachedAtMs: nowMs, missedSinceMs: null, said: '' })
      return
    }
    const missedSinceMs = before?.missedSinceMs ?? nowMs
    // Longer than the lease of one that is gone goes on.
    const isSure = nowMs - missedSinceMs > 2 * leaseMs
    const said = isSure ? this.#words(member, there) : (before?.said ?? '')
    this.#known.set(instance, { reachedAtMs: null, missedSinceMs, said })
    if (said !== '' && before?.said === '')
      log.warn({ replica: instance, address, reason: said }, 'a replica that lives is not reached')
  }

  #words({ instance, address }: LivingMember, there: PingAnswer): string {
    const { self } = this.#parts.membership
    if (there === self.instance)
      return `${address} leads to this replica, and the replica ${instance} says that it is there: give each a cluster.advertise of its own that all of them reach`
    if (there === 'stranger')
      return `at ${address}, where the replica ${instance} says that it is, somebody answers who does not know cluster.secret, and is sent nothing: look who has that address`
    if (there !== null && there !== 'refused')
      return `at ${address}, where the replica ${instance} says that it is, another one answers: give each a cluster.advertise of its own`
    return `the replica ${instance} lives, and nobody answers at ${address}, where it says that it is: look at its cluster.advertise, and at what stands between (a network policy, a firewall)`
  }
}

function isLoopback(address: string): boolean {
  const name = address.slice(0, address.lastIndexOf(':'))
  return isLoopbackHost(name) || isLoopbackHost(name.replace(/^\[(.*)\]$/, '$1'))
}
