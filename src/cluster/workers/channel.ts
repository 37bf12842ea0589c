/**
 * Questions and answers between two processes of one gateway, over the wire that the system gives a parent and its
 * child. Both ends are the same program, so that what comes is what its type says; it is never a client's.
 */
import { ConfigError, type ErrorCode, GatewayError, reasonOf } from '../../errors.ts'

/** What may be asked, by name: with what, and what is answered. */
export type Questions = object

type AskOf<Q, K extends keyof Q> = Q[K] extends (ask: infer A) => unknown ? A : never
type AnswerOf<Q, K extends keyof Q> = Q[K] extends (ask: never) => infer R ? Awaited<R> : never

/** Who answers them at one end. What it throws is thrown where it was asked. */
export type Answers<Q> = {
  readonly [K in keyof Q]: (ask: AskOf<Q, K>) => AnswerOf<Q, K> | Promise<AnswerOf<Q, K>>
}

/** Takes a message to the other end. Throws, or does nothing, when there is none any more. */
export type Send = (message: object) => void

interface Question {
  readonly ask: number
  readonly kind: string
  readonly body: unknown
}

interface Answer {
  readonly to: number
  readonly body?: unknown
  readonly fault?: Fault
}

interface Fault {
  readonly message: string
  /** Of an error of the catalogue, or of the configuration; null for any other. */
  readonly code: ErrorCode | 'configuration' | null
}

/** The other end has gone, or has said nothing for too long. */
export class ChannelClosed extends Error {
  override readonly name = 'ChannelClosed'
}

interface Waiting {
  readonly resolve: (body: unknown) => void
  readonly reject: (fault: Error) => void
  readonly timer: ReturnType<typeof setTimeout>
}

/** More than that are not asked at once: the other end has stopped. */
const waitingMax = 100_000

/** One end of it: asks `Theirs`, answers `Ours`. */
export class Channel<Ours, Theirs> {
  readonly #send: Send
  readonly #answers: Answers<Ours>
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0
  #closed = false

  constructor(send: Send, answers: Answers<Ours>) {
    this.#send = send
    this.#answers = answers
  }

  /** Rejects with what the other end has thrown, and with a ChannelClosed when it has gone or does not answer in time. */
  ask<K extends keyof Theirs & string>(
    kind: K,
    body: AskOf<Theirs, K>,
    deadlineMs: number,
  ): Promise<AnswerOf<Theirs, K>> {
    return new Promise((resolve, reject) => {
      if (this.#closed || this.#waiting.size >= waitingMax) {
        reject(new ChannelClosed('the other process is gone'))
        return
      }
      const ask = ++this.#asked
      const timer = setTimeout(() => {
        this.#waiting.delete(ask)
        reject(new ChannelClosed(`the other process has not answered within ${deadlineMs} ms`))
      }, deadlineMs)
      this.#waiting.set(ask, { resolve: resolve as (body: unknown) => void, reject, timer })
      this.#write({ ask, kind, body } satisfies Question)
    })
  }

  /** Says something that needs no answer. What is said to nobody is lost. */
  tell<K extends keyof Theirs & string>(kind: K, body: AskOf<Theirs, K>): void {
    if (!this.#closed) this.#write({ ask: 0, kind, body } satisfies Question)
  }

  /** Takes what the other end has sent. */
  received(message: unknown): void {
    const sent = message as Question | Answer
    if ('to' in sent) this.#settle(sent)
    else void this.#answer(sent)
  }

  /** The other end has gone: whoever waits is told. */
  close(): void {
    this.#closed = true
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(new ChannelClosed('the other process is gone'))
    }
    this.#waiting.clear()
  }

  #settle({ to, body, fault }: Answer): void {
    const waiting = this.#waiting.get(to)
    if (waiting === undefined) return
    this.#waiting.delete(to)
    clearTimeout(waiting.timer)
    if (fault === undefined) waiting.resolve(body)
    else waiting.reject(errorOf(fault))
  }

  async #answer({ ask, kind, body }: Question): Promise<void> {
    const handler = this.#answers[kind as keyof Ours] as ((ask: unknown) => unknown) | undefined
    try {
      if (handler === undefined) throw new Error(`nobody here knows ${kind}`)
      const answer = await handler(body)
      if (ask !== 0) this.#write({ to: ask, body: answer ?? null } satisfies Answer)
    } catch (thrown) {
      if (ask !== 0) this.#write({ to: ask, fault: faultOf(thrown) } satisfies Answer)
    }
  }

  #write(message: Question | Answer): void {
    if (this.#closed) return
    try {
      this.#send(message)
    } catch {
      // It has gone; its exit closes this end.
    }
  }
}

function faultOf(thrown: unknown): Fault {
  const message = reasonOf(thrown)
  if (thrown instanceof ConfigError) return { message, code: 'configuration' }
  return { message, code: thrown instanceof GatewayError ? thrown.code : null }
}

function errorOf({ message, code }: Fault): Error {
  if (code === null) return new Error(message)
  return code === 'configuration' ? new ConfigError(message) : new GatewayError(code, message)
}
