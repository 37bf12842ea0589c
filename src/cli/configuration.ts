/** The configuration of the process that runs this command. */

import { type FlagTexts, type LoadedConfig, loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { CommandError, UsageError } from '../errors.ts'

/** Reads flags, environment and file of this process, and says warnings on stderr. Throws a ConfigError. */
export async function readConfiguration(flags: FlagTexts): Promise<LoadedConfig> {
  const loaded = await loadConfig({
    flags,
    environment: process.env,
    directory: process.cwd(),
    terminal: process.stdout.isTTY === true,
  })
  for (const warning of loaded.warnings) console.error(`compozy: warning: ${warning}`)
  return loaded
}

/** Where a gateway with this configuration is reached from the same machine; null when it picks its port. */
export function localUrl({ host, port }: Config): string | null {
  if (port === 0) return null
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

/** The base URL of `--url` or of the configuration, without a slash at its end. */
export function gatewayUrl(flags: FlagTexts, config: Config | null): string {
  const base = flags['url']?.at(-1) ?? (config === null ? null : localUrl(config))
  if (base === null) throw new CommandError('the configured port is 0; name the gateway with --url')
  if (!/^https?:\/\//.test(base) || !URL.canParse(base)) {
    throw new UsageError(`--url must be an http or https URL, got "${base}"`)
  }
  return base.replace(/\/+$/, '')
}
