/**
 * Which headers of which sender have been seen: each counts once. A sender counts its headers, and they come on many
 * connections, so that one may overtake others: of the last ones it is remembered which have come, and what is older
 * counts no more. That takes eight kilobytes for each sender, however many it sends.
 *
 * Pure.
 */
import type { InstanceId } from '../../directory/directory.ts'
import { headerLivesMs } from './forwarded-header.ts'

/** How far one may fall behind the newest of its sender. */
const windowSerials = 65_536
/** More members than a cluster has, even while all of them are replaced. */
const sendersMax = 1_024

interface Sender {
  newest: number
  lastAtMs: number
  /** One bit for each serial of the window, by its remainder. */
  readonly seen: Uint32Array
}

export class Serials {
  readonly #senders = new Map<InstanceId, Sender>()

  /** Takes note of a header. False where it was seen before, is too far behind, or there is no room for its sender. */
  take(from: InstanceId, serial: number, nowMs: number): boolean {
    const sender = this.#senderOf(from, nowMs)
    if (sender === null || serial <= sender.newest - windowSerials) return false
    if (serial > sender.newest) this.#forward(sender, serial)
    else if (this.#bit(sender, serial)) return false
    const at = serial % windowSerials
    sender.seen[at >>> 5] = (sender.seen[at >>> 5] ?? 0) | (1 << (at & 31))
    sender.lastAtMs = nowMs
    return true
  }

  #bit({ seen }: Sender, serial: number): boolean {
    const at = serial % windowSerials
    return ((seen[at >>> 5] ?? 0) & (1 << (at & 31))) !== 0
  }

  /** Moves the window on; the serials that enter it have not been seen. */
  #forward(sender: Sender, serial: number): void {
    if (serial - sender.newest >= windowSerials) sender.seen.fill(0)
    else
      for (let entering = sender.newest + 1; entering <= serial; entering++) {
        const at = entering % windowSerials
        sender.seen[at >>> 5] = (sender.seen[at >>> 5] ?? 0) & ~(1 << (at & 31))
      }
    sender.newest = serial
  }

  #senderOf(from: InstanceId, nowMs: number): Sender | null {
    const known = this.#senders.get(from)
    if (known !== undefined) return known
    if (this.#senders.size >= sendersMax && !this.#forgetOne(nowMs)) return null
    const sender: Sender = { newest: 0, lastAtMs: nowMs, seen: new Uint32Array(windowSerials / 32) }
    this.#senders.set(from, sender)
    return sender
  }

  /** Only one whose last header is too old by now: it could be sent again otherwise. */
  #forgetOne(nowMs: number): boolean {
    for (const [instance, { lastAtMs }] of this.#senders) {
      if (nowMs - lastAtMs <= 2 * headerLivesMs) continue
      this.#senders.delete(instance)
      return true
    }
    return false
  }
}
