/** `compozy config print`: every effective value, where it came from, and no secret. */
import { type ArgsDef, defineCommand } from 'citty'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { type NamedSetting, namedSettings } from '../config/shape.ts'
import { definitionToWire } from '../registry/definition-wire.ts'
import { secretMask } from '../registry/mask.ts'
import { parseArguments } from './arguments.ts'
import { gatewayFlags } from './config-flags.ts'
import { localUrl, readConfiguration } from './configuration.ts'
import { table } from './table.ts'

const args: ArgsDef = {
  json: { type: 'boolean', description: 'Prints JSON: layer and origin beside each value.' },
  ...gatewayFlags,
}

export const configPrint = defineCommand({
  meta: {
    name: 'print',
    description: 'Shows each setting, its value and where that came from. Secrets are shown as ***.',
  },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const loaded = await readConfiguration(flags)
    console.log(flags['json']?.at(-1) === 'true' ? asJson(loaded) : asTable(loaded))
    return 0
  },
})

function asTable(loaded: LoadedConfig): string {
  const settings = namedSettings.map((named) => [
    `mcp_proxy.${named.key}`,
    shownText(named, loaded.config),
    originOf(loaded, named.key).label,
  ])
  const servers = loaded.config.servers.map((server) => [
    server.name,
    server.transport === 'stdio' ? `stdio: ${targetOf(loaded, server.name)}` : targetOf(loaded, server.name),
    `file ${loaded.serverOrigins.get(server.name) ?? ''}`,
  ])
  const parts = [table(['KEY', 'VALUE', 'ORIGIN'], settings)]
  if (servers.length > 0) parts.push(table(['SERVER', 'TARGET', 'ORIGIN'], servers))
  return parts.join('\n\n')
}

function targetOf({ config }: LoadedConfig, name: string): string {
  const definition = config.servers.find((server) => server.name === name)
  if (definition === undefined) return ''
  const wire = definitionToWire(definition)
  return wire.url ?? [wire.command, ...(wire.args ?? [])].join(' ')
}

function asJson(loaded: LoadedConfig): string {
  const settings = namedSettings.map((named) => {
    const value = valueAt(loaded.config, named.path)
    const { layer, label } = originOf(loaded, named.key)
    return [named.key, { value: masked(named, value), layer, origin: label }] as const
  })
  const servers = loaded.config.servers.map((server) => ({
    definition: definitionToWire(server),
    origin: `file ${loaded.serverOrigins.get(server.name) ?? ''}`,
  }))
  return JSON.stringify({ mcp_proxy: Object.fromEntries(settings), servers }, null, 2)
}

function originOf(loaded: LoadedConfig, key: string): { layer: string; label: string } {
  return loaded.origins.get(key) ?? { layer: 'default', label: 'default' }
}

function shownText(named: NamedSetting, config: Config): string {
  if (named.key === 'base_url' && config.baseUrl === null) return localUrl(config) ?? '-'
  const value = valueAt(config, named.path)
  if (named.setting.secret === true) {
    const secrets = Array.isArray(value) ? value : value === null ? [] : [value]
    return secrets.map(() => secretMask).join(',') || '-'
  }
  return named.setting.kind.show(value) || '-'
}

/** How many secrets there are is no secret, and helps a person who rotates them. */
function masked(named: NamedSetting, value: unknown): unknown {
  const { kind, secret } = named.setting
  // A bare number would not say whether it counts seconds or milliseconds.
  if (kind.hint === 'duration' || kind.hint === 'size') return kind.show(value)
  if (kind.shown !== undefined) return kind.shown(value)
  if (secret !== true || value === null) return value
  return Array.isArray(value) ? value.map(() => secretMask) : secretMask
}

function valueAt(config: Config, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined),
    config,
  )
}
