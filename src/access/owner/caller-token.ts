/** The tokens with which people have come in last, as servers take them that exchange them for one of theirs. */
import type { CredentialOwner } from './credential-owner.ts'

export interface CallerToken {
  readonly token: string
  readonly owner: CredentialOwner
  readonly issuer: string
  /** Whether it counts at this moment: it has not ended, and nobody has taken it back. */
  readonly counts: boolean
  /** Wall clock. */
  readonly expiresAtMs: number
}

/** Where they are kept: whoever lets people in puts them there, and whoever opens servers takes them. */
export interface CallerTokenPlace {
  /** True once some server takes any; until then nothing is put here. */
  wanted: boolean
  /** Null while nobody comes with such a token. */
  tokens: {
    /**
     * The token with which this person came last to this server; else to all servers, or to a group of them. A token
     * for another server is none. `isServer` says whether a name is that of a server alone.
     */
    of(owner: CredentialOwner, server: string, isServer: (name: string) => boolean): CallerToken | null
  } | null
  /** Told of whoever has come with a token that they had not come with before. */
  renewed: (owner: CredentialOwner) => void
}
