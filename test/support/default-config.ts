import type { Config } from '../../src/config/schema.ts'
import { buildConfig, initialOf } from '../../src/config/shape.ts'
import type { Machine } from '../../src/config/values.ts'

/** The configuration of a gateway that was told nothing. */
export function defaultConfig(machine: Machine): Config {
  return buildConfig(({ setting }) => initialOf(setting, machine), [])
}
