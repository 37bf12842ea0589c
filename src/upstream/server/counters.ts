/** How many calls one server has, had and failed: for its status, and for the metrics of the process. */
import { GatewayError } from '../../errors.ts'
import type { CallOutcome } from '../../telemetry/call-ending.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { ServerStatus } from './directory.ts'

export class CallCounters {
  readonly #name: string
  /** Calls that may be in flight at once. */
  inFlightMax: number
  /** How many of these other replicas leave to this one; all of them where there are no others. */
  sharedMax = Number.POSITIVE_INFINITY
  /** Where there are others: resolves when there may be room for a call that finds none. */
  waitForRoom: (() => Promise<void>) | null = null
  /** Whether calls wait for that. */
  isQueued = false
  readonly #metrics: Pick<Metrics, 'requestStarted' | 'requestEnded'>
  #inFlight = 0
  #total = 0
  #failed = 0
  #toolErrors = 0
  #durationMs = 0
  #idleWaiters: (() => void)[] = []

  constructor(name: string, inFlightMax: number, metrics: Pick<Metrics, 'requestStarted' | 'requestEnded'>) {
    this.#name = name
    this.inFlightMax = inFlightMax
    this.#metrics = metrics
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Null where a call can be counted in now, or is refused now; otherwise it may wait for this first. */
  get room(): Promise<void> | null {
    if (this.waitForRoom === null || this.#inFlight >= this.inFlightMax) return null
    return this.isQueued || this.#inFlight >= this.sharedMax ? this.waitForRoom() : null
  }

  /** Counts a call in; throws IN_FLIGHT_EXHAUSTED at the bound. */
  started(): void {
    if (this.#inFlight >= this.inFlightMax || this.#inFlight >= this.sharedMax)
      throw new GatewayError(
        'IN_FLIGHT_EXHAUSTED',
        `${this.#name} already has ${this.inFlightMax} requests in flight (limits.in_flight_per_server_max)`,
        1,
      )
    this.#inFlight++
    this.#total++
    this.#metrics.requestStarted(this.#name)
  }

  ended(durationMs: number, outcome: CallOutcome): void {
    const failed = isRpcError(outcome)
    this.#inFlight--
    this.#durationMs += durationMs
    if (failed) this.#failed++
    else if (outcome === 'tool_error') this.#toolErrors++
    this.#metrics.requestEnded(this.#name, durationMs, failed)
    if (this.#inFlight > 0) return
    for (const wake of this.#idleWaiters) wake()
    this.#idleWaiters = []
  }

  /** Resolves when no call is in flight, or at `untilMs` (epoch). */
  untilIdle(untilMs: number): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, untilMs - performance.now()))
      this.#idleWaiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** The figures of the status; the mean is in nanoseconds. */
  figures(): Pick<ServerStatus, 'totalRequests' | 'totalErrors' | 'toolErrors' | 'avgResponseTime'> {
    const ended = this.#total - this.#inFlight
    return {
      totalRequests: this.#total,
      totalErrors: this.#failed,
      toolErrors: this.#toolErrors,
      avgResponseTime: ended > 0 ? Math.round((this.#durationMs / ended) * 1_000_000) : 0,
    }
  }
}

/** Those of what one user has of a server: its calls are counted at the server too, whose bound they are under. */
export class OwnedCallCounters extends CallCounters {
  readonly #whole: CallCounters

  constructor(name: string, whole: CallCounters) {
    super(name, Number.POSITIVE_INFINITY, { requestStarted() {}, requestEnded() {} })
    this.#whole = whole
  }

  override get room(): Promise<void> | null {
    return this.#whole.room
  }

  override started(): void {
    this.#whole.started()
    super.started()
  }

  override ended(durationMs: number, outcome: CallOutcome): void {
    this.#whole.ended(durationMs, outcome)
    super.ended(durationMs, outcome)
  }
}

/** Whether the client was answered with a JSON-RPC error. */
function isRpcError(outcome: CallOutcome): boolean {
  return outcome === 'failed' || outcome === 'refused' || outcome === 'rpc_error'
}
