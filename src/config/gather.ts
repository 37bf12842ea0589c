/** Everything that flags, environment and file say, none of it judged yet but for its names. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import { configVariable, environmentLayer, namedFiles, variable } from './environment.ts'
import type { Environment } from './expand.ts'
import type { Faults } from './faults.ts'
import { type ReadFile, readTree } from './file/file.ts'
import { settingsLayer } from './file/settings-layer.ts'
import { checkTopLevel, tbxarkRoot } from './file/top-level.ts'
import { type Given, type Layer, layered } from './layers.ts'
import type { Source } from './servers.ts'
import { namedSettings } from './shape.ts'

const defaultFile = 'compozy.yaml'
const nearFiles = ['compozy.yml', 'compozy.json', 'compozy.jsonc', 'compozy.toml', 'compozy.yaml.txt']

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

export interface Gathered {
  /** The winning value of each setting that was given one, its references not yet replaced. */
  readonly given: Layer
  /** By setting key, the variable of a door that is set to nothing. */
  readonly empty: ReadonlyMap<string, string>
  /** The file that was read, as the person wrote it; null without one. */
  readonly file: string | null
  /** Absolute paths of all that was read, and of the file that would have been if it were there. */
  readonly files: readonly string[]
  /** What the file says about servers, and where that stands; null without a file that can be read. */
  readonly servers: { readonly tree: FileServers; readonly source: Source } | null
}

interface FileServers {
  readonly mcps?: unknown
  readonly mcpServers?: unknown
}

/** Adds a fault for whatever cannot be read or has a name that is not known. */
export async function gather(sources: ConfigSources, faults: Faults, warnings: string[]): Promise<Gathered> {
  const { environment, directory, flags } = sources
  const { layer, empty } = await environmentLayer(environment, directory, faults, warnings)
  const file = (await faults.attempt(() => configFile(sources))) ?? null
  const path = file === null ? null : resolve(directory, file)
  const read = file === null || path === null ? undefined : await faults.attempt(() => readTree(path, file))
  const contents =
    file === null || read === undefined ? null : await contentsOf(read.tree, file, faults, warnings)
  const fileLayer = path === null || contents === null ? null : { path, layer: contents.layer }
  return {
    given: await layered(flagLayer(flags), layer, fileLayer),
    empty,
    file,
    files: [file ?? defaultFile, ...(flags['mcp-import'] ?? []), ...namedFiles(environment)].map((name) =>
      resolve(directory, name),
    ),
    servers:
      contents === null || read === undefined || path === null || file === null
        ? null
        : { tree: contents.servers, source: sourceOf(environment, path, file, read) },
  }
}

function sourceOf(environment: Environment, path: string, shown: string, { changedAt }: ReadFile): Source {
  return { environment, path, shown, changedAt, imported: false }
}

async function contentsOf(
  tree: Record<string, unknown>,
  shown: string,
  faults: Faults,
  warnings: string[],
): Promise<{ layer: Layer; servers: FileServers }> {
  checkTopLevel(tree, shown, faults)
  if (tree[tbxarkRoot] !== undefined) {
    const { readTbxark } = await import('./file/tbxark.ts')
    const { layer, servers } = readTbxark(tree, shown, faults, warnings)
    return { layer, servers: { mcpServers: servers } }
  }
  return { layer: settingsLayer(tree, shown, faults), servers: tree }
}

async function configFile({ flags, environment, directory }: ConfigSources): Promise<string | null> {
  const flag = flags['config']?.at(-1)
  if (flag === '') throw new ConfigError('--config needs the path of a file', 2)
  if (flag !== undefined) return flag
  const named = await variable(environment, configVariable, directory)
  if (named !== null) return pathIn(named)
  const empty = [configVariable, `${configVariable}_FILE`].find((name) => environment[name] === '')
  if (empty !== undefined) throw new ConfigError(`${empty} is empty; name a file, or unset it`)
  if (existsSync(resolve(directory, defaultFile))) return defaultFile
  // A file that someone has most likely meant for the gateway, with the tokens that it would start without.
  const near = nearFiles.find((name) => existsSync(resolve(directory, name)))
  if (near === undefined) return null
  throw new ConfigError(
    `${near} is not read unasked, only ${defaultFile} is; rename it, or name it with --config ${near}`,
  )
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
  return { raw, origin: { layer: 'flag', label: `flag --${flag}` }, name: `--${flag}`, expands: false }
}
