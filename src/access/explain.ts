/**
 * Why somebody may use something, or may not: every door on the way, asked in the order in which a request meets them,
 * with the rule that decides. For admins: a caller is told the same of what is hidden and of what is not there.
 *
 * It asks what requests ask (decide.ts, server-door.ts, reach.ts), so that it cannot say anything else than they do.
 */
import type { ClientAddress } from '../net/address.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { everythingGroup } from '../registry/definition-schema.ts'
import { nearestName } from '../registry/nearest-name.ts'
import type { AccessDecider } from './decide.ts'
import { pinsOf } from './pins.ts'
import type { Principal } from './principal.ts'
import {
  type AccessKind,
  type Decision,
  type ItemFacts,
  type ItemKind,
  nothingHides,
  reachOf,
} from './reach.ts'

/** What is asked. */
export interface AccessQuestion {
  readonly principal: Principal
  readonly server: string
  readonly kind: AccessKind
  /** Counts for all kinds but `server`. */
  readonly name: string | null
  /** The group by which it is asked for; then `name` is the server's own. */
  readonly through: string | null
  /** Null: from an address that everybody lets in. */
  readonly address: ClientAddress | null
}

/** How it ends, for programs. */
export const accessVerdicts = [
  'allowed',
  'server_unknown',
  'not_in_group',
  'server_hidden',
  'address_refused',
  'item_hidden',
  'item_held_back',
  'item_unknown',
] as const

export type AccessVerdict = (typeof accessVerdicts)[number]

/** One door: what was asked there, and what decided. */
export interface AccessStep extends Decision {
  readonly asked: string
}

export interface AccessExplanation {
  readonly allowed: boolean
  readonly verdict: AccessVerdict
  /** The rule that decides: the first that says no, or the last that says yes. */
  readonly rule: string
  readonly steps: readonly AccessStep[]
  /** The known name that was most likely meant, where one is not known. */
  readonly nearest: string | null
  /** What could not be looked at, in a sentence; null for nothing. */
  readonly unsure: string | null
  /** Server and name as the gateway reads them: of the shown name of a group those of its member. */
  readonly server: string
  readonly name: string | null
}

/** What of a server's items is known. */
export interface KnownItems {
  /** Their names with what decides beside them; null where they could not be asked for. */
  readonly items: ReadonlyMap<string, ItemFacts> | null
  readonly reason: string | null
}

/** How a group names what its members have. */
export interface ExplainedGroup {
  readonly definition: ServerDefinition
  readonly members: readonly string[]
  /** The name that it shows for an item of a member's; null where `allow` or `block` of the member hides it. */
  shown(member: string, kind: ItemKind, name: string): string | null
  /** Whether this is a tool of the group itself, by which others are found. */
  isOwn(tool: string): boolean
  /** Whose a shown name is, by what its members list where the name alone does not tell; null for nobody's. */
  owner(kind: ItemKind, shown: string): Promise<{ readonly server: string; readonly name: string } | null>
}

/** What there is, as an explanation asks for it. */
export interface ExplainedWorld {
  readonly decider: AccessDecider
  names(): readonly string[]
  definition(name: string): ServerDefinition | undefined
  /** Null for what is no group. */
  group(name: string): ExplainedGroup | null
  /** What a server has of this kind; `name`, which is asked about, is among it also where a template fits it. */
  items(server: string, kind: ItemKind, name: string): Promise<KnownItems>
  /** What keeps a server from being used whoever asks, in a sentence; null for nothing. */
  away(server: string): string | null
  /** Why nobody comes in here without a token, beside what the definition says; null where that decides. */
  tokenNeeded(definition: ServerDefinition): string | null
}

export async function explainAccess(
  world: ExplainedWorld,
  question: AccessQuestion,
): Promise<AccessExplanation> {
  return new Explaining(world, question).run()
}

class Explaining {
  readonly #world: ExplainedWorld
  readonly #question: AccessQuestion
  readonly #steps: AccessStep[] = []
  #server: string
  #name: string | null

  constructor(world: ExplainedWorld, question: AccessQuestion) {
    this.#world = world
    this.#question = question
    this.#server = question.server
    this.#name = question.name
  }

  async run(): Promise<AccessExplanation> {
    const { through } = this.#question
    if (through !== null) {
      const group = this.#world.group(through)
      if (group === null) return this.#unknownServer(through, 'group')
      return this.#inGroup(group)
    }
    const group = this.#world.group(this.#server)
    if (group !== null) return this.#ofGroup(group)
    const definition = this.#world.definition(this.#server)
    if (definition === undefined) return this.#unknownServer(this.#server, 'server')
    return this.#enter(definition, []) ?? (await this.#use(definition, null))
  }

  /** A group by its own name: what it shows is of its members. */
  async #ofGroup(group: ExplainedGroup): Promise<AccessExplanation> {
    const { kind } = this.#question
    const shown = this.#name
    if (kind === 'server' || shown === null)
      return this.#enter(group.definition, this.#membersOf(group)) ?? this.#end('allowed')
    if (kind === 'tool' && group.isOwn(shown)) {
      const refusal = this.#enter(group.definition, this.#membersOf(group))
      if (refusal !== null) return refusal
      this.#steps.push({ asked: `tool ${shown}`, allowed: true, rule: 'a tool of the group itself' })
      return this.#end('allowed')
    }
    const owner = await group.owner(kind, shown)
    if (owner !== null) {
      this.#server = owner.server
      this.#name = owner.name
      return this.#inGroup(group)
    }
    const refusal = this.#enter(group.definition, this.#membersOf(group))
    if (refusal !== null) return refusal
    const names = await this.#shownNames(group, kind)
    const rule = `no server of the group ${group.definition.name} has it`
    this.#steps.push({ asked: `${kind} ${shown}`, allowed: false, rule })
    return this.#end('item_unknown', nearestName(shown, names))
  }

  async #inGroup(group: ExplainedGroup): Promise<AccessExplanation> {
    const through = group.definition
    const definition = this.#world.definition(this.#server)
    if (definition === undefined) return this.#unknownServer(this.#server, 'server', group.members)
    const refusal = this.#enter(through, this.#membersOf(group))
    if (refusal !== null) return refusal
    if (!group.members.includes(this.#server)) {
      const rule = `${this.#server} is no server of the group ${through.name}`
      this.#steps.push({ asked: `server ${this.#server}`, allowed: false, rule })
      return this.#end('not_in_group', nearestName(this.#server, group.members))
    }
    const { principal } = this.#question
    const reached = this.#world.decider.server(principal, definition, through)
    this.#steps.push({ asked: `server ${this.#server}`, ...reached })
    if (!reached.allowed) return this.#end('server_hidden')
    const elsewhere = this.#addressRefused(definition)
    if (elsewhere !== null) return elsewhere
    return this.#use(definition, group)
  }

  /** The door of the server or group that the URL names; null where the caller comes in. */
  #enter(definition: ServerDefinition, members: readonly ServerDefinition[]): AccessExplanation | null {
    const { principal } = this.#question
    const decision = this.#entry(principal, definition, members)
    const asked = `${definition.group === null ? 'server' : 'group'} ${definition.name}`
    this.#steps.push({ asked, ...decision })
    if (!decision.allowed) return this.#end('server_hidden')
    return this.#addressRefused(definition)
  }

  #entry(principal: Principal, definition: ServerDefinition, members: readonly ServerDefinition[]): Decision {
    const { decider } = this.#world
    const { grants, role } = principal
    if (grants !== null) {
      if (role !== 'client') return { allowed: false, rule: 'a key of the admin API opens no server' }
      if (!grants.counts)
        return { allowed: false, rule: 'it counts no more: it has ended, or was taken back' }
      if (definition === everythingGroup)
        return { allowed: true, rule: 'everybody who is known comes in at /mcp' }
      return decider.server(principal, definition)
    }
    const needed = role === 'anonymous' ? this.#world.tokenNeeded(definition) : null
    if (needed !== null) return { allowed: false, rule: needed }
    const decision = decider.server(principal, definition)
    if (decision.allowed || decider.doorOf(definition).own.size > 0) return decision
    const guest = members.find((member) => decider.doorOf(member).own.holds(principal.id))
    return guest === undefined
      ? decision
      : { allowed: true, rule: `a token of authTokens of ${guest.name}, which is in the group` }
  }

  #addressRefused(definition: ServerDefinition): AccessExplanation | null {
    const { address } = this.#question
    if (address === null || definition.allowedIPs.length === 0) return null
    const refusal = this.#world.decider.doorOf(definition).checkAddress(address)
    const rule = `allowedIPs of ${definition.name} ${refusal === null ? 'has' : 'does not have'} ${address}`
    this.#steps.push({ asked: `address ${address}`, allowed: refusal === null, rule })
    return refusal === null ? null : this.#end('address_refused')
  }

  /** What the group itself hides of a member: by `allow` and `block`, and by rules and filters over shown names. */
  #hiddenBy(
    { definition: group, shown: shownAs }: ExplainedGroup,
    member: ServerDefinition,
    kind: ItemKind,
    name: string,
    facts: ItemFacts | null,
  ): AccessExplanation | null {
    const shown = shownAs(member.name, kind, name)
    if (shown === null) {
      const rule = `allow or block of ${member.name} in the group ${group.name} hides it`
      this.#steps.push({ asked: `${kind} ${name} in ${group.name}`, allowed: false, rule })
      return this.#end('item_hidden')
    }
    const reach = reachOf(this.#question.principal.grants, group)
    if (!reach.hides(kind)) return null
    const decision = reach.decide(kind, this.#question.through === null ? this.#question.name : shown, facts)
    const { allowed, rule } = decision
    // Rules that name a group are read otherwise than those that name a server, which nobody must guess.
    const told = allowed ? rule : `${rule}, by the names that ${group.name} shows`
    this.#steps.push({ asked: `${kind} ${shown} of ${group.name}`, allowed, rule: told })
    return allowed ? null : this.#end('item_hidden')
  }

  /** What there is at the server itself. */
  async #use(definition: ServerDefinition, group: ExplainedGroup | null): Promise<AccessExplanation> {
    const { principal, kind } = this.#question
    const name = this.#name
    if (kind === 'server' || name === null) return this.#end('allowed')
    const { items, reason } = await this.#world.items(definition.name, kind, name)
    const facts = items?.get(name)
    const reach = reachOf(principal.grants, definition)
    const decision = reach.decide(kind, name, facts ?? null)
    this.#steps.push({ asked: `${kind} ${name}`, ...decision })
    const pins = kind === 'tool' ? pinsOf(definition) : null
    const byPins = pins?.decide(name) ?? null
    const maybeThere = items === null || facts !== undefined || pins?.knows(name) === true
    const heldBack = byPins?.allowed === false && maybeThere ? byPins.rule : null
    // A list that a filter has shortened does not tell what it hides.
    const byServer = reachOf(null, definition).decide(kind, name)
    const filtered = !byServer.allowed && byServer.rule !== byPins?.rule
    if (items !== null && facts === undefined && !filtered && heldBack === null) {
      this.#steps[this.#steps.length - 1] = {
        asked: `${kind} ${name}`,
        allowed: false,
        rule: `${definition.name} lists no ${kind} of this name`,
      }
      const nearest = nearestName(name, [...items.keys()])
      // Whoever has asked with a shown name is answered with one.
      const shown = nearest !== null && group !== null && this.#question.through === null
      return this.#end('item_unknown', shown ? group.shown(definition.name, kind, nearest) : nearest)
    }
    if (!decision.allowed)
      return this.#end(heldBack === decision.rule ? 'item_held_back' : 'item_hidden', null, reason)
    const hidden = group === null ? null : this.#hiddenBy(group, definition, kind, name, facts ?? null)
    return hidden ?? this.#end('allowed', null, reason)
  }

  async #shownNames(group: ExplainedGroup, kind: ItemKind): Promise<string[]> {
    const lists = await Promise.all(
      group.members.map(async (member) => {
        const { items } = await this.#world.items(member, kind, '')
        return [...(items?.keys() ?? [])].flatMap((name) => group.shown(member, kind, name) ?? [])
      }),
    )
    return lists.flat()
  }

  #membersOf(group: ExplainedGroup): ServerDefinition[] {
    return group.members.flatMap((name) => this.#world.definition(name) ?? [])
  }

  #unknownServer(name: string, what: 'server' | 'group', known = this.#world.names()): AccessExplanation {
    this.#steps.push({
      asked: `${what} ${name}`,
      allowed: false,
      rule: `no ${what} is registered as ${name}`,
    })
    return this.#end('server_unknown', nearestName(name, known))
  }

  #end(
    verdict: AccessVerdict,
    nearest: string | null = null,
    unsure: string | null = null,
  ): AccessExplanation {
    // What hides nothing decides nothing, where something before it has let the caller in.
    const deciding = this.#steps.findLast(({ rule }) => rule !== nothingHides.rule) ?? this.#steps.at(-1)
    return {
      allowed: verdict === 'allowed',
      verdict,
      rule: deciding?.rule ?? '',
      steps: this.#steps,
      nearest,
      unsure: unsure ?? (verdict === 'allowed' ? this.#world.away(this.#server) : null),
      server: this.#server,
      name: this.#name,
    }
  }
}
