/** Signs what this member brings to others: each header is for one of them, and counts once. */
import type { InstanceId } from '../../directory/directory.ts'
import type { Membership } from '../../membership.ts'
import type { Seal } from '../../seal.ts'
import { wireVersion } from '../../wire-version.ts'
import { writeMessage } from './channel/brought.ts'
import { type Carried, digestOfBody, type SignedRequest, writeHeader } from './forwarded-header.ts'

/** Whose request it is. */
export type Bearer = Pick<Carried, 'principal' | 'peer' | 'client' | 'base' | 'requestId'>

/** What a member brings in its own name. */
export const ownBearer: Bearer = { principal: null, peer: null, client: null, base: '', requestId: '' }

export class Signer {
  readonly #membership: Pick<Membership, 'self' | 'nowMs'>
  readonly #seal: Pick<Seal, 'macs'>
  #serial = 0

  constructor(membership: Pick<Membership, 'self' | 'nowMs'>, seal: Pick<Seal, 'macs'>) {
    this.#membership = membership
    this.#seal = seal
  }

  /** The value of the header for a request to this member. */
  sign(to: InstanceId, request: SignedRequest, body: string | null, bearer: Bearer): string {
    const carried: Carried = { wire: wireVersion, ...this.#next(to), digest: digestOfBody(body), ...bearer }
    return writeHeader(carried, request, this.codes)
  }

  /** The message with these frames on a channel to this member. */
  signMessage(to: InstanceId, frames: string): string {
    return writeMessage(this.#next(to), frames, this.codes)
  }

  #next(to: InstanceId): Pick<Carried, 'from' | 'to' | 'atMs' | 'serial'> {
    const { self } = this.#membership
    return { from: self.instance, to, atMs: Math.round(this.#membership.nowMs()), serial: ++this.#serial }
  }

  readonly codes = (text: string): readonly string[] => this.#seal.macs('forward', text)
}
