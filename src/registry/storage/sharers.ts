/** The processes that share what is stored: replicas of a cluster, workers of a gateway, or this one alone. */

/** What one of them knows of the others. */
export interface Sharers {
  /** Names this process, and no other one, from its start to its end. */
  readonly self: string
  /** A wall clock that all of them read alike, wherever they run. */
  nowMs(): number
  /** Whether that process does nothing any more, for certain: what is not known is not gone. */
  isGone(process: string): Promise<boolean>
}

/** Nobody else: the state directory is held by a lock, so that whoever has written there before has ended. */
export function noSharers(): Sharers {
  return { self: crypto.randomUUID(), nowMs: Date.now, isGone: () => Promise.resolve(true) }
}
