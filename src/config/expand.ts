/**
 * `${NAME}` and `${NAME:-default}` inside the values of a file.
 *
 * As in a shell: the default also stands in for an empty variable, and `$${NAME}` is the text
 * `${NAME}`. Anything else with a dollar sign is left alone. What a variable holds is not looked at
 * again, so a value cannot reach for other variables, nor for files: `${file:PATH}` in one is escaped.
 *
 * Editors write `${env:NAME}` for the same, and `${input:NAME}` for what they ask their user; a server
 * that got the latter as it stands would fail with a reason that nobody understands.
 */
import { escaped } from '../registry/secrets/references.ts'
import { userEscaped } from '../registry/secrets/user-values.ts'
import { isMap } from './file/file.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A reference that cannot be replaced. */
export interface Gap {
  /** Where it stands: `compozy.yaml: mcps[0].url`. */
  readonly place: string
  /** The variable that is not set; null for what an editor would ask its user. */
  readonly variable: string | null
  /** Why a reference to a secret elsewhere cannot be replaced; `variable` is then its beginning. */
  readonly why?: string
}

const reference = /\$?\$\{(?:input:[^}]*|(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}/g

/** A copy of `value` with every text expanded. What cannot be replaced stays as it is written and is added to `gaps`. */
export function expand(value: unknown, environment: Environment, place: string, gaps: Gap[]): unknown {
  if (typeof value === 'string') return expandText(value, environment, place, gaps)
  if (Array.isArray(value))
    return value.map((entry, index) => expand(entry, environment, `${place}[${index}]`, gaps))
  if (!isMap(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, expand(member, environment, `${place}.${key}`, gaps)]),
  )
}

function expandText(text: string, environment: Environment, place: string, gaps: Gap[]): string {
  return text.replace(reference, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    const value = name === undefined ? undefined : environment[name]
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : inert(value)
    if (value !== undefined) return inert(value)
    gaps.push({ place, variable: name ?? null })
    return whole
  })
}

/** What a variable holds, as the text that it is. */
function inert(value: string): string {
  return userEscaped(escaped(value))
}

/** What a person can do about it. */
export function gapLine({ place, variable, why }: Gap): string {
  if (why !== undefined) return `${place} ${why}`
  return variable === null
    ? `${place}: \${input:…} asks the user of an editor, and there is none here; write \${NAME} and set that variable`
    : `${place}: the environment variable ${variable} is not set; set it or write \${${variable}:-default}`
}
