/**
 * The `requestState` of a parked call: a random name under a seal.
 *
 * What a state is good for is kept here, not in the token: the seal binds the name to the principal, the server,
 * the method and its parameters, this instance and an expiry, so that a state that was lost, forged, replayed,
 * borrowed or moved to another request opens nothing.
 *
 * Spec: 2026-07-28, basic/patterns/mrtr, Server Requirements 4 and 5.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a state is bound to. */
export interface StateBinding {
  readonly principalId: string
  readonly serverName: string
  /** Digest of method and parameters in one spelling; null when they nest too deep for one. */
  readonly digest: string | null
}

/**
 * Binds to a request; `salient` is that of protocol/bridge/questions.ts, asked for when a state is sealed or
 * opened, which few requests come to. From then on the parameters are not kept.
 */
export function bindState(
  principalId: string,
  serverName: string,
  salient: () => string | null,
): StateBinding {
  let ask: (() => string | null) | null = salient
  let digest: string | null = null
  return {
    principalId,
    serverName,
    get digest() {
      const text = ask?.() ?? null
      ask = null
      if (text !== null) digest = createHash('sha256').update(text).digest('base64')
      return digest
    },
  }
}

const nameBytes = 16
const expiryChars = 12

export class StateSeal {
  readonly #key = randomBytes(32)

  /** A new state; `name` is what it opens until `expiresAtMs`. */
  seal(binding: StateBinding, expiresAtMs: number): { state: string; name: string } {
    const name = randomBytes(nameBytes).toString('hex')
    const head = `${name}${expiresAtMs.toString(16).padStart(expiryChars, '0')}`
    return { state: `${head}${this.#mac(head, binding)}`, name }
  }

  /** The name that a state opens, or null when it was not sealed for this, here, or is too old. */
  open(state: string, binding: StateBinding, nowMs: number): string | null {
    if (binding.digest === null) return null
    const headChars = nameBytes * 2 + expiryChars
    const head = state.slice(0, headChars)
    const given = Buffer.from(state.slice(headChars))
    const expected = Buffer.from(this.#mac(head, binding))
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
    if (Number.parseInt(head.slice(nameBytes * 2), 16) < nowMs) return null
    return head.slice(0, nameBytes * 2)
  }

  #mac(head: string, { principalId, serverName, digest }: StateBinding): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([head, principalId, serverName, digest]))
      .digest('hex')
  }
}
