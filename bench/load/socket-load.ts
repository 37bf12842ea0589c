/**
 * Our own load generator: for machines without wrk, for a fixed rate, and for the HTTP+SSE face, where
 * the answer to a POST travels on another connection. A loop per connection, one call at a time in each.
 */
import { type HttpSocket, openHttpSocket } from './http-socket.ts'
import { type LoadOptions, type LoadResult, loadResult } from './load.ts'
import {
  baseHeaders,
  bodyless,
  type CallText,
  callHeaders,
  callText,
  type Endpoint,
  INITIALIZE,
  INITIALIZED,
  post,
  postHead,
  targetOf,
} from './mcp-request.ts'

/** One client: sends a body under this id and resolves with true once the right answer is there. */
type Caller = (id: number, body: string) => Promise<boolean>

/** Opens all connections first; `seconds` begin when they stand. */
export async function driveWithSockets(options: LoadOptions, sessionId: string | null): Promise<LoadResult> {
  const callers: Caller[] = []
  const sockets: HttpSocket[] = []
  for (let n = 0; n < options.connections; n++) {
    callers.push(
      options.endpoint.face === 'stream'
        ? await streamCaller(options, sessionId, sockets)
        : await sseCaller(options.endpoint, sockets),
    )
  }
  return await drive(options, callers, sockets)
}

/**
 * The same with clients that have nothing in common: each connection has a session of its own where the era has any,
 * and one of these tokens. `opened` is called when all of them stand.
 */
export async function driveApart(
  options: LoadOptions,
  tokens: readonly string[],
  opened: () => Promise<void>,
): Promise<LoadResult> {
  const callers: Caller[] = []
  const sockets: HttpSocket[] = []
  for (let n = 0; n < options.connections; n++) {
    const endpoint = { ...options.endpoint, token: tokens[n % tokens.length] ?? null }
    callers.push(await apartCaller({ ...options, endpoint }, sockets))
  }
  // Of several workers the right one may be found with the fourth, eighth … call; that is over after so many.
  const { before, after } = callText(options.era, options.argumentsText, options.endpoint.tool)
  await Promise.all(
    callers.map(async (caller, n) => {
      for (let call = 0; call < settlingCalls; call++) await caller(n, `${before}${n}${after}`)
    }),
  )
  await opened()
  return await drive(options, callers, sockets)
}

const settlingCalls = 32

async function drive(
  options: LoadOptions,
  callers: readonly Caller[],
  sockets: readonly HttpSocket[],
): Promise<LoadResult> {
  const { connections } = options
  const text = callText(options.era, options.argumentsText, options.endpoint.tool)
  const startedMs = performance.now()
  const run = new Run(text, startedMs, options.seconds * 1000)
  const { ratePerSecond } = options
  const pauseMs = ratePerSecond === null ? 0 : (connections / ratePerSecond) * 1000
  await Promise.all(
    callers.map((caller, n) =>
      pauseMs === 0 ? run.flatOut(caller) : run.paced(caller, pauseMs, n / connections),
    ),
  )
  const seconds = (performance.now() - startedMs) / 1000
  for (const socket of sockets) socket.close()
  return loadResult(run.latenciesMs, seconds, run.errors)
}

class Run {
  readonly latenciesMs: number[] = []
  errors = 0
  readonly #text: CallText
  readonly #startMs: number
  readonly #durationMs: number
  #nextId = 1

  constructor(text: CallText, startMs: number, durationMs: number) {
    this.#text = text
    this.#startMs = startMs
    this.#durationMs = durationMs
  }

  async flatOut(caller: Caller): Promise<void> {
    const endMs = this.#startMs + this.#durationMs
    while (performance.now() < endMs) if (!(await this.#once(caller))) return
  }

  /**
   * Latency counts from the moment that the plan names, so that a stalled server cannot slow the plan down.
   * How many calls the plan has must not hang on the clock's fractions: it is reckoned from zero.
   */
  async paced(caller: Caller, pauseMs: number, phase: number): Promise<void> {
    for (let n = 0; (n + phase) * pauseMs < this.#durationMs; n++) {
      const dueMs = this.#startMs + (n + phase) * pauseMs
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await Bun.sleep(waitMs)
      if (!(await this.#once(caller, Math.min(dueMs, performance.now())))) return
    }
  }

  /** False when the connection is of no more use. */
  async #once(caller: Caller, sinceMs = performance.now()): Promise<boolean> {
    const id = this.#nextId++
    try {
      const right = await caller(id, this.#text.before + id + this.#text.after)
      if (right) this.latenciesMs.push(performance.now() - sinceMs)
      else this.errors++
      return true
    } catch {
      this.errors++
      return false
    }
  }
}

async function streamCaller(
  { endpoint, era }: LoadOptions,
  sessionId: string | null,
  sockets: HttpSocket[],
): Promise<Caller> {
  const socket = await openHttpSocket(targetOf(endpoint.url))
  sockets.push(socket)
  return callerOn(socket, endpoint, era, sessionId, sockets)
}

/** Shakes hands on its own connection. */
async function apartCaller({ endpoint, era }: LoadOptions, sockets: HttpSocket[]): Promise<Caller> {
  const socket = await openHttpSocket(targetOf(endpoint.url))
  sockets.push(socket)
  if (era === 'modern') return callerOn(socket, endpoint, era, null, sockets)
  const greeted = await socket.request(post(postHead(endpoint.url, baseHeaders(endpoint)), INITIALIZE))
  const [, sessionId = null] = /\r\nmcp-session-id: *(\S+)/i.exec(greeted.head) ?? []
  if (greeted.status !== 200 || sessionId === null)
    throw new Error(`initialize: ${greeted.status} ${greeted.body.slice(0, 300)}`)
  await socket.request(post(postHead(endpoint.url, callHeaders(endpoint, era, sessionId)), INITIALIZED))
  return callerOn(socket, endpoint, era, sessionId, sockets)
}

/** As clients do, it opens another connection when the gateway ends one. */
function callerOn(
  first: HttpSocket,
  endpoint: Endpoint,
  era: LoadOptions['era'],
  sessionId: string | null,
  sockets: HttpSocket[],
): Caller {
  const head = postHead(endpoint.url, callHeaders(endpoint, era, sessionId))
  let socket: HttpSocket | null = first
  return async (id, body) => {
    if (socket === null) {
      socket = await openHttpSocket(targetOf(endpoint.url))
      sockets.push(socket)
    }
    const answer = await socket.request(post(head, body))
    if (endsConnection.test(answer.head)) {
      socket.close()
      sockets.splice(sockets.indexOf(socket), 1)
      socket = null
    }
    return answer.status === 200 && answer.body.includes(`"id":${id}`) && answer.body.includes('"content"')
  }
}

const endsConnection = /\r\nconnection: *close/i

/** A session of its own: opens the stream, is told where to post, shakes hands. */
async function sseCaller(endpoint: Endpoint, sockets: HttpSocket[]): Promise<Caller> {
  const target = targetOf(endpoint.url)
  const stream = await openHttpSocket(target)
  const poster = await openHttpSocket(target)
  sockets.push(stream, poster)
  const events = new EventWaiter()
  await stream.stream(bodyless('GET', endpoint.url, { ...baseHeaders(endpoint) }), (text) =>
    events.push(text),
  )
  const url = new URL(dataOf(await events.next('/')), endpoint.url)
  const head = postHead(url.href, baseHeaders(endpoint))
  const initialized = events.next('"id":"init"')
  await poster.request(post(head, INITIALIZE))
  await initialized
  await poster.request(post(head, INITIALIZED))
  return async (id, body) => {
    const event = events.next(`"id":${id}`)
    const accepted = await poster.request(post(head, body))
    return (await event).includes('"content"') && accepted.status < 300
  }
}

function dataOf(event: string): string {
  return /^data: ?(.*)$/m.exec(event)?.[1] ?? ''
}

/** Cuts a stream into events and hands the awaited one over. */
class EventWaiter {
  #rest = ''
  #wanted: string | null = null
  #resolve: (event: string) => void = () => {}
  readonly #early: string[] = []

  next(wanted: string): Promise<string> {
    const at = this.#early.findIndex((event) => event.includes(wanted))
    const [found] = at < 0 ? [] : this.#early.splice(at, 1)
    if (found !== undefined) return Promise.resolve(found)
    this.#wanted = wanted
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  push(text: string): void {
    const events = (this.#rest + text.replaceAll('\r\n', '\n')).split('\n\n')
    this.#rest = events.pop() ?? ''
    for (const event of events) {
      if (event.startsWith(':')) continue
      if (this.#wanted !== null && event.includes(this.#wanted)) {
        this.#wanted = null
        this.#resolve(event)
      } else this.#early.push(event)
    }
  }
}
