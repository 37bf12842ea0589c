/**
 * How one server fares, and when it is tried again. No I/O: told what happened, it decides what it means.
 *
 *   disconnected → connecting → connected → error → connecting → …
 *
 * Attempts go on with growing pauses, for ever unless `maxReconnects` says otherwise, and start over once the
 * server has stayed up for a while. What is told of a server that ends again and again is `error` all along, while
 * calls go through whenever it is up.
 */
import { GatewayError, spokenDuration } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import { oneLine } from '../../telemetry/printable.ts'
import { ProcessExit } from '../transports/stdio/process-exit.ts'
import { CrashLoop, steadyUptimeMs } from './crash-loop.ts'
import type { ServerState, ServerStatus } from './directory.ts'

const backoffCapMs = 60_000
/** Longest reason that is kept. */
const errorCharsMax = 1_000
const notTriedAgain = '; it is not tried again (autoReconnect, maxReconnects)'

/** What a status has of the health of a server. */
export type HealthFigures = Pick<
  ServerStatus,
  | 'status'
  | 'since'
  | 'reason'
  | 'lastConnected'
  | 'lastError'
  | 'lastErrorTime'
  | 'lastExit'
  | 'restarts'
  | 'reconnectAttempts'
  | 'upTime'
>

export class ServerHealth {
  state: ServerState = 'disconnected'
  /** True once it was connected or has failed for a known reason. */
  settled = false
  attempts = 0
  /** When the next attempt is due; 0 when none is planned. */
  retryAtMs = 0
  connectedAtMs = 0
  lastConnected: string | null = null
  lastError: string | null = null
  lastErrorTime: string | null = null
  /** True from when a request has brought the next attempt forward to the end of that attempt. */
  hastened = false
  readonly #definition: ServerDefinition
  readonly #log: Log
  readonly #onChange: () => void
  readonly #loop = new CrashLoop()
  /** Since when it is up, or since when it is not (`performance.now()`). */
  #sinceMs = performance.now()
  #lastExit: { readonly exit: ProcessExit; readonly at: string } | null = null
  /** When the last attempt began (`performance.now()`). */
  #attemptedAtMs = 0
  #starts = 0
  /** True when it failed and no further attempt is planned. */
  #givenUp = false
  /** What somebody has to do before another attempt does any good. */
  #missing: GatewayError | null = null
  #waiters: (() => void)[] = []

  /** `onChange` is told of each new state. */
  constructor(definition: ServerDefinition, log: Log, onChange: () => void = () => {}) {
    this.#definition = definition
    this.#log = log
    this.#onChange = onChange
  }

  connecting(): void {
    this.retryAtMs = 0
    this.#attemptedAtMs = performance.now()
    this.#enter('connecting', null)
  }

  /** An attempt has started a process or opened a session: the first one is the start, the others are restarts. */
  started(): void {
    this.#starts++
  }

  /** The planned attempt comes at this time if that is sooner, for somebody who waits for it. */
  hasten(atMs: number): void {
    if (this.retryAtMs === 0) return
    this.hastened = true
    this.retryAtMs = Math.max(1, Math.min(this.retryAtMs, atMs))
  }

  connected(nowMs: number): void {
    this.connectedAtMs = nowMs
    this.lastConnected = new Date().toISOString()
    this.#enter('connected', null)
  }

  /** The connection is lost or could not be had: plans the next attempt. */
  failed(error: GatewayError, nowMs: number): void {
    const { autoReconnect, maxReconnects, reconnectDelayMs } = this.#definition
    if (this.connectedAtMs > 0) {
      const upMs = nowMs - this.connectedAtMs
      if (upMs >= steadyUptimeMs) this.attempts = 0
      this.#loop.ended(upMs, nowMs)
    }
    // An uptime counts once: failing to start again is no sign of health.
    this.connectedAtMs = 0
    this.#missing = error.code === 'CREDENTIAL_MISSING' ? error : null
    if (error instanceof ProcessExit) this.#lastExit = { exit: error, at: new Date().toISOString() }
    // What requests have asked for costs the server none of the attempts that it is granted.
    if (this.hastened && this.attempts > 0) this.attempts--
    this.#givenUp = !autoReconnect || (maxReconnects > 0 && this.attempts >= maxReconnects)
    if (!this.#givenUp) {
      const grown = reconnectDelayMs * 2 ** Math.min(this.attempts, 16)
      const pauseMs = Math.min(grown, Math.max(backoffCapMs, reconnectDelayMs))
      // Jitter keeps many servers that died together from coming back together.
      this.retryAtMs = nowMs + pauseMs * (0.8 + Math.random() * 0.2)
      this.attempts++
    }
    this.#enter('error', error)
  }

  /** The connection is there and the server does not answer on it; nothing is torn down, it may wake up. */
  silent(error: GatewayError): void {
    if (this.state === 'connected') this.#enter('error', error)
  }

  /** It answers again on the connection that it had all along. */
  awake(): void {
    if (this.state === 'error') this.#enter('connected', null)
  }

  disconnected(): void {
    this.retryAtMs = 0
    this.#enter('disconnected', null)
  }

  /**
   * The figures of the status; `upTime` is in nanoseconds. `silence` is what the server has done instead of answering
   * the attempt that runs, as a phrase; empty where nothing is known of it.
   */
  figures(nowMs: number, silence = ''): HealthFigures {
    const upMs = this.state === 'connected' ? nowMs - this.connectedAtMs : 0
    const loops = this.state !== 'disconnected' && this.#loop.isIn(upMs)
    const status = loops ? 'error' : this.state
    return {
      status,
      since: isoTimeOf(loops ? this.#loop.sinceMs : this.#sinceMs),
      reason: this.#reason(loops, nowMs, silence),
      lastConnected: this.lastConnected,
      lastError: this.lastError,
      lastErrorTime: this.lastErrorTime,
      lastExit: this.#lastExit && {
        code: this.#lastExit.exit.exitCode,
        signal: this.#lastExit.exit.signal,
        at: this.#lastExit.at,
      },
      restarts: Math.max(0, this.#starts - 1),
      reconnectAttempts: this.attempts,
      upTime: status === 'connected' ? Math.round(upMs * 1_000_000) : 0,
    }
  }

  /** Why it is not well, null when it is. */
  #reason(loops: boolean, nowMs: number, silence: string): string | null {
    const { state, lastError } = this
    if (state === 'disconnected' || (state === 'connected' && !loops)) return null
    if (lastError === null) {
      const phrase = silence === '' ? '' : `; ${silence}`
      return `It has been starting for ${spokenDuration(nowMs - this.#attemptedAtMs)}${phrase}`
    }
    const loop = `It goes down again and again, ${this.#loop.ends} times since ${isoTimeOf(this.#loop.sinceMs)}: `
    return `${loops ? loop : ''}${lastError}${this.#givenUp ? notTriedAgain : ''}`
  }

  /** Resolves with the end of the attempt that runs or comes next, or after `waitMs`. */
  untilSettled(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.#waiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Whether somebody has to see to a credential before another attempt does any good. */
  get lacksCredential(): boolean {
    return this.#missing !== null && this.state === 'error'
  }

  /** Why calls are refused now and when to try again. */
  unavailable(nowMs: number): GatewayError {
    if (this.#missing !== null && this.lacksCredential) return this.#missing
    const planned = this.retryAtMs > 0
    const hint = this.#givenUp ? notTriedAgain : ''
    return new GatewayError(
      'SERVER_UNAVAILABLE',
      `${this.#definition.name} is not available: ${this.lastError ?? 'not connected'}${hint}`,
      planned ? Math.max(1, Math.ceil((this.retryAtMs - nowMs) / 1000)) : 60,
    )
  }

  #enter(state: ServerState, error: GatewayError | null): void {
    if (error) {
      this.lastError = shown(error)
      this.lastErrorTime = new Date().toISOString()
    }
    if (state === 'connected' || state === 'error') this.settled = true
    if (state !== 'connecting') {
      this.hastened = false
      for (const wake of this.#waiters) wake()
      this.#waiters = []
    }
    if ((state === 'connected') !== (this.state === 'connected') || state === 'disconnected')
      this.#sinceMs = performance.now()
    if (state === this.state && !error) return
    const retryInMs = this.retryAtMs > 0 ? Math.round(this.retryAtMs - performance.now()) : undefined
    const fields = {
      mcp: this.#definition.name,
      from: this.state,
      to: state,
      reason: error?.details,
      retryInMs,
    }
    this.state = state
    if (error) this.#log.warn(fields, 'server state changed')
    else this.#log.info(fields, 'server state changed')
    this.#onChange()
  }
}

/** What a server answered may have many lines. */
function shown({ details }: GatewayError): string {
  const line = oneLine(details.slice(0, errorCharsMax))
  return details.length > errorCharsMax ? `${line}…` : line
}

/** A moment of the monotonic clock as the wall clock tells it, to the second. */
function isoTimeOf(atMs: number): string {
  const seconds = Math.round((new Date().getTime() - (performance.now() - atMs)) / 1000)
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
