/** Starts the gateway, says so, and stays until a signal ends it. */

import { type FlagTexts, type LoadedConfig, loadConfig } from '../../config/load.ts'
import { CommandError, ConfigError, errorCode } from '../../errors.ts'
import { startGateway } from '../../gateway.ts'
import { StateHeldError } from '../../registry/storage/state-lock.ts'
import { readConfiguration, sourcesOf } from '../configuration.ts'
import { announce } from './announce.ts'
import { listenFault } from './listen-fault.ts'
import { giveBackWhenQuiet } from './resident-pages.ts'
import { endOnSignals } from './signals.ts'

/** Resolves with the exit code of the process. Throws what kept the gateway from starting. */
export async function serve(flags: FlagTexts): Promise<number> {
  const loaded = await readConfiguration(flags)
  let last = loaded
  const source = {
    ...loaded,
    async readAgain() {
      last = await readAgain(flags, last)
      return last
    },
  }
  const started = startGateway(source).catch(async (thrown: unknown) => {
    throw await startFault(thrown, loaded)
  })
  const ended = endOnSignals(started)
  const gateway = await started
  announce(gateway, loaded)
  giveBackWhenQuiet(() => gateway.requestCount)
  return ended
}

/**
 * Reads it as at the start. Throws a ConfigError, also where the file is gone or has been emptied: that is an editor or
 * a full disk in the middle of something, and without its tokens the gateway would be open.
 */
async function readAgain(flags: FlagTexts, before: LoadedConfig): Promise<LoadedConfig> {
  const loaded = await loadConfig(sourcesOf(flags))
  if (before.file !== null && saysSomething(before) && !saysSomething(loaded))
    throw new ConfigError(
      `${before.file} ${loaded.file === null ? 'is gone' : 'holds nothing any more'}; restart the gateway if that is meant`,
    )
  return loaded
}

function saysSomething({ file, origins, serverOrigins }: LoadedConfig): boolean {
  return (
    file !== null && (serverOrigins.size > 0 || [...origins.values()].some(({ layer }) => layer === 'file'))
  )
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
