/**
 * Who somebody is that no configured token names. The one door of this room: the hooks ask it, and where nothing of
 * it is configured there is none and nothing of it is loaded.
 */
import type { Principal } from '../access/principal.ts'
import type { Digest } from '../access/tokens.ts'
import type { GatewayError } from '../errors.ts'
import type { ResourceMetadata } from './oauth/resources.ts'

/** Where a request goes. */
export interface Place {
  readonly path: string
  /** The server that the path names. */
  readonly server: string
}

export interface Identity {
  /**
   * Who sends this token to this place, or why that does not count. A promise only where the token has not been
   * looked at yet. `mayAsk` is asked before an issuer is, so that nobody has it asked without end.
   */
  identify(
    token: string,
    digest: Digest,
    place: Place,
    mayAsk: () => GatewayError | null,
  ): Principal | GatewayError | Promise<Principal | GatewayError>
  /** True while servers take tokens of callers in exchange, so that whoever serves a request has to see its token. */
  readonly keepsTokens: boolean
  /** The refusal of a request without a token. */
  askForToken(place: Place): GatewayError
  /** The refusal of a token that lacks scopes, which another token could have. */
  askForScopes(place: Place, scopes: readonly string[]): GatewayError
  /** The document at a path below `/.well-known/`; null for what is none. */
  metadataAt(path: string): ResourceMetadata | null
}
