/** Last hook before the body: its announced length, and how often one client may ask. */
import { type Bucket, type Rate, takeFrom } from '../../access/caller-limits.ts'
import type { Config } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import { tooLarge } from '../body.ts'

/**
 * Refuses a body that announces more than `bodyBytesMax`, a length that is no number, and a body on a
 * method that takes none: Bun keeps what nobody reads in memory for as long as the handler runs, and
 * the handler of a GET may run for hours.
 */
export function checkLength(request: Request, bodyBytesMax: number): GatewayError | null {
  const { headers, method } = request
  const announced = headers.get('content-length')
  if (method !== 'POST' && method !== 'PUT') {
    const bodyless = method === 'GET' || method === 'HEAD'
    if (headers.get('transfer-encoding') !== null || (bodyless && announced !== null && announced !== '0')) {
      return new GatewayError('BAD_REQUEST', `A ${method} request takes no body here.`)
    }
  }
  if (announced === null) return null
  // Two equal lines arrive as "5, 5": legal to merge, but what reads them apart smuggles requests.
  if (!/^[0-9]+$/.test(announced))
    return new GatewayError('BAD_REQUEST', 'Content-Length must be one number.')
  return Number(announced) > bodyBytesMax ? tooLarge(bodyBytesMax) : null
}

/** Null where there is no limit. */
export function rateLimiterOf({ perSecond, burst }: Config['limits']['rate']): RateLimiter | null {
  return perSecond === 0 ? null : new RateLimiter(perSecond, burst)
}

/** How often one address may have an issuer asked about tokens that nobody has seen. */
export function issuerAskLimiter(): RateLimiter {
  return new RateLimiter(issuerAsks.perSecond, issuerAsks.burst)
}

const issuerAsks = { perSecond: 5, burst: 20 }

/** Rates that count over several gateways together (cluster/limits). */
export interface SharedRates {
  /** Takes one request: null, or the seconds after which it may come; undefined while nobody can tell. */
  take(client: string, rate: Rate): Promise<number | null | undefined>
  /** The part of a bound that each keeps to then. */
  shareOf(max: number): number
}

/** Buckets kept at once. An absent bucket is a full one, so only busy clients need theirs. */
const bucketsMax = 10_000

/**
 * Token buckets, one per client. A client may ask `burst` times at once and `perSecond` times a
 * second in the long run. Past `bucketsMax` clients the one that asked longest ago is forgotten.
 */
export class RateLimiter {
  /** In the order of the last request, so that the first key is the one to forget. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(
    readonly perSecond: number,
    readonly burst: number,
  ) {}

  /** Takes one token, or says what to answer. `nowMs` is monotonic. */
  check(client: string, nowMs: number): GatewayError | null {
    return this.#refusal(takeFrom(this.#touch(client, nowMs), this, nowMs))
  }

  /** The same where all gateways of a cluster count together. */
  async checkWith(shared: SharedRates, client: string, nowMs: number): Promise<GatewayError | null> {
    const waitSeconds = await shared.take(client, this)
    if (waitSeconds !== undefined) return this.#refusal(waitSeconds)
    const share = { perSecond: shared.shareOf(this.perSecond), burst: shared.shareOf(this.burst) }
    return this.#refusal(takeFrom(this.#touch(client, nowMs), share, nowMs))
  }

  #refusal(waitSeconds: number | null): GatewayError | null {
    if (waitSeconds === null) return null
    return new GatewayError(
      'RATE_LIMITED',
      `One client may send ${this.perSecond} requests a second (limits.rate).`,
      waitSeconds,
    )
  }

  #touch(client: string, nowMs: number): Bucket {
    const known = this.#buckets.get(client)
    if (known !== undefined) this.#buckets.delete(client)
    else if (this.#buckets.size >= bucketsMax) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    const bucket = known ?? { tokens: this.burst, filledAtMs: nowMs }
    this.#buckets.set(client, bucket)
    return bucket
  }
}
