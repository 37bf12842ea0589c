/**
 * The environment as a layer. Every variable has a twin with `_FILE` behind its name that names a file
 * with the value, so that containers can be given secrets without showing them in `docker inspect`.
 */

import { resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { Environment } from './expand.ts'
import type { Faults } from './faults.ts'
import { readText } from './file/file.ts'
import type { Given, Layer } from './layers.ts'
import { namedSettings } from './shape.ts'
import { checkVariables, configVariable, debugVariable, isServiceLink } from './unknown-variables.ts'
import { flagValue } from './values.ts'

export { configVariable, debugVariable }

export interface EnvironmentLayer {
  readonly layer: Layer
  /** By setting key, the variable of a door that is set to nothing: no default may stand in for it. */
  readonly empty: ReadonlyMap<string, string>
}

/**
 * Reads every variable of the table. A variable that is set but empty counts as unset, as Compose files with
 * `${NAME:-}` produce it.
 */
export async function environmentLayer(
  environment: Environment,
  directory: string,
  faults: Faults,
  warnings: string[],
): Promise<EnvironmentLayer> {
  checkVariables(environment, faults, warnings)
  const layer: Record<string, Given> = {}
  const empty = new Map<string, string>()
  for (const { key, env, setting } of namedSettings) {
    const given = await faults.attempt(() => variable(environment, env, directory))
    if (given === null) {
      const name = [env, `${env}_FILE`].find((each) => environment[each] === '')
      if (setting.guards === true && name !== undefined) empty.set(key, name)
    } else if (given !== undefined && isServiceLink(env, String(given.raw))) {
      warnings.push(
        `${env} looks like a Kubernetes service link and is passed over; set enableServiceLinks: false`,
      )
    } else if (given !== undefined) layer[key] = given
  }
  const debug = await faults.attempt(() => variable(environment, debugVariable, directory))
  if (debug !== undefined && debug !== null && isOn(debug, faults))
    layer['logging.level'] = { ...debug, raw: 'debug' }
  return { layer, empty }
}

/** One variable or its `_FILE` twin; null when neither is set to anything. */
export async function variable(
  environment: Environment,
  name: string,
  directory: string,
): Promise<Given | null> {
  const twin = `${name}_FILE`
  const value = environment[name] ?? ''
  const file = environment[twin] ?? ''
  if (value !== '' && file !== '') throw new ConfigError(`${name} and ${twin} are both set; keep one of them`)
  if (value !== '') return given(name, value)
  if (file === '') return null
  const text = (await readText(resolve(directory, file), `${file} (named by ${twin})`)).trim()
  if (text === '') throw new ConfigError(`${file} (named by ${twin}) is empty`)
  return given(twin, text)
}

/** The files that the `_FILE` twins name, as they are written there. */
export function namedFiles(environment: Environment): string[] {
  const names = [...namedSettings.map(({ env }) => env), debugVariable, configVariable]
  return names.map((name) => environment[`${name}_FILE`] ?? '').filter((path) => path !== '')
}

function given(name: string, raw: string): Given {
  return { raw, origin: { layer: 'env', label: `env ${name}` }, name, expands: false }
}

function isOn(debug: Given, faults: Faults): boolean {
  const reading = flagValue().read(debug.raw)
  if ('value' in reading) return reading.value
  faults.add(`${debug.name} ${reading.fault}`)
  return false
}
