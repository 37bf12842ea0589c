/**
 * Rules of access as they are asked: those about people that stand in `auth.oauth.access`, and those of each definition
 * (`access`). They are read when they are asked, so that a configuration that is read again counts at once.
 */
import { namePatterns, uriPatterns } from '../protocol/name-pattern.ts'
import type { AccessRule, Who } from '../registry/access/rule-schema.ts'
import type { Decision, ItemFacts, ItemKind, RuledFields } from './reach.ts'

/** Somebody whom rules can name. */
export interface Person {
  readonly issuer: string
  /** The principal's id. */
  readonly id: string
  readonly subject: string
  /** Values by the names that rules use. */
  readonly claims: Readonly<Record<string, readonly string[]>>
  /** Wall clock. */
  readonly expiresAtMs: number
}

/** A key that rules can name. */
export interface NamedKey {
  readonly id: string
  readonly name: string
  readonly user: string | null
}

/** The rules about people that are in force. */
export class RuleBook {
  #rules: readonly CompiledRule[] = []
  #issuers: ReadonlySet<string> = new Set()
  #version = 0

  /** Counts up with each change. */
  get version(): number {
    return this.#version
  }

  /** Goes on with these rules, for people of these issuers. */
  take(rules: readonly AccessRule[], issuers: readonly string[]): void {
    this.#rules = rules.map((rule, index) => new CompiledRule(rule, `auth.oauth.access[${index}]`))
    this.#issuers = new Set(issuers)
    this.#version++
  }

  /** The rules that name this person. */
  rulesFor(person: Person): readonly CompiledRule[] {
    return this.#issuers.has(person.issuer) ? this.#rules.filter((rule) => rule.names(person)) : []
  }

  knows(issuer: string): boolean {
    return this.#issuers.has(issuer)
  }

  get rules(): readonly CompiledRule[] {
    return this.#rules
  }
}

/** The rules of one definition, compiled once for as long as it is in use. */
export function rulesOf(definition: RuledFields): readonly CompiledRule[] | null {
  if (definition.access === null) return null
  let rules = compiled.get(definition.access)
  if (rules === undefined) {
    rules = definition.access.map(
      (rule, index) => new CompiledRule(rule, `access[${index}] of ${definition.name}`),
    )
    compiled.set(definition.access, rules)
  }
  return rules
}

const compiled = new WeakMap<readonly AccessRule[], readonly CompiledRule[]>()

type Claims = Readonly<Record<string, readonly string[]>>

/** Whether of each claim that is wanted there is one of the values. */
export function hasClaims(claims: Claims, wanted: Claims): boolean {
  return Object.entries(wanted).every(
    ([name, values]) => claims[name]?.some((value) => values.includes(value)) === true,
  )
}

type Fits = (name: string) => boolean

/** A rule that is asked often. */
export class CompiledRule {
  /** Where it stands, for admins. */
  readonly label: string
  readonly #who: Who | null
  readonly #servers: Fits | null
  readonly #lists: Readonly<Record<ItemKind, Fits | null>>
  readonly #readOnly: boolean

  constructor(rule: AccessRule, label: string) {
    this.label = label
    this.#who = rule.who
    this.#servers = patterns(rule.servers)
    const resources = rule.resources === null ? null : uriPatterns(rule.resources)
    this.#lists = {
      tool: patterns(rule.tools),
      prompt: patterns(rule.prompts),
      resource: resources,
      template: resources,
    }
    this.#readOnly = rule.readOnly
  }

  /** The scopes of which it asks for one. */
  get scopes(): readonly string[] {
    return this.#who?.claims['scopes'] ?? []
  }

  /** Whether it is about this person: users and claims must both fit where both are given. */
  names({ id, issuer, subject, claims }: Person): boolean {
    if (this.#who === null) return true
    const { keys, users, claims: wanted } = this.#who
    if (users.length === 0 && Object.keys(wanted).length === 0) return keys.length === 0
    if (users.length > 0 && !users.includes(id) && !users.includes(`${issuer} ${subject}`)) return false
    return hasClaims(claims, wanted)
  }

  /** Whether it is about this key: by id, by name, or by its user. What claims ask for no key has. */
  namesKey({ id, name, user }: NamedKey): boolean {
    if (this.#who === null) return true
    const { keys, users, claims: wanted } = this.#who
    if (keys.includes(id) || keys.includes(name)) return true
    if (Object.keys(wanted).length > 0) return false
    return users.length === 0 ? keys.length === 0 : user !== null && users.includes(user)
  }

  reaches(server: string): boolean {
    return this.#servers === null || this.#servers(server)
  }

  /** Whether it opens everything of this kind. */
  opensAll(kind: ItemKind): boolean {
    return this.#lists[kind] === null && !(this.#readOnly && kind === 'tool')
  }

  opens(kind: ItemKind, name: string | null, facts: ItemFacts | null): boolean {
    if (this.#readOnly && kind === 'tool' && facts?.readOnly !== true) return false
    const fits = this.#lists[kind]
    return fits === null || (name !== null && fits(name))
  }
}

function patterns(list: readonly string[] | null): Fits | null {
  return list === null ? null : namePatterns(list)
}

/** A place where rules stand, and those of it that are about one caller and one server. */
export interface RulePlace {
  /** For admins. */
  readonly name: string
  readonly rules: readonly CompiledRule[]
}

/** Names that are remembered for one caller at one server, and how long they may be; others are looked at anew. */
const rememberedMax = 32
const rememberedCharsMax = 128

/** What rules say about one server and one caller: within a place they add up, and all places must allow. */
export class RulesAtServer {
  /** Whether the caller finds it; null where no place says anything. */
  readonly server: Decision | null
  readonly #places: readonly RulePlace[]
  readonly #hides: Readonly<Record<ItemKind, boolean>>
  readonly #decided = new Map<string, Decision>()

  constructor(places: readonly RulePlace[]) {
    this.#places = places
    this.server = serverDecision(places)
    const hides = (kind: ItemKind): boolean =>
      places.some(({ rules }) => !rules.some((rule) => rule.opensAll(kind)))
    this.#hides = {
      tool: hides('tool'),
      prompt: hides('prompt'),
      resource: hides('resource'),
      template: hides('template'),
    }
  }

  hides(kind: ItemKind): boolean {
    return this.#hides[kind]
  }

  decide(kind: ItemKind, name: string | null, facts: ItemFacts | null): Decision {
    if (name === null || name.length > rememberedCharsMax) return this.#look(kind, name, facts)
    const key = `${kind} ${facts?.readOnly === true} ${name}`
    let decision = this.#decided.get(key)
    if (decision === undefined) {
      decision = this.#look(kind, name, facts)
      if (this.#decided.size >= rememberedMax) this.#decided.clear()
      this.#decided.set(key, decision)
    }
    return decision
  }

  #look(kind: ItemKind, name: string | null, facts: ItemFacts | null): Decision {
    const labels: string[] = []
    for (const { name: place, rules } of this.#places) {
      const rule = rules.find((each) => each.opens(kind, name, facts))
      if (rule === undefined) return { allowed: false, rule: whyClosed(place, rules, kind, name) }
      labels.push(rule.label)
    }
    return { allowed: true, rule: labels.length === 0 ? 'no rule hides it' : labels.join(' and ') }
  }
}

const readOnly: ItemFacts = { readOnly: true }

function whyClosed(
  place: string,
  rules: readonly CompiledRule[],
  kind: ItemKind,
  name: string | null,
): string {
  const almost = kind === 'tool' ? rules.find((each) => each.opens(kind, name, readOnly)) : undefined
  return almost === undefined
    ? `no rule of ${place} opens this ${kind}`
    : `${almost.label} opens only tools that say readOnlyHint: true`
}

function serverDecision(places: readonly RulePlace[]): Decision | null {
  const closed = places.find(({ rules }) => rules.length === 0)
  if (closed !== undefined) return { allowed: false, rule: `no rule of ${closed.name} names this caller` }
  const labels = places.flatMap(({ rules: [rule] }) => (rule === undefined ? [] : [rule.label]))
  return labels.length === 0 ? null : { allowed: true, rule: labels.join(' and ') }
}
