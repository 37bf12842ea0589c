/**
 * In which order a server is tried of which nothing is known, and which of its refusals is told. No I/O.
 *
 * Over HTTP a modern request comes first, as the specification has it. An answer from which nothing can be told
 * (a wall, a fault, silence) is no verdict: it is asked a second time, unless the first try took its whole time,
 * and then `initialize` is tried, because there are servers that break on every method that they do not know.
 * Only where that is refused as a server without a handshake refuses it is the first question put once more.
 *
 * Cases: test/upstream/server/first-contact.test.ts
 */
import { type ErrorCode, GatewayError, gatewayErrorOf } from '../../errors.ts'
import type { Era } from '../../protocol/eras.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { EraMismatch } from '../connection/handshake.ts'
import { primaryOrder } from '../lane/roles.ts'
import { HttpStatusError } from '../transports/http/failure.ts'

/** Longest wait for a sign of the era; a server that is slow to start has the rest of its time for `initialize`. */
export const eraSilenceMs = 5_000
/** Failures that somebody's answer, or the lack of one, has caused: the next message may fare better. */
const unclearCodes: ReadonlySet<ErrorCode> = new Set([
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_CLOSED',
  'UPSTREAM_ERROR',
  'UPSTREAM_UNAUTHORIZED',
])

export class FirstContact {
  readonly #overHttp: boolean
  readonly #failures = new Map<Era, GatewayError>()
  /** The eras that are tried at all, in their order. */
  readonly #order: readonly Era[]
  #next: Era | null
  #unclearAnswers = 0

  constructor(definition: ServerDefinition) {
    this.#overHttp = definition.transport === 'streamable-http'
    this.#order = primaryOrder(definition)
    this.#next = this.#order[0] ?? null
  }

  /** The era to try; null when there is nothing left to try. */
  get next(): Era | null {
    return this.#next
  }

  /** True where the same question is put again at once, which deserves a moment's pause. */
  get repeats(): boolean {
    return this.#unclearAnswers === 1 && this.#next === 'modern'
  }

  /** How much of `leftMs` the next try may take: the question that comes first leaves time for the other one. */
  boundMs(leftMs: number): number {
    const first = this.#overHttp && this.#next === 'modern' && !this.#failures.has('legacy')
    return Math.max(1, Math.round(first ? Math.min(eraSilenceMs, leftMs / 2) : leftMs))
  }

  /** True where the server was asked whether it speaks the modern era, and nothing could be told from its answers. */
  get modernUnclear(): boolean {
    const failure = this.#failures.get('modern')
    return failure !== undefined && !(failure instanceof EraMismatch)
  }

  /** Notes that the try of `next` has failed. */
  failed(thrown: unknown): void {
    const era = this.#next
    if (era === null) return
    const error = gatewayErrorOf(thrown)
    this.#failures.set(era, error)
    this.#next = era === 'modern' ? this.#afterModern(error) : this.#afterLegacy(error)
  }

  #afterModern(error: GatewayError): Era | null {
    if (this.#failures.has('legacy')) return null
    if (error instanceof EraMismatch) return 'legacy'
    if (!unclearCodes.has(error.code)) return null
    this.#unclearAnswers++
    return this.#unclearAnswers < 2 && error.code !== 'UPSTREAM_TIMEOUT' ? 'modern' : 'legacy'
  }

  #afterLegacy(error: GatewayError): Era | null {
    if (!(error instanceof EraMismatch) || !this.#order.includes('modern')) return null
    return !this.#failures.has('modern') || (this.modernUnclear && error.certain) ? 'modern' : null
  }

  /** What `initialize` was refused with, or null. */
  get refusal(): GatewayError | null {
    return this.#failures.get('legacy') ?? null
  }

  /** Why the server cannot be used, in the words that say most. */
  get reason(): GatewayError {
    const legacy = this.#failures.get('legacy')
    const modern = this.#failures.get('modern')
    if (legacy === undefined) return modern ?? new GatewayError('INTERNAL', 'nothing was tried')
    // `initialize` is what nearly every server knows, so its refusal says most, unless it says: not this way.
    if (modern === undefined || !(legacy instanceof EraMismatch && legacy.certain)) return legacy
    return new GatewayError(modern.code, `${modern.details} (${legacy.details})`)
  }
}

/** The refusal of one connection by a server that has another one, with what helps where it can have one only. */
export function refusedBesideAnother(
  error: GatewayError,
  { isolation, transport }: ServerDefinition,
): GatewayError {
  const refused = error instanceof EraMismatch || error instanceof HttpStatusError
  const exited = transport === 'stdio' && error.code === 'UPSTREAM_CLOSED'
  if (isolation === 'shared' || !(refused || exited)) return error
  const hint = 'It has another connection already: if it takes one only, set isolation: shared'
  return new GatewayError(error.code, `${error.details.replace(/\.$/, '')}. ${hint}`, error.retryAfterSeconds)
}
