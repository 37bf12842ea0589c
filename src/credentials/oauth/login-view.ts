/** How the login of an owner at a server stands, for people. */
import type { OAuthSettings } from '../../registry/oauth/oauth-settings.ts'
import type { LoginState } from './account.ts'
import type { StoredLogin } from './stored.ts'

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

/** What is held for an owner: a login, or a token that was given for something else, of the issuer that is configured. */
type HeldTokens = Readonly<Pick<StoredLogin, 'obtainedAtMs' | 'expiresAtMs'>> & {
  readonly scopes: readonly string[]
  readonly issuer?: string
}

export function viewOf(
  { account, issuer, scopes }: OAuthSettings,
  held: HeldTokens | null,
  standing: Pick<LoginView, 'state' | 'url'>,
): LoginView {
  return {
    ...{ account, ...standing },
    issuer: held?.issuer ?? issuer,
    scopes: [...(held?.scopes ?? scopes ?? [])],
    since: instantOf(held?.obtainedAtMs),
    expiresAt: instantOf(held?.expiresAtMs),
  }
}

function instantOf(atMs: number | null | undefined): string | null {
  return atMs == null ? null : new Date(atMs).toISOString()
}
