/**
 * Files of TBXark's proxy, read as the settings and servers that they mean here. What cannot be meant is a fault
 * that says where to read on: docs/MIGRATION.md maps each key. Loaded only for a file with `mcpProxy`.
 *
 * There `authTokens` of a server *replace* those of `mcpProxy`, and an address without a host means every interface.
 * Nothing that restricted somebody is passed over.
 */
import { nearestName } from '../../registry/nearest-name.ts'
import type { Faults } from '../faults.ts'
import type { Given, Layer } from '../layers.ts'
import { namedSettings } from '../shape.ts'
import { isMap } from './file.ts'
import { fileValue } from './settings-layer.ts'
import { migrationPage, tbxarkRoot } from './top-level.ts'

export interface TbxarkFile {
  readonly layer: Layer
  /** In the form of `mcpServers`, with fields of ours. */
  readonly servers: unknown
}

/** What `tree` means here. Its servers are judged by whoever reads them, as those of any other file. */
export function readTbxark(
  tree: Record<string, unknown>,
  shown: string,
  faults: Faults,
  warnings: string[],
): TbxarkFile {
  const notes: Notes = { shown, faults, warnings }
  checkVariables(tree, shown, faults)
  const proxy = mapAt(tree, tbxarkRoot, tbxarkRoot, notes)
  const options = mapAt(proxy, 'options', `${tbxarkRoot}.options`, notes)
  checkKeys(proxy, proxyKeys, tbxarkRoot, notes)
  checkKeys(options, optionKeys, `${tbxarkRoot}.options`, notes)
  if (options['toolFilter'] !== undefined) {
    refuse(
      notes,
      `${tbxarkRoot}.options.toolFilter has no effect there either; put it under options of each server`,
    )
  }
  const servers = tree['mcpServers']
  const read = isMap(servers)
    ? Object.fromEntries(
        Object.entries(servers).map(([name, server]) => [name, serverOf(name, server, options, notes)]),
      )
    : servers
  return { layer: layerOf(proxy, options, notes), servers: read }
}

interface Notes {
  readonly shown: string
  readonly faults: Faults
  readonly warnings: string[]
}

type Fields = Readonly<Record<string, unknown>>

const proxyKeys = ['baseURL', 'addr', 'name', 'version', 'type', 'options']
const optionKeys = [
  'panicIfInvalid',
  'logEnabled',
  'authTokens',
  'toolFilter',
  'disabled',
  'enabled',
  'oauth2',
]

const switches = ['panicIfInvalid', 'logEnabled', 'disabled', 'enabled']

function refuse({ shown, faults }: Notes, what: string): void {
  faults.add(`${shown}: ${what} (${migrationPage})`)
}

function mapAt(fields: Fields, key: string, place: string, notes: Notes): Fields {
  const value = fields[key]
  if (isMap(value)) return value
  if (value !== undefined && value !== null) notes.faults.add(`${notes.shown}: ${place} must be a map`)
  return {}
}

function checkKeys(fields: Fields, known: readonly string[], place: string, notes: Notes): void {
  for (const key of Object.keys(fields)) {
    if (!known.includes(key)) {
      notes.faults.add(() => `${notes.shown}: unknown key ${place}.${key.slice(0, 80)}${hintFor(key, known)}`)
    }
  }
  for (const switched of switches) {
    const value = fields[switched]
    if (value !== undefined && value !== null && typeof value !== 'boolean')
      notes.faults.add(`${notes.shown}: ${place}.${switched} must be true or false`)
  }
  const oauth = fields['oauth2']
  if (isMap(oauth) && (oauth['enabled'] ?? false) !== false) {
    refuse(
      notes,
      `${place}.oauth2 signs people in, which this gateway cannot do in its place; use authTokens`,
    )
  }
}

function hintFor(key: string, known: readonly string[]): string {
  if (namedSettings.some((named) => named.key === key || named.key.startsWith(`${key}.`))) {
    return `; the settings of this gateway stand under mcp_proxy, and ${tbxarkRoot} is the mark of TBXark's proxy (${migrationPage})`
  }
  const nearest = nearestName(key, known)
  const hint = nearest === null ? `known here: ${known.join(', ')}` : `did you mean ${nearest}?`
  return `; ${hint} (${migrationPage})`
}

function layerOf(proxy: Fields, options: Fields, notes: Notes): Layer {
  const layer: Record<string, Given> = {}
  const give = (key: string, raw: unknown, place: string): void => {
    if (raw !== undefined && raw !== null && raw !== '')
      layer[key] = fileValue(raw, `${notes.shown}: ${tbxarkRoot}.${place}`, notes.shown)
  }
  give('base_url', proxy['baseURL'], 'baseURL')
  const { addr } = proxy
  if (typeof addr === 'string' && addr !== '') {
    const [, host = '', port] = /^(.*):(\d*)$/.exec(addr.trim()) ?? []
    if (port === undefined) notes.faults.add(`${notes.shown}: ${tbxarkRoot}.addr must be HOST:PORT or :PORT`)
    else {
      give('host', host === '' ? '0.0.0.0' : host, 'addr')
      give('port', port, 'addr')
    }
  } else if (addr !== undefined)
    notes.faults.add(`${notes.shown}: ${tbxarkRoot}.addr must be HOST:PORT or :PORT`)
  const { authTokens } = options
  if (!Array.isArray(authTokens) || authTokens.length > 0)
    give('auth.global_tokens', authTokens, 'options.authTokens')
  return layer
}

function serverOf(name: string, server: unknown, defaults: Fields, notes: Notes): unknown {
  if (!isMap(server)) return server
  const place = `mcpServers.${name.slice(0, 80)}`
  const options = mapAt(server, 'options', `${place}.options`, notes)
  checkKeys(options, optionKeys, `${place}.options`, notes)
  const { options: _, timeout, ...fields } = server
  const kind = fields['transportType'] ?? fields['type'] ?? fields['transport']
  if ((options['panicIfInvalid'] ?? defaults['panicIfInvalid']) === true) {
    notes.warnings.push(
      `${notes.shown}: ${place}: panicIfInvalid is passed over; a server that cannot start stops no other, and GET /readyz and its status name it`,
    )
  }
  return {
    ...fields,
    // An address without a type means the older transport there, and nothing is tried.
    ...(kind === undefined && fields['url'] !== undefined ? { type: 'sse' } : {}),
    // Go writes nanoseconds; other files with such a map have a bare number mean what their client likes.
    ...(timeout === undefined ? {} : { timeout: typeof timeout === 'number' ? `${timeout}ns` : timeout }),
    ...(options['disabled'] === true || options['enabled'] === false ? { disabled: true } : {}),
    ...((options['logEnabled'] ?? defaults['logEnabled']) === true ? { logEnabled: true } : {}),
    ...filterOf(options['toolFilter'], `${place}.options.toolFilter`, notes),
    ...doorOf(options['authTokens'], defaults['authTokens'], `${place}.options.authTokens`, notes),
  }
}

/** A filter without a list, or without a mode, hides nothing there. Here it would be refused in other words. */
function filterOf(filter: unknown, place: string, notes: Notes): Fields {
  if (filter === undefined || filter === null) return {}
  if (!isMap(filter)) return { toolFilter: filter }
  const { mode, list } = filter
  if (mode === undefined || !Array.isArray(list) || list.length === 0) {
    refuse(notes, `${place} needs a mode and a list with tools in it; without them it hides nothing`)
    return {}
  }
  return { toolFilter: { ...filter, mode: typeof mode === 'string' ? mode.toLowerCase() : mode } }
}

function doorOf(own: unknown, defaults: unknown, place: string, notes: Notes): Fields {
  if (own === undefined || own === null) return {}
  if (!Array.isArray(own) || own.length > 0) return { authTokens: own, authTokensOnly: true }
  if (Array.isArray(defaults) && defaults.length > 0) {
    refuse(
      notes,
      `${place} is empty, which opens this server to everybody beside others with tokens; leave it out, or name tokens`,
    )
  }
  return {}
}

/** There `$NAME` is replaced as `${NAME}` is. Here it would go to a server, or be a token, as it is written. */
function checkVariables(value: unknown, place: string, faults: Faults): void {
  if (typeof value === 'string') {
    const [, name] = /(?:^|[^$])\$([A-Za-z_]\w*)/.exec(value) ?? []
    if (name !== undefined)
      faults.add(`${place}: $${name} is not replaced here; write \${${name}} (${migrationPage})`)
  } else if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) checkVariables(entry, `${place}[${index}]`, faults)
  } else if (isMap(value)) {
    const separator = place.includes(': ') ? '.' : ': '
    for (const [key, member] of Object.entries(value))
      checkVariables(member, `${place}${separator}${key}`, faults)
  }
}
