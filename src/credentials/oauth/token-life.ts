/**
 * How long a token lives, what becomes of a login when it gets another one, and who renews it, of the processes that
 * share it: the one that has claimed that. A claim ends with the renewal, after a time that no renewal takes, or with the
 * process that has it. What a process that is gone has asked for nobody can read any more, whether or not it was given;
 * the next one asks with what is stored.
 */
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Sharers } from '../../registry/storage/sharers.ts'
import type { StoredLogin } from './stored.ts'
import { type GivenTokens, TokenRefused } from './token-endpoint.ts'

/** When a token came, and when it ends. */
type TokenTimes = Pick<StoredLogin, 'obtainedAtMs' | 'expiresAtMs'>

/** Renewed when this part of the life of a token is over, and up to a tenth earlier. */
const renewAt = 0.8
const renewJitter = 0.1
/** A token is not sent any more so long before its end, or in the last tenth of a short life. */
const endMarginMs = 10_000
/** Pauses between the tries of one renewal. */
const pausesMs: readonly number[] = [250, 1_000]
/** After one beside calls that has failed, the next is begun no sooner. */
export const failurePauseMs = 2_000

/** A login that has begun anew with what an authorization server gave. */
export function nextLogin(before: StoredLogin, given: GivenTokens, nowMs: number): StoredLogin {
  return {
    ...before,
    accessToken: given.accessToken,
    refreshToken: given.refreshToken ?? before.refreshToken,
    obtainedAtMs: nowMs,
    expiresAtMs: expiryOf(given, nowMs),
    refreshing: null,
  }
}

/** When what has just been given ends, wall clock; null for never. */
export function expiryOf({ lifetimeS }: Pick<GivenTokens, 'lifetimeS'>, nowMs: number): number | null {
  return lifetimeS === null ? null : nowMs + lifetimeS * 1_000
}

/** When a token is to be renewed; jitter keeps those apart that came together. */
export function renewalOf({ obtainedAtMs, expiresAtMs }: TokenTimes): number {
  if (expiresAtMs === null) return Number.POSITIVE_INFINITY
  return obtainedAtMs + (expiresAtMs - obtainedAtMs) * (renewAt - Math.random() * renewJitter)
}

/** Whether a token is not to be sent any more. */
export function hasEnded({ obtainedAtMs, expiresAtMs }: TokenTimes, nowMs: number): boolean {
  if (expiresAtMs === null) return false
  return nowMs >= expiresAtMs - Math.min(endMarginMs, (expiresAtMs - obtainedAtMs) / 10)
}

/** Whether a login was got for this place, and as the client that is configured. */
export function isLoginAt(
  { url, oauth }: ServerDefinition,
  { origin, issuer, clientId, proofKey }: StoredLogin,
): boolean {
  const { issuer: named = null, client = null, dpop = false } = oauth ?? {}
  return (
    dpop === (proofKey !== undefined) &&
    origin === URL.parse(url)?.origin &&
    (named === null || named === issuer) &&
    (client === null || client.id === clientId)
  )
}

/** Whether another try would fare no better. */
export function isFinal(thrown: unknown): boolean {
  if (thrown instanceof TokenRefused) return true
  return thrown instanceof GatewayError && thrown.code !== 'ISSUER_UNAVAILABLE' && !thrown.retryable
}

/** What `attempt` brings, in as many tries as there are before another would fare no better. Rejects as the last one. */
export async function inTries<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (thrown) {
      const pauseMs = pausesMs[tries]
      if (pauseMs === undefined || isFinal(thrown)) throw thrown
      await Bun.sleep(pauseMs)
    }
  }
}

/** Longer than a renewal takes with all that it asks. */
const claimMs = 20_000
/** Whether the claimant is gone is asked once in so many looks at its claim: it is a question to another machine. */
const looksPerQuestion = 8

/** The claim of this process, from now on. */
export function claimOf(sharers: Sharers): NonNullable<StoredLogin['refreshing']> {
  return { by: sharers.self, untilMs: sharers.nowMs() + claimMs }
}

/** Looks at the claim of another process until it is over. */
export class ClaimWatch {
  readonly #sharers: Sharers
  #looks = 0
  #goneClaimant: string | null = null

  constructor(sharers: Sharers) {
    this.#sharers = sharers
  }

  /** Whether this process may claim now. */
  isFree({ refreshing }: StoredLogin): boolean {
    const { self, nowMs } = this.#sharers
    if (refreshing === null || refreshing.by === self || refreshing.by === this.#goneClaimant) return true
    if (nowMs() >= refreshing.untilMs) return true
    if (++this.#looks % looksPerQuestion === 1) this.#ask(refreshing.by)
    return false
  }

  #ask(claimant: string): void {
    this.#sharers.isGone(claimant).then(
      (isGone) => {
        if (isGone) this.#goneClaimant = claimant
      },
      // Not known is not gone.
      () => {},
    )
  }
}
