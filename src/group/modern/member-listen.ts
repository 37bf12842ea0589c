/** What a group listens to at one member in the name of one stateless client. */
import { listChanges } from '../../protocol/eras.ts'
import { isObject } from '../../protocol/json.ts'
import { memberSpan, scanMessage } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import { deadline } from '../../runtime/patience.ts'
import { LaneLosses } from '../../session/lane-losses.ts'
import type { ResponseOwner } from '../../session/modern/response.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { GroupRequest } from './group-request.ts'
import { InnerSink } from './sinks.ts'

/** What is listened to, in the member's own words. */
export interface ListenedTo {
  readonly lists: readonly string[]
  readonly uris: readonly string[]
}

/** Who hears it. */
export interface ListenHearer {
  heard(method: string, params: string | null): void
  /** It is listened to again, after a while in which it was not. */
  missed(): void
  /** The member is gone, or will not be listened to. */
  over(): void
}

export class MemberListen {
  readonly #client: GroupRequest
  readonly #server: Server
  readonly #wanted: ListenedTo
  readonly #hearer: ListenHearer
  readonly #losses = new LaneLosses()
  readonly #acknowledged = Promise.withResolvers<readonly string[]>()
  #owner: ResponseOwner | null = null
  #closed = false
  #times = 0

  constructor(client: GroupRequest, server: Server, wanted: ListenedTo, hearer: ListenHearer) {
    this.#client = client
    this.#server = server
    this.#wanted = wanted
    this.#hearer = hearer
    void this.#listen()
  }

  /** The URIs that the member has accepted; null when it has not said so within this. */
  accepted(waitMs: number): Promise<readonly string[] | null> {
    const { promise, resolve } = Promise.withResolvers<null>()
    const stop = deadline(waitMs, () => resolve(null))
    return Promise.race([this.#acknowledged.promise, promise]).finally(stop)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#owner?.clientGone()
  }

  /** Listens for as long as the member is there; a stream that was cut is opened again. */
  async #listen(): Promise<void> {
    while (!this.#closed && this.#server.state === 'connected') {
      await Bun.sleep(this.#losses.pauseMs(performance.now()))
      if (this.#closed) break
      this.#times++
      try {
        await this.#client.askMember(
          this.#server,
          'subscriptions/listen',
          { notifications: this.#filter() },
          (owner) => {
            this.#owner = owner
            return new InnerSink((text) => this.#heard(text))
          },
          {},
        )
      } catch {
        // The pause is longer each time; a member that will never listen costs a question now and then.
      }
      this.#owner = null
    }
    this.#acknowledged.resolve([])
    if (!this.#closed) this.#hearer.over()
  }

  #filter(): string {
    const { lists, uris } = this.#wanted
    const filter: Record<string, unknown> = {}
    for (const method of lists) {
      const row = listChanges.get(method)
      if (row) filter[row.field] = true
    }
    if (uris.length > 0) filter['resourceSubscriptions'] = uris
    return JSON.stringify(filter)
  }

  #heard(text: string): void {
    if (this.#closed) return
    const span = memberSpan(text, 0, 'params')
    const params = span && text.slice(span.start, span.end)
    const method = scanMessage(text)?.method ?? ''
    if (method !== 'notifications/subscriptions/acknowledged') {
      this.#hearer.heard(method, params)
      return
    }
    const value = parsed(params ?? 'null')
    const honored = isObject(value) && isObject(value['notifications']) ? value['notifications'] : {}
    const uris = honored['resourceSubscriptions']
    this.#acknowledged.resolve(Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [])
    if (this.#times > 1) this.#hearer.missed()
  }
}
