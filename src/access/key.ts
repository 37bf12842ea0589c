/**
 * A key: the principal that it stands for, and what it grants. What a key reaches its own rules name; where a server
 * has `access` one of its rules must name the key too, and both must open what is used.
 */
import type { KeyRole } from '../registry/access/key-schema.ts'
import type { AccessRule } from '../registry/access/rule-schema.ts'
import type { CallerLimits } from './caller-limits.ts'
import type { Principal } from './principal.ts'
import { type Grantee, RuledGrants } from './ruled-grants.ts'
import { CompiledRule } from './rules.ts'

/** What rules and principals take of a key. */
export interface KeyFacts {
  readonly id: string
  readonly name: string
  /** On whose behalf it is used; rules can name that too. */
  readonly user: string | null
  /** Null: it opens MCP endpoints. Else it opens the admin API, and no MCP endpoint. */
  readonly role: KeyRole | null
  readonly access: readonly AccessRule[]
}

/** A key in use: whoever holds it looks here whether, and for what, it still counts. */
export interface HeldKey {
  readonly facts: KeyFacts
  /** Counts up when `facts` are others. */
  readonly version: number
  /** Wall clock; null for never. */
  readonly endsAtMs: number | null
  /** False once it has ended or was taken back. */
  readonly counts: boolean
  readonly limits: CallerLimits | null
}

/** `key:ID`, for a key of the admin API `admin:ID`. The digest of an admin token is longer, so the two never meet. */
function keyPrincipalId({ id, role }: Pick<KeyFacts, 'id' | 'role'>): string {
  return `${role === null ? 'key' : 'admin'}:${id}`
}

/** One for as long as the key is what it is; `grants` are one for as long as its secret counts. */
export function keyPrincipal(facts: KeyFacts, grants: RuledGrants): Principal {
  const id = keyPrincipalId(facts)
  const { name, user, role } = facts
  return Object.freeze({
    id,
    shown: id,
    name,
    ...(user === null ? {} : { user }),
    role: role ?? 'client',
    grants,
  })
}

/** What a key grants; it follows the key when that changes. */
export class KeyGrants extends RuledGrants {
  readonly held: HeldKey

  constructor(held: HeldKey) {
    super(new KeyGrantee(held))
    this.held = held
  }
}

class KeyGrantee implements Grantee {
  readonly namesServers = true
  readonly #held: HeldKey
  #compiled: { readonly of: readonly AccessRule[]; readonly rules: readonly CompiledRule[] } | null = null

  constructor(held: HeldKey) {
    this.#held = held
  }

  get version(): number {
    return this.#held.version
  }

  get endsAtMs(): number | null {
    return this.#held.endsAtMs
  }

  get counts(): boolean {
    return this.#held.counts
  }

  get limits(): CallerLimits | null {
    return this.#held.limits
  }

  get place(): string {
    return `key ${this.#held.facts.name}`
  }

  get rules(): readonly CompiledRule[] {
    const { access } = this.#held.facts
    if (this.#compiled?.of !== access) {
      const rules = access.map((rule, index) => new CompiledRule(rule, `access[${index}] of ${this.place}`))
      this.#compiled = { of: access, rules }
    }
    return this.#compiled.rules
  }

  isNamedBy(rule: CompiledRule): boolean {
    return rule.namesKey(this.#held.facts)
  }
}
