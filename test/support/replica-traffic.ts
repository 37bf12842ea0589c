/**
 * Clients of several replicas that call all the time, listen and are asked: how long calls took, which of them failed,
 * which events never came, and which calls ran twice by what the servers have written down.
 */
import { readFileSync } from 'node:fs'
import { readEvents } from './event-reader.ts'
import { RawClient } from './raw-client.ts'
import { quantile } from './spread.ts'

export interface ReplicaTrafficOptions {
  /** The endpoints of servers, dealt out to the sessions in turn. */
  readonly endpoints: readonly URL[]
  readonly sessions: number
  /** Of these, so many have a standing stream, on which they are told something all the time. */
  readonly listening: number
  /** Of these, so many have a call that waits for their answer nearly all the time. */
  readonly asked?: number
  /** Of all sessions together. */
  readonly callsPerSecond: number
}

export interface TrafficFailure {
  /** Monotonic: when the call began and when it failed. */
  readonly startedMs: number
  readonly endedMs: number
  readonly nonce: string
  readonly text: string
}

/** Failures that are kept; more are counted. */
const failuresMax = 1_000
const openedAtOnce = 8
/** How long a client takes to answer what it is asked. */
const answerMs = 700
const callMsMax = 30_000

export class ReplicaTraffic {
  calls = 0
  failed = 0
  readonly failures: TrafficFailure[] = []
  /** Answers that are another call's. */
  readonly wrong: string[] = []
  /** Milliseconds of calls that were answered by the process that has answered before, or by a server that stays. */
  warmMs: number[] = []
  /** Of those that a new process has answered: they may have waited for its start. */
  coldMs: number[] = []
  readonly #options: ReplicaTrafficOptions
  readonly #sessions: DrivenSession[] = []
  #calling: Promise<unknown> = Promise.resolve()
  #listening: Promise<unknown> = Promise.resolve()
  #over = false

  constructor(options: ReplicaTrafficOptions) {
    this.#options = options
  }

  /** Opens all sessions, and begins to call once they are there. */
  async start(): Promise<void> {
    const { sessions, listening, asked = 0, endpoints } = this.#options
    const waiting = Array.from({ length: sessions }, (_, index) => index)
    const open = async (): Promise<void> => {
      for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
        const endpoint = endpoints[index % endpoints.length]
        if (endpoint === undefined) throw new Error('no endpoint')
        const client = await RawClient.open(endpoint, {
          capabilities: { roots: {}, elicitation: {} },
          answer: async () => {
            await Bun.sleep(answerMs)
            return { action: 'accept', content: { index } }
          },
        })
        this.#sessions.push(new DrivenSession(client, index, index < listening))
      }
    }
    await Promise.all(Array.from({ length: openedAtOnce }, open))
    const isAsked = ({ index }: DrivenSession): boolean => index >= sessions - asked
    this.#calling = Promise.all(
      this.#sessions.map((session) => (isAsked(session) ? this.#beAsked(session) : this.#drive(session))),
    )
    this.#listening = Promise.all(
      this.#sessions.map((session) => (session.isListening ? this.#listen(session) : Promise.resolve())),
    )
  }

  /** Ends when every call has its answer, and what was told was heard or had its time. */
  async stop(): Promise<void> {
    this.#over = true
    await this.#calling
    const untilMs = performance.now() + 5_000
    while (this.missed().length > 0 && performance.now() < untilMs) await Bun.sleep(50)
    for (const { stopListening } of this.#sessions) stopListening.abort()
    await this.#listening
  }

  /** How many events were told on standing streams. */
  get told(): number {
    return this.#sessions.reduce((sum, { told }) => sum + told.length, 0)
  }

  /** Those that never came. */
  missed(): string[] {
    return this.#sessions.flatMap(({ told, heard }) => {
      const came = new Set(heard)
      return told.filter((tale) => !came.has(tale))
    })
  }

  /** Those that came again, or behind one that was told later. */
  astray(): string[] {
    return this.#sessions.flatMap(({ told, heard }) => {
      const places = new Map(told.map((tale, at) => [tale, at]))
      let last = -1
      return heard.filter((tale) => {
        const place = places.get(tale)
        const isAstray = place !== undefined && place <= last
        last = Math.max(last, place ?? -1)
        return isAstray
      })
    })
  }

  async #drive(session: DrivenSession): Promise<void> {
    const everyMs = (1_000 * this.#options.sessions) / this.#options.callsPerSecond
    let dueMs = performance.now() + Math.random() * everyMs
    for (let serial = 0; !this.#over; serial++) {
      await Bun.sleep(Math.max(0, dueMs - performance.now()))
      if (this.#over) break
      const nonce = `${session.index}-${serial}`
      const tells = session.isListening && serial % 2 === 1
      await this.#settled(nonce, () => (tells ? this.#tell(session, nonce) : this.#call(session, nonce)))
      dueMs = Math.max(dueMs + everyMs, performance.now())
    }
  }

  async #call(session: DrivenSession, nonce: string): Promise<void> {
    const startedMs = performance.now()
    const answer = await session.client.call<{ pid: number; nonce: string }>(nonce, 'pid', { nonce })
    const tookMs = performance.now() - startedMs
    if (answer.nonce !== nonce) this.wrong.push(`${JSON.stringify(answer)} for ${nonce}`)
    const isCold = session.pid !== 0 && session.pid !== answer.pid
    session.pid = answer.pid
    ;(isCold ? this.coldMs : this.warmMs).push(tookMs)
  }

  async #tell(session: DrivenSession, nonce: string): Promise<void> {
    const message = { jsonrpc: '2.0', method: 'notifications/tell', params: { tale: nonce } }
    await session.client.call(nonce, 'emit', { messages: [message], apart: true, nonce })
    session.told.push(nonce)
  }

  async #beAsked(session: DrivenSession): Promise<void> {
    for (let serial = 0; !this.#over; serial++) {
      const nonce = `${session.index}-asked-${serial}`
      const params = { message: 'which?', requestedSchema: { type: 'object', properties: {} } }
      const args = { method: 'elicitation/create', params, nonce }
      await this.#settled(nonce, async () => {
        const answer = await session.client.call<{ result: { content?: { index?: number } } | null }>(
          nonce,
          'ask',
          args,
        )
        if (answer.result?.content?.index !== session.index)
          this.wrong.push(`${JSON.stringify(answer)} for ${nonce}`)
      })
      await Bun.sleep(50)
    }
  }

  async #settled(nonce: string, call: () => Promise<void>): Promise<void> {
    const startedMs = performance.now()
    this.calls++
    try {
      const late = Bun.sleep(callMsMax).then(() => Promise.reject(new Error('no answer in time')))
      await Promise.race([call(), late])
    } catch (thrown) {
      this.failed++
      const endedMs = performance.now()
      const text = thrown instanceof Error ? thrown.message : String(thrown)
      if (this.failures.length < failuresMax) this.failures.push({ startedMs, endedMs, nonce, text })
      await Bun.sleep(100)
    }
  }

  /** Comes back whenever its stream has ended, with the id of the last event. */
  async #listen({ client, heard, stopListening }: DrivenSession): Promise<void> {
    let last: string | undefined
    while (!stopListening.signal.aborted) {
      try {
        const { body } = await client.get(last, { signal: stopListening.signal })
        for await (const { id, data } of readEvents(body ?? new ReadableStream(), { all: true })) {
          last = id ?? last
          const tale = /"tale":"([^"]+)"/.exec(data)?.[1]
          if (tale !== undefined) heard.push(tale)
        }
      } catch {
        await Bun.sleep(20)
      }
    }
  }
}

class DrivenSession {
  readonly client: RawClient
  readonly index: number
  readonly isListening: boolean
  readonly told: string[] = []
  readonly heard: string[] = []
  readonly stopListening = new AbortController()
  /** Of the process that has answered last. */
  pid = 0

  constructor(client: RawClient, index: number, isListening: boolean) {
    this.client = client
    this.index = index
    this.isListening = isListening
  }
}

/** Calls that a server was sent more than once, by the file into which servers write what reaches them. */
export function ranTwice(tally: string): string[] {
  const seen = new Set<string>()
  const twice: string[] = []
  for (const [, nonce] of readFileSync(tally, 'utf8').matchAll(
    /"method":"tools\/call".*?"nonce":"([^"]+)"/g,
  )) {
    if (nonce === undefined) continue
    if (seen.has(nonce)) twice.push(nonce)
    seen.add(nonce)
  }
  return twice
}

/** The middle one, and the one that 99 of 100 stay below; in milliseconds. */
export function percentiles(ms: readonly number[]): { p50: number; p99: number; most: number } {
  const at = (part: number): number => Math.round(quantile(ms, part))
  return { p50: at(0.5), p99: at(0.99), most: at(1) }
}
