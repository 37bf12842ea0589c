/** How long a token lives, and what becomes of a login when it gets another one. Pure, but for the wall clock. */
import { GatewayError } from '../../errors.ts'
import type { StoredLogin } from './stored.ts'
import type { GivenTokens } from './token-endpoint.ts'

/** Renewed when this part of the life of a token is over, and up to a tenth earlier. */
const renewAt = 0.8
const renewJitter = 0.1
/** A token is not sent any more so long before its end, or in the last tenth of a short life. */
const endMarginMs = 10_000
/** A login that has begun anew with what an authorization server gave. */
export function nextLogin(before: StoredLogin, given: GivenTokens): StoredLogin {
  const nowMs = Date.now()
  return {
    ...before,
    accessToken: given.accessToken,
    refreshToken: given.refreshToken ?? before.refreshToken,
    obtainedAtMs: nowMs,
    expiresAtMs: given.lifetimeS === null ? null : nowMs + given.lifetimeS * 1_000,
    refreshing: null,
  }
}

/** When a token is to be renewed; jitter keeps those apart that came together. */
export function renewalOf({ obtainedAtMs, expiresAtMs }: StoredLogin): number {
  if (expiresAtMs === null) return Number.POSITIVE_INFINITY
  return obtainedAtMs + (expiresAtMs - obtainedAtMs) * (renewAt - Math.random() * renewJitter)
}

/** Whether a token is not to be sent any more. */
export function hasEnded({ obtainedAtMs, expiresAtMs }: StoredLogin, nowMs: number): boolean {
  if (expiresAtMs === null) return false
  return nowMs >= expiresAtMs - Math.min(endMarginMs, (expiresAtMs - obtainedAtMs) / 10)
}

/** Whether another try would fare no better. */
export function isFinal(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code !== 'ISSUER_UNAVAILABLE' && !thrown.retryable
}
