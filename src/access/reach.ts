/**
 * What a caller may use of one server: which tools, prompts, resources and templates. The one place that decides
 * it, for lists and calls alike, so that what is visible is what is callable.
 *
 * Pure. What follows from a definition is made once for as long as the definition is in use; a server and a caller
 * without rules share one answer, which costs nothing.
 */
import type { ServerDefinition, ToolFilter } from '../registry/definition.ts'
import type { CallerLimits } from './caller-limits.ts'
import { type Pins, pinsOf } from './pins.ts'

/** What a server has that is listed. */
export type ItemKind = 'tool' | 'prompt' | 'resource' | 'template'
/** What is decided about: a server as a whole, or something of it. */
export type AccessKind = 'server' | ItemKind

/** Whether something is allowed, and in words for admins which rule says so. Callers are never told the rule. */
export interface Decision {
  readonly allowed: boolean
  readonly rule: string
}

/** What is known of an item beside its name. */
export interface ItemFacts {
  /** A tool that says of itself that it changes nothing (`annotations.readOnlyHint`). */
  readonly readOnly: boolean
  /** The whole text of a tool where it is at hand, by which pins know it. */
  readonly text?: string
}

/** The fields of a definition that rules look at. */
export type RuledFields = Pick<ServerDefinition, 'name' | 'access'>

/** What a caller was granted by rules (ruled-grants.ts). A tool filter holds beside them: both must allow. */
export interface Grants {
  /** When they end, by the wall clock; null for never. */
  readonly endsAtMs: number | null
  /** False once nobody vouches for their holder any more. */
  readonly counts: boolean
  /** What bounds its holder alone; null for nothing. */
  readonly limits: CallerLimits | null
  /** True for admins, whom no door of a server keeps out (admin-grants.ts). */
  readonly passesDoors?: boolean
  /** Whether the server is there for the caller at all; `through` is the group by which it came. */
  server(definition: RuledFields, through: RuledFields | null): Decision
  /** False where everything of this kind at this server is allowed. */
  hides(definition: RuledFields, kind: ItemKind): boolean
  /** `name` is null for one that cannot be told, `facts` where they are not known. Neither is ever allowed by a rule that needs it. */
  decide(definition: RuledFields, kind: ItemKind, name: string | null, facts: ItemFacts | null): Decision
  /** The scopes with which a token would reach a server that this one does not; null when no scope is what it lacks. */
  scopesFor(definition: RuledFields): readonly string[] | null
}

/** What one caller may use of one server. */
export interface Reach {
  /** True where nothing at all is hidden. */
  readonly open: boolean
  /** What holds tools back until their definitions are approved; null for nothing. */
  readonly pins: Pins | null
  /** False where everything of this kind is allowed. */
  hides(kind: ItemKind): boolean
  /**
   * Whether a tool or prompt of this name, or a resource or template of this URI, is there for the caller. Null is a
   * name that cannot be told (given twice, or no text): the server might read one that is hidden.
   */
  allows(kind: ItemKind, name: string | null, facts?: ItemFacts | null): boolean
  /** The same with its reason. */
  decide(kind: ItemKind, name: string | null, facts?: ItemFacts | null): Decision
}

/** The fields of a definition that decide it. */
export type ReachFields = Pick<ServerDefinition, 'name' | 'toolFilter' | 'access'>

/** What a caller with these grants may use of a server. */
export function reachOf(grants: Grants | null, definition: ReachFields): Reach {
  if (grants === null)
    return definition.toolFilter === null && pinsOf(definition) === null ? everything : ungranted(definition)
  let byDefinition = granted.get(grants)
  if (byDefinition === undefined) {
    byDefinition = new WeakMap()
    granted.set(grants, byDefinition)
  }
  return remembered(byDefinition, definition, grants)
}

const filtered = new WeakMap<ReachFields, Reach>()
const granted = new WeakMap<Grants, WeakMap<ReachFields, Reach>>()

function ungranted(definition: ReachFields): Reach {
  return remembered(filtered, definition, null)
}

function remembered(
  made: WeakMap<ReachFields, Reach>,
  definition: ReachFields,
  grants: Grants | null,
): Reach {
  let reach = made.get(definition)
  if (reach === undefined) {
    reach = new RuledReach(definition, grants)
    made.set(definition, reach)
  }
  return reach
}

/** The decision where nothing speaks about something. */
export const nothingHides: Decision = Object.freeze({ allowed: true, rule: 'no rule hides it' })

/** Without grants, filter and pins. */
const everything: Reach = {
  open: true,
  pins: null,
  hides: () => false,
  allows: () => true,
  decide: () => nothingHides,
}

class RuledReach implements Reach {
  readonly open = false
  readonly #definition: ReachFields
  readonly #filter: ToolFilter | null
  readonly #listed: ReadonlySet<string>
  readonly #grants: Grants | null

  constructor(definition: ReachFields, grants: Grants | null) {
    const { toolFilter } = definition
    this.#definition = definition
    this.#filter = toolFilter
    this.#listed = new Set(toolFilter?.list)
    this.#grants = grants
  }

  /** Asked anew each time: what is pinned may change while a definition is in use. */
  get pins(): Pins | null {
    return pinsOf(this.#definition)
  }

  hides(kind: ItemKind): boolean {
    if (kind === 'tool' && (this.#filter !== null || this.pins !== null)) return true
    return this.#grants?.hides(this.#definition, kind) === true
  }

  allows(kind: ItemKind, name: string | null, facts: ItemFacts | null = null): boolean {
    if (kind === 'tool' && !(this.#passesFilter(name) && this.#passesPins(name, facts))) return false
    return this.#grants === null || this.#grants.decide(this.#definition, kind, name, facts).allowed
  }

  decide(kind: ItemKind, name: string | null, facts: ItemFacts | null = null): Decision {
    const byFilter = kind === 'tool' ? this.#byFilter(name) : nothingHides
    if (!byFilter.allowed) return byFilter
    const byPins = kind === 'tool' ? (this.pins?.decide(name) ?? byFilter) : byFilter
    if (!byPins.allowed || this.#grants === null) return byPins
    return this.#grants.decide(this.#definition, kind, name, facts)
  }

  #passesPins(name: string | null, facts: ItemFacts | null): boolean {
    const { pins } = this
    if (pins === null) return true
    return facts?.text === undefined ? pins.allows(name) : pins.shows(name, facts.text)
  }

  #passesFilter(name: string | null): boolean {
    if (this.#filter === null) return true
    return name !== null && this.#listed.has(name) === (this.#filter.mode === 'allow')
  }

  #byFilter(name: string | null): Decision {
    if (this.#filter === null) return nothingHides
    const allowed = this.#passesFilter(name)
    if (name === null)
      return { allowed, rule: `toolFilter of ${this.#definition.name}: the name cannot be told` }
    const listed = this.#listed.has(name) ? 'lists it' : 'does not list it'
    return { allowed, rule: `toolFilter of ${this.#definition.name} (${this.#filter.mode}) ${listed}` }
  }
}
