/** What the admin API uses of the rest of the gateway. */
import type { Config } from '../../../config/schema.ts'
import type { DefinitionStore } from '../../../registry/store.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { ServerDirectory } from '../../../upstream/server/directory.ts'
import type { RegistrationGate } from '../../../upstream/server/registration-gate.ts'
import type { AdminStreams } from './streams.ts'

/** The settings that the admin API reads. */
export interface AdminConfig {
  readonly limits: Pick<Config['limits'], 'bodyBytesMax'>
}

export interface AdminOptions {
  readonly directory: ServerDirectory
  readonly store: DefinitionStore
  readonly config: AdminConfig
  /** Which definitions may be registered. */
  readonly gate: RegistrationGate
  readonly log: Log
  readonly streams: AdminStreams
  /** Why nobody can come in at a server; null where somebody can. */
  readonly closedReason?: (name: string) => string | null
  readonly now?: () => Date
  /** How long `GET /admin/tools` waits for one server; 10 s when absent. */
  readonly toolsListMs?: number
}

/** The options with every default applied, as the handlers take them. */
export interface AdminParts
  extends Pick<AdminOptions, 'directory' | 'store' | 'config' | 'gate' | 'log' | 'streams'> {
  readonly closedReason: (name: string) => string | null
  readonly now: () => Date
  readonly toolsListMs: number
}

/** The options with what stands for those that are left out. */
export function withDefaults(options: AdminOptions): AdminParts {
  const { directory, store, config, gate, log, streams } = options
  return {
    directory,
    store,
    config,
    log,
    streams,
    closedReason: options.closedReason ?? (() => null),
    now: options.now ?? (() => new Date()),
    gate,
    toolsListMs: options.toolsListMs ?? 10_000,
  }
}
