/** The channels of this member to others: opened when they are needed, and closed when nobody has used them for a while. */
import type { InstanceId } from '../../../directory/directory.ts'
import {
  type ChannelAddress,
  type ChannelChallenge,
  type ChannelSigning,
  FrontChannel,
} from './front-channel.ts'

/** What opening one takes. */
export interface ChannelOpening {
  readonly signing: ChannelSigning
  heard(): void
  /** A question to whoever is there. */
  challenge(): ChannelChallenge
}

/** Members keep their channels for longer than that. */
const keptMs = 60_000
const sweepMs = 10_000
const openMs = 1_000
/** A member of an older version has none; it is asked again after this long. */
const withoutMs = 60_000
/** Members come and go; so many are remembered. */
const membersMax = 1_024

interface Known {
  channel: FrontChannel | null
  /** While it is being opened: true when it is there. */
  opening: Promise<boolean> | null
  /** Until then it is not asked for one. */
  withoutUntilMs: number
}

export class FrontChannels {
  readonly #known = new Map<InstanceId, Known>()
  #sweep: ReturnType<typeof setTimeout> | null = null
  #closed = false

  /** The channel to a member; null where it has none, or does not take what it is sent. */
  to(
    instance: InstanceId,
    address: ChannelAddress,
    opening: ChannelOpening,
  ): FrontChannel | null | Promise<FrontChannel | null> {
    const known = this.#knownOf(instance)
    if (known === null) return null
    const { channel } = known
    if (channel !== null) return channel.full ? null : channel
    if (known.opening === null) {
      if (performance.now() < known.withoutUntilMs) return null
      known.opening = this.#open(known, instance, address, opening).finally(() => {
        known.opening = null
      })
    }
    return known.opening.then(() => known.channel)
  }

  /** A member does not answer: what was last written to it may be on its way for as long again. */
  unheard(instance: InstanceId): void {
    const channel = this.#known.get(instance)?.channel
    if (channel?.busy === 0) channel.close()
  }

  /** A member is dead. */
  gone(instance: InstanceId): void {
    this.#known.get(instance)?.channel?.close()
    this.#known.delete(instance)
  }

  close(): void {
    this.#closed = true
    if (this.#sweep !== null) clearTimeout(this.#sweep)
    for (const { channel } of [...this.#known.values()]) channel?.close()
    this.#known.clear()
  }

  #knownOf(instance: InstanceId): Known | null {
    const found = this.#known.get(instance)
    if (found !== undefined) return found
    if (this.#closed || this.#known.size >= membersMax) return null
    const known: Known = { channel: null, opening: null, withoutUntilMs: 0 }
    this.#known.set(instance, known)
    this.#sweepLater()
    return known
  }

  async #open(
    known: Known,
    instance: InstanceId,
    address: ChannelAddress,
    { signing, heard, challenge }: ChannelOpening,
  ): Promise<boolean> {
    let isLate = false
    const gone = (channel: FrontChannel): void => {
      if (known.channel === channel) known.channel = null
    }
    const opened = FrontChannel.open(instance, address, signing, { heard, gone }, challenge()).then(
      (channel) => {
        if (!isLate && !this.#closed) return channel
        channel?.close()
        return null
      },
      () => undefined,
    )
    const late = Bun.sleep(openMs).then(() => {
      isLate = true
      return undefined
    })
    const channel = await Promise.race([opened, late])
    // Nobody was reached: the other way finds out more.
    if (channel === undefined) return false
    if (channel === null) known.withoutUntilMs = performance.now() + withoutMs
    else if (!channel.closed) known.channel = channel
    return known.channel !== null
  }

  #sweepLater(): void {
    if (this.#sweep !== null) return
    this.#sweep = setTimeout(() => {
      this.#sweep = null
      const nowMs = performance.now()
      for (const [instance, { channel, opening, withoutUntilMs }] of this.#known) {
        if (channel !== null && channel.busy === 0 && channel.usedAtMs + keptMs < nowMs) channel.close()
        if (channel?.closed !== false && opening === null && withoutUntilMs < nowMs)
          this.#known.delete(instance)
      }
      if (this.#known.size > 0) this.#sweepLater()
    }, sweepMs)
    this.#sweep.unref()
  }
}
