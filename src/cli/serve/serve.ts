/** Starts the gateway, says so, and stays until a signal ends it. */

import type { FlagTexts, LoadedConfig } from '../../config/load.ts'
import { CommandError, errorCode } from '../../errors.ts'
import { startGateway } from '../../gateway.ts'
import { StateHeldError } from '../../registry/storage/state-lock.ts'
import { readConfiguration } from '../configuration.ts'
import { announce, type ServedGateway } from './announce.ts'
import { listenFault } from './listen-fault.ts'
import { rereadable } from './read-again.ts'
import { giveBackWhenQuiet } from './resident-pages.ts'
import { endOnSignals } from './signals.ts'

/**
 * Resolves with the exit code of the process. Throws what kept the gateway from starting. `given` is what the flags were
 * read from.
 */
export async function serve(flags: FlagTexts, given: readonly string[]): Promise<number> {
  const loaded = await readConfiguration(flags)
  const source = rereadable(flags, loaded)
  const started = (
    (await workersOf(loaded)) === 1 ? startGateway(source) : startWorkers(source, given)
  ).catch(async (thrown: unknown) => {
    throw await startFault(thrown, loaded)
  })
  const ended = endOnSignals(started)
  const gateway = await started
  announce(gateway, loaded)
  giveBackWhenQuiet(() => gateway.requestCount)
  return ended
}

/** How many processes there shall be. */
async function workersOf({ config }: LoadedConfig): Promise<number> {
  if (config.workers === 1) return 1
  const { workerCount } = await import('../../cluster/workers/worker-count.ts')
  return workerCount(config.workers)
}

/** Loaded here: most gateways are one process. */
async function startWorkers(
  source: Parameters<typeof startGateway>[0],
  given: readonly string[],
): Promise<ServedGateway> {
  const { startSupervisor } = await import('../../cluster/workers/start-supervisor.ts')
  return await startSupervisor(source, given)
}

/** Says what a person can do about the usual reasons. */
async function startFault(thrown: unknown, { config }: LoadedConfig): Promise<unknown> {
  if (thrown instanceof StateHeldError) return heldFault(thrown, config.port)
  switch (errorCode(thrown)) {
    case 'EADDRINUSE': {
      const { portHolder } = await import('./port-holder.ts')
      const holder = await portHolder(config.host, config.port)
      return new CommandError(
        `port ${config.port} is taken on ${config.host}${holder}; choose another with --mcp-port`,
      )
    }
    default: {
      const fault = listenFault(config.host, config.port, errorCode(thrown))
      return fault === null ? thrown : new CommandError(fault)
    }
  }
}

/** A second start by mistake would meet the port next: that is what its user knows about. */
function heldFault(thrown: StateHeldError, port: number): CommandError {
  const { directory, holder } = thrown
  if (holder?.url === null || holder === null || new URL(holder.url).port !== String(port))
    return new CommandError(thrown.message)
  return new CommandError(
    `port ${port} is taken: compozy ${holder.version} (pid ${holder.pid}) listens on ${holder.url} and uses the state directory ${directory}. Stop that one, or give this one both of its own: --mcp-port and storage.path (MCP_PROXY_STORAGE_PATH)`,
  )
}
