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
import type { Cancellation } from '../../../upstream/transports/http/client/answer/cancellation.ts'
import type { Http1Answer } from '../../../upstream/transports/http/client/http1/answer.ts'
import type { InstanceId } from '../../directory/directory.ts'
import { writeBrought } from './channel/brought.ts'
import { bodyCharsMax, headCharsMax } from './channel/frames.ts'
import { type ChannelSigning, channelTarget } from './channel/front-channel.ts'
import { AnswerHeads, type ChannelSent } from './channel/sent-request.ts'
import { Flight, Flights, type WaitingClient } from './flights.ts'
import { forwardedHeader, ownerHeader, refusedHeader } from './forwarded-header.ts'
import type { PeerAddress, PeerWire } from './peer-wire.ts'
import { type Bearer, ownBearer, type Signer } from './signer.ts'

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
  /** The session that it names; null for none. */
  readonly sessionId: string | null
  /** As they came from the client. */
  readonly headers: Headers
  readonly body: string | null
  /** JSON text of the id under which a failure is told; null where it is told in another way. */
  readonly idText: string | null
  readonly client: WaitingClient
  /** Whose it is. */
  readonly bearer: Bearer
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

const misdirected = 421
/** Of the runtime: a client's headers left no room for that of the members. No server behind a member says so. */
const headersTooLarge = 431

/** An answer of this size comes whole; a larger one is handed on as it comes. */
const wholeBytesMax = 64 * 1024

// biome-ignore lint/suspicious/noControlCharactersInRegex: what is outside ASCII is told by where it ends.
const ascii = /^[\x00-\x7f]*$/

export class Forwarder {
  readonly #wire: PeerWire
  readonly #signer: Signer
  readonly #flights = new Flights()
  readonly #heads = new AnswerHeads()
  #leaves = false

  constructor(wire: PeerWire, signer: Signer) {
    this.#wire = wire
    this.#signer = signer
  }

  /** Sends it to a member, once. */
  async send(peer: Peer, outgoing: Outgoing): Promise<Forwarded> {
    const flight = new Flight(peer.instance, outgoing.method === 'POST', outgoing.client)
    this.#flights.add(flight)
    const small = this.#small(outgoing)
    if (small !== null) {
      const opening = this.#wire.channel(peer.address, peer.instance, this.#signing)
      const channel = opening instanceof Promise ? await opening : opening
      if (channel !== null) {
        const sent = await channel.send(small.head, small.body, flight.cancellation)
        return this.#onChannel(peer, sent, outgoing.idText, flight)
      }
    }
    return await this.#onConnection(peer, outgoing, flight)
  }

  /** A member is dead: what waits for it ends. */
  gone(instance: InstanceId): void {
    this.#flights.cancel(instance)
    this.#wire.gone(instance)
  }

  /** What goes over a channel of a request that does; null for others. */
  #small({ method, target, body, bearer, headers }: Outgoing): Small | null {
    const { principal, peer, client, base } = bearer
    if (method !== 'POST' || body === null || body.length > bodyCharsMax || principal === null) return null
    const passed: string[] = []
    headers.forEach((value, name) => {
      if (isPassedOn(name)) passed.push(name, value)
    })
    const head = writeBrought(bearer.requestId, { principal, peer, client, base, target, headers: passed })
    return head.length <= headCharsMax ? { head, body } : null
  }

  /** How this member is known at the other end of a channel. */
  readonly #signing: ChannelSigning = {
    opening: (instance) =>
      this.#signer.sign(instance, { method: 'GET', target: channelTarget, sessionId: null }, null, ownBearer),
    message: (instance, frames) => this.#signer.signMessage(instance, frames),
  }

  #onChannel(peer: Peer, sent: ChannelSent, idText: string | null, flight: Flight): Forwarded {
    if (sent.kind === 'unsent' || sent.kind === 'lost') {
      this.#flights.delete(flight)
      return sent
    }
    const { status } = sent
    const { headers, owner, isRefusal, mediaType } = this.#heads.read(sent.head)
    if (sent.kind === 'pieces') {
      const body = this.#passing(peer, sent.pieces, mediaType, idText, flight)
      return { kind: 'answered', response: responseOf(body, { status, headers }, mediaType) }
    }
    this.#flights.delete(flight)
    if (status === misdirected && owner !== null)
      return { kind: 'misdirected', owner: owner === '' ? null : owner }
    if (isRefusal) return { kind: 'refused' }
    return {
      kind: 'answered',
      response: new Response(sent.text === '' ? null : sent.text, { status, headers }),
    }
  }

  /** On a connection of its own meanwhile: whatever is no small message. */
  async #onConnection(peer: Peer, outgoing: Outgoing, flight: Flight): Promise<Forwarded> {
    const { address, instance } = peer
    const { body, bearer, idText } = outgoing
    const text = headOf(outgoing, this.#signer.sign(instance, outgoing, body, bearer))
    const head = { text, isAscii: ascii.test(text) }
    const sent = await this.#wire.send(address, instance, head, body, flight.cancellation)
    const forwarded = sent.kind === 'answered' ? this.#answered(peer, sent.answer, idText, flight) : sent
    // A body that is handed on as it comes ends its flight itself.
    if (forwarded instanceof Promise) return await forwarded.finally(() => this.#flights.delete(flight))
    if (forwarded.kind !== 'answered') this.#flights.delete(flight)
    return forwarded
  }

  /** This member goes: streams that it passes on end in good order, and their clients come back elsewhere. */
  leave(): void {
    this.#leaves = true
    this.#flights.cancel(null)
  }

  /** The members at which requests are under way. */
  waitedFor(): ReadonlySet<InstanceId> {
    return this.#flights.instances()
  }

  /** How many calls are under way elsewhere. */
  get callsUnderWay(): number {
    return this.#flights.calls
  }

  #answered(
    peer: Peer,
    answer: Http1Answer,
    idText: string | null,
    flight: Flight,
  ): Forwarded | Promise<Forwarded> {
    const owner = answer.header(ownerHeader)
    if (answer.status === misdirected && owner !== null) {
      answer.discard()
      return { kind: 'misdirected', owner: owner === '' ? null : owner }
    }
    if (answer.header(refusedHeader) !== null || answer.status === headersTooLarge) {
      answer.discard()
      return { kind: 'refused' }
    }
    const init = { status: answer.status, headers: headersOf(answer) }
    const bytes = Number(answer.header('content-length') ?? Number.NaN)
    if (bytes <= wholeBytesMax || answer.status === 204) return whole(answer, init)
    const body = this.#passing(peer, answer, answer.mediaType, idText, flight)
    return { kind: 'answered', response: responseOf(body, init, answer.mediaType) }
  }

  #passing(
    { address }: Peer,
    pieces: Pieces,
    mediaType: string,
    idText: string | null,
    flight: Flight,
  ): ReadableStream<Uint8Array> {
    const isStream = mediaType === eventStream
    return bodyOf(pieces, {
      idText: isStream ? idText : null,
      cancellation: flight.cancellation,
      heard: () => this.#wire.heard(address),
      done: () => this.#flights.delete(flight),
      leaves: () => isStream && this.#leaves,
    })
  }
}

/** What of a request goes over a channel. */
interface Small {
  readonly head: string
  readonly body: string
}

/** A body that comes piece by piece. */
interface Pieces {
  /** Null behind the last one. Rejects where it broke off. */
  next(): Uint8Array | null | Promise<Uint8Array | null>
}

const eventStream = 'text/event-stream'

function responseOf(body: ReadableStream<Uint8Array>, init: ResponseInit, mediaType: string): Response {
  const response = new Response(body, init)
  return mediaType === eventStream ? markEventStream(response) : response
}

async function whole(answer: Http1Answer, init: ResponseInit): Promise<Forwarded> {
  try {
    const pieces = (await answer.pieces(wholeBytesMax)) ?? []
    const body = pieces.length === 0 ? null : joined(pieces)
    return { kind: 'answered', response: new Response(body, init) }
  } catch {
    return { kind: 'lost' }
  }
}

interface Passing {
  /** The request that is answered before its stream is cut; null for none. */
  readonly idText: string | null
  readonly cancellation: Cancellation
  /** More has come. */
  heard(): void
  /** Nothing more comes. */
  done(): void
  /** Whether a stream breaks off because this member goes. */
  leaves(): boolean
}

/** The body as it comes. One that breaks off is cut; on an event stream the request is answered first. */
function bodyOf(
  answer: Pieces,
  { idText, cancellation, heard, done, leaves }: Passing,
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
          // The call goes on at its owner, and its client resumes the stream elsewhere.
          if (leaves() && (idText === null || place.hasIds)) controller.close()
          else if (idText === null) controller.error(thrown)
          else {
            const last = eventFrame(rpcErrorText(ownerLostError(), idText), null, null)
            controller.enqueue(encoder.encode(place.isBetween ? last : `\n\n${last}`))
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
function headOf({ method, target, headers, body }: Outgoing, signed: string): string {
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${headers.get('host') ?? 'gateway'}`]
  headers.forEach((value, name) => {
    if (isPassedOn(name)) lines.push(`${name}: ${value}`)
  })
  lines.push(`${forwardedHeader}: ${signed}`, body === null ? '\r\n' : '')
  return lines.join('\r\n')
}

/** Nobody but a member says whose a request is. */
function isPassedOn(name: string): boolean {
  return !framingHeaders.has(name) && name !== forwardedHeader
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
/** Of `id:`. */
const letterI = 0x69
const letterD = 0x64
const encoder = new TextEncoder()

/** Where in an event stream one is by what has passed so far. */
class EventPlace {
  #last = lineFeed
  #beforeLast = lineFeed
  /** True once it was seen to begin with an event id: its client can resume it. */
  hasIds = false
  #begun = false

  get isBetween(): boolean {
    return this.#last === lineFeed && this.#beforeLast === lineFeed
  }

  passed(piece: Uint8Array): void {
    if (!this.#begun) this.hasIds = piece[0] === letterI && piece[1] === letterD
    this.#begun = true
    this.#beforeLast = piece.at(-2) ?? this.#last
    this.#last = piece.at(-1) ?? this.#last
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(pieces.length === 1 ? (pieces[0] ?? []) : Buffer.concat(pieces))
}
