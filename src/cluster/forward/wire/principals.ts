/**
 * Who asks, on the way from the member that has let them in to the one that serves them. What they may use is decided
 * where they are served, by the rules that are in force there.
 */
import { personOf } from '../../../access/person.ts'
import { anonymous, type Principal } from '../../../access/principal.ts'
import type { Person } from '../../../access/rules.ts'
import type { WirePrincipal } from './forwarded-header.ts'

/** Where people and keys are known. */
export interface Identities {
  /** Null while there are no keys. */
  readonly keys: { principalOf(id: string): Principal | null } | null
  /** Somebody of whom a token has said this; null where no such issuer is configured. */
  person(
    who: Pick<Person, 'issuer' | 'subject'>,
    claims: Person['claims'],
    expiresAtMs: number,
  ): Promise<Principal | null>
}

/** Of principals that were made of a text, so many are kept: whoever asks again is the same one. */
const keptMax = 1_000

const keyPrefix = 'key:'

export function toWire(principal: Principal): WirePrincipal | null {
  const { id, shown, role } = principal
  if (role !== 'anonymous' && role !== 'client') return null
  const person = personOf(principal)
  if (person === null) return { id, shown, role }
  const { issuer, subject, claims, expiresAtMs } = person
  const ends = Number.isFinite(expiresAtMs) ? expiresAtMs : null
  return { id, shown, role, person: { issuer, subject, claims: copied(claims), expiresAtMs: ends } }
}

function copied(claims: Person['claims']): Record<string, string[]> {
  return Object.fromEntries(Object.entries(claims).map(([name, values]) => [name, [...values]]))
}

export class Principals {
  readonly #known: Identities
  readonly #made = new Map<string, Principal>()
  /** The same by what says who it is, where that is one object for many requests. */
  readonly #madeOf = new WeakMap<WirePrincipal, Principal>()

  constructor(known: Identities) {
    this.#known = known
  }

  /** The principal that another member speaks of; null where nobody here knows it. */
  of(wire: WirePrincipal): Principal | null | Promise<Principal | null> {
    if (wire.id === anonymous.id) return anonymous
    // What it may do can be another thing at each request.
    if (wire.id.startsWith(keyPrefix))
      return this.#known.keys?.principalOf(wire.id.slice(keyPrefix.length)) ?? null
    return this.#madeOf.get(wire) ?? this.#madeBefore(wire)
  }

  async #madeBefore(wire: WirePrincipal): Promise<Principal | null> {
    const text = JSON.stringify(wire)
    const principal = this.#made.get(text) ?? (await this.#make(wire))
    if (principal === null || principal.id !== wire.id) return null
    if (this.#made.size >= keptMax) this.#made.clear()
    this.#made.set(text, principal)
    this.#madeOf.set(wire, principal)
    return principal
  }

  async #make({ id, shown, role, person }: WirePrincipal): Promise<Principal | null> {
    if (person === undefined) return Object.freeze({ id, shown, role, grants: null })
    const expiresAtMs = person.expiresAtMs ?? Number.POSITIVE_INFINITY
    return await this.#known.person(person, person.claims, expiresAtMs)
  }
}
