/**
 * What members tell of themselves in the directory: sealed, so that nobody else tells it, each for itself alone, and with
 * the time at which it was told, so that nobody has one that is gone live on by writing it again.
 */
import type { InstanceId, Member } from './directory/directory.ts'
import type { Seal } from './seal.ts'
import { wireOf, wireVersion } from './wire-version.ts'

export type MemberState = 'serving' | 'draining'

/** A member as it has told of itself. */
export interface LivingMember {
  readonly instance: InstanceId
  /** Where its peers reach it: `host:port`, or `unix:` and a path. */
  readonly address: string
  readonly state: MemberState
  readonly version: string
  /**
   * How long its lease went on when it was asked last; zero or less when it was over, or what it has told is too old for
   * one that lives.
   */
  readonly leaseMs: number
  /** The same by the directory alone, in which anybody can have written it. */
  readonly heldMs: number
  /** Ids of the keys that it has for stored credentials, the one that is to seal first; null where it does not say. */
  readonly keys: readonly string[] | null
  /** Whether it speaks as this one does; where it does not, nothing is sent to it. */
  readonly isUnderstood: boolean
}

type Told = Pick<LivingMember, 'address' | 'state' | 'version' | 'leaseMs'> & {
  /** By the clock of the directory. */
  readonly atMs: number
  readonly keys?: readonly string[]
}

/** So much later than it was told it may have been written, by a directory that is slow. */
const lateMs = 5_000

/** The record of a member. */
export function sealMember(seal: Pick<Seal, 'seal'>, instance: InstanceId, told: Told): string {
  return seal.seal('member', instance, JSON.stringify({ wire: wireVersion, ...told }))
}

/** What stood in the directory at this time of its clock; null for one that no member has written. */
export function openMember(
  seal: Pick<Seal, 'open'>,
  { instance, record, leaseMs: heldMs }: Member,
  nowMs: number,
): LivingMember | null {
  const text = seal.open('member', instance, record)
  if (text === null) return null
  // Sealed by a member: its form is that of `sealMember`.
  const told = JSON.parse(text) as Told
  const { address, version, keys = null } = told
  const isUnderstood = wireOf(told) === wireVersion
  // What is not understood tells its time in another way, or not at all.
  const leaseMs = isUnderstood ? Math.min(heldMs, told.atMs + told.leaseMs + lateMs - nowMs) : heldMs
  // One that cannot be talked to has what it has; nothing new is for it, as for one that goes.
  const state = isUnderstood ? told.state : 'draining'
  return { address, version, state, keys, instance, leaseMs, heldMs, isUnderstood }
}
