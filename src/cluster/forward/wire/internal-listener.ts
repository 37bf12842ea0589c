/**
 * Where other members bring requests that they have let in: a port, or a socket, of its own, which no client reaches.
 * What comes is signed by a member, for this one, once; it is then served as if it had passed the door here, and never
 * passed on again.
 */
import { rmSync } from 'node:fs'
import type { Server } from 'bun'
import { personOf } from '../../../access/person.ts'
import { bearerOf, digestOfAsked } from '../../../access/tokens.ts'
import { reasonOf } from '../../../errors.ts'
import {
  attachContext,
  emptyLog,
  type McpHandlers,
  type Readmission,
  type RequestContext,
} from '../../../http/context.ts'
import type { Access } from '../../../http/hooks/access.ts'
import { type AccessRecorder, recordAnswer } from '../../../http/hooks/access-log.ts'
import { readTarget, type Target } from '../../../http/hooks/target.ts'
import type { ClientAddress, PeerAddress as SocketAddress } from '../../../net/address.ts'
import { isEventStream } from '../../../session/event-stream.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { InstanceId } from '../../directory/directory.ts'
import type { Seal } from '../../seal.ts'
import { BroughtReader, readMessage } from './channel/brought.ts'
import { BroughtRequest } from './channel/brought-request.ts'
import { channelTarget } from './channel/front-channel.ts'
import {
  type BroughtCall,
  type ChannelData,
  channelHandler,
  type OpenedMessage,
} from './channel/owner-channels.ts'
import { type Carried, digestOfBody, forwardedHeader, readHeader, refusedHeader } from './forwarded-header.ts'
import { challengeHeader, proofFor, proofHeader } from './member-proof.ts'
import { type PeerAddress, pingTarget } from './peer-wire.ts'
import type { Principals } from './principals.ts'
import { Serials } from './serials.ts'

export interface InternalListenerParts {
  /** Where to listen; port 0 picks a free one. */
  readonly address: PeerAddress
  readonly instance: InstanceId
  readonly seal: Seal
  /** The wall clock that all members share. */
  nowMs(): number
  readonly principals: Principals
  readonly handlers: McpHandlers
  readonly access: Pick<Access, 'version' | 'identity'> & Readmission
  readonly recorder: AccessRecorder
  readonly log: Log
  bodyBytesMax(): number
  /** Takes the streams of a session that another member hands over; false for what is of another form. */
  takeHanded(text: string): boolean
  /** Prepares for a session that is about to come; false where that is not done. */
  prepareComing(text: string): Promise<boolean>
}

/** What is said of a request and counts here. */
type Bearing = Pick<Carried, 'from' | 'requestId' | 'principal' | 'peer' | 'client' | 'base'>

/** Where members hand over sessions, and where they say before which ones will come. */
export const handedTarget = '/handed-over'
export const comingTarget = '/coming'
const ownTargets: readonly string[] = [handedTarget, comingTarget]
const handedBytesMax = 256 * 1024 * 1024

/** An idle connection is closed after this long: later than the other end lets go of it (peer-wire.ts). */
const idleSeconds = 120
/** So many refusals are logged a minute: whoever reaches the port could fill the log with them. */
const refusalsLoggedMax = 10

export class InternalListener {
  readonly #parts: InternalListenerParts
  readonly #server: Server<ChannelData>
  readonly #serials = new Serials()
  readonly #reader = new BroughtReader()
  readonly #codes = (text: string): readonly string[] => this.#parts.seal.macs('forward', text)
  /** When a member has brought something last, monotonic. */
  lastServedMs = Number.NEGATIVE_INFINITY
  #refusals = 0
  #refusalsSinceMs = 0

  /** Throws the error of the system when the address cannot be had. */
  constructor(parts: InternalListenerParts) {
    this.#parts = parts
    const common = {
      development: false,
      maxRequestBodySize: 2 ** 40,
      fetch: (request: Request, server: Server<ChannelData>) => this.#serve(request, server),
      websocket: channelHandler({ opened: (text) => this.#opened(text) }),
      error: (error: unknown) => this.#failed(error),
    }
    const { address } = parts
    if (address.startsWith('unix:')) {
      const path = address.slice('unix:'.length)
      // What a process that was killed has left.
      rmSync(path, { force: true })
      this.#server = Bun.serve({ unix: path, ...common })
    } else {
      const at = address.lastIndexOf(':')
      const hostname = address.slice(0, at).replace(/^\[(.*)\]$/, '$1')
      const port = Number(address.slice(at + 1))
      this.#server = Bun.serve({ hostname, port, idleTimeout: idleSeconds, reusePort: false, ...common })
    }
  }

  /** Cuts whatever is left. */
  async close(): Promise<void> {
    await this.#server.stop(true)
  }

  async #serve(request: Request, server: Server<ChannelData>): Promise<Response | undefined> {
    const { url, method } = request
    const start = url.indexOf('/', 'http://'.length)
    const path = start < 0 ? '/' : url.slice(start)
    if (path === pingTarget && method === 'GET')
      return new Response(this.#parts.instance, { headers: this.#proofFor(request, path) })
    if (path === channelTarget && method === 'GET') return this.#channel(request, server)
    const target = ownTargets.includes(path) ? path : readTarget(url)
    if (target === null || (typeof target !== 'string' && target.area !== 'mcp'))
      return this.#refuse('it is for no endpoint')
    const carried = this.#carried(request, path)
    if (typeof carried === 'string') return this.#refuse(carried)
    server.timeout(request, 0)
    const body = await this.#bodyOf(request)
    if (body === undefined) return this.#refuse('its body is too large, or has no length')
    if (digestOfBody(body) !== carried.digest) return this.#refuse('it came with another body')
    this.lastServedMs = performance.now()
    if (typeof target === 'string') {
      const { takeHanded, prepareComing } = this.#parts
      const taken = target === handedTarget ? takeHanded(body ?? '') : await prepareComing(body ?? '')
      return new Response(null, { status: taken ? 204 : 400 })
    }
    const response = await this.#answer(request, target, carried, body)
    // A limit that was lifted would otherwise stay off while the connection idles.
    server.timeout(request, idleSeconds)
    return response
  }

  /** Nothing where it has become a channel. */
  #channel(request: Request, server: Server<ChannelData>): Response | undefined {
    const carried = this.#carried(request, channelTarget)
    if (typeof carried === 'string') return this.#refuse(carried)
    const headers = this.#proofFor(request, channelTarget)
    const isOpen = server.upgrade(request, { data: { end: null }, headers })
    return isOpen ? undefined : this.#refuse('it opens no channel')
  }

  /** For whoever asks who is here: it is told to anybody, and says nothing of a secret. */
  #proofFor({ headers }: Request, target: string): Record<string, string> {
    const { seal, instance, address } = this.#parts
    const proof = proofFor(headers.get(challengeHeader), seal, instance, { address, target })
    return proof === null ? {} : { [proofHeader]: proof }
  }

  /** A message on a channel. What it says of requests that were made before counts in any case. */
  #opened(text: string): OpenedMessage | null {
    const { instance } = this.#parts
    const nowMs = this.#parts.nowMs()
    const message = readMessage(text, instance, nowMs, this.#codes)
    if (message === null) return null
    const { from, serial, frames } = message
    const isNew = message.refusal === null && this.#serials.take(from, serial, nowMs)
    const refusal = message.refusal ?? (isNew ? null : 'it has come before')
    if (refusal === null) this.lastServedMs = performance.now()
    return {
      frames,
      brought: (head, body) => (refusal === null ? this.#brought(from, head, body) : this.#refuse(refusal)),
    }
  }

  #brought(from: InstanceId, head: string, body: string): BroughtCall | Response {
    const brought = this.#reader.read(head)
    if (brought === null) return this.#refuse('it is of another form, or for no endpoint')
    const { requestId, common } = brought
    const request = new BroughtRequest(common.url, common.headers, body)
    const { principal, peer, client, base, target } = common
    const carried = { from, requestId, principal, peer, client, base }
    return {
      request,
      answer: () => this.#answer(request, target, carried, null).catch((error) => this.#failed(error)),
    }
  }

  /** Null for a request that has none; undefined for one that is not taken. */
  async #bodyOf(request: Request): Promise<string | null | undefined> {
    if (request.method !== 'POST') return null
    const announced = request.headers.get('content-length')
    // Of the other kind a body holds the events of a session, which have a bound of their own where they were made.
    const bytesMax = request.url.endsWith(handedTarget) ? handedBytesMax : 4 * this.#parts.bodyBytesMax()
    if (announced === null || !(Number(announced) <= bytesMax)) return undefined
    return await request.text()
  }

  #carried(request: Request, target: string): Carried | string {
    const { instance } = this.#parts
    const nowMs = this.#parts.nowMs()
    const { headers, method } = request
    const sessionId = target.includes('/message?')
      ? (new URL(request.url).searchParams.get('sessionId') ?? null)
      : headers.get('mcp-session-id')
    const signed = { method, target, sessionId }
    const carried = readHeader(headers.get(forwardedHeader), signed, instance, nowMs, this.#codes)
    if (typeof carried === 'string') return carried
    return this.#serials.take(carried.from, carried.serial, nowMs) ? carried : 'it has come before'
  }

  async #answer(request: Request, target: Target, carried: Bearing, body: string | null): Promise<Response> {
    const { principals, access, recorder, handlers } = this.#parts
    const startedAtMs = performance.now()
    const known = carried.principal && principals.of(carried.principal)
    const principal = known instanceof Promise ? await known : known
    if (principal === null) return this.#refuse('nobody here knows who asks')
    // A server may take the caller's token in exchange: it is judged here, on nobody's word. Only that of a person is:
    // an issuer may be asked about it, and a token of this gateway is for nobody else.
    const { identity } = access
    const isOfPerson = identity?.keepsTokens === true && personOf(principal) !== null
    const token = isOfPerson ? bearerOf(request.headers.get('authorization')) : null
    if (identity && token !== null) await identity.identify(token, digestOfAsked(token), target, () => null)
    const context: RequestContext = {
      request,
      place: 0,
      requestId: carried.requestId,
      area: target.area,
      path: target.path,
      server: target.server,
      endpoint: target.endpoint,
      peer: carried.peer as SocketAddress | null,
      client: carried.client as ClientAddress | null,
      externalBase: carried.base,
      principal,
      startedAtMs,
      forwardedBy: carried.from,
      admittedBy: access,
      rulesVersion: access.version,
      bodyRead: true,
      untimed: false,
      log: emptyLog(),
    }
    attachContext(request, context)
    // It was read to be checked; the routes read it once more.
    if (body !== null) Object.defineProperty(request, 'text', { value: () => Promise.resolve(body) })
    const response = await handlerOf(handlers, target)(request, context, target.server)
    recordAnswer(recorder, request, response, context, isEventStream(response))
    return response
  }

  #failed(error: unknown): Response {
    this.#parts.log.error({ reason: reasonOf(error) }, 'a forwarded request failed outside its route')
    return new Response(null, { status: 500 })
  }

  #refuse(why: string): Response {
    const nowMs = performance.now()
    if (nowMs - this.#refusalsSinceMs > 60_000) {
      this.#refusalsSinceMs = nowMs
      this.#refusals = 0
    }
    if (++this.#refusals <= refusalsLoggedMax)
      this.#parts.log.warn({ reason: why }, 'a request at the internal port was refused')
    return new Response(null, { status: 403, headers: { [refusedHeader]: '1' } })
  }
}

function handlerOf(handlers: McpHandlers, { endpoint }: Target): McpHandlers['stream'] {
  if (endpoint === 'message' || endpoint === 'message/') return handlers.message
  return endpoint.startsWith('sse') ? handlers.sse : handlers.stream
}
