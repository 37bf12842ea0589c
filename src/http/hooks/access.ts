/**
 * The way in: every request passes these hooks, in this order, before one byte of its body is read.
 *
 *   client address → Host and Origin → CORS preflight → admin rules → authentication → a server's addresses → limits
 *
 * The order is the point. Who may not pass costs no parsing and no upstream work, and learns nothing
 * about what lies behind.
 */
import type { AccessDecider } from '../../access/decide.ts'
import type { Principal } from '../../access/principal.ts'
import type { Grants, RuledFields } from '../../access/reach.ts'
import type { DoorFields } from '../../access/server-door.ts'
import type { GatewayError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import type { KeyRing } from '../../identity/keys/key-ring.ts'
import type { SignIn } from '../../identity/sign-in/sign-in.ts'
import type { Readmission, RequestContext } from '../context.ts'
import { AccessChain } from './access-chain.ts'
import type { SharedRates } from './limits.ts'
import type { AccessRules } from './rules.ts'
import type { Target } from './target.ts'

/** The servers' own rules, asked for on each request so that a changed definition counts at once. */
export interface GuardedServers {
  /** Those of one server; undefined when it does not exist. The same object until they change. */
  of(server: string): (DoorFields & RuledFields) | undefined
  /** Those of the servers in it, where this is a group; undefined for a server. */
  membersOf?(group: string): readonly DoorFields[] | undefined
  /** All groups that have this server, or may have it. */
  groupsWith?(server: string): Iterable<{ readonly definition: RuledFields }>
  names(): Iterable<string>
}

/** What the hooks say: the context for routes and log, and the answer when the request ends here. */
export interface Admission {
  readonly context: RequestContext
  /** A promise where it is not known yet who asks. */
  readonly refusal: GatewayError | Response | null | Promise<GatewayError | null>
}

export interface Access extends Readmission {
  /** The same rules, for whoever asks without a request. */
  readonly decider: AccessDecider
  /** Null without OAuth. */
  readonly identity: Identity | null
  /** Runs the hooks. `socketAddress` is the peer as the socket names it, null on a unix socket. */
  admit(request: Request, target: Target, socketAddress: string | null): Admission
  /** Takes new rules for all requests from now on, and who knows those whom no token of theirs names. */
  reload(rules: AccessRules, identity: Identity | null): void
  /**
   * Whether a request of this principal to this server could still be let in; else its sessions must end. `byGroup` is
   * true where it may have come by a group.
   */
  admits(principalId: string, grants: Grants | null, server: string, byGroup: boolean): boolean
  /** Whether this admin request could still be let in; else what it has opened must end. */
  admitsAdmin(context: RequestContext): boolean
  /** Takes note that keys are others than before. */
  keysChanged(): void
  /** Counts up when somebody who was let in may have to be let in no more. */
  readonly version: number
  /** Takes note of that. */
  rulesChanged(): void
  /** Who holds this token of the configuration, or this key. */
  holderOf(token: string): Principal | null
  /** Whom that stands for now, by the principal of then; null once it counts no more. */
  current(principal: Principal): Principal | null
  /** Whether the admin API asks who comes; else it trusts this machine. */
  readonly asksAdmins: boolean
  /** Whether anybody is asked who they are. */
  readonly asksWho: boolean
  /** Who counts rates over several gateways; null where this one counts for itself. */
  sharedRates: SharedRates | null
  /** Why nobody at all can come in at this server; null where somebody can. */
  closedReason(server: string): string | null
  /**
   * The client headers that a server's `forwardHeaders` lets through; never one with a gateway token. Undefined
   * when it lists none.
   */
  headersForUpstream(request: Request, listed: readonly string[]): Record<string, string> | undefined
}

/** Opens the access chain under `rules`. */
export function createAccess(
  rules: AccessRules,
  servers: GuardedServers,
  identity: Identity | null = null,
  signIn: () => SignIn | null = () => null,
  keys: () => KeyRing | null = () => null,
): Access {
  return new AccessChain(rules, servers, identity, signIn, keys)
}
