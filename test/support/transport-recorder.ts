/** Records what a transport tells its connection, and lets a test await it. */
import type { GatewayError } from '../../src/errors.ts'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import { AnsweredRequest } from '../../src/upstream/connection/answered-request.ts'
import { ServerBudget } from '../../src/upstream/transports/flood-guard.ts'
import type { TransportReceiver } from '../../src/upstream/transports/transport.ts'

export type TransportEvent =
  | { kind: 'message'; text: string; requestId: number | null }
  | { kind: 'requestFailed'; requestId: number; error: GatewayError }
  | { kind: 'sessionLost'; requestId: number | null }
  | { kind: 'sessionDoubted' }
  | { kind: 'closed'; error: GatewayError }
  | { kind: 'noise'; line: string }

export interface TransportRecorder extends TransportReceiver {
  readonly events: TransportEvent[]
  /** Resolves with the first event that fits, past or future; rejects after `waitMs`. */
  until<E extends TransportEvent>(fits: (event: TransportEvent) => event is E, waitMs?: number): Promise<E>
  /** The parsed message that answers this request. */
  answerTo(id: number, waitMs?: number): Promise<Record<string, unknown>>
  of<K extends TransportEvent['kind']>(kind: K): Extract<TransportEvent, { kind: K }>[]
}

export function isKind<K extends TransportEvent['kind']>(kind: K) {
  return (event: TransportEvent): event is Extract<TransportEvent, { kind: K }> => event.kind === kind
}

/** Whether a message that came for a request answers this one. */
function answers(text: string, arrivedFor: number | null, requestId: number): boolean {
  const message = scanMessage(text)
  return (
    message?.kind === 'response' && new AnsweredRequest().idOf(message, arrivedFor, true, []) === requestId
  )
}

export function createRecorder(): TransportRecorder {
  const events: TransportEvent[] = []
  const waiters = new Set<() => void>()

  function record(event: TransportEvent): void {
    events.push(event)
    for (const waiter of waiters) waiter()
  }

  function until<E extends TransportEvent>(
    fits: (event: TransportEvent) => event is E,
    waitMs = 10_000,
  ): Promise<E> {
    return new Promise((resolve, reject) => {
      let checked = 0
      const timer = setTimeout(() => {
        waiters.delete(check)
        reject(
          new Error(`did not happen within ${waitMs} ms; seen: ${JSON.stringify(events).slice(0, 2000)}`),
        )
      }, waitMs)
      function check(): void {
        const found = events.slice(checked).find(fits)
        checked = events.length
        if (found === undefined) return
        clearTimeout(timer)
        waiters.delete(check)
        resolve(found)
      }
      waiters.add(check)
      check()
    })
  }

  return {
    events,
    openEntry: () => null,
    unasked() {},
    budget: new ServerBudget(),
    settled: (requestId) =>
      events.some(
        (event) =>
          (event.kind === 'requestFailed' && event.requestId === requestId) ||
          (event.kind === 'message' && answers(event.text, event.requestId, requestId)),
      ),
    until,
    of: <K extends TransportEvent['kind']>(kind: K) => events.filter(isKind(kind)),
    async answerTo(id, waitMs) {
      const isAnswer = (event: TransportEvent): event is Extract<TransportEvent, { kind: 'message' }> => {
        if (event.kind !== 'message' || !event.text.includes(`"id":${id}`)) return false
        const message = JSON.parse(event.text) as Record<string, unknown>
        return message['id'] === id && message['method'] === undefined
      }
      return JSON.parse((await until(isAnswer, waitMs)).text) as Record<string, unknown>
    },
    message: (text, requestId) => record({ kind: 'message', text, requestId }),
    // Never taken, so that every message is recorded as a text.
    large: () => false,
    requestFailed: (requestId, error) => record({ kind: 'requestFailed', requestId, error }),
    sessionDoubted: () => record({ kind: 'sessionDoubted' }),
    sessionLost: (requestId) => record({ kind: 'sessionLost', requestId }),
    closed: (error) => record({ kind: 'closed', error }),
    noise: (line) => record({ kind: 'noise', line }),
  }
}
