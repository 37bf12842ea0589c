/** The flags that configure a gateway, made from the table of settings. */
import type { ArgsDef } from 'citty'
import { configVariable, debugVariable } from '../config/environment.ts'
import { type NamedSetting, namedSettings } from '../config/shape.ts'

/** Every flag of `compozy mcp-proxy`. */
export const gatewayFlags: ArgsDef = {
  ...Object.fromEntries(
    namedSettings.flatMap((named) => (named.flag === null ? [] : [[named.flag, flagOf(named)]])),
  ),
  'mcp-import': {
    type: 'string',
    valueHint: 'file',
    description: 'JSON file with an mcpServers map, as desktop clients keep it.\nMay be repeated.',
  },
  config: {
    type: 'string',
    valueHint: 'file',
    description: `Configuration file: YAML, JSON, JSONC or TOML.\nenv ${configVariable}, default compozy.yaml if it is there`,
  },
  debug: {
    type: 'boolean',
    description: `Sets the log level to debug and shows stack traces.\nenv ${debugVariable}, default false`,
  },
}

/** Names a running gateway outright. */
export const urlFlag: ArgsDef[string] = {
  type: 'string',
  valueHint: 'url',
  description: 'Base URL of the gateway.\ndefault: host and port of the configuration',
}

/** What a command that talks to a running gateway needs in order to find it. */
export const findingFlags: ArgsDef = Object.fromEntries(
  ['mcp-host', 'mcp-port', 'config', 'debug'].flatMap((name) => {
    const flag = gatewayFlags[name]
    return flag === undefined ? [] : [[name, flag]]
  }),
)

function flagOf({ setting, env }: NamedSetting): ArgsDef[string] {
  const initial = setting.initial
  const fallback =
    setting.initialWords ?? (typeof initial === 'function' ? '' : setting.kind.show(initial) || 'none')
  const takes = setting.kind.hint === 'list' ? `${capital(setting.kind.takes)}.\n` : ''
  return {
    type: 'string',
    valueHint: setting.kind.hint,
    description: `${setting.doc}\n${takes}env ${env}, default ${fallback}`,
  }
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1)
}
