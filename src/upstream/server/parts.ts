import type { Config } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Mask } from '../../telemetry/redaction.ts'
import type { LaneClient } from '../connection/client.ts'
import type { GatewayIdentity } from '../connection/handshake.ts'
import type { UpstreamTransport } from '../transports/transport.ts'

/** The settings of servers: read where they are used, so that they may change meanwhile. */
export interface ServerSettings {
  readonly processesMax: number
  readonly processesPerClientMax: number
  readonly callIdleMs: number
  readonly callTotalMs: number
  readonly laneIdleMs: number
  readonly healthProbeMs: number
  readonly startWaitMs: number
  readonly inFlightMax: number
  readonly resultBytesMax: number
  readonly lanesPerClientMax: number
  /** True when no client token is configured: the primary lane then serves the anonymous clients. */
  readonly openAccess: boolean
}

/** Those of a configuration. */
export function serverSettingsOf({ limits, timeouts, auth }: Config): ServerSettings {
  return {
    processesMax: limits.processesMax,
    processesPerClientMax: limits.processesPerClientMax,
    callIdleMs: timeouts.callIdleMs,
    callTotalMs: timeouts.callTotalMs,
    laneIdleMs: timeouts.laneIdleMs,
    healthProbeMs: timeouts.healthProbeMs,
    startWaitMs: timeouts.startWaitMs,
    inFlightMax: limits.inFlightPerServerMax,
    resultBytesMax: limits.resultBytesMax,
    lanesPerClientMax: limits.sessionsPerClientMax,
    openAccess: auth.globalTokens.length === 0 && auth.oauth.issuers.length === 0 && auth.keys.length === 0,
  }
}

/** What a server may use of the rest of the gateway. */
export interface ServerParts extends ServerSettings {
  readonly log: Log
  readonly metrics: Metrics
  readonly identity: GatewayIdentity
  /** Takes the secrets of a definition out of texts for people. */
  maskOf(definition: ServerDefinition): Mask
  createTransport(definition: ServerDefinition): UpstreamTransport
  /** Puts this definition in the place of the server's own; false when the server is not registered any more. */
  goesOnAs(server: { readonly name: string }, definition: ServerDefinition): boolean
  /** The server is connected, or is so no longer. */
  stateChanged(server: { readonly name: string }): void
  /** Child processes of every server together. */
  processesInUse(): number
  /** Those of them that only a client of this name uses. */
  processesOwnedBy(clientKey: string): number
  /** Holds back the tools of a server with this definition, where they are pinned. */
  pin(definition: ServerDefinition): void
  /** When an admin has switched off the server of this name, ISO 8601; null while it is on. */
  disabledAt(name: string): string | null
  /** Number of downstream sessions of a server. */
  sessionCount(name: string): number
}

/** What the gateway gives; the rest comes from the table of all servers. */
export type ServerSurroundings = Omit<
  ServerParts,
  'processesInUse' | 'processesOwnedBy' | 'goesOnAs' | 'stateChanged'
>

/**
 * Throws PROCESSES_EXHAUSTED when there are as many child processes as there may be, in all or for the owner of a
 * lane. The lane that asks is counted already.
 */
export function checkProcesses(parts: ServerParts, owner: LaneClient | null): void {
  const { processesMax, processesPerClientMax } = parts
  if (parts.processesInUse() > processesMax)
    throw new GatewayError(
      'PROCESSES_EXHAUSTED',
      `All ${processesMax} child processes are in use (limits.processes_max).`,
      5,
    )
  // Whatever one client does, half of them are for the others.
  const ofClientMax = Math.min(processesPerClientMax, Math.ceil(processesMax / 2))
  if (owner !== null && parts.processesOwnedBy(owner.clientKey) > ofClientMax)
    throw new GatewayError(
      'PROCESSES_EXHAUSTED',
      `This client has ${ofClientMax} child processes of its own (limits.processes_per_client_max); end some sessions with DELETE.`,
      5,
    )
}
