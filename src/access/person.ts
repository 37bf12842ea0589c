/** A person: the principal that a token or a sign-in stands for. Who is named by no rule at a server does not find it. */
import { createHash } from 'node:crypto'
import type { Principal } from './principal.ts'
import type { RuledFields } from './reach.ts'
import { type Grantee, RuledGrants } from './ruled-grants.ts'
import { type CompiledRule, type Person, type RuleBook, rulesOf } from './rules.ts'

/** 128 bits: nobody can look for a second subject with the same. */
const hashDigits = 32

/** The id of a subject of an issuer. What is hashed has one reading: neither can be made to look like the other. */
export function personId(issuer: string, subject: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([issuer, subject]))
    .digest('hex')
  return `oauth:${hash.slice(0, hashDigits)}`
}

/** One for each token: its claims and its end are those of the token. */
export function personPrincipal(
  user: Omit<Person, 'id'> & Partial<Pick<Person, 'id'>>,
  book: RuleBook,
  role: Principal['role'] = 'client',
): Principal {
  const id = user.id ?? personId(user.issuer, user.subject)
  return Object.freeze({
    id,
    shown: id,
    // Whoever is known by hash alone has no name.
    ...(user.subject === '' ? {} : { name: `${user.issuer} ${user.subject}` }),
    role,
    grants: new PersonGrants({ ...user, id }, book),
  })
}

/** Of the scopes that rules ask for, so many are tried to find one that a token lacks. */
const scopesMax = 16

/** One for each token: what the next one says may be something else. */
class PersonGrants extends RuledGrants {
  readonly person: Person
  readonly #book: RuleBook

  constructor(person: Person, book: RuleBook) {
    super(new PersonGrantee(person, book))
    this.person = person
    this.#book = book
  }

  override scopesFor(definition: RuledFields): readonly string[] | null {
    if (!this.counts) return null
    const had = this.person.claims['scopes'] ?? []
    const offered = [...this.#book.rules, ...(rulesOf(definition) ?? [])].flatMap((rule) => rule.scopes)
    for (const scope of [...new Set(offered)].slice(0, scopesMax)) {
      const scopes = [...had, scope]
      const person = { ...this.person, claims: { ...this.person.claims, scopes } }
      if (new PersonGrants(person, this.#book).server(definition, null).allowed) return scopes
    }
    return null
  }
}

class PersonGrantee implements Grantee {
  readonly limits = null
  readonly place = 'auth.oauth.access'
  readonly namesServers = false
  readonly endsAtMs: number
  readonly #person: Person
  readonly #book: RuleBook

  constructor(person: Person, book: RuleBook) {
    this.#person = person
    this.#book = book
    this.endsAtMs = person.expiresAtMs
  }

  get version(): number {
    return this.#book.version
  }

  get counts(): boolean {
    return this.#book.knows(this.#person.issuer)
  }

  get rules(): readonly CompiledRule[] {
    return this.#book.rulesFor(this.#person)
  }

  isNamedBy(rule: CompiledRule): boolean {
    return rule.names(this.#person)
  }
}

/** What is known of a person; null for whoever is none. */
export function personOf({ grants }: Principal): Person | null {
  return grants instanceof PersonGrants ? grants.person : null
}
