/** `compozy config print`: every effective value, where it came from, what is not set, and no secret. */

import { type ArgsDef, defineCommand } from 'citty'
import type { Gap } from '../../config/expand.ts'
import { type FoundConfig, type FoundSetting, findConfig } from '../../config/load.ts'
import type { FoundServer } from '../../config/servers.ts'
import { shownLine, shownValue } from '../../config/shown-settings.ts'
import { definitionToWire } from '../../registry/definition-wire.ts'
import { parseArguments } from '../arguments.ts'
import { gatewayFlags } from '../config-flags.ts'
import { localUrl, sayWarnings, sourcesOf } from '../configuration.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'

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
    const found = await findConfig(sourcesOf(flags))
    found.faults.raise()
    sayWarnings(found.warnings)
    const missing = namesOf(found.gaps)
    if (missing.length > 0)
      sayWarnings([`not set, and the gateway does not start without: ${missing.join(', ')}`])
    print(flags['json']?.at(-1) === 'true' ? asJson(found) : asTable(found))
    return 0
  },
})

/** The variables that are waited for, each once. */
function namesOf(gaps: readonly Gap[]): string[] {
  return [...new Set(gaps.map(({ variable }) => variable ?? 'input'))]
}

function asTable(found: FoundConfig): string {
  const settings = settingRows(found)
  // An entry of an import that cannot be read is no server; the warnings name it.
  const servers = found.servers
    .filter(({ definition, imported }) => definition !== null || !imported)
    .map((server) => [server.name, targetOf(server), `file ${server.place}`])
  const parts = [table(['KEY', 'VALUE', 'ORIGIN'], settings)]
  if (servers.length > 0) parts.push(table(['SERVER', 'TARGET', 'ORIGIN'], servers))
  return parts.join('\n\n')
}

/** A row for each setting: key, value and origin. */
export function settingRows({ settings }: Pick<FoundConfig, 'settings'>): string[][] {
  return settings.map((setting) => [
    `mcp_proxy.${setting.named.key}`,
    setting.gaps.length > 0 ? notSet(setting.gaps) : shownText(setting, settings),
    setting.origin.label,
  ])
}

function notSet(gaps: readonly Gap[]): string {
  return `(not set: ${namesOf(gaps).join(', ')})`
}

function targetOf({ definition, gaps }: FoundServer): string {
  if (definition === null) return notSet(gaps)
  const wire = definitionToWire(definition)
  const target = wire.url ?? [wire.command, ...(wire.args ?? [])].join(' ')
  return definition.transport === 'stdio' ? `stdio: ${target}` : target
}

function asJson({ settings, servers }: FoundConfig): string {
  const entries = settings.map(({ named, value, origin, gaps }) => {
    const { layer, label } = origin
    const unset = gaps.length > 0 ? { unset: namesOf(gaps) } : {}
    return [named.key, { value: shownValue(named, value), layer, origin: label, ...unset }] as const
  })
  const shown = servers
    .filter(({ definition, imported }) => definition !== null || !imported)
    .map(({ name, definition, place, gaps }) => ({
      ...(definition === null
        ? { name, unset: namesOf(gaps) }
        : { definition: definitionToWire(definition) }),
      origin: `file ${place}`,
    }))
  return JSON.stringify({ mcp_proxy: Object.fromEntries(entries), servers: shown }, null, 2)
}

function shownText({ named, value }: FoundSetting, settings: readonly FoundSetting[]): string {
  if (named.key === 'base_url' && value === null) return derivedUrl(settings)
  return shownLine(named, value)
}

/** The base URL that host and port make, as far as they are known. */
function derivedUrl(settings: readonly FoundSetting[]): string {
  const settingValue = (key: string) => settings.find(({ named }) => named.key === key)?.value
  const [host, port] = [settingValue('host'), settingValue('port')]
  const certFile = settingValue('tls.cert_file')
  const tls = { certFile: typeof certFile === 'string' ? certFile : null, keyFile: null, clientCaFile: null }
  return typeof host === 'string' && typeof port === 'number' ? (localUrl({ host, port, tls }) ?? '-') : '-'
}
