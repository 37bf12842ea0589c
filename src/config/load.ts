/**
 * From flags, environment and file to one frozen `Config`, or to a ConfigError of one line.
 *
 * Nothing outside this room reads a variable or the file, so a reload is a second call.
 */

import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import { configVariable, environmentLayer, variable } from './environment.ts'
import type { Environment } from './expand.ts'
import { readTree } from './file.ts'
import { fileLayer } from './file-layer.ts'
import { type Given, type Layer, layered, type Origin } from './layers.ts'
import { oauthFault } from './oauth-settings.ts'
import type { Config } from './schema.ts'
import {
  type Definitions,
  defaultGroupFault,
  importedDefinitions,
  treeDefinitions,
  uniqueDefinitions,
} from './servers.ts'
import { buildConfig, initialOf, type NamedSetting, namedSettings } from './shape.ts'
import type { Machine } from './values.ts'

const defaultFile = 'compozy.yaml'
/** Where packages and images keep state; only theirs if somebody made it for us. */
const systemDirectory = '/var/lib/compozy'

/** What the command line said, by flag name without dashes; repeated flags in their order. */
export type FlagTexts = Readonly<Record<string, readonly string[]>>

export interface ConfigSources {
  readonly flags: FlagTexts
  readonly environment: Environment
  /** Relative paths are taken from here. */
  readonly directory: string
  /** Whether stdout is a terminal. */
  readonly terminal: boolean
}

export interface LoadedConfig {
  readonly config: Config
  /** By setting key; every setting is there. */
  readonly origins: ReadonlyMap<string, Origin>
  /** The file that was read, as the person wrote it; null without one. */
  readonly file: string | null
  /** By server name. */
  readonly serverOrigins: ReadonlyMap<string, string>
  /** Sentences for a person; the gateway can start all the same. */
  readonly warnings: readonly string[]
}

const defaultOrigin: Origin = { layer: 'default', label: 'default' }

/** Throws a ConfigError, whose message is one line and whose exit code fits its layer. */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const { environment, directory } = sources
  const file = await configFile(sources)
  const fromEnvironment = await environmentLayer(environment, directory)
  let fromFile: Definitions = { definitions: [], warnings: [] }
  const path = file === null ? null : resolve(directory, file)
  const given = await layered(
    flagLayer(sources.flags),
    fromEnvironment.layer,
    file === null || path === null
      ? null
      : {
          path,
          read: async () => {
            const { tree, changedAt } = await readTree(path, file)
            fromFile = treeDefinitions(tree, { environment, path, shown: file, changedAt })
            return fileLayer(tree, environment, file)
          },
        },
  )
  const imported = await importedDefinitions(sources.flags['mcp-import'] ?? [], environment, directory)
  const definitions = uniqueDefinitions([...fromFile.definitions, ...imported])
  const machine: Machine = { stateDirectory: stateDirectory(environment), terminal: sources.terminal }
  const origins = new Map<string, Origin>()
  const config = buildConfig(
    (named) => {
      const winner = given[named.key]
      origins.set(named.key, winner?.origin ?? defaultOrigin)
      return winner === undefined ? initialOf(named.setting, machine) : read(named, winner)
    },
    definitions.map(({ definition }) => definition),
  )
  const groupFault = defaultGroupFault(config.defaultGroup, definitions)
  const fault = groupFault ?? oauthFault(config)
  if (fault !== null) throw new ConfigError(fault)
  return {
    config,
    origins,
    file,
    serverOrigins: new Map(definitions.map(({ definition, place }) => [definition.name, place])),
    warnings: [
      ...fromEnvironment.warnings,
      ...fromFile.warnings,
      ...(file === null ? astray(directory) : []),
    ],
  }
}

function read(named: NamedSetting, given: Given): unknown {
  const reading = named.setting.kind.read(given.raw)
  if ('value' in reading) return reading.value
  throw new ConfigError(`${given.name} ${reading.fault}`, given.origin.layer === 'flag' ? 2 : 1)
}

async function configFile({ flags, environment, directory }: ConfigSources): Promise<string | null> {
  const flag = flags['config']?.at(-1)
  if (flag === '') throw new ConfigError('--config needs the path of a file', 2)
  if (flag !== undefined) return flag
  const named = await variable(environment, configVariable, directory)
  if (named !== null) return pathIn(named)
  return existsSync(resolve(directory, defaultFile)) ? defaultFile : null
}

/** A file that someone has most likely meant for the gateway, which does not read it unasked. */
function astray(directory: string): string[] {
  const name = ['compozy.yml', 'compozy.json', 'compozy.jsonc', 'compozy.toml'].find((near) =>
    existsSync(resolve(directory, near)),
  )
  return name === undefined
    ? []
    : [`${name} is passed over: only ${defaultFile} is read unasked; name it with --config ${name}`]
}

/** The twin of this one variable is easily taken for the configuration itself, whose text may hold secrets. */
function pathIn({ raw, name }: Given): string {
  const path = String(raw)
  if (path.includes('\n') || path.length > 4096) {
    throw new ConfigError(
      `${name} must lead to the path of a configuration; to name the file itself, set ${configVariable}`,
    )
  }
  return path
}

/** A list flag adds up when repeated; of any other flag the last one counts, as is usual. */
function flagLayer(flags: FlagTexts): Layer {
  const layer: Record<string, Given> = {}
  for (const { key, flag, setting } of namedSettings) {
    const texts = flag === null ? undefined : flags[flag]
    if (flag === null || texts === undefined) continue
    const isList = setting.kind.hint === 'list'
    layer[key] = fromFlag(flag, isList ? texts.join(',') : texts.at(-1))
  }
  if (flags['debug']?.at(-1) === 'true') layer['logging.level'] = fromFlag('debug', 'debug')
  return layer
}

function fromFlag(flag: string, raw: unknown): Given {
  return { raw, origin: { layer: 'flag', label: `flag --${flag}` }, name: `--${flag}` }
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
