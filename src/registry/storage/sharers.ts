/** The processes that share what is stored: replicas of a cluster, workers of a gateway, or this one alone. */

/** What one of them knows of the others. */
export interface Sharers {
  /** Names this process, and no other one, from its start to its end. */
  readonly self: string
  /** A wall clock that all of them read alike, wherever they run. */
  nowMs(): number
  /** Whether that process does nothing any more, for certain: what is not known is not gone. */
  isGone(process: string): Promise<boolean>
  /** On the key of stored credentials; null where all of them have the same one anyway. */
  readonly agreement: KeyAgreement | null
}

/**
 * On the one key that all of them seal stored credentials with: what one has sealed the others must open. Keys have
 * ids, which tell nothing of them.
 */
export interface KeyAgreement {
  /** The id of that key; null where there is none yet. */
  readonly agreed: string | null
  /** Makes this the one, where nobody else has been faster and the others can be told. */
  propose(id: string): void
  /** Whether another one that lives has this key. */
  isHeldElsewhere(id: string): boolean
  /**
   * Has all of them seal with the key that stands first here, as soon as it stands first everywhere. Answers in
   * seconds where it does not, or not yet: the addresses of those that lack it; none where they all have agreed. Rejects
   * with a StoreError where they cannot be told.
   */
  changeOver(): Promise<readonly string[]>
}

/** The keys of one of them, as the others ask for them. */
export interface HeldKeys {
  /** Their ids, as they are now, the one that is to seal first. */
  ids(): Promise<readonly string[]>
  /** Whether something stored is sealed with one of these keys, or nothing is stored. */
  openSomething(ids: readonly string[]): boolean
  /** Seals with the key that was agreed on what is sealed with another one. */
  sealAnew(): Promise<void>
}

/** Nobody else: the state directory is held by a lock, so that whoever has written there before has ended. */
export function noSharers(): Sharers {
  return { self: crypto.randomUUID(), nowMs: Date.now, isGone: () => Promise.resolve(true), agreement: null }
}
