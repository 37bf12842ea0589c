/** Who called, as log lines, figures and events show it. */
import { printable } from './printable.ts'

/**
 * A principal as a text. Eight digits of a token's digest tell callers apart and are of no use to anybody else; the
 * principal itself keeps all of them.
 */
export function callerOf(principalId: string): string {
  return principalId.replace(/^((?:token|admin):[\da-f]{8})[\da-f]{56}$/, '$1')
}

const nameCharsMax = 64
const versionCharsMax = 32

let lastName: unknown
let lastVersion: unknown
let lastClient: string | undefined

/** What a client calls itself, as `name/version`; undefined when it does not say. The last one is remembered. */
export function clientOf(name: unknown, version: unknown): string | undefined {
  if (name === lastName && version === lastVersion) return lastClient
  const named = typeof name === 'string' && name !== '' ? shownText(name, nameCharsMax) : undefined
  const versioned =
    named !== undefined && typeof version === 'string' && version !== ''
      ? `${named}/${shownText(version, versionCharsMax)}`
      : named
  lastName = name
  lastVersion = version
  lastClient = versioned
  return versioned
}

const plain = /^[\w./:@+-]*$/

/**
 * The beginning of a text that somebody else has chosen, on one line and without anything that moves a cursor: also
 * for those who print a field of a JSON line (`jq -r .tool`).
 */
export function shownText(text: string, charsMax: number): string {
  const start = text.slice(0, charsMax)
  return plain.test(start) ? start : printable(start).replaceAll(/[\t\n]/g, ' ')
}
