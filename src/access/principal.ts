/** Who asks. Made by the hooks in `http/hooks`; sessions and lanes are bound to its `id`. */
import type { Grants } from './reach.ts'

/** A token (by its digest), a key, a person, or nobody in particular. */
export interface Principal {
  /**
   * `anonymous`; `token:` or `admin:` and the SHA-256 of the token in hexadecimal digits; `key:` or `admin:` and the
   * id of a key; `oauth:` and 32 digits of the hash of issuer and subject. Never the token.
   */
  readonly id: string
  /** The same for people, `callerOf`. */
  readonly shown: string
  /** For admins: who that is, where it is somebody. */
  readonly name?: string
  /** On whose behalf a key is used. */
  readonly user?: string
  /** The last three may use the admin API, each more of it than the one before. */
  readonly role: 'anonymous' | 'client' | 'viewer' | 'operator' | 'admin'
  /** What it may use; null for what everybody may who was let in. */
  readonly grants: Grants | null
}

/** Nobody in particular: the principal of an open gateway, and of requests that were refused. */
export const anonymous: Principal = Object.freeze({
  id: 'anonymous',
  shown: 'anonymous',
  role: 'anonymous',
  grants: null,
})
