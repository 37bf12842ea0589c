/**
 * A person: the principal that a token or a sign-in stands for, and what rules grant it. Within one place rules add up
 * (`auth.oauth.access`, `access` of a definition); the places must all allow. Who is named by no rule at a server does
 * not find it.
 */
import { createHash } from 'node:crypto'
import type { Principal } from './principal.ts'
import type { Decision, Grants, ItemFacts, ItemKind, RuledFields } from './reach.ts'
import {
  type CompiledRule,
  type Person,
  type RuleBook,
  type RulePlace,
  RulesAtServer,
  rulesOf,
} from './rules.ts'

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
  user: Omit<Person, 'id'>,
  book: RuleBook,
  role: Principal['role'] = 'client',
): Principal {
  const id = personId(user.issuer, user.subject)
  return Object.freeze({
    id,
    shown: id,
    name: `${user.issuer} ${user.subject}`,
    role,
    grants: new PersonGrants({ ...user, id }, book),
  })
}

/** Of the scopes that rules ask for, so many are tried to find one that a token lacks. */
const scopesMax = 16

/** What a person may use. One for each token: what the next one says may be something else. */
class PersonGrants implements Grants {
  readonly endsAtMs: number
  readonly #person: Person
  readonly #book: RuleBook
  #version = -1
  #own: readonly CompiledRule[] = []
  #servers = new WeakMap<RuledFields, RulesAtServer>()

  constructor(person: Person, book: RuleBook) {
    this.#person = person
    this.#book = book
    this.endsAtMs = person.expiresAtMs
  }

  get counts(): boolean {
    return this.#book.knows(this.#person.issuer)
  }

  server(definition: RuledFields, through: RuledFields | null): Decision {
    const decision = this.#at(definition).server
    if (decision !== null) return decision
    // Whoever was let in at a group may use the servers in it that have no rules of their own.
    if (through !== null) return this.server(through, null)
    return { allowed: false, rule: `no rule names ${definition.name} for this caller` }
  }

  hides(definition: RuledFields, kind: ItemKind): boolean {
    return this.#at(definition).hides(kind)
  }

  decide(definition: RuledFields, kind: ItemKind, name: string | null, facts: ItemFacts | null): Decision {
    return this.#at(definition).decide(kind, name, facts)
  }

  scopesFor(definition: RuledFields): readonly string[] | null {
    if (!this.counts) return null
    const had = this.#person.claims['scopes'] ?? []
    const offered = [...this.#book.rules, ...(rulesOf(definition) ?? [])].flatMap((rule) => rule.scopes)
    for (const scope of [...new Set(offered)].slice(0, scopesMax)) {
      const scopes = [...had, scope]
      const person = { ...this.#person, claims: { ...this.#person.claims, scopes } }
      if (new PersonGrants(person, this.#book).server(definition, null).allowed) return scopes
    }
    return null
  }

  /** What the rules say about this server, made once for as long as they and its definition are in force. */
  #at(definition: RuledFields): RulesAtServer {
    if (this.#version !== this.#book.version) {
      this.#version = this.#book.version
      this.#own = this.#book.rulesFor(this.#person)
      this.#servers = new WeakMap()
    }
    let known = this.#servers.get(definition)
    if (known === undefined) {
      known = new RulesAtServer(this.#placesAt(definition))
      this.#servers.set(definition, known)
    }
    return known
  }

  /** Where rules speak about this server; a place whose list is empty has rules, and none for this person. */
  #placesAt(definition: RuledFields): RulePlace[] {
    const own = this.#own.filter((rule) => rule.reaches(definition.name))
    const ofServer = this.counts ? rulesOf(definition) : []
    const places: RulePlace[] = own.length === 0 ? [] : [{ name: 'auth.oauth.access', rules: own }]
    if (ofServer === null) return places
    const rules = ofServer.filter((rule) => rule.names(this.#person))
    return [...places, { name: `access of ${definition.name}`, rules }]
  }
}
