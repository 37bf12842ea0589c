/**
 * Requests to other members of the cluster, over connections of the gateway's own: TCP, or a socket of this machine.
 * What matters here is what is known of a request that failed: whether it may have run, or certainly has not; and that
 * nothing is written on a connection before the other end has proven on it that it is the member that is meant.
 */
import { Cancellation } from '../../../upstream/transports/http/client/answer/cancellation.ts'
import { Http1Answer } from '../../../upstream/transports/http/client/http1/answer.ts'
import type {
  Http1Connection,
  RequestHead,
} from '../../../upstream/transports/http/client/http1/connection.ts'
import { Http1Connections } from '../../../upstream/transports/http/client/http1/connections.ts'
import type { InstanceId } from '../../directory/directory.ts'
import type { PingAnswer } from '../../membership.ts'
import type { Seal } from '../../seal.ts'
import {
  type ChannelAddress,
  type ChannelSigning,
  channelTarget,
  type FrontChannel,
} from './channel/front-channel.ts'
import { FrontChannels } from './channel/front-channels.ts'
import { Challenge, challengeHeader, proofHeader } from './member-proof.ts'

/** `host:port` with IPv6 in brackets, or `unix:` and the path of a socket. */
export type PeerAddress = string

/** What became of a request. */
export type Sent =
  | { readonly kind: 'answered'; readonly answer: Http1Answer }
  /** Nothing of it was written: it has not run. */
  | { readonly kind: 'unsent' }
  /** It was written and no answer has begun: it may have run. */
  | { readonly kind: 'lost' }

/** Members keep their connections; the receiver closes idle ones later than that (internal-listener.ts). */
const keptMs = 60_000
const keptCountMax = 1_024
const connectMs = 1_000
/** Whoever has not been heard for so long is asked for a sign of life before a request is written to it. */
const silenceMs = 1_000
const pingMs = 500
/** Members come and go; so many addresses are remembered. */
const addressesMax = 1_024

/** The path of the question who is there; its answer is the instance, with a proof for a challenge. */
export const pingTarget = '/ping'

/** The host itself has said so: nobody listens there. A network that leads nowhere says nothing of the member. */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])

/** A connection, and who has proven to be at its other end. */
interface Met {
  readonly connection: Http1Connection
  readonly instance: InstanceId
}

export class PeerWire {
  readonly #seal: Pick<Seal, 'verifies'>
  readonly #channels = new FrontChannels()
  readonly #connections = new Http1Connections({ idleMsMax: keptMs, idleCountMax: keptCountMax })
  /** When each address was heard last, monotonic. */
  readonly #heardAtMs = new Map<PeerAddress, number>()
  /** Whoever asks meanwhile waits for the same answer. */
  readonly #pings = new Map<PeerAddress, Promise<PingAnswer>>()
  /** Who has proven to be at the other end of each connection. */
  readonly #proven = new WeakMap<Http1Connection, InstanceId>()

  constructor(seal: Pick<Seal, 'verifies'>) {
    this.#seal = seal
  }

  /**
   * Sends a request once. `instance` is who must be there: a silent address is asked first, each connection as well, and
   * a request is not written to anybody else.
   */
  async send(
    address: PeerAddress,
    instance: InstanceId,
    head: RequestHead,
    body: string | null,
    cancellation: Cancellation,
  ): Promise<Sent> {
    if (this.isSilent(address) && (await this.ping(address)) !== instance) return { kind: 'unsent' }
    const idle = this.#idle(address, instance)
    if (idle !== null) {
      const sent = await this.#exchange(idle, address, head, body, cancellation)
      // The other end had closed it, which had not been noticed yet.
      if (sent.kind !== 'unsent') return sent
    }
    const met = await this.#meet(address, cancellation)
    if (met === null || typeof met === 'string') return { kind: 'unsent' }
    if (met.instance === instance)
      return await this.#exchange(met.connection, address, head, body, cancellation)
    met.connection.destroy()
    return { kind: 'unsent' }
  }

  /**
   * The channel to a member, for small requests; null where there is none and they go the way of all others. A
   * silent address is asked first, as above.
   */
  channel(
    address: PeerAddress,
    instance: InstanceId,
    signing: ChannelSigning,
  ): FrontChannel | null | Promise<FrontChannel | null> {
    const opening = {
      signing,
      heard: () => this.heard(address),
      challenge: () => new Challenge(this.#seal, { address, target: channelTarget }),
    }
    if (!this.isSilent(address)) return this.#channels.to(instance, addressOf(address), opening)
    return this.ping(address).then((there) => {
      if (there === instance) return this.#channels.to(instance, addressOf(address), opening)
      this.#channels.unheard(instance)
      return null
    })
  }

  /** A member is dead: nothing is sent to it any more. */
  gone(instance: InstanceId): void {
    this.#channels.gone(instance)
  }

  /** Whether nothing has come from there for a while. */
  isSilent(address: PeerAddress): boolean {
    const heardAtMs = this.#heardAtMs.get(address)
    return heardAtMs === undefined || performance.now() - heardAtMs > silenceMs
  }

  /**
   * Who has proven to listen at an address; `refused` where nobody does, `stranger` where somebody else answers as a
   * member would and proves nothing, null where nothing is answered in time.
   */
  ping(address: PeerAddress): Promise<PingAnswer> {
    const running = this.#pings.get(address)
    if (running !== undefined) return running
    const ping = this.#ping(address).finally(() => this.#pings.delete(address))
    this.#pings.set(address, ping)
    return ping
  }

  async #ping(address: PeerAddress): Promise<PingAnswer> {
    const cancellation = new Cancellation()
    const timer = setTimeout(() => cancellation.cancel(), pingMs)
    const met = await this.#meet(address, cancellation)
    clearTimeout(timer)
    if (met === null || typeof met === 'string') return met
    // The next request takes it.
    if (!met.connection.closed) this.#connections.free(met.connection)
    return met.instance
  }

  /** A connection that idles and whose other end is this member. */
  #idle(address: PeerAddress, instance: InstanceId): Http1Connection | null {
    const idle = this.#connections.take(hrefOf(address))
    if (idle === null) return null
    const there = this.#proven.get(idle)
    if (there === instance) return idle
    // Its answer is being looked at.
    if (there === undefined) this.#connections.free(idle)
    else idle.destroy()
    return null
  }

  /** Opens a connection and has whoever is there prove who it is. */
  async #meet(
    address: PeerAddress,
    cancellation: Cancellation,
  ): Promise<Met | 'refused' | 'stranger' | null> {
    const late = Cancellation.after(connectMs)
    const giveUp = { cancelled: () => late.cancel() }
    cancellation.add(giveUp)
    try {
      const connection = await this.#connections.open(hrefOf(address), late)
      const instance = await this.#asked(connection, address, late)
      if (instance === null || instance === 'stranger') {
        // What idles is for whoever was there before.
        if (instance === 'stranger') this.#heardAtMs.delete(address)
        connection.destroy()
        return instance
      }
      // It idles since it has answered.
      if (!this.#connections.claim(connection)) connection.destroy()
      this.#proven.set(connection, instance)
      this.heard(address)
      return { connection, instance }
    } catch (thrown) {
      return refusals.has(codeOf(thrown)) ? 'refused' : null
    } finally {
      cancellation.remove(giveUp)
    }
  }

  /** Who has proven to be at the other end; null where nothing of the kind is answered. */
  async #asked(
    connection: Http1Connection,
    address: PeerAddress,
    cancellation: Cancellation,
  ): Promise<InstanceId | 'stranger' | null> {
    const challenge = new Challenge(this.#seal, { address, target: pingTarget })
    const text = `GET ${pingTarget} HTTP/1.1\r\nhost: peer\r\n${challengeHeader}: ${challenge.nonce}\r\n\r\n`
    const sent = await this.#exchange(connection, address, { text, isAscii: true }, null, cancellation)
    if (sent.kind !== 'answered') return null
    const { answer } = sent
    if ((await answer.pieces(pingBytesMax)) === null || answer.status !== 200) return null
    return challenge.provenBy(answer.header(proofHeader)) ?? 'stranger'
  }

  /** Notes that a member was heard. */
  heard(address: PeerAddress): void {
    // Whoever is forgotten is asked for a sign of life first.
    if (this.#heardAtMs.size >= addressesMax) this.#heardAtMs.clear()
    this.#heardAtMs.set(address, performance.now())
  }

  close(): void {
    this.#channels.close()
    this.#connections.close()
    this.#heardAtMs.clear()
  }

  #exchange(
    connection: Http1Connection,
    address: PeerAddress,
    head: RequestHead,
    body: string | null,
    cancellation: Cancellation,
  ): Promise<Sent> {
    return new Promise((resolve) => {
      const exchange = new Http1Answer(peerUrl, cancellation, {
        answered: () => {
          if (this.#proven.has(connection)) this.heard(address)
          resolve({ kind: 'answered', answer: exchange })
        },
        failed: () => resolve({ kind: 'lost' }),
      })
      if (cancellation.happened) {
        connection.destroy()
        resolve({ kind: 'unsent' })
      } else if (!connection.begin(exchange, head, body)) resolve({ kind: 'unsent' })
    })
  }
}

const pingBytesMax = 256
/** Only errors name it, and none of these is shown. */
const peerUrl = new URL('http://peer/')

function hrefOf(address: PeerAddress): string {
  return address.startsWith('unix:') ? address : `http://${address}`
}

function addressOf(address: PeerAddress): ChannelAddress {
  if (address.startsWith('unix:')) return { unix: address.slice('unix:'.length) }
  const at = address.lastIndexOf(':')
  return {
    hostname: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(at + 1)),
  }
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Object && 'code' in thrown ? thrown.code : ''
  return typeof code === 'string' ? code : ''
}
