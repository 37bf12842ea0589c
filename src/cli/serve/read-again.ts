/** Reads the configuration of a gateway that runs. */
import { type FlagTexts, type LoadedConfig, loadConfig } from '../../config/load.ts'
import { ConfigError } from '../../errors.ts'
import { sourcesOf } from '../configuration.ts'

/** What was read, with a way to read it again; `form` makes of each what counts for this process. */
export function rereadable(
  flags: FlagTexts,
  loaded: LoadedConfig,
  form = (read: LoadedConfig): LoadedConfig => read,
): LoadedConfig & { readAgain(): Promise<LoadedConfig> } {
  let last = form(loaded)
  return {
    ...last,
    async readAgain() {
      last = form(await readAgain(flags, last))
      return last
    },
  }
}

/**
 * Reads it as at the start. Throws a ConfigError, also where the file is gone or has been emptied: that is an editor or
 * a full disk in the middle of something, and without its tokens the gateway would be open.
 */
async function readAgain(flags: FlagTexts, before: LoadedConfig): Promise<LoadedConfig> {
  const loaded = await loadConfig(sourcesOf(flags))
  if (before.file !== null && saysSomething(before) && !saysSomething(loaded))
    throw new ConfigError(
      `${before.file} ${loaded.file === null ? 'is gone' : 'holds nothing any more'}; restart the gateway if that is meant`,
    )
  return loaded
}

function saysSomething({ file, origins, serverOrigins }: LoadedConfig): boolean {
  return (
    file !== null && (serverOrigins.size > 0 || [...origins.values()].some(({ layer }) => layer === 'file'))
  )
}
