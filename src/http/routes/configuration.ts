/** `GET /admin/config`: what is in force, where it came from, and how the last reload ended. Loaded when somebody asks. */
import type { Config } from '../../config/schema.ts'
import { namedSettings, valueAt } from '../../config/shape.ts'
import { shownValue } from '../../config/shown-settings.ts'
import { GatewayError } from '../../errors.ts'
import { type AnswerOf, answer } from '../api/operation.ts'

type Report = AnswerOf<'getConfig', 200>

/** The configuration in force, and where it came from. */
export interface ShownConfiguration {
  readonly config: Config
  readonly provenance: {
    readonly origins: ReadonlyMap<string, Pick<Report['settings'][number], 'layer'> & Labelled>
    readonly serverOrigins: ReadonlyMap<string, string>
    readonly file: string | null
    readonly warnings: readonly string[]
  }
  /** Keys of settings that were changed and are not in force. */
  readonly needsRestart: readonly string[]
  readonly lastReload: Report['reload']
}

interface Labelled {
  readonly label: string
}

export function showConfiguration(settings: ShownConfiguration | null): Response {
  if (settings === null)
    throw new GatewayError('NOT_FOUND', 'Nobody here knows where the configuration came from.')
  const { config, provenance, needsRestart, lastReload } = settings
  const { origins, serverOrigins, file, warnings } = provenance
  return answer('getConfig', 200, {
    file,
    settings: namedSettings.map((named) => {
      const { key, path, env, flag, setting } = named
      const { layer, label } = origins.get(key) ?? { layer: 'default', label: 'default' }
      return {
        key,
        value: shownValue(named, valueAt(config, path)),
        layer,
        origin: label,
        variable: env,
        flag: flag === null ? null : `--${flag}`,
        description: setting.doc,
        restart: setting.restart === true,
        waits: needsRestart.includes(key),
      }
    }),
    servers: [...serverOrigins].map(([name, place]) => ({ name, origin: `file ${place}` })),
    warnings: [...warnings],
    reload: lastReload,
  })
}
