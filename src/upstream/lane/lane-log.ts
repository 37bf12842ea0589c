/** What the log says of lanes: how they begin, which one was chosen and why, which questions came to nothing. */
import type { Era } from '../../protocol/eras.ts'
import type { MessageText } from '../../protocol/jsonrpc.ts'
import { errorCodeOf } from '../../protocol/response.ts'
import { shownText } from '../../telemetry/callers.ts'
import type { Log, LogFields } from '../../telemetry/log.ts'
import type { Mask } from '../../telemetry/redaction.ts'
import type { Handshake } from '../connection/handshake.ts'
import { type LaneRole, laneName } from './roles.ts'

/** What is logged of the name that a server gives itself. */
const identityCharsMax = 200
/** Lines about questions of one lane in a second. */
const refusedPerSecondMax = 10
/** What is logged of the method of a question. */
const methodCharsMax = 128

type Named = Pick<LaneRole, 'key' | 'owner'> & { readonly era: Era }

/** The server that a lane belongs to. */
interface Server {
  readonly name: string
  readonly log: Log
  readonly mask: Mask
}

export class LaneLog {
  readonly #server: Server
  readonly #lane: Named
  #secondStartMs = 0
  #refusedInSecond = 0
  #unlogged = 0

  constructor(server: Server, lane: Named) {
    this.#server = server
    this.#lane = lane
  }

  /** The handshake has settled this; `asked` is the version that was offered. */
  handshake(pid: number | null, asked: string | null, handshake: Handshake | null): void {
    if (!this.#debugging) return
    const { version, identity } = handshake?.facts ?? {}
    const server = identity == null ? undefined : this.#server.mask(shownText(identity, identityCharsMax))
    this.#debug('handshake', { pid: pid ?? undefined, asked, version, server })
  }

  handshakeFailed(reason: string): void {
    if (this.#debugging) this.#debug('handshake failed', { reason })
  }

  /** It was chosen for a role; `how` says whether it is a new one. */
  chosen(role: LaneRole, how: string, clients: number): void {
    if (this.#debugging) this.#debug('lane', { how, why: role.why, clients })
  }

  /**
   * A question of the server's has an error for its answer: its client's, or the gateway's, who found nobody to ask.
   * A server that asks without end has a line for some of them, and `unlogged` for how many there were in between.
   */
  questionRefused({ method }: MessageText, response: MessageText, waitedMs: number): void {
    const { log, name } = this.#server
    const nowMs = performance.now()
    if (nowMs - this.#secondStartMs >= 1_000) {
      this.#secondStartMs = nowMs
      this.#refusedInSecond = 0
    }
    if (this.#refusedInSecond++ >= refusedPerSecondMax) {
      this.#unlogged++
      return
    }
    const unlogged = this.#unlogged === 0 ? undefined : this.#unlogged
    this.#unlogged = 0
    log.info(
      {
        mcp: name,
        lane: laneName(this.#lane),
        rpcMethod: shownText(method ?? '', methodCharsMax),
        rpcCode: errorCodeOf(response),
        waitedMs: Math.round(waitedMs),
        unlogged,
      },
      'question refused',
    )
  }

  get #debugging(): boolean {
    return this.#server.log.debugging === true
  }

  #debug(what: string, fields: LogFields): void {
    const { log, name } = this.#server
    log.debug({ mcp: name, lane: laneName(this.#lane), era: this.#lane.era, ...fields }, what)
  }
}
