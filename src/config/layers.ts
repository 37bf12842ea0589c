/**
 * Lays what was given on top of each other: flags, then environment, then file, then defaults.
 *
 * A layer is flat and holds whole values, so a list given above replaces the one below. Each value
 * carries its origin through the merge; that is how `config print` knows where it came from.
 */
import type { LoadConfigOptions } from 'c12'

export interface Origin {
  readonly layer: 'flag' | 'env' | 'file' | 'default'
  /** `flag --mcp-port`, `env MCP_PROXY_PORT`, `file compozy.yaml`, `default`. */
  readonly label: string
}

export interface Given {
  readonly raw: unknown
  readonly origin: Origin
  /** How an error about this value begins: `--mcp-port`, `compozy.yaml: mcp_proxy.port`. */
  readonly name: string
  /** True where `${NAME}` in it stands for a variable: in files. */
  readonly expands: boolean
}

/** By setting key, such as `limits.body_bytes_max`. */
export type Layer = Readonly<Record<string, Given>>

/** What a file gives. */
export interface FileLayer {
  readonly path: string
  readonly layer: Layer
}

/**
 * Stands where c12 would put a loader of modules. It is never called, because the resolve hook always
 * answers; making a real one costs memory, and the executable does not even contain it.
 */
const refuseModules = (() => {
  throw new Error('configuration files are data and are not executed')
}) as unknown as NonNullable<LoadConfigOptions['jiti']>

/** Earlier layers win, value by value. */
function firstWins(...layers: (Layer | null | undefined)[]): Layer {
  return Object.assign({}, ...layers.reverse())
}

/**
 * The winning value of each key. c12 is loaded only when there is a file: it costs an idle gateway
 * memory. Every feature of it that looks for files on its own, executes or downloads one, is off, and
 * the resolve hook answers always, so that its own loaders never run.
 */
export async function layered(flags: Layer, environment: Layer, file: FileLayer | null): Promise<Layer> {
  if (file === null) return firstWins(flags, environment)
  const { loadConfig } = await import('c12')
  const { config } = await loadConfig<Record<string, Given>>({
    configFile: file.path,
    configFileRequired: true,
    overrides: firstWins(flags, environment),
    resolve: async () => ({
      config: file.layer,
      configFile: file.path,
      _configFile: file.path,
      cwd: '',
    }),
    merger: firstWins,
    jiti: refuseModules,
    rcFile: false,
    globalRc: false,
    packageJson: false,
    dotenv: false,
    extend: false,
    giget: false,
    envName: false,
  })
  return config
}
