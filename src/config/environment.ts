/**
 * The environment as a layer. Every variable has a twin with `_FILE` behind its name that names a file
 * with the value, so that containers can be given secrets without showing them in `docker inspect`.
 */

import { resolve } from 'node:path'
import { ConfigError } from '../errors.ts'
import { nearestName } from '../registry/nearest-name.ts'
import type { Environment } from './expand.ts'
import { readText } from './file.ts'
import type { Given, Layer } from './layers.ts'
import { namedSettings } from './shape.ts'
import { flagValue } from './values.ts'

export const configVariable = 'COMPOZY_CONFIG'
export const debugVariable = 'MCP_PROXY_DEBUG'
const prefix = 'MCP_PROXY_'

/**
 * What Kubernetes puts into every pod beside a Service named `mcp-proxy`. Its `MCP_PROXY_PORT` is a URL
 * such as `tcp://10.0.0.1:6001` and not meant for us.
 */
const serviceLinkName = /^MCP_PROXY_(?:SERVICE_(?:HOST|PORT.*)|PORT_\d+_(?:TCP|UDP|SCTP).*)$/
const serviceLinkValue = /^(?:tcp|udp|sctp):\/\//

export interface EnvironmentLayer {
  readonly layer: Layer
  readonly warnings: readonly string[]
}

/**
 * Reads every variable of the table. Throws a ConfigError when a `_FILE` twin cannot be read or stands
 * beside its variable. A variable that is set but empty counts as unset, as Compose files with
 * `${NAME:-}` produce it; for a secret that is worth a warning.
 */
export async function environmentLayer(
  environment: Environment,
  directory: string,
): Promise<EnvironmentLayer> {
  const layer: Record<string, Given> = {}
  const warnings = unknownVariables(environment)
  for (const { key, env, setting } of namedSettings) {
    const given = await variable(environment, env, directory)
    if (given === null) {
      if (setting.secret === true && environment[env] === '') {
        warnings.push(`${env} is empty and counts as not set`)
      }
      continue
    }
    if (env === 'MCP_PROXY_PORT' && serviceLinkValue.test(String(given.raw))) {
      warnings.push(
        `${env} looks like a Kubernetes service link and is passed over; set enableServiceLinks: false`,
      )
      continue
    }
    layer[key] = given
  }
  const debug = await variable(environment, debugVariable, directory)
  if (debug !== null && debugValue(debug)) layer['logging.level'] = { ...debug, raw: 'debug' }
  return { layer, warnings }
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

function given(name: string, raw: string): Given {
  return { raw, origin: { layer: 'env', label: `env ${name}` }, name }
}

function debugValue(debug: Given): boolean {
  const reading = flagValue().read(debug.raw)
  if ('fault' in reading) throw new ConfigError(`${debug.name} ${reading.fault}`)
  return reading.value
}

/** A mistyped name would otherwise silently leave a door open. */
function unknownVariables(environment: Environment): string[] {
  const known = [...namedSettings.map(({ env }) => env), debugVariable]
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !serviceLinkName.test(name))
    .filter((name) => !known.includes(name) && !known.includes(name.replace(/_FILE$/, '')))
    .sort()
    .map((name) => {
      const nearest = nearestName(name, known)
      return `${name} is not a known variable${nearest === null ? '' : `; did you mean ${nearest}?`}`
    })
}
