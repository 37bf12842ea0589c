/**
 * Which members are dead for certain. A lease that is over is a suspicion, not a proof: a member that cannot reach the
 * directory answers its peers all the same. Whoever neither renews its lease nor answers is dead.
 */
import type { InstanceId } from './directory/directory.ts'
import type { LivingMember } from './member-record.ts'
import type { PingAnswer } from './membership.ts'

/** What is known of members. */
export interface Told {
  readonly self: { readonly instance: InstanceId }
  member(instance: InstanceId): Pick<LivingMember, 'leaseMs'> | null
  addressOf(instance: InstanceId): string | null
  ping(address: string): Promise<PingAnswer>
  /** Asks the directory who lives. False when it does not answer. */
  refresh(): Promise<boolean>
  readonly eraAgeMs: number
}

/** Whoever asks waits so long for the lease of a silent one to be over; with a longer one it has to ask again. */
const silentMsMax = 5_000
/** Between two looks at an address that refuses. */
const secondLookMs = 100
/** Between two looks at one that is silent: a network that leads nowhere says so at once. */
const thirdLookMs = 200

export class Deaths {
  readonly #members: Told
  readonly #leaseMs: number
  readonly #looks = new Map<InstanceId, Promise<boolean>>()
  /** Those that were seen to be where they say. */
  readonly #seen = new Set<InstanceId>()
  /** Those that were silent when their lease was over, for as long as it is. */
  readonly #dead = new Set<InstanceId>()

  constructor(members: Told, leaseMs: number) {
    this.#members = members
    this.#leaseMs = leaseMs
  }

  /** It answers at the address that it has told. */
  seen(instance: InstanceId): void {
    this.#seen.add(instance)
  }

  forget(instance: InstanceId): void {
    this.#seen.delete(instance)
  }

  /** The directory has told who lives. */
  told(): void {
    for (const instance of this.#dead)
      if ((this.#members.member(instance)?.leaseMs ?? 1) > 0) this.#dead.delete(instance)
  }

  /** Whether it was found to be dead, and has not been told of as one that lives since. */
  isKnown(instance: InstanceId): boolean {
    return this.#dead.has(instance)
  }

  isDead(instance: InstanceId): Promise<boolean> {
    if (instance === this.#members.self.instance) return Promise.resolve(false)
    if (this.#dead.has(instance)) return Promise.resolve(true)
    const known = this.#looks.get(instance)
    if (known !== undefined) return known
    const look = this.#look(instance).finally(() => this.#looks.delete(instance))
    this.#looks.set(instance, look)
    return look
  }

  async #look(instance: InstanceId): Promise<boolean> {
    const members = this.#members
    const address = members.addressOf(instance)
    // Nobody has been told of it for longer than any lease, by a directory that has lost nothing meanwhile.
    if (address === null)
      return (
        (await members.refresh()) && members.member(instance) === null && members.eraAgeMs > 2 * this.#leaseMs
      )
    let answer = await members.ping(address)
    if (answer === 'refused') {
      await Bun.sleep(secondLookMs)
      answer = await members.ping(address)
    }
    if (answer === instance) return false
    // An address that has never led there proves nothing: it may be that of this machine at each of them.
    if (answer !== null && answer !== members.self.instance && this.#isWhereItSays(instance, address))
      return true
    return await this.#isOver(instance, address, answer)
  }

  /** Where it is silent, once its lease is over or renewed. */
  async #isOver(instance: InstanceId, address: string, answered: PingAnswer): Promise<boolean> {
    const members = this.#members
    let answer = answered
    for (let before = silentMsMax; ; ) {
      if (!(await members.refresh())) return false
      const member = members.member(instance)
      if (member === null) return members.eraAgeMs > this.#leaseMs
      const { leaseMs } = member
      if (leaseMs <= 0) {
        this.#dead.add(instance)
        return true
      }
      if (answer !== null || leaseMs > before) return false
      before = leaseMs
      const look = Promise.all([members.ping(address), Bun.sleep(thirdLookMs)])
      answer = await Promise.race([look.then(([there]) => there), Bun.sleep(leaseMs + 1).then(() => null)])
    }
  }

  #isWhereItSays(instance: InstanceId, address: string): boolean {
    return this.#seen.has(instance) || address.startsWith('unix:')
  }
}
