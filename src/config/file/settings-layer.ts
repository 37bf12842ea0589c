/** The settings under `mcp_proxy` in a file, as a layer. */
import { nearestName } from '../../registry/nearest-name.ts'
import type { Faults } from '../faults.ts'
import type { Given, Layer } from '../layers.ts'
import { namedSettings } from '../shape.ts'
import { isMap } from './file.ts'

export const settingsRoot = 'mcp_proxy'

/**
 * A key that is not in the table is a fault: a mistyped `admin_tokens` must not start an open gateway. A key
 * without a value (`base_url:`) counts as not given, unless a door would stand open.
 */
export function settingsLayer(tree: Record<string, unknown>, shown: string, faults: Faults): Layer {
  const root = tree[settingsRoot]
  const layer: Record<string, Given> = {}
  if (root !== undefined && root !== null) collect(root, '', { shown, layer, faults })
  return layer
}

interface Collecting {
  readonly shown: string
  readonly layer: Record<string, Given>
  readonly faults: Faults
}

function collect(value: unknown, key: string, collecting: Collecting): void {
  const { shown, layer, faults } = collecting
  const place = key === '' ? settingsRoot : `${settingsRoot}.${key}`
  if (!isMap(value)) {
    faults.add(`${shown}: ${place} must be a map with the keys ${childrenOf(key).join(', ')}`)
    return
  }
  for (const [name, member] of Object.entries(value)) {
    const memberKey = key === '' ? name : `${key}.${name}`
    const memberName = `${shown}: ${settingsRoot}.${memberKey}`
    const known = namedSettings.find((named) => named.key === memberKey)
    if (known !== undefined) {
      if (member !== null) layer[memberKey] = fileValue(member, memberName, shown)
      else if (known.setting.guards === true) {
        faults.add(`${memberName} has no value; give it one, or leave the key out`)
      }
    } else if (childrenOf(memberKey).length === 0) {
      faults.add(
        () => `${shown}: unknown key ${settingsRoot}.${memberKey.slice(0, 200)}${suggestion(name, key)}`,
      )
    } else if (member !== null) {
      collect(member, memberKey, collecting)
    } else if (guards(memberKey)) {
      faults.add(`${memberName} has no value; give it one, or leave the key out`)
    }
  }
}

/** A value of a file, its references not yet replaced. */
export function fileValue(raw: unknown, name: string, shown: string): Given {
  return { raw, origin: { layer: 'file', label: `file ${shown}` }, name, expands: true }
}

/** Whether a door hangs on a setting of this section. */
function guards(section: string): boolean {
  return namedSettings.some(({ key, setting }) => setting.guards === true && key.startsWith(`${section}.`))
}

/** The names one level below a group; none for a setting. */
function childrenOf(group: string): string[] {
  const prefix = group === '' ? '' : `${group}.`
  const below = namedSettings
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key }) => key.slice(prefix.length).split('.')[0] ?? '')
  return [...new Set(below)]
}

/** A neighbour in the same group is the likelier slip; else the name may stand in the wrong group. */
function suggestion(name: string, group: string): string {
  const sibling = nearestName(name, childrenOf(group))
  if (sibling !== null) return `; did you mean ${sibling}?`
  const elsewhere = namedSettings.find(({ key }) => key.split('.').at(-1) === name)
  return elsewhere === undefined
    ? `; known here: ${childrenOf(group).join(', ')}`
    : `; did you mean ${settingsRoot}.${elsewhere.key}?`
}
