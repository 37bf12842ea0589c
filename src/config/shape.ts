/** The table of settings as a list with outer names, and the way from values to a `Config`. */
import type { ServerDefinition } from '../registry/definition.ts'
import { type Config, settings } from './schema.ts'
import type { Machine, Setting } from './values.ts'

/** A setting with its names outside. */
export interface NamedSetting {
  /** Place in `Config`, such as `['limits', 'bodyBytesMax']`. */
  readonly path: readonly string[]
  /** Key under `mcp_proxy`, such as `limits.body_bytes_max`. */
  readonly key: string
  readonly env: string
  readonly flag: string | null
  readonly setting: Setting
}

/** The table as a list, in its order. */
export const namedSettings: readonly NamedSetting[] = flatten(settings, [])

interface Group {
  readonly [name: string]: Setting | Group
}

function flatten(group: Group, path: readonly string[]): NamedSetting[] {
  return Object.entries(group).flatMap(([name, member]) => {
    const memberPath = [...path, name]
    if (!isSetting(member)) return flatten(member, memberPath)
    const key = memberPath.map(outerName).join('.')
    const env = member.env ?? `MCP_PROXY_${key.replaceAll('.', '_').toUpperCase()}`
    return [{ path: memberPath, key, env, flag: member.flag ?? null, setting: member }]
  })
}

function isSetting(member: Setting | Group): member is Setting {
  return 'kind' in member && 'doc' in member
}

function outerName(name: string): string {
  return name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** The value at the place of a setting. */
export function valueAt(config: Config, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined),
    config,
  )
}

/** The default of a setting on this machine. */
export function initialOf(row: Setting, machine: Machine): unknown {
  return typeof row.initial === 'function' ? row.initial(machine) : row.initial
}

/** Puts one checked value per setting into the shape of `Config` and freezes it. */
export function buildConfig(
  valueFor: (named: NamedSetting) => unknown,
  servers: readonly ServerDefinition[],
): Config {
  const root: Record<string, unknown> = {}
  for (const named of namedSettings) {
    let group = root
    for (const name of named.path.slice(0, -1)) {
      const inner = group[name] ?? {}
      group[name] = inner
      group = inner as Record<string, unknown>
    }
    group[named.path.at(-1) ?? ''] = valueFor(named)
  }
  // Each value was read by the row's own kind, which is what the type derives from.
  return deepFreeze({ ...root, servers }) as unknown as Config
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) deepFreeze(member)
  }
  return value
}
