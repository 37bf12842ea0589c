/**
 * From flags, environment and file to one frozen `Config`, or to a ConfigError with a line for each fault.
 *
 * Nothing outside this room reads a variable or the file, so a reload is a second call. A command that only looks for a
 * gateway takes the settings that it needs, and what else the file refers to need not be there.
 */

import { accessSync, constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Static, TSchema } from '@sinclair/typebox'
import { oauthFault } from './auth/oauth-settings.ts'
import { clusterFault } from './cluster/cluster-settings.ts'
import { doubtsAbout, emptyListDoubt } from './doubts.ts'
import { type Environment, expand, type Gap, gapLine } from './expand.ts'
import { Faults } from './faults.ts'
import { type ConfigSources, type Gathered, gather } from './gather.ts'
import type { Origin } from './layers.ts'
import { type Config, settings as table } from './schema.ts'
import { type Execution, withSecrets } from './secrets/server-secrets.ts'
import { referred, type SettingSecrets, type SettingText, settingSecrets } from './secrets/setting-secrets.ts'
import {
  defaultGroupFault,
  type FoundServer,
  fileServers,
  importedServers,
  reportServers,
  withoutClashes,
} from './servers.ts'
import { buildConfig, initialOf, type NamedSetting, namedSettings } from './shape.ts'
import type { Machine, Setting } from './values.ts'

export type { ConfigSources, FlagTexts } from './gather.ts'

/** Where packages and images keep state; only theirs if somebody made it for us. */
const systemDirectory = '/var/lib/compozy'

export interface LoadedConfig {
  readonly config: Config
  /** By setting key; every setting is there. */
  readonly origins: ReadonlyMap<string, Origin>
  /** The file that was read, as the person wrote it; null without one. */
  readonly file: string | null
  /** Absolute paths of all that was read, and of the file that would have been if it were there. */
  readonly files: readonly string[]
  /** By server name. */
  readonly serverOrigins: ReadonlyMap<string, string>
  /** Sentences for a person; the gateway can start all the same. */
  readonly warnings: readonly string[]
  /** Settings whose values live in files of their own; null without any. */
  readonly secrets: SettingSecrets | null
}

/** A setting as it was found. */
export interface FoundSetting {
  readonly named: NamedSetting
  readonly origin: Origin
  /** Undefined where it cannot be read. */
  readonly value: unknown
  /** What of it waits for variables that are not set. */
  readonly gaps: readonly Gap[]
  /** Where parts of it have come from files of their own; empty for most. */
  readonly referred?: SettingText & { readonly files: readonly string[] }
}

/** All that could be read, and all that is wrong. */
export interface FoundConfig extends Pick<LoadedConfig, 'file' | 'files' | 'warnings' | 'secrets'> {
  readonly settings: readonly FoundSetting[]
  readonly servers: readonly FoundServer[]
  /** Variables that are not set are not among them. */
  readonly faults: Faults
  /** What waits for variables that are not set, of settings and of the file's own servers. */
  readonly gaps: readonly Gap[]
  /** Null where there are faults or gaps. */
  readonly config: Config | null
}

const defaultOrigin: Origin = { layer: 'default', label: 'default' }

/** Throws a ConfigError that names every fault, and whose exit code fits their layers. */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const found = await findConfig(sources, true)
  const { config, settings, servers, faults, gaps, file, files, warnings, secrets } = found
  for (const gap of gaps) faults.add(gapLine(gap))
  faults.raise()
  if (config === null) throw new Error('a configuration without a fault that cannot be used')
  return {
    config,
    file,
    files,
    warnings,
    secrets,
    origins: new Map(settings.map(({ named, origin }) => [named.key, origin])),
    serverOrigins: new Map(servers.map(({ name, place }) => [name, place])),
  }
}

/**
 * Reads everything, and tells what is wrong instead of throwing it. Commands that servers have their secrets from are
 * run only where `executes` is true.
 */
export async function findConfig(sources: ConfigSources, executes = false): Promise<FoundConfig> {
  const faults = new Faults()
  const warnings: string[] = []
  const gathered = await gather(sources, faults, warnings)
  const read = reader(gathered, sources, faults)
  const settings = namedSettings.map(read)
  const execution = executionOf(settings, executes)
  const servers = await serversOf(gathered, { ...sources, execution }, faults, warnings)
  const group = settings.find(({ named }) => named.key === 'default_group')?.value
  const groupFault = defaultGroupFault(group === false || typeof group === 'string' ? group : null, servers)
  if (groupFault !== null) faults.add(groupFault)
  const gaps = [...settings, ...servers.filter(({ imported }) => !imported)].flatMap((found) => found.gaps)
  // What settings need of each other can be judged only once each is known.
  const config = faults.any || gaps.length > 0 ? null : configOf(settings, servers)
  for (const { named, origin, value } of settings) {
    const doubt = origin.layer === 'default' ? null : emptyListDoubt(named, value)
    if (doubt !== null) warnings.push(doubt)
  }
  if (config !== null) warnings.push(...doubtsAbout(config))
  const missing =
    config === null ? null : (oauthFault(config) ?? clusterFault(config.cluster, config.workers))
  if (missing !== null) faults.add(missing)
  return {
    settings,
    servers,
    faults,
    gaps,
    config: missing === null ? config : null,
    file: gathered.file,
    files: gathered.files,
    warnings,
    secrets: settingSecrets(settings.flatMap((found) => found.referred ?? [])),
  }
}

function executionOf(settings: readonly FoundSetting[], executes: boolean): Execution {
  const isOn = settings.find(({ named }) => named.setting === (table.secrets.exec as Setting))?.value === 'on'
  return isOn ? (executes ? 'on' : 'never') : 'off'
}

function configOf(settings: readonly FoundSetting[], servers: readonly FoundServer[]): Config {
  const values = new Map(settings.map(({ named, value }) => [named, value]))
  return buildConfig(
    (named) => values.get(named),
    servers.flatMap(({ definition }) => definition ?? []),
  )
}

/** Gives the value of one setting of the table. */
export type SettingValues = <S extends TSchema>(setting: Setting<S>) => Static<S>

/**
 * The settings that `pick` asks for, and no others: only those are expanded and checked, and servers are not looked at.
 * Throws a ConfigError that names every fault of theirs, and every name that is not known.
 */
export async function loadSettings<T>(
  sources: ConfigSources,
  pick: (value: SettingValues) => T,
): Promise<{ readonly picked: T; readonly warnings: readonly string[] }> {
  const faults = new Faults()
  const warnings: string[] = []
  const read = reader(await gather(sources, faults, warnings), sources, faults)
  const picked = pick((setting) => {
    const named = namedSettings.find((each) => each.setting === (setting as Setting))
    if (named === undefined) throw new Error('a setting that is not in the table')
    const { value, gaps } = read(named)
    for (const gap of gaps) faults.add(gapLine(gap))
    // Where there is none, there is a fault, and what `pick` makes of the default goes nowhere.
    return (value === undefined ? initialOf(named.setting, machineOf(sources)) : value) as never
  })
  faults.raise()
  return { picked, warnings }
}

/** Reads one setting; a value that cannot be taken is a fault. */
function reader(
  { given, empty, files }: Gathered,
  sources: ConfigSources,
  faults: Faults,
): (named: NamedSetting) => FoundSetting {
  const { environment } = sources
  // Lines in a file are for programs, wherever the gateway was started from.
  const terminal = sources.terminal && given['logging.file'] === undefined
  const machine = machineOf({ ...sources, terminal })
  return (named) => {
    const winner = given[named.key]
    const origin = winner?.origin ?? defaultOrigin
    if (winner === undefined) {
      const variable = empty.get(named.key)
      if (variable !== undefined) faults.add(`${variable} is empty; give it a value, or unset it`)
      return { named, origin, value: initialOf(named.setting, machine), gaps: [] }
    }
    const gaps: Gap[] = []
    const raw = winner.expands ? expand(winner.raw, environment, winner.name, gaps) : winner.raw
    if (gaps.length > 0) return { named, origin, value: undefined, gaps }
    const text: SettingText = { named, raw, name: winner.name, file: files[0] ?? '' }
    const found = winner.expands ? referred(text) : { raw, files: [] }
    if ('gap' in found) return { named, origin, value: undefined, gaps: [found.gap] }
    if ('fault' in found) {
      faults.add(found.fault)
      return { named, origin, value: undefined, gaps }
    }
    const reading = named.setting.kind.read(found.raw)
    if ('value' in reading) {
      const secrets = found.files.length > 0 ? { referred: { ...text, files: found.files } } : {}
      return { named, origin, value: reading.value, gaps, ...secrets }
    }
    faults.add(`${winner.name} ${reading.fault}`, origin.layer === 'flag' ? 2 : 1)
    return { named, origin, value: undefined, gaps }
  }
}

async function serversOf(
  { servers }: Gathered,
  { flags, environment, directory, execution }: ConfigSources & { readonly execution: Execution },
  faults: Faults,
  warnings: string[],
): Promise<FoundServer[]> {
  const ofFile = servers === null ? [] : fileServers(servers.tree, servers.source, faults)
  const imported = await importedServers(flags['mcp-import'] ?? [], environment, directory, faults)
  const found = await withSecrets(withoutClashes([...ofFile, ...imported]), environment, execution)
  reportServers(found, faults, warnings)
  return found
}

function machineOf({ environment, terminal }: ConfigSources): Machine {
  return { stateDirectory: stateDirectory(environment), terminal }
}

/** `/var/lib/compozy` when it is there and writable, else the place of the XDG base directories. */
function stateDirectory(environment: Environment): string {
  if (isWritableDirectory(systemDirectory)) return systemDirectory
  const state = environment['XDG_STATE_HOME'] ?? ''
  // The XDG specification has relative paths ignored.
  if (isAbsolute(state)) return join(state, 'compozy')
  return join(environment['HOME'] || homedir(), '.local', 'state', 'compozy')
}

function isWritableDirectory(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
