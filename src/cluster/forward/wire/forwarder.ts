/**
 * Passes a request on to another member and its answer back, byte for byte as they come: the first byte at once, no
 * faster than the client reads, and as long as it takes.
 *
 * A request is sent once. What may have run is never sent again: that it has not is proved by a connection that was
 * refused, or by the answer 421, which is given before anything runs.
 */
import { GatewayError, rpcErrorText } from '../../../errors.ts'
import { framingHeaders } from '../../../net/header-policy.ts'
import { eventFrame, markEventStream } from '../../../session/event-stream.ts'
import { Cancellation } from '../../../upstream/transports/http/client/answer/cancellation.ts'
import type { Http1Answer } from '../../../upstream/transports/http/client/http1/answer.ts'
import type { InstanceId } from '../../directory/directory.ts'
import { forwardedHeader } from './forwarded-header.ts'
import type { PeerAddress, PeerWire } from './peer-wire.ts'

/** Another member, as far as a request to it needs to know. */
export interface Peer {
  readonly instance: InstanceId
  readonly address: PeerAddress
}

/** A request that is passed on. */
export interface Outgoing {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** As they came from the client. */
  readonly headers: Headers
  readonly body: string | null
  /** JSON text of the id under which a failure is told; null where it is told in another way. */
  readonly idText: string | null
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
}

/** What came of it. */
export type Forwarded =
  | { readonly kind: 'answered'; readonly response: Response }
  /** Not run: it belongs to somebody else by now. */
  | { readonly kind: 'misdirected'; readonly owner: InstanceId | null }
  /** Not run: nobody was reached. */
  | { readonly kind: 'unsent' }
  /** Not run: the other member does not believe this one, or does not know who asks. */
  | { readonly kind: 'refused' }
  /** It may have run. */
  | { readonly kind: 'lost' }

/** Names the owner in an answer 421. */
export const ownerHeader = 'compozy-owner'
/** Marks an answer 403 of a member, which no server behind it has given. */
export const refusedHeader = 'compozy-refused'
const misdirected = 421

/** An answer of this size comes whole; a larger one is handed on as it comes. */
const wholeBytesMax = 64 * 1024

// biome-ignore lint/suspicious/noControlCharactersInRegex: what is outside ASCII is told by where it ends.
const ascii = /^[\x00-\x7f]*$/

export class Forwarder {
  readonly #wire: PeerWire
  /** Requests under way at each member, which end when it is known to be dead. */
  readonly #flights = new Map<InstanceId, Set<Cancellation>>()
  /** Those of them that are no streams of a client that only listens. */
  callsUnderWay = 0

  constructor(wire: PeerWire) {
    this.#wire = wire
  }

  /** Sends it to a member; `signed` is the value of the header that says whose it is, null for none. */
  async send(peer: Peer, outgoing: Outgoing, signed: string | null): Promise<Forwarded> {
    const cancellation = new Cancellation()
    const leave = () => cancellation.cancel()
    outgoing.signal.addEventListener('abort', leave, { once: true })
    const over = this.#begun(peer.instance, cancellation, outgoing.method === 'POST')
    const done = () => {
      outgoing.signal.removeEventListener('abort', leave)
      over()
    }
    const text = headOf(outgoing, signed)
    const head = { text, isAscii: ascii.test(text) }
    const sent = await this.#wire.send(peer.address, peer.instance, head, outgoing.body, cancellation)
    if (sent.kind !== 'answered') {
      done()
      return sent
    }
    const { answer } = sent
    const owner = answer.header(ownerHeader)
    if (answer.status === misdirected && owner !== null) {
      answer.discard()
      done()
      return { kind: 'misdirected', owner: owner === '' ? null : owner }
    }
    if (answer.header(refusedHeader) !== null) {
      answer.discard()
      done()
      return { kind: 'refused' }
    }
    return await this.#answered(peer, answer, outgoing, cancellation, done)
  }

  /** A member is dead: what waits for it ends. */
  gone(instance: InstanceId): void {
    for (const cancellation of [...(this.#flights.get(instance) ?? [])]) cancellation.cancel()
  }

  /** The members at which requests are under way. */
  waitedFor(): readonly InstanceId[] {
    return [...this.#flights.keys()]
  }

  #begun(instance: InstanceId, cancellation: Cancellation, isCall: boolean): () => void {
    const flights = this.#flights.get(instance) ?? new Set()
    this.#flights.set(instance, flights)
    flights.add(cancellation)
    if (isCall) this.callsUnderWay++
    return () => {
      if (!flights.delete(cancellation)) return
      if (isCall) this.callsUnderWay--
      if (flights.size === 0 && this.#flights.get(instance) === flights) this.#flights.delete(instance)
    }
  }

  async #answered(
    { address }: Peer,
    answer: Http1Answer,
    { idText }: Outgoing,
    cancellation: Cancellation,
    done: () => void,
  ): Promise<Forwarded> {
    const headers = headersOf(answer)
    const init = { status: answer.status, headers }
    const bytes = Number(answer.header('content-length') ?? Number.NaN)
    if (bytes <= wholeBytesMax || answer.status === 204) {
      try {
        const pieces = await answer.pieces(wholeBytesMax)
        const body = pieces === null || bytes === 0 ? null : joined(pieces)
        return { kind: 'answered', response: new Response(body, init) }
      } catch {
        return { kind: 'lost' }
      } finally {
        done()
      }
    }
    const isStream = answer.mediaType === 'text/event-stream'
    const body = bodyOf(answer, isStream ? idText : null, cancellation, () => this.#wire.heard(address), done)
    const response = new Response(body, init)
    return { kind: 'answered', response: isStream ? markEventStream(response) : response }
  }
}

/** The body as it comes. One that breaks off is cut; on an event stream the request is answered first. */
function bodyOf(
  answer: Http1Answer,
  idText: string | null,
  cancellation: Cancellation,
  heard: () => void,
  done: () => void,
): ReadableStream<Uint8Array> {
  const place = new EventPlace()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await answer.next()
          if (piece === null) {
            done()
            controller.close()
            return
          }
          heard()
          place.passed(piece)
          controller.enqueue(piece)
        } catch (thrown) {
          done()
          if (idText === null) controller.error(thrown)
          else {
            const last = eventFrame(rpcErrorText(ownerLostError(), idText), null, null)
            controller.enqueue(new TextEncoder().encode(place.isBetween ? last : `\n\n${last}`))
            controller.close()
          }
        }
      },
      cancel() {
        done()
        cancellation.cancel()
      },
    },
    { highWaterMark: 0 },
  )
}

/** What is told of a request that was sent to a member which then was lost. */
export function ownerLostError(): GatewayError {
  return new GatewayError(
    'UPSTREAM_CLOSED',
    'The replica that ran this request was lost. It may have run: look before you call again.',
  )
}

/** The head of the request for another member: what the client has sent, and whose it is. */
function headOf({ method, target, headers, body }: Outgoing, signed: string | null): string {
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${headers.get('host') ?? 'gateway'}`]
  headers.forEach((value, name) => {
    if (!framingHeaders.has(name) && name !== forwardedHeader) lines.push(`${name}: ${value}`)
  })
  if (signed !== null) lines.push(`${forwardedHeader}: ${signed}`)
  lines.push(body === null ? '\r\n' : '')
  return lines.join('\r\n')
}

/** The headers of an answer, without those that belong to its connection. */
function headersOf(answer: Http1Answer): Headers {
  const headers = new Headers()
  for (const [name, value] of answer.headers) {
    if (!framingHeaders.has(name) && name !== 'date') headers.append(name, value)
  }
  return headers
}

const lineFeed = 0x0a

/** Whether what has passed so far ends with the end of an event. */
class EventPlace {
  #last = lineFeed
  #beforeLast = lineFeed

  get isBetween(): boolean {
    return this.#last === lineFeed && this.#beforeLast === lineFeed
  }

  passed(piece: Uint8Array): void {
    this.#beforeLast = piece.at(-2) ?? this.#last
    this.#last = piece.at(-1) ?? this.#last
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(pieces.length === 1 ? (pieces[0] ?? []) : Buffer.concat(pieces))
}
