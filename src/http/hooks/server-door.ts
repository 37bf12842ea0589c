/**
 * Who may come in at one MCP server, as its definition says beside the global tokens: from which addresses, with
 * which tokens. The one place that decides it; it is asked once for each request and again when rules change.
 */
import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '../../errors.ts'
import type { ClientAddress } from '../../net/address.ts'
import { type CidrSet, noNetworks, parseCidrSet } from '../../net/cidr.ts'
import { parseIp } from '../../net/ip.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Principal } from '../context.ts'
import { anonymous, bearerOf, digestOfAsked, TokenTable } from './tokens.ts'

/** The fields of a definition that decide it. */
export type DoorFields = Pick<
  ServerDefinition,
  'authTokens' | 'authTokensOnly' | 'allowedIPs' | 'requireAuth'
>

/** The fields of one definition, compiled. Immutable: a changed definition has another door. */
export class ServerDoor {
  /** Its own tokens. */
  readonly own: TokenTable
  readonly #ownOnly: boolean
  readonly #tokenNeeded: boolean
  /** Null: every address. */
  readonly #addresses: CidrSet | null

  constructor({ authTokens, authTokensOnly, allowedIPs, requireAuth }: DoorFields) {
    this.own = new TokenTable(authTokens, 'client')
    this.#ownOnly = authTokensOnly
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
   * necessary; an admin token opens no MCP endpoint, because it is not among them.
   */
  authenticate(authorization: string | null, global: TokenTable): Principal | GatewayError {
    const others = this.#ownOnly ? noTokens : global
    if (others.size === 0 && this.own.size === 0) return this.#tokenNeeded ? closedError() : anonymous
    const token = bearerOf(authorization)
    if (token === null) return this.#unauthenticated()
    const digest = digestOfAsked(token)
    const byGlobal = others.find(digest)
    const byOwn = this.own.find(digest)
    return byGlobal ?? byOwn ?? this.#unauthenticated()
  }

  /** Whether this principal could still be let in; else what it has open must end. */
  admits(principalId: string, global: TokenTable): boolean {
    const others = this.#ownOnly ? noTokens : global
    if (others.size === 0 && this.own.size === 0) return !this.#tokenNeeded && principalId === anonymous.id
    return others.holds(principalId) || this.own.holds(principalId)
  }

  /** True when it asks for a token and there is none that it would take. */
  isClosed(global: TokenTable): boolean {
    return this.#tokenNeeded && this.own.size === 0 && (this.#ownOnly || global.size === 0)
  }

  #unauthenticated(): GatewayError {
    const what = this.#ownOnly
      ? 'one of the server’s authTokens'
      : 'one of auth.global_tokens or of the server’s authTokens'
    return new GatewayError('UNAUTHENTICATED', `Send "Authorization: Bearer" with ${what}.`)
  }
}

const noTokens = new TokenTable([], 'client')

function closedError(): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `Nobody can come in: ${closedReason}.`)
}

/** Why nobody comes in at a server whose door is closed. */
export const closedReason =
  'requireAuth asks for a token here, and none is configured; set auth.global_tokens, or authTokens of the server'

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
