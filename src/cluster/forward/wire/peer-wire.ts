/**
 * Requests to other members of the cluster, over connections of the gateway's own: TCP, or a socket of this machine.
 * What matters here is what is known of a request that failed: whether it may have run, or certainly has not.
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
import type { ChannelAddress, ChannelSigning, FrontChannel } from './channel/front-channel.ts'
import { FrontChannels } from './channel/front-channels.ts'

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

/** The path of the question for a sign of life; its answer is the instance. */
export const pingTarget = '/ping'

/** The host itself has said so: nobody listens there. A network that leads nowhere says nothing of the member. */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])

export class PeerWire {
  readonly #channels = new FrontChannels()
  readonly #connections = new Http1Connections({ idleMsMax: keptMs, idleCountMax: keptCountMax })
  /** When each address was heard last, monotonic. */
  readonly #heardAtMs = new Map<PeerAddress, number>()
  /** Whoever asks meanwhile waits for the same answer. */
  readonly #pings = new Map<PeerAddress, Promise<PingAnswer>>()

  /**
   * Sends a request once. `instance` is who must be there: a silent address is asked first, and a request is not
   * written to anybody else.
   */
  async send(
    address: PeerAddress,
    instance: InstanceId,
    head: RequestHead,
    body: string | null,
    cancellation: Cancellation,
  ): Promise<Sent> {
    if (this.#isSilent(address) && (await this.ping(address)) !== instance) return { kind: 'unsent' }
    const href = hrefOf(address)
    const idle = this.#connections.take(href)
    if (idle !== null) {
      const sent = await this.#exchange(idle, address, head, body, cancellation)
      // The other end had closed it, which had not been noticed yet.
      if (sent.kind !== 'unsent') return sent
    }
    const opened = await this.#open(href, cancellation)
    if (opened === null || opened === 'refused') return { kind: 'unsent' }
    return await this.#exchange(opened, address, head, body, cancellation)
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
    const opening = { signing, heard: () => this.heard(address) }
    if (!this.#isSilent(address)) return this.#channels.to(instance, addressOf(address), opening)
    return this.ping(address).then((there) =>
      there === instance ? this.#channels.to(instance, addressOf(address), opening) : null,
    )
  }

  /** A member is dead: nothing is sent to it any more. */
  gone(instance: InstanceId): void {
    this.#channels.gone(instance)
  }

  #isSilent(address: PeerAddress): boolean {
    const heardAtMs = this.#heardAtMs.get(address)
    return heardAtMs === undefined || performance.now() - heardAtMs > silenceMs
  }

  /** Who listens at an address; `refused` where nobody does, null where nothing is answered in time. */
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
    try {
      const opened = await this.#open(hrefOf(address), cancellation)
      if (opened === null || opened === 'refused') return opened
      const text = `GET ${pingTarget} HTTP/1.1\r\nhost: peer\r\n\r\n`
      const sent = await this.#exchange(opened, address, { text, isAscii: true }, null, cancellation)
      if (sent.kind !== 'answered') return null
      const pieces = await sent.answer.pieces(pingBytesMax)
      return sent.answer.status === 200 && pieces !== null ? Buffer.concat(pieces).toString() : null
    } catch {
      return null
    } finally {
      clearTimeout(timer)
    }
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

  async #open(href: string, cancellation: Cancellation): Promise<Http1Connection | 'refused' | null> {
    const late = Cancellation.after(connectMs)
    const giveUp = { cancelled: () => late.cancel() }
    cancellation.add(giveUp)
    try {
      return await this.#connections.open(href, late)
    } catch (thrown) {
      return refusals.has(codeOf(thrown)) ? 'refused' : null
    } finally {
      cancellation.remove(giveUp)
    }
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
          this.heard(address)
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
