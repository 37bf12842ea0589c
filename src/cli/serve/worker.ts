/**
 * The hidden command that a supervisor starts its workers with (cluster/workers): the gateway in one of several
 * processes. It reads the configuration as the supervisor has, and does what that says; signals are the supervisor's.
 */
import { rmSync } from 'node:fs'
import { WorkerLink } from '../../cluster/workers/worker-link.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { ConfigError, errorCode } from '../../errors.ts'
import { startGateway } from '../../gateway.ts'
import { parseArguments } from '../arguments.ts'
import { gatewayFlags } from '../config-flags.ts'
import { readConfiguration } from '../configuration.ts'
import { complain } from '../terminal/terminal.ts'
import { rereadable } from './read-again.ts'
import { giveBackWhenQuiet } from './resident-pages.ts'

/** Resolves with the exit code. */
export async function runWorker(given: readonly string[]): Promise<number> {
  if (process.send === undefined) {
    complain('compozy: workers are started by the gateway: compozy mcp-proxy --workers 2')
    return 2
  }
  const { flags } = parseArguments(given, gatewayFlags)
  const link = await WorkerLink.open()
  try {
    const source = rereadable(flags, await readConfiguration(flags), (read) => inWorker(read, link))
    const gateway = await startGateway(source, link)
    // A supervisor that was killed leaves the port to the next one, and the state directory.
    const end = (): void => {
      rmSync(link.orders.runDirectory, { recursive: true, force: true })
      gateway.stopNow()
    }
    process.on('disconnect', end)
    if (!process.connected) end()
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => {
        link.leaves()
        void gateway.stop()
      })
    process.on('SIGHUP', () => {})
    link.serves(gateway, gateway.url, gateway.servers)
    giveBackWhenQuiet(() => gateway.requestCount)
    await gateway.stopped
    return 0
  } catch (thrown) {
    await link.failed(thrown, errorCode(thrown) ?? null, thrown instanceof ConfigError)
    return 1
  }
}

/** The configuration of the gateway as it is for one of its processes. */
function inWorker(loaded: LoadedConfig, { orders }: WorkerLink): LoadedConfig {
  const { config } = loaded
  const { logging } = config
  const { file } = logging
  return {
    ...loaded,
    config: {
      ...config,
      port: orders.port,
      // The supervisor looks at the files, and tells.
      reload: 'off',
      // To the supervisor go lines of JSON, which it writes in the form that is asked for.
      logging: orders.writesOutput || file !== null ? logging : { ...logging, format: 'json' },
      storage: { type: 'sqlite', path: orders.stateDirectory },
    },
  }
}
