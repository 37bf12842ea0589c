/** Starts the gateway, says so, and stays until a signal ends it. */

import type { FlagTexts, LoadedConfig } from '../../config/load.ts'
import { CommandError } from '../../errors.ts'
import { startGateway } from '../../gateway.ts'
import { readConfiguration } from '../configuration.ts'
import { announce } from './announce.ts'
import { giveBackWhenQuiet } from './resident-pages.ts'
import { endOnSignals } from './signals.ts'

/** Resolves with the exit code of the process. Throws what kept the gateway from starting. */
export async function serve(flags: FlagTexts): Promise<number> {
  const loaded = await readConfiguration(flags)
  const reload = async () => (await readConfiguration(flags)).config
  const started = startGateway(loaded.config).catch((thrown: unknown) => {
    throw startFault(thrown, loaded)
  })
  const ended = endOnSignals(started, { reload, logging: loaded.config.logging })
  const gateway = await started
  announce(gateway, loaded)
  giveBackWhenQuiet(() => gateway.requestCount)
  return ended
}

/** Says what a person can do about the usual reasons. */
function startFault(thrown: unknown, { config }: LoadedConfig): unknown {
  const code: unknown = thrown instanceof Error ? Reflect.get(thrown, 'code') : undefined
  const place = `${config.host}:${config.port}`
  switch (code) {
    case 'EADDRINUSE':
      return new CommandError(
        `port ${config.port} is taken on ${config.host}; choose another with --mcp-port`,
      )
    case 'EACCES':
      return new CommandError(`not allowed to listen on ${place}; ports below 1024 need a privilege`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CommandError(`${config.host} is no address of this machine; choose another with --mcp-host`)
    default:
      return thrown
  }
}
