/**
 * `${NAME}` and `${NAME:-default}` inside the values of a file.
 *
 * As in a shell: the default also stands in for an empty variable, and `$${NAME}` is the text
 * `${NAME}`. Anything else with a dollar sign is left alone. What a variable holds is not looked at
 * again, so a value cannot reach for other variables.
 *
 * Editors write `${env:NAME}` for the same, and `${input:NAME}` for what they ask their user; a server
 * that got the latter as it stands would fail with a reason that nobody understands.
 */
import { ConfigError } from '../errors.ts'
import { isMap } from './file.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const reference = /\$?\$\{(?:input:[^}]*|(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}/g

/**
 * A copy of `value` with every text expanded. `place` is where it stands, for the error
 * (`compozy.yaml: mcps[0].url`).
 */
export function expand(value: unknown, environment: Environment, place: string): unknown {
  if (typeof value === 'string') return expandText(value, environment, place)
  if (Array.isArray(value))
    return value.map((entry, index) => expand(entry, environment, `${place}[${index}]`))
  if (!isMap(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, expand(member, environment, `${place}.${key}`)]),
  )
}

function expandText(text: string, environment: Environment, place: string): string {
  return text.replace(reference, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    if (name === undefined) {
      throw new ConfigError(
        `${place}: \${input:…} asks the user of an editor, and there is none here; write \${NAME} and set that variable`,
      )
    }
    const value = environment[name]
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value !== undefined) return value
    throw new ConfigError(
      `${place}: the environment variable ${name} is not set; set it or write \${${name}:-default}`,
    )
  })
}
