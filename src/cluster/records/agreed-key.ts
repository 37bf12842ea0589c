/**
 * The one key that all replicas seal stored credentials with. Which one it is stands in a shared record, by its id; who
 * has which keys each of them tells with its lease. A key counts once it was agreed on, wherever it stands: so a new one
 * is put first at one replica after the other, and takes over when it stands first at all of them.
 */
import { reasonOf } from '../../errors.ts'
import type { HeldKeys, KeyAgreement } from '../../registry/storage/sharers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Directory } from '../directory/directory.ts'
import type { LivingMember } from '../member-record.ts'
import { type Membership, memberHint } from '../membership.ts'
import type { RecordBook } from './record-book.ts'

export interface AgreedKeyParts {
  readonly book: Pick<RecordBook, 'get' | 'write' | 'reconcile'>
  readonly directory: Pick<Directory, 'hint' | 'onHint' | 'isUp'>
  readonly membership: Membership
  readonly log: Log
}

/** Of no kind that a store knows. */
const agreementKey = 'cluster/credentials-key'
/** Somebody wants to know who has which keys. */
const keysHint = 'credential keys'
/** A key file may be another one by now. */
const readAgainMs = 5_000
const changeOverMs = 3_000
const askAgainMs = 250
/** Whoever was asked to change the key comes first; the others see to it when it has not. */
const othersWaitMs = 3_000

/** How the keys of a member go with the one that was agreed on. */
export type KeyStanding = 'shared' | 'other' | 'none' | 'unknown'

export class AgreedKey implements KeyAgreement {
  readonly #parts: AgreedKeyParts
  #held: HeldKeys | null = null
  #readAtMs = 0
  /** Why they could not be read last, so that it is said once. */
  #unread = ''
  /** When it was seen first that all have another key first, monotonic. */
  #unanimousAtMs: number | null = null
  #changing: Promise<void> | null = null

  constructor(parts: AgreedKeyParts) {
    this.#parts = parts
    const { directory, membership } = parts
    directory.onHint((text) => {
      if (text === keysHint) void this.#tellKeys()
    })
    membership.listen({ beaten: () => this.#beaten() })
  }

  get agreed(): string | null {
    return this.#parts.book.get(agreementKey)
  }

  propose(id: string): void {
    void this.#write(id).catch((thrown: unknown) =>
      this.#parts.log.debug({ reason: reasonOf(thrown) }, 'the key of stored credentials was not agreed on'),
    )
  }

  isHeldElsewhere(id: string): boolean {
    const { membership } = this.#parts
    return membership
      .members()
      .some(({ instance, keys }) => instance !== membership.self.instance && keys?.includes(id) === true)
  }

  standingOf({ keys }: Pick<LivingMember, 'keys'>): KeyStanding {
    const { agreed } = this
    if (keys === null) return 'unknown'
    if (keys.length === 0) return 'none'
    return agreed === null || keys.includes(agreed) ? 'shared' : 'other'
  }

  /** What is wrong with the keys here, a sentence; null for nothing. */
  get fault(): string | null {
    const { agreed } = this
    const { keys } = this.#parts.membership
    if (agreed === null || keys.includes(agreed)) return null
    const here = keys.length === 0 ? 'has none' : `has ${keys.join(', ')}`
    return `the replicas seal stored credentials with the key ${agreed}, and this one ${here}: it opens none of them and stores none. Give it the same secrets.key (COMPOZY_SECRETS_KEY), and restart it`
  }

  /**
   * Before this member joins. Rejects with an Error of one clear sentence where it has another key than one that lives:
   * whatever takes the place of that one, and of the next, would lock everybody out.
   */
  async begin(held: HeldKeys): Promise<void> {
    const { book, membership, log } = this.#parts
    this.#held = held
    await this.#readKeys()
    const { keys } = membership
    const [first] = keys
    if (this.agreed === null && first !== undefined && held.openSomething(keys))
      // Where somebody else was faster, that counts.
      await this.#write(first).catch(() => book.reconcile().catch(() => {}))
    const { agreed, fault } = this
    if (fault === null) return
    const living = keys.length === 0 ? [] : await membership.look().catch(() => [])
    const holder = living.find((member) => agreed !== null && member.keys?.includes(agreed))
    if (holder !== undefined)
      throw new Error(
        `secrets.key is another one than that of the replicas that run: this one has ${keys.join(', ')}, and ${holder.address} seals stored credentials with ${agreed}; give all of them the same. To replace it, put the new key in front of the old one with a blank between them (docs/CREDENTIALS.md)`,
      )
    log.error({ reason: fault }, 'stored credentials cannot be used here')
  }

  async changeOver(): Promise<readonly string[]> {
    const { directory, membership } = this.#parts
    const untilMs = performance.now() + changeOverMs
    for (;;) {
      await this.#readKeys()
      directory.hint(keysHint)
      await membership.refresh()
      const [first] = membership.keys
      if (first === undefined || first === this.agreed) return []
      const lacking = membership.members().filter(({ keys }) => keys?.[0] !== first)
      if (lacking.length > 0 && performance.now() >= untilMs) return lacking.map(({ address }) => address)
      try {
        if (lacking.length === 0) await this.#change(first)
      } catch (thrown) {
        // Another replica may be about the same: what came of that is seen in a moment.
        if (!directory.isUp || performance.now() >= untilMs) throw thrown
      }
      await Bun.sleep(askAgainMs)
    }
  }

  /** All have another key first: that is the one from now on. */
  #change(to: string): Promise<void> {
    this.#changing ??= this.#changeTo(to).finally(() => {
      this.#changing = null
    })
    return this.#changing
  }

  async #changeTo(to: string): Promise<void> {
    await this.#write(to)
    this.#parts.log.info({ key: to }, 'the replicas seal stored credentials with another key from now on')
  }

  #beaten(): void {
    const { membership } = this.#parts
    if (this.#held === null) return
    if (performance.now() - this.#readAtMs > readAgainMs) void this.#readKeys()
    const { agreed } = this
    const [first] = membership.keys
    const living = membership.members()
    const isUnanimous =
      agreed !== null &&
      first !== undefined &&
      first !== agreed &&
      membership.keys.includes(agreed) &&
      living.every(({ keys }) => keys?.[0] === first)
    if (!isUnanimous) {
      this.#unanimousAtMs = null
      return
    }
    this.#unanimousAtMs ??= performance.now()
    const waits = performance.now() - this.#unanimousAtMs < othersWaitMs
    // One of them is enough.
    const isFirst = living.every(({ instance }) => instance >= membership.self.instance)
    if (isFirst && !waits) void this.#changeAndSeal(first)
  }

  async #changeAndSeal(to: string): Promise<void> {
    const { log } = this.#parts
    try {
      await this.#change(to)
    } catch (thrown) {
      log.debug({ reason: reasonOf(thrown) }, 'the key of stored credentials was not changed yet')
    }
    if (this.agreed !== to) return
    try {
      await this.#held?.sealAnew()
    } catch (thrown) {
      log.warn({ reason: reasonOf(thrown) }, 'stored credentials could not be sealed anew')
    }
  }

  async #tellKeys(): Promise<void> {
    const { membership, directory } = this.#parts
    const before = membership.keys.join()
    await this.#readKeys()
    if (membership.keys.join() === before) return
    await membership.refresh()
    directory.hint(memberHint)
  }

  async #readKeys(): Promise<void> {
    this.#readAtMs = performance.now()
    try {
      this.#parts.membership.keys = (await this.#held?.ids()) ?? []
      this.#unread = ''
    } catch (thrown) {
      const reason = reasonOf(thrown)
      if (reason !== this.#unread)
        this.#parts.log.warn({ reason }, 'the key of stored credentials cannot be read')
      this.#unread = reason
    }
  }

  async #write(id: string): Promise<void> {
    await this.#parts.book.write(new Map([[agreementKey, id]]))
  }
}
