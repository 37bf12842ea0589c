/**
 * What rules grant to a caller, people and keys alike. Within one place rules add up (`auth.oauth.access`, those of a
 * key, `access` of a definition); the places must all allow.
 */
import { everythingGroup } from '../registry/definition-schema.ts'
import type { CallerLimits } from './caller-limits.ts'
import type { Decision, Grants, ItemFacts, ItemKind, RuledFields } from './reach.ts'
import { type CompiledRule, type RulePlace, RulesAtServer, rulesOf } from './rules.ts'

/** Whom something is granted. All of it may change while it is in use. */
export interface Grantee {
  /** Counts up when its rules are others, or what they look at. */
  readonly version: number
  /** Wall clock; null for never. */
  readonly endsAtMs: number | null
  /** False once nobody vouches for it any more. */
  readonly counts: boolean
  readonly limits: CallerLimits | null
  /** Where its own rules stand, for admins. */
  readonly place: string
  readonly rules: readonly CompiledRule[]
  /** True where a server is there only when one of its own rules names it; else a rule of the definition is enough. */
  readonly namesServers: boolean
  /** Whether a rule of a definition is about it. */
  isNamedBy(rule: CompiledRule): boolean
}

interface AtServer {
  readonly rules: RulesAtServer
  /** Whether one of its own rules names the server. */
  readonly named: boolean
}

/** What one caller may use. */
export class RuledGrants implements Grants {
  readonly #grantee: Grantee
  #version = -1
  #servers = new WeakMap<RuledFields, AtServer>()

  constructor(grantee: Grantee) {
    this.#grantee = grantee
  }

  get endsAtMs(): number | null {
    return this.#grantee.endsAtMs
  }

  get counts(): boolean {
    return this.#grantee.counts
  }

  get limits(): CallerLimits | null {
    return this.#grantee.limits
  }

  server(definition: RuledFields, through: RuledFields | null): Decision {
    const { rules, named } = this.#at(definition)
    const decision = rules.server
    const { namesServers, place } = this.#grantee
    if (decision !== null && (named || !decision.allowed || !namesServers)) return decision
    // Whoever was let in at a group may use the servers in it that have no rules of their own.
    if (through !== null) return this.server(through, null)
    return {
      allowed: false,
      rule: namesServers
        ? `no rule of ${place} names ${definition.name}`
        : `no rule names ${definition.name} for this caller`,
    }
  }

  hides(definition: RuledFields, kind: ItemKind): boolean {
    return this.#at(definition).rules.hides(kind)
  }

  decide(definition: RuledFields, kind: ItemKind, name: string | null, facts: ItemFacts | null): Decision {
    return this.#at(definition).rules.decide(kind, name, facts)
  }

  scopesFor(_definition: RuledFields): readonly string[] | null {
    return null
  }

  /** What the rules say about this server, made once for as long as they and its definition are in force. */
  #at(definition: RuledFields): AtServer {
    const { version } = this.#grantee
    if (this.#version !== version) {
      this.#version = version
      this.#servers = new WeakMap()
    }
    let known = this.#servers.get(definition)
    if (known === undefined) {
      known = this.#look(definition)
      this.#servers.set(definition, known)
    }
    return known
  }

  #look(definition: RuledFields): AtServer {
    // Where all servers are together each is decided for itself.
    if (definition === everythingGroup) return { rules: new RulesAtServer([]), named: false }
    const own = this.#grantee.rules.filter((rule) => rule.reaches(definition.name))
    return { rules: new RulesAtServer(this.#placesAt(definition, own)), named: own.length > 0 }
  }

  /** Where rules speak about this server; a place whose list is empty has rules, and none for this caller. */
  #placesAt(definition: RuledFields, own: readonly CompiledRule[]): RulePlace[] {
    const grantee = this.#grantee
    const ofServer = grantee.counts ? rulesOf(definition) : []
    const places: RulePlace[] = own.length === 0 ? [] : [{ name: grantee.place, rules: own }]
    if (ofServer === null) return places
    const rules = ofServer.filter((rule) => grantee.isNamedBy(rule))
    return [...places, { name: `access of ${definition.name}`, rules }]
  }
}
