/**
 * Who may come in at one MCP server, as its definition says beside the global tokens: from which addresses, with
 * which tokens. The one place that decides it; it is asked once for each request and again when rules change. What
 * the caller may use of the server is decided in reach.ts.
 */
import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '../errors.ts'
import type { ClientAddress } from '../net/address.ts'
import { type CidrSet, noNetworks, parseCidrSet } from '../net/cidr.ts'
import { parseIp } from '../net/ip.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { anonymous, type Principal } from './principal.ts'
import type { Decision } from './reach.ts'
import { bearerOf, type Digest, digestOfAsked, TokenTable } from './tokens.ts'

/** The fields of a definition that decide it. */
export type DoorFields = Pick<
  ServerDefinition,
  'authTokens' | 'authTokensOnly' | 'allowedIPs' | 'requireAuth'
>

/** The fields of one definition, compiled. Immutable: a changed definition has another door. */
export class ServerDoor {
  /** Its own tokens. */
  readonly own: TokenTable
  /** True when nothing but its own tokens opens it. */
  readonly ownOnly: boolean
  readonly #tokenNeeded: boolean
  /** Null: every address. */
  readonly #addresses: CidrSet | null

  constructor({ authTokens, authTokensOnly, allowedIPs, requireAuth }: DoorFields) {
    this.own = new TokenTable(authTokens, 'client')
    this.ownOnly = authTokensOnly
    this.#tokenNeeded = requireAuth || authTokensOnly
    // A list that cannot be read was refused with its definition; were it not, nobody would be in it.
    const parsed = parseCidrSet(allowedIPs)
    this.#addresses = allowedIPs.length === 0 ? null : parsed.ok ? parsed.set : noNetworks
  }

  /** Refuses an address that is not listed. Null, a client that cannot be told, is none of those listed. */
  checkAddress(client: ClientAddress | null): GatewayError | null {
    if (this.#addresses === null) return null
    const ip = client === null ? null : parseIp(client)
    if (ip !== null && this.#addresses.contains(ip)) return null
    return new GatewayError(
      'ADDRESS_FORBIDDEN',
      `The address ${client ?? 'of this client is unknown and'} is not in allowedIPs of this server.`,
    )
  }

  /**
   * The principal of a request: who holds a global token, or one of the server's own. Either list makes a token
   * necessary; an admin token opens no MCP endpoint, because it is not among them. `guests` are the servers of a
   * group: where the group has no tokens of its own, theirs open it too, for what they open. `keysAsk` is true where
   * there are keys, so that nobody comes in without one or a token.
   */
  authenticate(
    authorization: string | null,
    global: TokenTable,
    guests: () => readonly ServerDoor[] = nobodyElse,
    keysAsk = false,
  ): Principal | GatewayError {
    const others = this.ownOnly ? noTokens : global
    const byKey = keysAsk && !this.ownOnly
    const asks = others.size > 0 || this.own.size > 0 || byKey
    const token = bearerOf(authorization)
    if (token !== null && (asks || this.#hasGuests(guests))) {
      const found = this.holderOf(digestOfAsked(token), global, guests)
      if (found !== null) return found
    }
    if (asks) return unauthenticated(keysAsk)
    // Where nobody needs a token it does not matter which one came along.
    return this.#tokenNeeded ? closedError() : anonymous
  }

  #hasGuests(guests: () => readonly ServerDoor[]): boolean {
    return this.own.size === 0 && guests().length > 0
  }

  /** Who holds the token with this digest, where it is one of those that are configured. */
  holderOf(digest: Digest, global: TokenTable, guests: () => readonly ServerDoor[]): Principal | null {
    const others = this.ownOnly ? noTokens : global
    const byGlobal = others.find(digest)
    const byOwn = this.own.find(digest)
    const found = byGlobal ?? byOwn
    // Who is known by now learns nothing from the time, and looking for the servers of a group costs more than the token.
    if (found !== null || this.own.size > 0) return found
    let byGuest: Principal | null = null
    for (const door of guests()) byGuest = door.own.find(digest) ?? byGuest
    return byGuest
  }

  /** Whether this principal could still be let in; else what it has open must end. */
  admits(principalId: string, global: TokenTable, guests: () => readonly ServerDoor[] = nobodyElse): boolean {
    if (this.decide(principalId, global, null).allowed) return true
    return this.own.size === 0 && guests().some(({ own }) => own.holds(principalId))
  }

  /**
   * Whether this principal may use the server. `through` is the door of the group by which it came, null for the
   * server's own endpoints: whoever was let in at a group may use the servers in it that ask for nothing of their own.
   */
  decide(principalId: string, global: TokenTable, through: ServerDoor | null): Decision {
    const others = this.ownOnly ? noTokens : global
    if (others.holds(principalId)) return byGlobalToken
    if (this.own.holds(principalId)) return byOwnToken
    if (this.ownOnly) return notAmongOwn
    if (this.own.size > 0) return others.size === 0 ? notAmongOwn : neitherToken
    if (through?.own.holds(principalId) === true) return byGroupToken
    if (others.size > 0) return noGlobalToken
    if (this.#tokenNeeded) return nobody
    return through !== null || principalId === anonymous.id ? open : noSuchToken
  }

  /** True when it asks for a token and there is none that it would take. */
  isClosed(global: TokenTable, guests: () => readonly ServerDoor[] = nobodyElse): boolean {
    if (!this.#tokenNeeded || this.own.size > 0 || (!this.ownOnly && global.size > 0)) return false
    return guests().every(({ own }) => own.size === 0)
  }
}

/** The same for every server, and for one that does not exist: whoever has no token learns from it of neither. */
function unauthenticated(keysAsk: boolean): GatewayError {
  const what = `${keysAsk ? 'a key, or ' : ''}one of auth.global_tokens or of the server’s authTokens`
  return new GatewayError('UNAUTHENTICATED', `Send "Authorization: Bearer" with ${what}.`)
}

const noTokens = new TokenTable([], 'client')
const nobodyElse = (): readonly ServerDoor[] => []

function ruling(allowed: boolean, rule: string): Decision {
  return Object.freeze({ allowed, rule })
}

const byGlobalToken = ruling(true, 'a token of auth.global_tokens')
const byOwnToken = ruling(true, 'a token of authTokens of the server')
const byGroupToken = ruling(true, 'a token of authTokens of the group')
const open = ruling(true, 'the server asks for no token')
const noGlobalToken = ruling(false, 'no token of auth.global_tokens')
const notAmongOwn = ruling(false, 'no token of authTokens of the server')
const neitherToken = ruling(false, 'no token of auth.global_tokens, nor of authTokens of the server')
const nobody = ruling(false, 'the server asks for a token (requireAuth), and none is configured')
const noSuchToken = ruling(false, 'the token is none that is configured')

function closedError(): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `Nobody can come in: ${closedReason}.`)
}

/** Why nobody comes in at a server whose door is closed. */
export const closedReason =
  'requireAuth asks for a token here, and none is configured; set auth.global_tokens, or authTokens of the server, or make a key'

/** The door of a server that says nothing, and of one that does not exist. */
const plainDoor = new ServerDoor({
  authTokens: [],
  authTokensOnly: false,
  allowedIPs: [],
  requireAuth: false,
})

/** Doors by definition, each compiled once for as long as its definition is in use. */
export class ServerDoors {
  readonly #doors = new WeakMap<DoorFields, ServerDoor>()

  of(fields: DoorFields | undefined): ServerDoor {
    // Most definitions say nothing, and looking one up costs a tenth of a microsecond with each request.
    if (fields === undefined || saysNothing(fields)) return plainDoor
    let door = this.#doors.get(fields)
    if (door === undefined) {
      door = new ServerDoor(fields)
      this.#doors.set(fields, door)
    }
    return door
  }
}

function saysNothing({ authTokens, authTokensOnly, allowedIPs, requireAuth }: DoorFields): boolean {
  return authTokens.length === 0 && allowedIPs.length === 0 && !requireAuth && !authTokensOnly
}

/**
 * Whether clients that are in may have come from an address that the new definition keeps out: what they have open
 * does not tell from where each request of it came.
 */
export function keepsOutOthers(before: DoorFields, after: DoorFields): boolean {
  return after.allowedIPs.length > 0 && !isDeepStrictEqual(before.allowedIPs, after.allowedIPs)
}
