/**
 * What may stand at the top of a configuration file. Everything else stops the start: `auth:` beside `mcp_proxy:`, or
 * `mcp-proxy:`, would be a section that restricts nobody.
 */
import { nearestName } from '../../registry/nearest-name.ts'
import type { Faults } from '../faults.ts'
import { namedSettings } from '../shape.ts'
import { settingsRoot } from './settings-layer.ts'

const serverRoots = ['mcps', 'mcpServers']
/** The mark of a file of TBXark's proxy, beside its `mcpServers`. */
export const tbxarkRoot = 'mcpProxy'

/** Where people find what a key of another program is here. */
export const migrationPage = 'docs/MIGRATION.md'

/** Adds a fault for each key that is not known. */
export function checkTopLevel(tree: Record<string, unknown>, shown: string, faults: Faults): void {
  const foreign = tree[tbxarkRoot] !== undefined
  const roots = foreign ? [tbxarkRoot, 'mcpServers'] : [settingsRoot, ...serverRoots]
  for (const key of Object.keys(tree)) {
    // Editors look for the schema there; `x-` is where YAML files keep what is for others, such as anchors.
    if (roots.includes(key) || key === '$schema' || key.startsWith('x-')) continue
    faults.add(() => `${shown}: ${faultOf(key, tree[key], roots, foreign)}`)
  }
}

function faultOf(key: string, value: unknown, roots: readonly string[], foreign: boolean): string {
  const written = key.slice(0, 80)
  if (foreign && [settingsRoot, ...serverRoots].includes(key)) {
    return `${written} cannot stand beside ${tbxarkRoot}, the mark of a file of TBXark's proxy; keep one of the two (${migrationPage})`
  }
  if (isOldTbxark(key, value)) {
    return `${written} is of an older file of TBXark's proxy, which is not read; ${migrationPage} says what each key is here`
  }
  const [setting] = namedSettings.filter((named) => named.key === key || named.key.startsWith(`${key}.`))
  if (setting !== undefined)
    return `${written} stands at the top; it belongs under ${settingsRoot}: ${settingsRoot}.${written}`
  if (key === 'servers')
    return `unknown key ${written}; a map of servers is called mcpServers, a list of them mcps`
  const leaf = namedSettings.find((named) => named.key.split('.').at(-1) === key)
  if (leaf !== undefined) return `unknown key ${written}; did you mean ${settingsRoot}.${leaf.key}?`
  const nearest = nearestName(key, roots) ?? nearestName(key, topNames)
  if (nearest !== null) {
    return `unknown key ${written}; did you mean ${roots.includes(nearest) ? nearest : `${settingsRoot}.${nearest}`}?`
  }
  return `unknown key ${written}; known at the top: ${roots.join(', ')}; a key for another program begins with x-`
}

/** `server` has the address, `clients` is a map of servers by name. */
function isOldTbxark(key: string, value: unknown): boolean {
  return (key === 'server' || key === 'clients') && typeof value === 'object' && value !== null
}

const topNames = [...new Set(namedSettings.map(({ key }) => key.split('.')[0] ?? ''))]
