/** The settings under `mcp_proxy` in a file, as a layer. */
import { ConfigError } from '../errors.ts'
import { nearestName } from '../registry/nearest-name.ts'
import { type Environment, expand } from './expand.ts'
import { isMap } from './file.ts'
import type { Given, Layer } from './layers.ts'
import { namedSettings } from './shape.ts'

const rootKey = 'mcp_proxy'

/**
 * Throws a ConfigError for a key that is not in the table: a mistyped `admin_tokens` must not start an
 * open gateway. A key without a value (`base_url:`) counts as not given.
 */
export function fileLayer(tree: Record<string, unknown>, environment: Environment, shown: string): Layer {
  const root = tree[rootKey]
  if (root === undefined || root === null) return {}
  const layer: Record<string, Given> = {}
  collect(root, '', shown, layer, environment)
  return layer
}

function collect(
  value: unknown,
  key: string,
  shown: string,
  layer: Record<string, Given>,
  environment: Environment,
): void {
  const place = key === '' ? rootKey : `${rootKey}.${key}`
  if (!isMap(value)) {
    throw new ConfigError(`${shown}: ${place} must be a map with the keys ${childrenOf(key).join(', ')}`)
  }
  for (const [name, member] of Object.entries(value)) {
    const memberKey = key === '' ? name : `${key}.${name}`
    if (member === null && isKnown(memberKey)) continue
    if (namedSettings.some((named) => named.key === memberKey)) {
      const memberName = `${shown}: ${rootKey}.${memberKey}`
      layer[memberKey] = {
        raw: expand(member, environment, memberName),
        origin: { layer: 'file', label: `file ${shown}` },
        name: memberName,
      }
    } else if (childrenOf(memberKey).length > 0) {
      collect(member, memberKey, shown, layer, environment)
    } else {
      throw new ConfigError(`${shown}: unknown key ${rootKey}.${memberKey}${suggestion(name, key)}`)
    }
  }
}

function isKnown(key: string): boolean {
  return namedSettings.some((named) => named.key === key || named.key.startsWith(`${key}.`))
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
    : `; did you mean ${rootKey}.${elsewhere.key}?`
}
