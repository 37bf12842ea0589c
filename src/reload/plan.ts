/**
 * What a configuration that was read again changes: one function of two configurations. Pure.
 *
 * Which settings apply while the gateway runs stands at each of them (`restart` in config/schema.ts).
 */
import type { Config } from '../config/schema.ts'
import { buildConfig, namedSettings, valueAt } from '../config/shape.ts'
import type { ServerDefinition } from '../registry/definition.ts'

/** What the gateway runs with. */
export interface Running {
  readonly config: Config
  /** Names of the servers that were registered over the admin API; one of the file stands before one of these. */
  readonly stored: readonly string[]
}

export interface ReloadPlan {
  /** What the gateway runs with from here on: the new configuration, but for what needs a restart. */
  readonly config: Config
  /** What is told about it, by the keys of settings and the names of servers. */
  readonly report: ReloadReport
}

export interface ReloadReport {
  readonly applied: { readonly settings: readonly string[]; readonly servers: ServerChanges }
  /** Settings that stand as before, and servers that go on untouched. */
  readonly unchanged: { readonly settings: readonly string[]; readonly servers: readonly string[] }
  /** Settings that were changed and are not in force. */
  readonly needsRestart: readonly string[]
}

/** By what has become of a name. A server of the file that hides a registered one, or gives it free, is changed. */
export interface ServerChanges {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/** The way from what runs to what was read. */
export function planReload({ config, stored }: Running, read: Config): ReloadPlan {
  const differing = namedSettings.filter(
    ({ path }) => !Bun.deepEquals(valueAt(config, path), valueAt(read, path)),
  )
  const keys = (restart: boolean) =>
    differing.filter(({ setting }) => (setting.restart === true) === restart).map(({ key }) => key)
  const before = new Map(config.servers.map((server) => [server.name, server]))
  // An untouched server keeps its definition, and with it the date at which it was last changed.
  const servers = read.servers.map((server) => {
    const known = before.get(server.name)
    return known !== undefined && isSame(known, server) ? known : server
  })
  return {
    config: buildConfig(
      ({ path, setting }) => valueAt(setting.restart === true ? config : read, path),
      servers,
    ),
    report: {
      applied: { settings: keys(false), servers: changesOf(before, servers, stored) },
      unchanged: {
        settings: namedSettings.filter((named) => !differing.includes(named)).map(({ key }) => key),
        servers: untouched(before, servers, stored),
      },
      needsRestart: keys(true),
    },
  }
}

function changesOf(
  before: ReadonlyMap<string, ServerDefinition>,
  servers: readonly ServerDefinition[],
  stored: readonly string[],
): ServerChanges {
  const after = new Set(servers.map(({ name }) => name))
  const come = servers.filter(({ name }) => !before.has(name)).map(({ name }) => name)
  const gone = [...before.keys()].filter((name) => !after.has(name))
  const edited = servers.filter((server) => before.has(server.name) && before.get(server.name) !== server)
  return {
    added: come.filter((name) => !stored.includes(name)),
    changed: [
      ...edited.map(({ name }) => name),
      ...[...come, ...gone].filter((name) => stored.includes(name)),
    ],
    removed: gone.filter((name) => !stored.includes(name)),
  }
}

function untouched(
  before: ReadonlyMap<string, ServerDefinition>,
  servers: readonly ServerDefinition[],
  stored: readonly string[],
): string[] {
  const ofFile = servers.filter((server) => before.get(server.name) === server).map(({ name }) => name)
  const hidden = new Set([...before.keys(), ...servers.map(({ name }) => name)])
  return [...ofFile, ...stored.filter((name) => !hidden.has(name))]
}

/** The dates are those of the file, which change with every edit of it. */
function isSame(one: ServerDefinition, other: ServerDefinition): boolean {
  const undated = (definition: ServerDefinition) => ({ ...definition, createdAt: '', updatedAt: '' })
  return Bun.deepEquals(undated(one), undated(other))
}
