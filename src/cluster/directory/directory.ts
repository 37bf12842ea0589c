/**
 * What the members of a cluster share: who lives, who owns what, the records of admins, and what is counted over all
 * of them. It carries no message of a client, and what it keeps of one is sealed (seal.ts).
 *
 * Three places keep one: this process (memory-directory.ts), a supervisor, and Redis (redis-directory.ts). All of them
 * hold the same contract suite. Every method settles within a bounded time, with a DirectoryDown where nobody answers:
 * whether a change was made then is not known, and asking again tells.
 */

/** A process of the cluster, from its start to its end; one that begins anew has another. */
export type InstanceId = string

/** A session, or the lane of a stateless client: what only the process that holds it in memory can serve. */
export type OwnedKey = `s:${string}` | `l:${string}`

/** A text that only members of the cluster can have written, and read. */
export type Sealed = string

/** One process, as it is kept. */
export interface Member {
  readonly instance: InstanceId
  /** What it says of itself. */
  readonly record: Sealed
  /** How long its lease goes on; zero or less when it is over. */
  readonly leaseMs: number
}

/** Who lives, and how far the shared records have come. */
export interface BeatAnswer {
  /** Those whose lease goes on, and those whose lease ended less than a minute ago. */
  readonly members: readonly Member[]
  /** The wall clock of the directory, by which all leases are told. */
  readonly nowMs: number
  /** Another text than before: the directory was emptied, and has begun anew. */
  readonly era: string
  /** Counts up with each change of a shared record. */
  readonly sequence: number
}

/** Whose an owned thing is. */
export interface Ownership {
  readonly owner: InstanceId
  /** Counts up whenever the owner changes. */
  readonly epoch: number
  /** What a new owner needs to go on with it. */
  readonly record: Sealed
}

/** What came of a claim: whose it is now. */
export interface ClaimOutcome extends Ownership {
  /** Whether it went to whoever has asked. */
  readonly mine: boolean
}

export interface Claim {
  readonly instance: InstanceId
  readonly record: Sealed
  /** It is forgotten when nobody has refreshed it for so long. */
  readonly livesMs: number
  /**
   * Whether another member may be given it, where nobody has it and the other has fewer: a directory that knows who
   * serves deals such things out evenly. One that does not gives it to whoever asks.
   */
  readonly spread?: boolean
}

/** What is compared before anything changes. */
export type OwnedBefore = Pick<Ownership, 'owner' | 'epoch'>

/** What became of things that somebody believed to own. */
export interface Refreshed {
  /** Somebody else has them. */
  readonly lost: readonly OwnedKey[]
  /** Nobody has them: the directory has lost them. */
  readonly missing: readonly OwnedKey[]
}

/** A record that admins have made: a definition, a key, an approval. */
export interface SharedRecord {
  readonly key: string
  /** Of this one record, and the higher one counts. It is chosen by who writes, and stands in the seal as well. */
  readonly version: number
  readonly sealed: Sealed
  /** It is none any more, which the seal says as well; kept for a day, so that nobody brings it back. */
  readonly removed: boolean
}

/** A record, and the version before it that its writer knows; 0 for none. Its own must be higher. */
export interface RecordWrite {
  readonly record: SharedRecord
  readonly expected: number
}

/** The shared records from a sequence on. */
export interface RecordChanges {
  readonly era: string
  /** The one to ask from next time. */
  readonly sequence: number
  readonly records: readonly SharedRecord[]
}

/** All were written; or none, because somebody had written this one meanwhile. */
export type PutOutcome =
  | { readonly conflict: null; readonly sequence: number }
  | { readonly conflict: string }

/** So many in the long run, and so many at once. */
export interface SharedRate {
  readonly perSecond: number
  readonly burst: number
}

export interface Directory {
  /** Whether the last question was answered. */
  readonly isUp: boolean
  /** Whether hints are known not to come; absent where they always do. */
  readonly isMute?: boolean
  /** What is wrong with it, a sentence each; absent where nothing can be. */
  readonly problems?: readonly string[]
  /** Has `listener` told whenever that changes. Also when a connection was lost and is there again within a moment. */
  onUp(listener: (isUp: boolean) => void): void

  /** Renews the lease of a member and answers who lives. Once a second. */
  beat(self: Omit<Member, 'leaseMs'>, leaseMs: number): Promise<BeatAnswer>
  /** Ends its lease at once. */
  leave(instance: InstanceId): Promise<void>

  /** Takes what nobody owns, or says whose it is. */
  claim(key: OwnedKey, claim: Claim): Promise<ClaimOutcome>
  find(key: OwnedKey): Promise<Ownership | null>
  /**
   * Takes over from an owner, or hands over to another, where owner and epoch are still these, and the lease of the
   * owner is over or `proven` says that it is dead, or gives it away. What is gone altogether is not taken.
   */
  adopt(key: OwnedKey, before: OwnedBefore, claim: Claim, proven: boolean): Promise<ClaimOutcome | null>
  /** Another record for it. False where owner and epoch are others. */
  update(key: OwnedKey, before: OwnedBefore, record: Sealed, livesMs: number): Promise<boolean>
  /** Forgets it. False where owner and epoch are others. */
  release(key: OwnedKey, before: OwnedBefore): Promise<boolean>
  /** Lets these live on; in batches. */
  refresh(instance: InstanceId, keys: readonly OwnedKey[], livesMs: number): Promise<Refreshed>

  /** Writes these together. */
  put(writes: readonly RecordWrite[]): Promise<PutOutcome>
  /** Records that changed after a sequence, those that were removed among them; all of them from 0 on. */
  changesSince(sequence: number): Promise<RecordChanges>
  /** Brings back what a directory has lost: of each record the higher version stays. */
  restore(records: readonly SharedRecord[]): Promise<void>

  /**
   * How many of `max` slots this member may use from now on: never more than it wants, and all that live never more
   * than `max` together. Asking for fewer gives the others back.
   */
  slots(name: string, ask: { instance: InstanceId; wanted: number; max: number }): Promise<number>
  /** Takes so many requests out of a rate that all share; else the milliseconds after which that works. */
  take(name: string, rate: SharedRate, count: number): Promise<number | null>

  /** Tells all the others something at once. It may be lost. */
  hint(text: string): void
  onHint(listener: (text: string) => void): void

  close(): Promise<void>
}

/** Nobody answers. */
export class DirectoryDown extends Error {
  override readonly name = 'DirectoryDown'
}

/** No lease is longer: `cluster.lease` has this bound. */
export const leaseMsMax = 60_000
/** How long a member is told of whose lease is over: until then others look for it, to be sure. */
export const goneMemberMs = 60_000
/** How long it is remembered that a record was removed. */
export const tombstoneMs = 24 * 60 * 60_000
/** Keys of one question about owned things. */
export const refreshBatchMax = 500
