/** The configuration of the process that runs this command. */

import {
  type ConfigSources,
  type FlagTexts,
  type LoadedConfig,
  loadConfig,
  loadSettings,
  type SettingValues,
} from '../config/load.ts'
import { type Config, settings } from '../config/schema.ts'
import { CommandError, UsageError } from '../errors.ts'
import { urlHost } from '../net/host.ts'
import { knowGatewayBy } from './gateway-fetch.ts'
import { complain } from './terminal/terminal.ts'

/** Reads flags, environment and file of this process, and says warnings on stderr. Throws a ConfigError. */
export async function readConfiguration(flags: FlagTexts): Promise<LoadedConfig> {
  const loaded = await loadConfig(sourcesOf(flags))
  sayWarnings(loaded.warnings)
  return loaded
}

/**
 * As `readConfiguration`, but only what `pick` asks for: a command that talks to a gateway needs neither the servers of
 * the file nor the variables that they refer to.
 */
export async function readSettings<T>(flags: FlagTexts, pick: (value: SettingValues) => T): Promise<T> {
  const { picked, warnings } = await loadSettings(sourcesOf(flags), pick)
  sayWarnings(warnings)
  return picked
}

/** The settings that say where a gateway is, for `readSettings`. */
export function addressOf(value: SettingValues): GatewayAddress {
  const { certFile, keyFile, clientCaFile } = settings.tls
  const tls = { certFile: value(certFile), keyFile: value(keyFile), clientCaFile: value(clientCaFile) }
  return { host: value(settings.host), port: value(settings.port), tls }
}

/** Where a gateway listens, and what it speaks there: http where `tls` is absent. */
export type GatewayAddress = Pick<Config, 'host' | 'port'> & Partial<Pick<Config, 'tls'>>

/** What this process was given to read its configuration from. */
export function sourcesOf(flags: FlagTexts): ConfigSources {
  return {
    flags,
    environment: process.env,
    directory: process.cwd(),
    terminal: process.stdout.isTTY === true,
  }
}

/** Said on stderr, so that what a command prints stays whole. */
export function sayWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) complain(`compozy: warning: ${warning}`)
}

/** Where a gateway with this configuration is reached from the same machine; null when it picks its port. */
export function localUrl({ host, port, tls }: GatewayAddress): string | null {
  if (port === 0) return null
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `${(tls?.certFile ?? null) === null ? 'http' : 'https'}://${urlHost(reachable)}:${port}`
}

/** The base URL of `--url` or of the configuration, without a slash at its end. */
export async function gatewayUrl(flags: FlagTexts, config: GatewayAddress | null): Promise<string> {
  const base = flags['url']?.at(-1) ?? (config === null ? null : localUrl(config))
  if (base === null) throw new CommandError('the configured port is 0; name the gateway with --url')
  if (!/^https?:\/\//.test(base) || !URL.canParse(base)) {
    throw new UsageError(`--url must be an http or https URL, got "${base}"`)
  }
  if (/^https:/.test(base)) {
    const own = flags['url'] === undefined ? (config?.tls ?? null) : null
    const { commandTls } = await import('./gateway-tls.ts')
    knowGatewayBy(base, commandTls(own, process.env))
  }
  return base.replace(/\/+$/, '')
}
