/**
 * Whether a caller may use a server, or something of it: the decision of the way in (server-door.ts) and of what is
 * behind it (reach.ts) in one place, for groups, the admin API and whoever asks why. Calls themselves ask the two
 * directly, each where it counts.
 */
import type { ClientAddress } from '../net/address.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { everythingGroup } from '../registry/definition-schema.ts'
import { anonymous, type Principal } from './principal.ts'
import { type AccessKind, type Decision, type ItemFacts, reachOf } from './reach.ts'
import { type DoorFields, type ServerDoor, ServerDoors } from './server-door.ts'
import type { TokenTable } from './tokens.ts'

/** The decider under the rules of one gateway. */
export class AccessDecider {
  #global: TokenTable
  #version = 0
  /** Whether there are keys, so that nobody may use anything without one or a token. */
  keysAsk = false
  readonly #doors = new ServerDoors()

  /** @param global the tokens that open every server. */
  constructor(global: TokenTable) {
    this.#global = global
  }

  /** Counts up when rules change that stand in no definition: what follows from decisions may be kept until then. */
  get version(): number {
    return this.#version
  }

  /** Takes other global tokens, from now on. */
  reload(global: TokenTable): void {
    this.#global = global
    this.#version++
  }

  /** The tokens that open every server. */
  get global(): TokenTable {
    return this.#global
  }

  /** The way in at a server; that of one which says nothing for one that does not exist. */
  doorOf(fields: DoorFields | undefined): ServerDoor {
    return this.#doors.of(fields)
  }

  /** Whether the server is there for the caller at all; `through` is the group by which it came. */
  server(
    principal: Principal,
    definition: ServerDefinition,
    through: ServerDefinition | null = null,
  ): Decision {
    const { id, grants } = principal
    const door = this.#doors.of(definition)
    if (grants !== null) {
      if (door.ownOnly && grants.passesDoors !== true) return door.decide(id, this.#global, null)
      // The group of everything lets nobody in that the server itself does not.
      return grants.server(definition, through === everythingGroup ? null : through)
    }
    if (this.keysAsk && id === anonymous.id) return keyNeeded
    return door.decide(id, this.#global, through && this.#doors.of(through))
  }

  /** Whether the caller may use this of the server. `name` counts for all kinds but `server`. */
  decide(
    principal: Principal,
    definition: ServerDefinition,
    kind: AccessKind,
    name: string | null,
    through: ServerDefinition | null = null,
    facts: ItemFacts | null = null,
  ): Decision {
    const server = this.server(principal, definition, through)
    if (kind === 'server' || !server.allowed) return server
    const item = reachOf(principal.grants, definition).decide(kind, name, facts)
    return item.allowed ? { allowed: true, rule: `${server.rule}; ${item.rule}` } : item
  }

  /** The names of those servers whose `allowedIPs` keep this address out; nearly always none. */
  keptOut(client: ClientAddress | null, definitions: Iterable<ServerDefinition>): string[] {
    const names: string[] = []
    for (const definition of definitions)
      if (definition.allowedIPs.length > 0 && this.#doors.of(definition).checkAddress(client) !== null)
        names.push(definition.name)
    return names
  }
}

const keyNeeded: Decision = Object.freeze({
  allowed: false,
  rule: 'a key or a token is asked for, since there are keys',
})
