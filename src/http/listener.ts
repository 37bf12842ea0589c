/**
 * The socket: accepts connections, refuses what has no clear meaning, lets the hooks decide, hands
 * the rest to the app, and records every answer. It owns the time-outs of connections and the drain.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import type { Server } from 'bun'
import type { Config } from '../config/schema.ts'
import { drainingError, GatewayError, internalError, reasonOf } from '../errors.ts'
import { urlHost } from '../net/host.ts'
import { BusyPoll } from '../runtime/busy-poll.ts'
import { isEventStream } from '../session/event-stream.ts'
import type { Log } from '../telemetry/log.ts'
import type { ListenAddress } from '../upstream/transports/http/client/url-guard.ts'
import type { App } from './app.ts'
import { bindFailure, requireResolvable } from './binding.ts'
import { hasUnreadBody } from './body.ts'
import { attachContext, type RequestContext } from './context.ts'
import type { Access } from './hooks/access.ts'
import { type AccessRecorder, recordAnswer, recordMalformed } from './hooks/access-log.ts'
import { allowOrigin } from './hooks/origin.ts'
import { type Target, TargetMemory } from './hooks/target.ts'
import type { ListenerTls } from './listener-tls.ts'
import { LongWaits } from './long-waits.ts'
import type { Relay, RelayDoor } from './relay.ts'
import { replyError, replyErrorIn } from './reply.ts'

/** Whether and where the gateway serves. One object, shared with health and with the guard of outgoing URLs. */
export interface ServingState {
  /** True once it is on its way out. */
  draining: boolean
  /** True while it serves on its way out: others take its work over, and whoever comes is told to come elsewhere. */
  serving?: boolean
  /** Null until the port is bound. */
  listening: ListenAddress | null
}

export interface ListenerOptions {
  /** An address or a name such as `localhost`; IPv6 with or without brackets. */
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Files of the certificate to show; http without. */
  readonly tls?: Config['tls']
  /** The other processes of this gateway, which listen on the same port. */
  readonly relay?: Relay | undefined
  readonly access: Access
  readonly app: Pick<App, 'fetch'>
  readonly log: Log & AccessRecorder['log']
  readonly metrics: AccessRecorder['metrics']
  readonly events: AccessRecorder['events']
  readonly audit?: AccessRecorder['audit']
  readonly state: ServingState
  /** Seconds that headers, a body, or the pause between two requests may take (30). Bun checks every 4 s. */
  readonly idleSeconds?: number
}

export interface Listener {
  readonly port: number
  /** `http://host:port` or `https://host:port`, without trailing slash. */
  readonly url: string
  /** Paths of what `renew` reads; none without TLS. */
  readonly tlsFiles: readonly string[]
  /**
   * Shows the certificate that the files hold now to whoever connects from here on; false where it is the same. What is
   * under way ends on its connection. Throws a ConfigError when the files cannot be used, and goes on as before.
   */
  renew(): Promise<boolean>
  /** Requests so far, refused ones included. */
  readonly requestCount: number
  /**
   * From now on every request but health is answered 503; the port stays open so that probes see it. Where others can
   * go on, `handOver` is waited for before that: until it has resolved requests are served, and every answer says that
   * its connection is not used any more, and then the port is closed. Probes are told at once.
   */
  drain(handOver?: (() => Promise<void>) | null): Promise<void>
  /** Closes the port, waits for answers under way, and cuts what is left after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

const idleSecondsDefault = 30
/** An event stream writes a heartbeat at least every 15 s; a connection that takes none for this long is dead. */
const streamIdleSeconds = 120
/**
 * How long the rest of a refused body may go on arriving, to be thrown away. Closing at once would
 * reset the connection under a client that is still sending, and many then never see the answer. Bun
 * counts in steps of four seconds and the first may begin anywhere: up to 4 may mean at once, 5 to 8 means
 * no less than 4.
 */
const refusedBodySeconds = 5
/** Bun's own cap answers before the hooks and without our error form, so it stands far behind ours. */
const bodyBytesBackstop = 2 ** 40

/** Opens the port. Rejects with an Error whose message is one clear line when it cannot be had. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const door = new FrontDoor(options)
  const hostname = options.host.replace(/^\[(.*)\]$/, '$1')
  await requireResolvable(hostname)
  const { tls: settings, state } = options
  const readTls = await tlsReader(settings)
  let tls = readTls?.() ?? null
  const { relay } = options
  const ports = new Ports(door, hostname, tls !== null, relay !== undefined)
  const port = ports.open(options.port, tls)
  relay?.open(door)
  state.listening = { host: hostname, port }
  return {
    port,
    url: `${tls === null ? 'http' : 'https'}://${urlHost(hostname)}:${port}`,
    tlsFiles: Object.values(settings ?? {}).flatMap((path) =>
      path === null || readTls === null ? [] : [resolve(path)],
    ),
    async renew() {
      const next = readTls?.() ?? null
      if (Bun.deepEquals(next, tls) || state.draining) return false
      tls = next
      await ports.reopen(port, next)
      return true
    },
    get requestCount() {
      return door.requestCount
    },
    async drain(handOver = null) {
      state.draining = true
      if (handOver === null) return
      state.serving = true
      try {
        await handOver()
        await ports.shut()
      } finally {
        state.serving = false
      }
    },
    async stop(deadlineMs) {
      state.draining = true
      await ports.close(deadlineMs)
      await relay?.close()
      door.close()
    },
  }
}

/** Null without TLS, of which nothing is loaded then. */
async function tlsReader(settings: Config['tls'] | undefined): Promise<(() => ListenerTls) | null> {
  if (settings === undefined || Object.values(settings).every((path) => path === null)) return null
  const { readListenerTls } = await import('./listener-tls.ts')
  return () => readListenerTls(settings)
}

/** How often a port is asked for that was one's own a moment ago, and how long after. */
const reopenTries = 100
const reopenPauseMs = 50

/** The socket that listens, and those before it whose answers are under way. */
class Ports {
  readonly #door: FrontDoor
  readonly #hostname: string
  readonly #serve: FrontDoor['serve']
  /** With what each waits for once it was told to stop: asked twice, Bun never ends waiting. */
  readonly #servers = new Map<Server<undefined>, Promise<void> | null>()
  #current: Server<undefined> | null = null
  #closed = false
  readonly #shared: boolean

  constructor(door: FrontDoor, hostname: string, secure: boolean, shared: boolean) {
    this.#shared = shared
    this.#door = door
    this.#hostname = hostname
    this.#serve = secure
      ? (request, server) => door.serve(readAsClearText(request), server)
      : (request, server) => door.serve(request, server)
  }

  /** The port that it is. Throws an Error of one clear line. */
  open(port: number, tls: ListenerTls | null): number {
    try {
      const server = Bun.serve({
        hostname: this.#hostname,
        port,
        idleTimeout: this.#door.idleSeconds,
        maxRequestBodySize: bodyBytesBackstop,
        // No stack traces in answers. In this mode Bun would share the port with whoever asks for it, so that a
        // taken port goes unnoticed and another process of this user could take half of the requests. Workers of one
        // gateway share it; their supervisor has looked that it is free.
        development: false,
        reusePort: this.#shared,
        ...(tls === null ? {} : { tls }),
        fetch: this.#serve,
        error: (error) => this.#door.fail(error),
      })
      this.#current = server
      this.#servers.set(server, null)
      return server.port ?? port
    } catch (error) {
      throw bindFailure(this.#hostname, port, error)
    }
  }

  /**
   * Bun keeps to the certificate that a server began with, so that another one begins on the same port. Between the
   * two lies less than a millisecond.
   */
  async reopen(port: number, tls: ListenerTls | null): Promise<void> {
    const before = this.#current
    if (before !== null) void this.#stop(before).then(() => this.#servers.delete(before))
    for (let tries = 1; !this.#closed; tries++) {
      try {
        this.open(port, tls)
        return
      } catch (thrown) {
        if (tries === reopenTries) throw thrown
        await Bun.sleep(reopenPauseMs)
      }
    }
  }

  /** Nobody who has come is lost, and what is under way goes on; others come elsewhere. `close` waits for the rest. */
  async shut(): Promise<void> {
    this.#closed = true
    const { overlookNewcomers } = await import('../runtime/closing-port.ts')
    for (const server of this.#servers.keys()) {
      await overlookNewcomers(server.port ?? 0)
      void this.#stop(server)
    }
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true
    const deadline = Promise.withResolvers<void>()
    const timer = setTimeout(deadline.resolve, deadlineMs)
    const servers = [...this.#servers.keys()]
    await Promise.race([Promise.all(servers.map((server) => this.#stop(server))), deadline.promise])
    clearTimeout(timer)
    await Promise.all(servers.map((server) => server.stop(true)))
  }

  #stop(server: Server<undefined>): Promise<void> {
    const stopping = this.#servers.get(server) ?? server.stop(false)
    this.#servers.set(server, stopping)
    return stopping
  }
}

/** Rules and router read targets that begin with `http://`; by which wire they came is known otherwise. */
function readAsClearText(request: Request): Request {
  const { url } = request
  if (url.startsWith('https://')) Object.defineProperty(request, 'url', { value: `http${url.slice(5)}` })
  return request
}

/** One request from accept to answer. */
class FrontDoor implements RelayDoor {
  readonly idleSeconds: number
  requestCount = 0
  readonly #options: ListenerOptions
  readonly #longWaits: LongWaits
  readonly #targets = new TargetMemory()
  /** On a single processor looking would only keep the others from answering. */
  readonly #busyPoll = availableParallelism() > 1 ? new BusyPoll() : null

  constructor(options: ListenerOptions) {
    this.#options = options
    this.idleSeconds = options.idleSeconds ?? idleSecondsDefault
    this.#longWaits = new LongWaits(this.idleSeconds)
  }

  serve(request: Request, server: Server<undefined>): Response | Promise<Response> {
    this.requestCount++
    const target = this.#targets.of(request.url)
    if (target === null) return this.#refuseMalformed(request)
    // Asked before the first await: Bun forgets the peer once the handler has yielded.
    const socket = server.requestIP(request)
    const socketAddress = socket?.address ?? null
    const { relay } = this.#options
    if (relay?.takes(target.area) === true) {
      const here = () => this.#serve(request, server, target, socketAddress)
      return relay.serve(request, target.area, socketAddress, here)
    }
    return this.#serve(request, server, target, socketAddress, relay && socket?.port)
  }

  serveHere(
    request: Request,
    server: Server<undefined>,
    socketAddress: string | null,
  ): Response | Promise<Response> {
    this.requestCount++
    const target = this.#targets.of(request.url)
    return target === null
      ? this.#refuseMalformed(request)
      : this.#serve(request, server, target, socketAddress)
  }

  #serve(
    request: Request,
    server: Server<undefined>,
    target: Target,
    socketAddress: string | null,
    peerPort?: number,
  ): Response | Promise<Response> {
    const { context, refusal } = this.#options.access.admit(request, target, socketAddress)
    context.idleTimer = server
    if (peerPort !== undefined) context.peerPort = peerPort
    attachContext(request, context)
    return refusal instanceof Promise
      ? refusal.then((late) => this.#admitted(request, context, late))
      : this.#admitted(request, context, refusal)
  }

  #admitted(
    request: Request,
    context: RequestContext,
    refusal: GatewayError | Response | null,
  ): Response | Promise<Response> {
    if (refusal instanceof Response) return this.#finish(request, context, refusal)
    if (refusal !== null) return this.#refuse(request, context, refusal)
    const { draining, serving } = this.#options.state
    if (draining && serving !== true && context.area !== 'health') {
      return this.#refuse(request, context, drainingError())
    }
    return this.#answer(request, context)
  }

  close(): void {
    this.#longWaits.stop()
  }

  /** Last resort: something threw outside every route. */
  fail(error: unknown): Response {
    this.#options.log.error({ reason: reasonOf(error) }, 'a request failed outside its route')
    return replyError(internalError())
  }

  #answer(request: Request, context: RequestContext): Response | Promise<Response> {
    const outcome = this.#options.app.fetch(request, context)
    if (outcome instanceof Response) return this.#finish(request, context, outcome)
    this.#longWaits.add(context)
    this.#busyPoll?.stir(this.#longWaits.count)
    return outcome.then(
      (response) => this.#finish(request, context, response),
      (error) => this.#finish(request, context, this.fail(error)),
    )
  }

  #refuse(request: Request, context: RequestContext, error: GatewayError): Response {
    context.log.code = error.code
    context.log.reason = error.details
    return this.#finish(request, context, replyErrorIn(context.area, request, error))
  }

  /** No area can be told, and the client is no MCP client: the plain form, and the connection ends. */
  #refuseMalformed(request: Request): Response {
    const error = new GatewayError(
      'BAD_REQUEST',
      'The request target or the Host header is malformed or ambiguous.',
    )
    const response = replyError(error, { connection: 'close' })
    recordMalformed(this.#options, request, response)
    return response
  }

  #finish(request: Request, context: RequestContext, response: Response): Response {
    if (context.corsOrigin != null) allowOrigin(response, context.corsOrigin)
    if (this.#options.state.serving === true) response.headers.set('connection', 'close')
    const stream = isEventStream(response)
    this.#longWaits.delete(context)
    this.#busyPoll?.stir(this.#longWaits.count)
    const seconds = this.#secondsAfter(request, response, stream)
    // A limit that was lifted would otherwise stay off while the connection idles.
    if (context.untimed || seconds !== this.idleSeconds) context.idleTimer?.timeout(request, seconds)
    recordAnswer(this.#options, request, response, context, stream)
    return response
  }

  #secondsAfter(request: Request, response: Response, stream: boolean): number {
    if (response.status >= 400 && hasUnreadBody(request, response)) return refusedBodySeconds
    return stream ? streamIdleSeconds : this.idleSeconds
  }
}
