/**
 * Tells the clients of a group that its lists are others than before: once for all that happens within a moment, and
 * not more often than about once a second, however many members come, go and change.
 */
import type { CredentialOwner } from '../access/owner/credential-owner.ts'
import type { ListChangeRow } from '../protocol/eras.ts'

export type ChangedList = ListChangeRow['capability']

/** All that a member may have. */
export const allLists: readonly ChangedList[] = ['tools', 'prompts', 'resources']

/** One client that has the group open. */
export interface ChangeHearer {
  readonly principalId: string
  /** Whose credentials it uses where each user has some of their own. */
  readonly owner: CredentialOwner | null
  /** The members that it may use. */
  readonly visible: readonly string[]
  /** Whether it may use this member. */
  sees(serverName: string): boolean
  /** Tells it that these lists have changed. */
  listsChanged(lists: readonly ChangedList[]): void
  /** Members have come or gone, or may be used by others than before. */
  membersChanged(): void
  /** A member has connected. */
  memberUp?(): void
}

/** What happens within this is told together. */
const togetherMs = 100
/** Between two times that clients are told. */
const gapMs = 800

export class Changes {
  readonly #hearers = new Set<ChangeHearer>()
  readonly #pending = new Map<ChangeHearer, Set<ChangedList>>()
  #timer: ReturnType<typeof setTimeout> | null = null
  #toldAtMs = Number.NEGATIVE_INFINITY

  get hearers(): ReadonlySet<ChangeHearer> {
    return this.#hearers
  }

  add(hearer: ChangeHearer): void {
    this.#hearers.add(hearer)
  }

  delete(hearer: ChangeHearer): void {
    this.#hearers.delete(hearer)
    this.#pending.delete(hearer)
  }

  /** These lists are others for this client. */
  note(hearer: ChangeHearer, lists: readonly ChangedList[]): void {
    if (lists.length === 0 || !this.#hearers.has(hearer)) return
    const pending = this.#pending.get(hearer) ?? new Set()
    this.#pending.set(hearer, pending)
    for (const list of lists) pending.add(list)
    if (this.#timer !== null) return
    const waitMs = Math.max(togetherMs, this.#toldAtMs + gapMs - performance.now())
    this.#timer = setTimeout(() => this.#tell(), waitMs)
    this.#timer.unref()
  }

  /** The same for all clients that this test picks. */
  told(lists: readonly ChangedList[], picks: (hearer: ChangeHearer) => boolean): void {
    if (lists.length > 0) for (const hearer of this.#hearers) if (picks(hearer)) this.note(hearer, lists)
  }

  /** Anything may be another. */
  all(): void {
    this.told(allLists, () => true)
  }

  #tell(): void {
    this.#timer = null
    this.#toldAtMs = performance.now()
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const [hearer, lists] of pending) hearer.listsChanged([...lists])
  }
}
