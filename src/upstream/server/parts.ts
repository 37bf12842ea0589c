import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import type { Config } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Mask } from '../../telemetry/redaction.ts'
import type { LaneClient } from '../connection/client.ts'
import type { GatewayIdentity } from '../connection/handshake.ts'
import type { LaneSettings } from '../lane/host.ts'
import type { MadeTransport } from '../transports/transport.ts'
import type { CallCounters } from './counters.ts'
import type { OutputTail } from './output-tail.ts'

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

/** What stays under a name when another definition or another process takes the place of one before. */
export interface ServerStanding {
  /** When an admin has switched it off, ISO 8601; null while it is on. */
  readonly disabledAt: string | null
  readonly output: OutputTail
  /** True once one of that name has settled: what follows is no start of the gateway any more. */
  readonly settledBefore: boolean
  /** Where each user has one of their own: whose this is, why it is held back, and its books. */
  readonly ofUser?: {
    readonly owner: CredentialOwner | null
    readonly held: GatewayError | null
    readonly counters: CallCounters | null
  }
}

/** What has happened to what one user has of a server. */
export type OwnerChange = 'connected' | 'credentials'

/** The settings of the lanes of a server with this definition. */
export function laneSettingsOf(definition: ServerDefinition, parts: ServerSettings): LaneSettings {
  return {
    callIdleMs: definition.timeoutMs ?? parts.callIdleMs,
    callTotalMs: parts.callTotalMs,
    resultBytesMax: parts.resultBytesMax,
    startTimeoutMs: definition.startTimeoutMs,
    lanesPerClientMax: parts.lanesPerClientMax,
  }
}

/** What a server may use of the rest of the gateway. */
export interface ServerParts extends ServerSettings {
  readonly log: Log
  readonly metrics: Metrics
  readonly identity: GatewayIdentity
  /** Takes the secrets of a definition out of texts for people. */
  maskOf(definition: ServerDefinition): Mask
  /** `owner` is whose connection it is, where each user has some of their own; null where nobody's. */
  createTransport(definition: ServerDefinition, owner: CredentialOwner | null): MadeTransport
  /** A definition with what is stored of this user in it. Throws CREDENTIAL_MISSING or SECRETS_LOCKED. */
  filled(definition: ServerDefinition, owner: CredentialOwner): ServerDefinition
  /** A server that each user has of their own is there. */
  ownersExpected(definition: ServerDefinition): void
  /** What one user has of a server is connected, or another than before. */
  ownerChanged(server: { readonly name: string }, owner: CredentialOwner, what: OwnerChange): void
  /** Puts this definition in the place of the server's own; false when the server is not registered any more. */
  goesOnAs(server: { readonly name: string }, definition: ServerDefinition): boolean
  /** The server is connected, or is so no longer. */
  stateChanged(server: { readonly name: string }): void
  /** Child processes of every server together. */
  processesInUse(): number
  /** Those of them that only a client of this name uses. */
  processesOwnedBy(clientKey: string): number
  /** Those that are one user's alone. */
  processesOfOwner(owner: CredentialOwner): number
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
  'processesInUse' | 'processesOwnedBy' | 'processesOfOwner' | 'goesOnAs' | 'stateChanged' | 'ownerChanged'
>

/**
 * Throws PROCESSES_EXHAUSTED when there are as many child processes as there may be: in all, for the owner of a lane, or
 * for the user whose credentials they have. The lane that asks is counted already.
 */
export function checkProcesses(
  parts: ServerParts,
  owner: LaneClient | null,
  user: CredentialOwner | null,
): void {
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
  if (user !== null && parts.processesOfOwner(user) > ofClientMax)
    throw new GatewayError(
      'PROCESSES_EXHAUSTED',
      `This user has ${ofClientMax} child processes with credentials of their own (limits.processes_per_client_max); end some sessions with DELETE.`,
      5,
    )
}
