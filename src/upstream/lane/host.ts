/** What a lane needs of the server it belongs to. */
import type { GatewayError } from '../../errors.ts'
import type { ListChangeRow } from '../../protocol/eras.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Mask } from '../../telemetry/redaction.ts'
import type { LaneClient } from '../connection/client.ts'
import type { GatewayIdentity } from '../connection/handshake.ts'
import type { ServerBudget } from '../transports/flood-guard.ts'
import type { MadeTransport } from '../transports/transport.ts'
import type { Lane } from './lane.ts'

export interface LaneSettings {
  readonly callIdleMs: number
  readonly callTotalMs: number
  readonly resultBytesMax: number
  readonly startTimeoutMs: number
  /** Connections that speak for the stateless clients of one principal; each set of capabilities has its own. */
  readonly lanesPerClientMax: number
}

/** `upstream/server/server.ts` implements it. */
export interface LaneHost {
  readonly name: string
  readonly definition: ServerDefinition
  readonly log: Log
  readonly laneSettings: LaneSettings
  /** A transport ready to be opened for this owner of a lane, or a GatewayError when a process limit is reached. */
  createTransport(owner: LaneClient | null): MadeTransport
  readonly identity: GatewayIdentity
  /** What the server may cost, on all its lanes together. */
  readonly budget: ServerBudget
  /** True while nobody answers at the server's address: calls are refused instead of sent. */
  readonly unreachable: boolean
  /** A request could not be brought to the server, or its answer not back. */
  doubt(): void
  noise(line: string): void
  /** Takes the definition's secrets out of a text for people. */
  readonly mask: Mask
  /** This list of the server's is another than before, or may be; null is any of them. */
  listChanged(kind: ListChangeRow['capability'] | null): void
  /** A lane that was ready is gone, or an attempt has failed (`wasReady` is false) and left nothing behind. */
  laneClosed(lane: Lane, error: GatewayError, wasReady: boolean): void
}
