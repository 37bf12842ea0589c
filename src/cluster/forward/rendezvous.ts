/** Which member gets something that nobody has: the same for all who know of the same members (rendezvous hashing). */
import type { LivingMember } from '../member-record.ts'

/** Of those that go on serving; null where there is none. */
export function rendezvous<M extends Pick<LivingMember, 'instance' | 'state'>>(
  key: string,
  members: readonly M[],
): M | null {
  let best: { readonly weight: bigint; readonly member: M } | null = null
  for (const member of members) {
    if (member.state !== 'serving') continue
    const weight = BigInt(Bun.hash(`${key} ${member.instance}`))
    if (best === null || weight > best.weight) best = { weight, member }
  }
  return best?.member ?? null
}
