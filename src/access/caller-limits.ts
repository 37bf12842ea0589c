/** What bounds one caller beside the bounds for everybody: how often it may ask, and how many calls it has in flight. */
import { GatewayError } from '../errors.ts'

/** So many requests a second in the long run, and so many at once. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** What is left of a rate. */
export interface Bucket {
  tokens: number
  /** Monotonic. */
  filledAtMs: number
}

/** Takes one request out of a bucket; else the seconds after which there is one. `nowMs` is monotonic. */
export function takeFrom(bucket: Bucket, { perSecond, burst }: Rate, nowMs: number): number | null {
  const gained = ((nowMs - bucket.filledAtMs) / 1000) * perSecond
  bucket.tokens = Math.min(burst, bucket.tokens + gained)
  bucket.filledAtMs = nowMs
  if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond
  bucket.tokens -= 1
  return null
}

/** What one caller may do and has under way. It stays the same while what it allows may change. */
export class CallerLimits {
  readonly #of: string
  #rate: Rate | null = null
  #inFlightMax: number | null = null
  readonly #bucket: Bucket = { tokens: 0, filledAtMs: 0 }
  #inFlight = 0

  /** @param of whose limits they are, for whoever meets one: `this key`. */
  constructor(of: string) {
    this.#of = of
  }

  /** Allows so much from now on; null: as much as everybody. */
  allow(rate: Rate | null, inFlightMax: number | null): void {
    if (rate?.perSecond !== this.#rate?.perSecond || rate?.burst !== this.#rate?.burst)
      this.#bucket.tokens = rate?.burst ?? 0
    this.#rate = rate
    this.#inFlightMax = inFlightMax
  }

  /** Takes one request out of the rate, or says what to answer. `nowMs` is monotonic. */
  checkRate(nowMs: number): GatewayError | null {
    if (this.#rate === null) return null
    const waitSeconds = takeFrom(this.#bucket, this.#rate, nowMs)
    if (waitSeconds === null) return null
    const details = `With ${this.#of} ${this.#rate.perSecond} requests a second may be sent (its rate).`
    return new GatewayError('RATE_LIMITED', details, waitSeconds)
  }

  /** Counts a call in; throws IN_FLIGHT_EXHAUSTED at the bound. */
  began(): void {
    if (this.#inFlightMax !== null && this.#inFlight >= this.#inFlightMax) {
      const details = `With ${this.#of} ${this.#inFlightMax} calls may be in flight (its inFlight).`
      throw new GatewayError('IN_FLIGHT_EXHAUSTED', details, 1)
    }
    this.#inFlight++
  }

  /** A call that was counted in is over. */
  ended(): void {
    this.#inFlight--
  }
}
