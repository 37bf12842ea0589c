import type { OAuthSettings } from '../../registry/oauth/oauth-settings.ts'
import type { LoginState } from './account.ts'

/** How a login stands, for people. */
export interface LoginView {
  readonly account: OAuthSettings['account']
  readonly state: LoginState
  /** Where a person logs in; null where nobody has to. */
  readonly url: string | null
  readonly issuer: string | null
  readonly scopes: string[]
  /** When the token came and when it ends, in ISO 8601; null where that is not known. */
  readonly since: string | null
  readonly expiresAt: string | null
}
