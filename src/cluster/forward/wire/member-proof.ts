/**
 * How a member proves, on the connection on which it is asked, that it is the one that is meant. A record in the
 * directory says where a member is, and can be shown again when somebody else has that address. So whoever opens a
 * connection sends a challenge first, and nothing of a request before the answer: a code that only members can make,
 * over the challenge, the path at which it was asked, and the address and the instance of whoever answers. An instance
 * is one process from its start to its end, so that the proof of another one that has taken its place is none.
 *
 * An answer is good for its challenge alone, which is made for one connection: shown again, or that of a question in the
 * other direction, it proves nothing. Whoever stands between two living members and passes everything on is not found
 * out by this (docs/decisions/no-tls-between-replicas.md).
 *
 * Nothing is kept at the end that answers.
 */
import { randomBytes } from 'node:crypto'
import type { InstanceId } from '../../directory/directory.ts'
import type { Seal } from '../../seal.ts'

/** The header of the question, and that of its answer. */
export const challengeHeader = 'compozy-challenge'
export const proofHeader = 'compozy-proof'

const nonceBytes = 24
const nonceForm = /^[A-Za-z0-9_-]{32}$/
const proofForm = /^([A-Za-z0-9_-]{1,64}) ([A-Za-z0-9_-]{32}) ([A-Za-z0-9_-]{43})$/

/** Where a question was asked. */
export interface ProofPlace {
  /** The address that the member has told of itself. */
  readonly address: string
  /** The path: the answer at one is none at another. */
  readonly target: string
}

/** A question to whoever is at an address, for one connection. */
export class Challenge {
  readonly nonce = randomBytes(nonceBytes).toString('base64url')
  readonly #seal: Pick<Seal, 'verifies'>
  readonly #place: ProofPlace

  constructor(seal: Pick<Seal, 'verifies'>, place: ProofPlace) {
    this.#seal = seal
    this.#place = place
  }

  /** Who has proven with this answer that it is there; null for nobody. */
  provenBy(answer: string | null): InstanceId | null {
    const [, instance = '', nonce = '', code = ''] = proofForm.exec(answer ?? '') ?? []
    const text = provenText(this.#place, this.nonce, instance, nonce)
    return code !== '' && this.#seal.verifies('proof', text, code) ? instance : null
  }
}

/** The answer of a member to a challenge; null for what is none. */
export function proofFor(
  challenge: string | null,
  seal: Pick<Seal, 'mac'>,
  instance: InstanceId,
  place: ProofPlace,
): string | null {
  if (challenge === null || !nonceForm.test(challenge)) return null
  const nonce = randomBytes(nonceBytes).toString('base64url')
  return `${instance} ${nonce} ${seal.mac('proof', provenText(place, challenge, instance, nonce))}`
}

function provenText(
  { address, target }: ProofPlace,
  challenge: string,
  instance: string,
  nonce: string,
): string {
  return JSON.stringify(['it is I who listens here', target, address, instance, challenge, nonce])
}
