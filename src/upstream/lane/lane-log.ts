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

  /** A question of the server's has an error for its answer: its client's, or the gateway's, who found nobody to ask. */
  questionRefused({ method }: MessageText, response: MessageText, waitedMs: number): void {
    const { log, name } = this.#server
    log.info(
      {
        mcp: name,
        lane: laneName(this.#lane),
        rpcMethod: shownText(method ?? '', methodCharsMax),
        rpcCode: errorCodeOf(response),
        waitedMs: Math.round(waitedMs),
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
